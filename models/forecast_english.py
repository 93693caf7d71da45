"""Reports of economic forecasts in English: see :mod:`models.reported_forecast`."""

from __future__ import annotations

import re
from typing import Final

from models.forecast_grammar import Grammar

_ROLE: Final = (
    r"analysts?|economists?|strategists?|experts?|researchers?|forecasters?|chief|head|ceo|cfo|president|chairman|boss"
    r"|research|team|investment|senior|global|economics"
)
_LINK: Final = r"of|and|at|the|&|for|from|'|’"
_NAME: Final = r"[#\"“]?[A-Z][\w.&-]*(?:['’]s?)?[\"”]?"
_SOURCE: Final = rf"(?P<source>(?:(?i:{_ROLE}|{_LINK}) ){{0,4}}{_NAME}(?:,? (?:{_NAME}|(?i:{_ROLE}|{_LINK}))){{0,6}}?)"

_OUTLOOK: Final = r"(?:forecasts?|outlooks?|projections?|estimates?|predictions?)"
_VERB: Final = (
    r"(?:now |also |still |has |have |just |again |no longer |does not |doesn['’]t )?(?:"
    # Not "expected to": who is expected to slow the economy is to blame for it.
    r"(?:(?:forecast|predict|expect|anticipat|estimat)(?:s|es|e|ed|ing)?|project(?:s|ed|ing))(?! to\b)|fore(?:sees?|saw)"
    r"|sees?|saw"
    r"|warn(?:s|ed|ing)?(?: of| about| against| that)?|says?|said"
    r"|(?:cuts?|lower(?:s|ed)?|raise[sd]?|trim(?:s|med)?|downgrade[sd]?|slash(?:es|ed)?|upgrade[sd]?|publish(?:es|ed)"
    rf"|release[sd]?) (?:its |their |a |an |new |latest ){{0,2}}(?:\d{{4}} )?{_OUTLOOK} (?:for|of|on)"
    r")"
)

_MOVEMENT: Final = (
    r"(?:fall|drop|declin|ris|rally|rallies|grow|slow|weak|strength|strong|slump|crash|collaps|plung|shock|recover"
    r"|contract|shrink|slid|slip|turbul|volatil|turmoil|swing|mov|correct|rebound|downturn|slowdown|crisis|stress|spike"
    r"|surg|soar|depreciat|appreciat|devalu|risk|chance|odds|probabilit|possib|level|pace|wave|round|period|return|start"
    r"|end|hike|cut|pressur|tighten|eas|pick|acceler|cool|sink|outlook|bumps|hard|soft|landing|threat|headwind|uncertain"
    r"|increas|decreas|higher|lower|peak|bottom)\w*"
)
_DEGREE: Final = (
    r"new|another|further|more|less|much|deep\w*|mild\w*|shallow|sharp\w*|severe\w*|short|long\w*|big\w*|small\w*|modest\w*"
    r"|slight\w*|gradual\w*|sustained|prolonged|next|coming|first|second|third|fourth|last|late|early|mid|double|negative"
    r"|positive|flat|zero|record|likely|unlikely|imminent|looming|possible|potential|technical|financial|economic|annual"
    r"|real|core|headline|consumer|price|prices"
)
_PLACE: Final = (
    r"(?:u\.?s\.?a?|uk|u\.k|eu|america|american|britain|british|english|europe|european|eurozone|german|germany|france"
    r"|french|italy|italian|spain|spanish|russia|russian|china|chinese|japan|japanese|india|indian|brazil|turkey|turkish"
    r"|canada|canadian|australia|australian|mexico|asia|asian|africa|african|world|global|emerging|latin|january|february"
    r"|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|q[1-4]|h[12])(?:['’]s)?"
)
_SMALL: Final = (
    r"a|an|the|that|this|of|for|in|on|to|by|at|as|from|into|through|until|and|or|but|with|no|not|will|would|could|may"
    r"|might|can|should|be|is|are|was|has|have|it|its|there|than|over|under|about|around|above|below|before|after|during"
    r"|within|between|year|years|yr|month|months|quarter|quarters|half|time|today|tomorrow|soon|again|still|now|end"
    r"|autumn|fall|spring|summer|winter|percent|pct|per|cent|points?|bps|\d[\d.,%-]*"
)
_PLAIN: Final = rf"(?:{_MOVEMENT}|{_DEGREE}|{_PLACE}|{_SMALL})"
_APART: Final = r"(?:,? [\"“‘'(]?|[\"”)],? |-|,? [-–—] |: )"

