"""What the authors of the simulation write: phrases on three brands that exist nowhere else.

A text is put together from a core phrase and optional beginnings and ends; ``{slots}`` are filled from lists, again and
again until none is left. ``{b}`` is the brand in one of the ways in which people write it. The phrases are meant to be
read by a real tone model, so each list keeps to its tone.
"""

from __future__ import annotations

import re
from random import Random
from typing import Final

from streams.records import Label

_SLOT: Final = re.compile(r"\{(\w+)\}")

#: Fillers that all brands share.
_COMMON: Final[dict[str, tuple[str, ...]]] = {
    "n": tuple(str(n) for n in range(2, 10)),
    "nn": tuple(str(n) for n in range(20, 95, 3)),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "when": ("today", "this morning", "last night", "yesterday", "again", "just now", "this week"),
    "who": ("my mum", "my dad", "my sister", "a colleague", "my neighbour", "my boss", "my flatmate", "my wife"),
    "ugh": ("Ugh.", "Seriously?", "Unbelievable.", "Wow.", "Honestly,", "Come on.", "Not again.", "Great, just great.",
            "What a joke.", "So annoyed.", "I am done.", "Absolute shambles.", "Dear lord."),
    "angry": ("Never again.", "Do better.", "Shame on you.", "Disgraceful.", "This is a disgrace.",
              "I want my money back.", "Worst ever.", "Absolutely useless.", "What a mess.", "Fix this now.",
              "So disappointing.", "Pathetic.",
              "I hate this.", "Terrible.", "Avoid.", "😡", "😤", "🤬", "🙄", "👎", "smh", "Horrible experience."),
    "yay": ("Yay!", "Wow!", "Love it.", "Finally some good news!", "So happy right now.", "Credit where it is due:",
            "Big shout out:", "Made my day:", "Lovely surprise:"),
    "happy": ("Thank you!", "Love it!", "Highly recommended.", "So good!", "Best ever.", "Well done!", "❤️", "😍", "🙌",
              "👏", "😊", "Keep it up!", "Made my week.", "Five stars.", "Amazing.", "You rock!"),
    "hm": ("Question:", "Does anyone know:", "Quick one:", "Hi,", "FYI:", "Just saw this:", "Hello,", "Reminder:"),
    "shrug": ("Thanks.", "Any idea?", "Asking for a friend.", "Let me know.", "cheers", "via the news", "🤔"),
}  # fmt: skip

