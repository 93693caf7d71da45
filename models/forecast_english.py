"""Reports of economic forecasts in English: see :mod:`models.reported_forecast`."""

from __future__ import annotations

from typing import Final

from models.forecast_grammar import Grammar, one_of

_ROLE: Final = one_of(
    """analysts? economists? strategists? experts? researchers? forecasters? chief head ceo cfo president chairman
    boss research team investment senior global economics"""
)
_LINK: Final = one_of("of and at the & for from in ' ’")
_NAME: Final = r"[#\"“]?[A-Z][\w.&-]*(?:['’]s?)?[\"”]?"
_SOURCE: Final = rf"(?P<source>(?:(?i:{_ROLE}|{_LINK}) ){{0,4}}{_NAME}(?:,? (?:{_NAME}|(?i:{_ROLE}|{_LINK}))){{0,6}}?)"

_OUTLOOK: Final = one_of("forecasts? outlooks? projections? estimates? predictions?")
_ALREADY: Final = one_of("now also still has have just again no_longer does_not doesn['’]t")
_FORESEES: Final = one_of(
    r"""forecast(?:s|ed|ing)? predict(?:s|ed|ing)? expect(?:s|ed|ing)? project(?:s|ed|ing) anticipat(?:es?|ed|ing)
    estimat(?:es?|ed|ing) fore(?:sees?|saw) sees? saw says? said warn(?:s|ed|ing)?(?:_(?:of|about|against|that))?"""
)
_REVISES: Final = one_of(
    """cuts? lower(?:s|ed)? raise[sd]? trim(?:s|med)? downgrade[sd]? slash(?:es|ed)? upgrade[sd]? publish(?:es|ed)
    release[sd]?"""
)
# Not "expected to": who is expected to slow the economy is to blame for it.
_VERB: Final = (
    rf"(?:{_ALREADY} )?(?:{_FORESEES}(?! to\b)"
    rf"|{_REVISES} (?:(?:its|their|a|an|new|latest|\d{{4}}) ){{0,3}}{_OUTLOOK} (?:for|of|on))"
)

_MOVEMENT: Final = (
    one_of(
        """fall drop declin ris rally rallies grow slow weak strength strong slump crash collaps plung shock
        recover contract shrink slid slip turbul volatil turmoil swing mov correct rebound downturn slowdown
        crisis stress spike surg soar depreciat appreciat devalu risk chance odds probabilit possib level pace
        wave round period return start end hike cut pressur tighten eas pick acceler cool sink outlook bumps hard
        soft landing threat headwind uncertain increas decreas higher lower peak bottom"""
    )
    + r"\w*"
)
_DEGREE: Final = one_of(
    r"""new another further more less much deep\w* mild\w* shallow sharp\w* severe\w* short long\w* big\w*
    small\w* modest\w* slight\w* gradual\w* sustained prolonged next coming first second third fourth last late
    early mid double negative positive flat zero record likely unlikely imminent looming possible potential
    technical financial economic annual real core headline consumer prices?"""
)
_PLACE: Final = (
    one_of(
        r"""u\.?s\.?a? uk u\.k eu america american britain british english europe european eurozone german germany
        france french italy italian spain spanish russia russian china chinese japan japanese india indian brazil
        turkey turkish canada canadian australia australian mexico asia asian africa african world global emerging
        latin january february march april may june july august september october november december jan feb mar
        apr jun jul aug sept? oct nov dec q[1-4] h[12]"""
    )
    + "(?:['’]s)?"
)
_SMALL: Final = one_of(
    r"""a an the that this of for in on to by at as from into through until and or but with no not will would
    could may might can should be is are was has have it its there than over under about around above below
    against before after during within between years? yr months? quarters? half time today tomorrow soon again
    still now autumn spring summer winter percent pct per cent points? bps \d[\d.,%-]*"""
)
# Atomic: a word that ends is not read another way.
_PLAIN: Final = rf"(?>(?:{_MOVEMENT}|{_DEGREE}|{_PLACE}|{_SMALL})(?!\w))"
_WITHIN: Final = r"(?:,? [\"“‘'(]?|[\"”)],? |-)"
_APART: Final = rf"(?:{_WITHIN}|,? [-–—] |: )"