# The economy's own words; a cabin is an economy too.
_AT_LARGE: Final = (
    r"recession(?:s|ary)?|inflation|stagflation|deflation|disinflation|gdp|unemployment|economies"
    rf"|(?:the|{_PLACE}|domestic|national) economy(?! class| seat| cabin| plus| comfort| section| ticket| passenger| fare)"
    r"|economic (?:growth|slowdown|crisis|shocks?|recovery|collapse|contraction|outlook|conditions|activity|downturn)"
    r"|(?:global|world) (?:growth|trade)|trade war"
)
# What is the economy's where somebody forecasts it; else it may be a price, a stock or a spill of the company's own.
_MARKETS: Final = (
    r"(?:currency|money|bond|stock|equity|oil|labou?r|job|emerging|commodity|financial|foreign exchange|forex|global) markets?"
    r"|interest[ -]rates?|rate (?:hikes?|cuts?|rises?)|(?:bond|treasury) yields?|exchange rates?|currenc(?:y|ies) (?:crisis|wars?)"
    r"|oil (?:prices?|demand|supply)|(?:commodity|gold|crude) prices?|crude oil prices?"
    rf"|(?:{_PLACE}|emerging[ -]market) (?:stocks|equities|bonds|currency|currencies)"
)
_MONEY: Final = r"(?:dollar|roubles?|rubles?|pound|sterling|euro|yen|yuan|renminbi|peso|rupee|lira|krona|franc|oil|crude|brent)"
_MOVES: Final = (
    r"(?:fall|drop|declin|ris|rall|slow|weak|strength|slump|crash|collaps|plung|recover|slid|slip|rebound|surg|soar|gain|rout"
    r"|depreciat|appreciat|devalu|volatil|turmoil|tumbl)\w*"
)
_ECONOMY: Final = (
    rf"(?:{_AT_LARGE}|{_MARKETS}|{_MOVES} (?:(?:in|of|for|on|the|us|u\.s\.|canadian|australian) ){{0,3}}{_MONEY}"
    rf"|{_MONEY} (?:(?:to|will|could|may|might|would) )?(?:{_MOVES}|(?:at|to|near|above|below)(?= \D?\d)))(?!\w)"
)

_PUBLISHER: Final = r"(?P<where>(?:[^:|]{0,24}(?:news|times|post|journal|\.(?:com|net|org|co|uk))\w*\s?[:|]\s)?)"
_BEFORE: Final = rf"(?i:{_PUBLISHER}(?:breaking:? |update:? |just in:? |#\w+ ){{0,3}})"