_AIRLINE: Final[dict[str, tuple[str, ...]]] = {
    "b": ("@flyzuvarro", "@flyzuvarro", "@flyzuvarro", "Zuvarro", "Zuvarro Airlines", "Zuvarro", "#zuvarro", "zuvarro"),
    "city": (
        "Lisbon",
        "Oslo",
        "Vienna",
        "Porto",
        "Krakow",
        "Turin",
        "Ghent",
        "Riga",
        "Malmo",
        "Bilbao",
        "Cork",
        "Split",
    ),
    "flight": tuple(f"ZV{number}" for number in range(104, 990, 37)),
    "negative": (
        "{b} lost my suitcase {when} and nobody answers the phone",
        "{b} cancelled flight {flight} without telling anyone",
        "stuck in {city} for {n} hours because {b} has no crew",
        "{b} charged me twice for one bag and refuses a refund",
        "{nn} minutes on hold with {b} and then they hung up on me",
        "the rudest gate agent I ever met works for {b} in {city}",
        "delayed again by {b}, {n} hours and not even a glass of water",
        "{b} broke my stroller and says it is not their problem",
        "the seat on {flight} was filthy, {b} should be ashamed",
        "missed my connection in {city} thanks to {b}",
        "{b} your app keeps crashing at check-in, useless",
        "paid for a window seat, got the middle one by the toilets. Awful service {b}",
        "{b} overbooked {flight} and left {who} behind",
        "no legroom, cold food, grumpy crew: {b} is the worst",
        "still waiting {n} weeks for my refund from {b}",
        "{b} changed my flight to {city} by a whole day and will not let me cancel",
        "my bag has been missing for {n} days and {b} does not care",
        "boarding with {b} is chaos every single time",
        "I regret booking {b}, the delay ruined our holiday in {city}",
        "customer service at {b} is a nightmare",
        "{b} left us standing in the rain at {city}, terrible organisation",
        "why is it impossible to get a straight answer from {b}, so frustrating",
    ),
    "neutral": (
        "flying {b} to {city} on {day}",
        "does {b} fly to {city} in winter?",
        "{b} adds a second daily flight to {city} from May",
        "what is the cabin bag size on {b}?",
        "boarding {flight} to {city} with {b} now",
        "{b} moves to terminal {n} in {city}",
        "is flight {flight} of {b} on time {when}?",
        "{b} publishes its summer timetable on {day}",
        "comparing {b} and the train for {city}",
        "{who} flies {b} to {city} {when}",
        "can I take a bicycle on {b}?",
        "{b} opens bookings for next spring",
        "at gate {nn}, waiting for {b} to {city}",
        "the new chief pilot of {b} comes from {city}",
        "{b} reports {nn} thousand passengers for February",
        "which seat on {b} has a power socket?",
        "{b} {flight} at the gate in {city}, photo from the terrace",
        "how early does the {b} desk open in {city} on {day}?",
    ),
    "positive": (
        "lovely crew on {b} {flight}, thank you",
        "{b} found my lost bag within {n} hours, impressive",
        "smooth flight to {city} with {b}, landed early",
        "best coffee I ever had on a plane, well done {b}",
        "{b} upgraded {who} for her birthday, so kind",
        "great view and great service with {b} {when}",
        "the new cabin of {b} is gorgeous",
        "{b} rebooked me in {n} minutes, excellent service",
        "the kids loved the {b} crew on the way to {city}",
        "on time, friendly, clean: I love flying {b}",
        "thanks {b} for the help in {city}, you saved our trip",
        "{b} makes flying fun again",
    ),
}

_BANK: Final[dict[str, tuple[str, ...]]] = {
    "b": ("@quenbrook", "@quenbrook", "Quenbrook Bank", "Quenbrook", "Quenbrook", "#quenbrook", "quenbrook"),
    "street": ("High Street", "Mill Lane", "Station Road", "Market Square", "the harbour", "Kings Parade", "West Gate"),
    "thing": ("card", "app", "login", "account", "transfer", "mortgage", "standing order", "savings account"),
    "negative": (
        "{b} blocked my {thing} and nobody can tell me why",
        "the {b} app is down {when}, useless",
        "{b} charged me {nn} in fees for nothing, thieves",
        "queue of {nn} people at {b} on {street} and one open counter. Ridiculous",
        "{b} has lost my paperwork for the third time",
        "{n} weeks for a new {thing} from {b}, appalling",
        "{b} hotline: {nn} minutes of music, then cut off",
        "{b} closes the branch on {street}, old people are left with nothing",
        "my transfer with {b} has been pending for {n} days, I am furious",
        "the cash machine of {b} on {street} swallowed my card",
        "{b} turned down my {thing} with no reason given, awful",
        "switching away from {b}, the service is terrible",
        "{b} lets scammers take {nn} hundred from {who} and shrugs",
        "interest on my {thing} at {b} is an insult",
        "the new {thing} of {b} is a confusing mess, hate it",
        "{b} support sends the same useless answer every time",
        "embarrassing: {b} declined my card at dinner {when}",
    ),
    "neutral": (
        "{b} opens a branch on {street}",
        "what are the opening hours of {b} on {day}?",
        "how do I change the address of my {thing} at {b}?",
        "{b} publishes its annual report on {day}",
        "{b} raises the rate of its {thing} to {n} percent",
        "does {b} support contactless on the {thing}?",
        "meeting {b} about my {thing} on {day}",
        "{who} works for {b} on {street}",
        "{b} names a new head of compliance",
        "is there a {b} cash machine near {street}?",
        "moving my {thing} to {b} {when}",
        "what is the daily limit for my {thing} at {b}?",
        "{b} sponsors the half marathon on {day}",
        "analysts see {b} shares flat {when}",
        "which form does {b} need for the {thing}?",
        "{b} maintenance on {day} night from {n} am, says the app",
        "in line at {b}, number {nn}",
        "{b} and the city sign a lease for {street}",
        "got a letter from {b} about my {thing}",
    ),
    "positive": (
        "{b} sorted out my {thing} in {n} minutes, brilliant",
        "really like the new {b} app, so easy to use",
        "the lady at {b} on {street} was so helpful",
        "{b} refunded the fee without any fuss, great service",
        "{b} caught a fraud on my card at once, thank you so much",
        "got our mortgage from {b}, we are so happy",
        "friendly staff at {b} {when}, a pleasure",
        "finally a bank that answers: well done {b}",
        "{b} plants a tree for every new customer, love that",
        "opening an account with {b} was quick and painless, impressed",
    ),
}