# The economy's own words; but an aeroplane has an economy too.
_AT_LARGE: Final = one_of(
    rf"""recession(?:s|ary)? inflation stagflation deflation disinflation gdp unemployment economies
    (?:the|{_PLACE}|domestic|national)_economy(?!_(?:class|seat|cabin|plus|comfort|section|ticket|passenger|fare))
    economic_(?:growth|slowdown|crisis|shocks?|recovery|collapse|contraction|outlook|conditions|activity|downturn)
    (?:global|world)_(?:growth|trade) trade_war"""
)
# The economy's where somebody forecasts it; else it may be a rate or a market of the company's own.
_MARKETS: Final = one_of(
    rf"""(?:currency|money|bond|stock|equity|oil|labou?r|job|emerging|commodity|financial|forex|global)_markets?
    interest[_-]rates? rate_(?:hikes?|cuts?|rises?) (?:bond|treasury)_yields? exchange_rates?
    currenc(?:y|ies)_(?:crisis|wars?) oil_(?:prices?|demand|supply) (?:commodity|gold|crude|crude_oil)_prices?
    (?:{_PLACE}|emerging[_-]market)_(?:stocks|equities|bonds|currency|currencies)"""
)
# Only where their price moves: there are dollar menus, and oil is also spilt.
_MONEY: Final = one_of("dollar roubles? rubles? pound sterling euro yen yuan renminbi peso rupee lira oil crude brent")
_MOVES: Final = (
    one_of(
        """fall drop declin ris rall slow weak strength slump crash collaps plung recover slid slip rebound surg
        soar gain rout depreciat appreciat devalu volatil turmoil tumbl"""
    )
    + r"\w*"
)
_ECONOMY: Final = (
    rf"(?:{_AT_LARGE}|{_MARKETS}|{_MOVES} (?:(?:in|of|for|on|the|us|u\.s\.|canadian|australian) ){{0,3}}{_MONEY}"
    rf"|{_MONEY} (?:(?:to|will|could|may|might|would) )?(?:{_MOVES}|(?:at|to|near|above|below)(?= \D?\d)))(?!\w)"
)

# How a report goes on: with words of the same kinds, or after a stop with more of the economy; comments are others.
_OF_IT: Final = rf"(?:{_PLAIN}|{_ECONOMY}|{_MONEY}\b)"
_TAGS: Final = r"(?:[^\w#]*+#\w++)*+\W*$"
_REST: Final = (
    rf"(?i:(?:{_WITHIN}{_OF_IT})*+(?:{_TAGS}|\s*(?:[.:/|]|[-–—] )(?:(?=.*\b{_ECONOMY})|(?:\W*+{_PLAIN})*+{_TAGS})))"
)

_PUBLISHER: Final = r"(?P<where>[^:|]{0,24}(?:news|times|post|journal|\.(?:com|net|org|co|uk))\w*\s?[:|]\s)?"
_BEFORE: Final = rf"(?i:{_PUBLISHER}(?:breaking:? |update:? |just in:? |#\w+ ){{0,3}})"
# Of the economy, and of what is to come: "Acme: inflation on every shelf" is no forecast.
_TO_COME: Final = rf"(?:will|could|may|might|would|likely|unlikely|set to|to {_MOVES})"
_STATEMENT: Final = rf"(?=[^.!:]*(?i:\b{_TO_COME}\b))(?i:(?:{_PLAIN}{_APART}){{0,8}}{_AT_LARGE}(?!\w))"