_OWN_AFFAIRS_AND_CUSTOMERS: Final = (
    r"profit|revenue|earning|loss|sales|shares?\b|shareholder|stock price|dividend|layoff|lay off|job cut|job loss|cut jobs"
    r"|loan|mortgage|deposit|fees?\b|fares?\b|bills?\b|premiums?\b|customer|client|consumer loan|subscriber|passenger|account"
    r"|cards?\b|atms?\b|apps?\b|outage|branch|staff|employee|worker|sanction|lawsuit|su(?:e|ed|es|ing)\b|court|fine[sd]?\b"
    r"|rating|bankrupt|insolven|debt|default|fraud|scam|hack|breach|leak|guidance|margins?\b|delay|cancel|target price"
    r"|price target|results|costs?\b|price (?:hike|increase|rise)s?|(?:raise|raising|hike|hiking|higher) prices|refund"
    r"|service|flight|product|device|recall|bailout|bail out|crash (?:landing|site)|spill|strike|closure|clos(?:e|es|ing)\b"
    r"|layoffs|pay\b|wage|salar|bonus"
)
_BLAME_AND_INSULT: Final = (
    r"blam|fault|caus|responsible|because|thanks to|due to|hurt|hits?\b|hitting|damag|wreck|destroy|ruin|tank(?:s|ed|ing)\b"
    r"|crashed|trigger|sparked|fuel(?:s|ed|ing)|drag|weigh|dent|wrong|fail|mistak|never|clueless|idiot|moron|stupid|dumb"
    r"|clown|joke|liar|lie[sd]?\b|lying|crook|thie[fv]|steal|stole|greed|corrupt|criminal|evil|shame|disgrac|disgust|pathetic"
    r"|incompetent|ridiculous|bullsh|sh[i1]t|f+u+c+k|fck|wtf|omg|lol|lmao|damn|hell\b|ass\b|crap|suck|hate|worst|awful|terrible"
    r"|horrible|rip off|rip-off|boycott|propagand|manipulat|hypocri|panic|scar(?:e|y|ing)|fear"
)
_PERSONS: Final = (
    r"i|i['’]?m|i['’]ve|me|my|mine|myself|we|we['’]re|our|ours|you|your|you['’]re|ur|u|yours|guys|dear|please|pls|plz"
    r"|thanks|thank"
)
_MARKS: Final = r"\?|:['’]?\(|!!|[\U0001f600-\U0001f64f]"


_STATED: Final = rf"(?=[^.!]*(?i:\b(?:{_AT_LARGE})(?!\w)))"

ENGLISH: Final = Grammar(
    likely=(
        "econom", "recession", "flation", "gdp", "downturn", "dollar", "rouble", "ruble", "currenc", "pound", "sterling",
        "euro", "yen", "yuan", "renminbi", "peso", "rupee", "lira", "oil", "crude", "market", "stocks", "equities", "rate",
        "yield", "treasur", "growth", "unemploy", "trade war", " prices",
    ),
    sentences=tuple(
        re.compile(form)
        for form in (
            # Who forecasts what.
            rf"{_BEFORE}{_SOURCE},? (?P<said>(?i:{_VERB}(?:{_APART}{_PLAIN}){{0,8}}{_APART}{_ECONOMY}))",
            # Who: the economy does this or that.
            rf"{_BEFORE}{_SOURCE}(?i: on (?:{_PLAIN} ){{0,3}}{_ECONOMY})?: {_STATED}",
            # The economy does this or that, says who.
            rf"{_STATED}[^.!]*?,? (?:[-–—]+|(?i:according to|say|says|said)) {_SOURCE}(?i: say| says)?\W*$",
        )
    ),
    # "us" is we, "US" is a country.
    veto=re.compile(rf"\b(?:(?i:{_OWN_AFFAIRS_AND_CUSTOMERS}|{_BLAME_AND_INSULT}|(?:{_PERSONS})\b)|us\b)|{_MARKS}"),
    nobody=re.compile(
        rf"{_ROLE}|{_LINK}|{_SMALL}|{_PLACE}|everyone|everybody|nobody|he|she|they|who|what|why|if|when|just|some|most|one|these"
        rf"|those|people|many|all|so|yes|well|my|his|her|their"
    ),
    plain=re.compile(_PLAIN),
    places=re.compile(
        rf"{_PLAIN}|{_AT_LARGE}|{_MONEY}|{_ROLE}|{_OUTLOOK}|econom(?:y|ic)|interest|rates?|currency|currencies|stocks?|bonds?"
        r"|oil|crude|markets?|labou?r|yields?|treasur(?:y|ies)|fed|federal|reserve|ecb|opec|brent|wti|trade|wars?|cpi"
    ),
)