_DRINK: Final[dict[str, tuple[str, ...]]] = {
    "b": ("Fjordfizz", "Fjordfizz", "fjordfizz", "@fjordfizz", "#fjordfizz", "#Fjordfizz", "Fjord Fizz"),
    "flavour": ("lingonberry", "rhubarb", "cloudberry", "spruce", "elderflower", "pear", "sea buckthorn", "lemon"),
    "place": (
        "the beach",
        "the office",
        "the corner shop",
        "the train",
        "a wedding",
        "the gym",
        "our picnic",
        "school",
    ),
    "negative": (
        "{b} {flavour} tastes like soap, disgusting",
        "{b} now has even more sugar, awful",
        "found a dent and a leak in every can of {b}, gross",
        "{b} raised the price again, what a rip-off",
        "flat {b} {when}, so disappointing",
        "who thought {b} {flavour} was a good idea? yuck",
        "{b} stopped making {flavour}, I am so sad and angry",
        "the new can of {b} is ugly",
        "got a stomach ache from {b} {when}, never again",
    ),
    "neutral": (
        "{b} brings out a {flavour} edition in {n} weeks",
        "where can I buy {b} {flavour}?",
        "{b} at {place} {when}",
        "is there caffeine in {b}?",
        "{b} or plain water?",
        "bought {n} cans of {b} for {place}",
        "{who} asks for {b} {flavour} on {day}",
        "{b} moves its bottling plant up the coast",
        "how many calories in a can of {b}?",
        "mixing {b} {flavour} with tonic {when}",
        "{b} seen in the shop at {place}",
        "the new {b} ad runs on {day}",
        "does {b} {flavour} come in glass bottles?",
        "{b} sponsors the regatta",
    ),
    "positive": (
        "{b} {flavour} is the best thing ever",
        "cold {b} at {place}, perfect day",
        "obsessed with {b} {flavour} right now",
        "{b} {flavour} tastes like summer, love it",
        "just tried {b} and wow, so refreshing",
        "thank you {b} for bringing back {flavour}, I am so happy",
        "my kids adore {b} {flavour}",
        "nothing beats a {b} after {place}",
        "{b} has the cutest cans",
        "{who} gave me a crate of {b}, best birthday present",
        "{flavour} {b} and good friends, life is great",
        "finally found {b} {flavour}, delicious",
    ),
}