_OWN_AFFAIRS_AND_CUSTOMERS: Final = one_of(
    r"""profit revenue earning loss sales shares?\b shareholder stock_price dividend layoff lay_off job_cut
    job_loss cut_jobs loan mortgage deposit fees?\b fares?\b bills?\b premiums?\b customer client subscriber
    passenger account cards?\b atms?\b apps?\b outage branch staff employee worker sanction lawsuit
    su(?:e|ed|es|ing)\b court fine[sd]?\b rating bankrupt insolven debt default fraud scam hack breach leak
    guidance margins?\b delay cancel target_price price_target results costs?\b
    (?<!oil_)(?<!crude_)(?<!gold_)(?<!commodity_)prices?\b refund service flight product device recall bailout
    bail_out crash_(?:landing|site) spill strike closure clos(?:e|es|ed|ing)\b pay\b wage salar bonus"""
)
_BLAME_AND_INSULT: Final = one_of(
    r"""blam fault caus responsible because thanks_to due_to hurt hits?\b hitting damag wreck destroy ruin
    tank(?:s|ed|ing)\b crashed trigger sparked fuel(?:s|ed|ing) drag weigh dent wrong fail mistak never clueless
    idiot moron stupid dumb clown joke liar lie[sd]?\b lying crook thie[fv] steal stole greed corrupt criminal
    evil shame disgrac disgust pathetic incompetent ridiculous bullsh sh[i1]t f+u+c+k fck wtf omg lol lmao damn
    hell\b ass\b crap suck hate worst awful terrible horrible while meanwhile rip_off rip-off boycott propagand
    manipulat hypocri panic scar(?:e|y|ing) fear"""
)
_PERSONS: Final = one_of(
    """i i['’]?m i['’]ve me my mine myself we we['’]re our ours you your you['’]re ur u yours guys dear please pls
    plz thanks thank"""
)
_MARKS: Final = r"\?|:['’]?\(|!!|[\U0001f600-\U0001f64f]"

ENGLISH: Final = Grammar(
    likely="""econom recession flation gdp dollar rouble ruble pound sterling euro yen yuan renminbi peso rupee
    lira oil crude brent market stocks equities bonds currenc rate yield growth unemploy trade price""",
    sentences=(
        # Who forecasts what.
        rf"{_BEFORE}{_SOURCE},? (?P<said>(?i:{_VERB}(?:{_APART}{_PLAIN}){{0,8}}{_APART}{_ECONOMY})){_REST}",
        # Who: the economy does this or that.
        rf"{_BEFORE}{_SOURCE}(?i: on (?:{_PLAIN} ){{0,3}}{_ECONOMY})?: (?P<said>{_STATEMENT}){_REST}",
        # The economy does this or that, says who.
        rf"{_STATEMENT}(?: {_PLAIN})*,? (?i:according to|says?|said) {_SOURCE}{_TAGS}",
    ),
    # "us" is we, "US" is a country.
    veto=rf"\b(?:(?i:{_OWN_AFFAIRS_AND_CUSTOMERS}|{_BLAME_AND_INSULT}|{_PERSONS}\b)|us\b)|{_MARKS}",
    nobody=rf"{_ROLE}|{_LINK}|{_SMALL}|{_PLACE}|"
    + one_of(
        """everyone everybody nobody he she they who what why if when just some most one these those people many
        all so yes well my his her their"""
    ),
    mishap=one_of(
        """crisis crises crash collapse shock slump fall drop scandal chaos disaster meltdown turmoil plunge
        trouble woes threat sell-?off rout affair mess"""
    ),
    plain=_PLAIN,
    places=rf"{_PLAIN}|{_MONEY}|{_ROLE}|{_OUTLOOK}|"
    + one_of(
        """recession(?:s|ary)? inflation stagflation deflation disinflation gdp unemployment econom(?:y|ies|ic)
        growth interest rates? currency currencies stocks? bonds? markets? labou?r yields? treasur(?:y|ies) fed
        federal reserve ecb opec wti trade wars? cpi"""
    ),
)