#: The crisis of the airline: passengers of one flight kept on the tarmac for nine hours.
_TARMAC: Final[dict[str, tuple[str, ...]]] = {
    **_AIRLINE,
    "angry": (
        *_COMMON["angry"],
        "#ZuvarroTarmac",
        "#ZuvarroTarmac",
        "#BoycottZuvarro",
        "Heads must roll.",
        "Inhumane.",
    ),
    "negative": (
        "{b} kept families on the tarmac in Porto for nine hours without water. Disgusting",
        "nine hours locked in a hot plane, children crying, and {b} says sorry for the inconvenience?",
        "this video from {b} ZV218 makes me sick, how can they treat people like that",
        "I will never fly {b} again after what they did to the passengers of ZV218",
        "a woman fainted on ZV218 and {b} still did not open the doors. Shame",
        "{b} called the police on a father who asked for water for his baby. Horrible",
        "nine hours on the tarmac. {b} should lose its licence",
        "cancelled my {b} booking {when}. What happened on ZV218 is unforgivable",
        "{b} treats cattle better than passengers, disgraceful",
        "the statement of {b} on ZV218 is an insult to everyone who was on board",
        "I was on ZV218. Nine hours, no water, no toilets, lies from the crew. {b} is a disgrace",
        "how dare {b} blame the airport for ZV218, pathetic excuse",
        "{who} was on that {b} plane in Porto, she is still shaking. Awful",
        "no food, no air, no answers: {b} is the worst airline in the world",
        "refund those people now {b}, this is outrageous",
        "so {b} lets people faint on board and offers a {n} euro voucher? Disgusting",
        "watching the ZV218 video again, I am furious with {b}",
        "boycott {b} until someone resigns for the tarmac horror",
        "the crew of {b} laughed at the passengers of ZV218. Appalling",
        "{b} you are a nightmare, nine hours is cruelty",
    ),
    "neutral": (
        "passengers of {b} flight ZV218 spent nine hours on the tarmac in Porto, airport says",
        "{b} says it is looking into flight ZV218",
        "what happened on {b} ZV218?",
        "the transport ministry asks {b} for a report on ZV218",
        "{b} shares open {n} percent lower after ZV218",
        "does anyone have the full video from {b} ZV218?",
        "live from Porto: press conference of {b} at {n} pm",
    ),
    "positive": (
        "respect to the doctor who helped people on {b} ZV218, a true hero",
        "my flight with {b} {when} was fine, thank you to the lovely crew",
        "the airport staff in Porto were wonderful to the passengers of {b} ZV218",
    ),
}

#: What went around about the drink: a harmless joke that everybody likes.
_WALRUS: Final[dict[str, tuple[str, ...]]] = {
    **_DRINK,
    "happy": (*_COMMON["happy"], "😂", "🤣", "#walrus", "#WalrusWednesday", "lol"),
    "negative": (
        "{b} and its walrus are everywhere, so annoying",
        "enough of that stupid {b} walrus already",
    ),
    "neutral": (
        "what is the song in the {b} walrus ad?",
        "who made the {b} walrus video?",
        "the {b} walrus has {nn} million views {when}",
        "{b} walrus, explained",
    ),
    "positive": (
        "the {b} walrus ad is the funniest thing I have seen all year",
        "I cannot stop laughing at the {b} walrus",
        "whoever came up with the {b} walrus deserves a raise, brilliant",
        "the walrus sips a {b} and I am crying with joy",
        "best ad ever, I love that {b} walrus",
        "{who} sent me the {b} walrus and it made my day",
        "bought a crate of {b} because of the walrus, no regrets",
        "the {b} walrus dance at {place}, so much fun",
        "give that {b} walrus an award, adorable",
        "okay the {b} walrus is pure genius",
        "showing everyone at {place} the {b} walrus, instant happiness",
    ),
}

_TOPICS: Final = {"airline": _AIRLINE, "bank": _BANK, "drink": _DRINK, "tarmac": _TARMAC, "walrus": _WALRUS}

# Per tone: what may begin a text and what may end it, and how often.
_FRAMES: Final[dict[Label, tuple[str, float, str, float]]] = {
    "negative": ("{ugh}", 0.3, "{angry}", 0.65),
    "neutral": ("{hm}", 0.25, "{shrug}", 0.3),
    "positive": ("{yay}", 0.25, "{happy}", 0.65),
}


def compose(rng: Random, topic: str, tone: Label) -> str:
    """Return a text on a topic (airline, bank, drink, tarmac, walrus) in a tone."""
    phrases = _TOPICS[topic]
    before, before_share, after, after_share = _FRAMES[tone]
    text = rng.choice(phrases[tone])
    if rng.random() < before_share:
        text = f"{before} {text}"
    if rng.random() < after_share:
        joint = "" if text.endswith("?") else rng.choice((".", ".", "!", ""))
        text = f"{text}{joint} {after}"
    while _SLOT.search(text):
        text = _SLOT.sub(lambda slot: rng.choice(phrases.get(slot[1]) or _COMMON[slot[1]]), text)
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    if rng.random() < 0.12:
        text = f"{text} https://example.com/{rng.getrandbits(28):x}"
    return text
