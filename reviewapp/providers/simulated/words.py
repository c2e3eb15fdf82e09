"""Words: which topic they belong to, which say little, and which fill the places where nothing fits."""

from __future__ import annotations

from functools import lru_cache


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def _fillers(text: str, *, before: str = "") -> tuple[str, ...]:
    """Different tokens, a prime number of them, so that any stride visits all."""
    tokens = [before + token for token in dict.fromkeys(text.split(" "))]
    while any(len(tokens) % divisor == 0 for divisor in range(2, len(tokens))):
        tokens.pop()
    return tuple(tokens)


FILLERS_IN = _fillers(
    "the a to of and is in for it that this you your we can be with on not as at or from but will our"
    " have an please so if any just also more first still only then here when there some out about now"
    " may should new one time way back other page order account team help day days note once email check"
    " status week details number case today soon sure well again right up down over after before between"
    " under each every both few most such own same than too very usually simply kindly maybe perhaps"
    " instead further quickly always never often really",
    before=" ",
)
FILLERS_START = _fillers(
    "The A I You We It This That If In On To For And But So As At Please Thanks Thank Hello Hi Sure Yes"
    " No Here There Your Our When What How Once First Then Also After Before Just Let Great Good Sorry"
    " Unfortunately Certainly Absolutely Of Well Actually Note One Use Open Go See Check Try Make Take"
    " Ask Dear Okay Right"
)
FILLERS_MARK = _fillers(
    ", . : ; ! ? - — ( ) \" ' / ... 1 2 3 4 5 6 7 8 9 0 10 * ** # ` & % + = [ ] { } @ \n \n\n ’ “ ” … € $"
    " ~ ^ ·"
)

_FILLERS = {"in": FILLERS_IN, "start": FILLERS_START, "mark": FILLERS_MARK}
_SHOWN = 48


@lru_cache(maxsize=4096)
def fillers_from(kind: str, start: int, stride: int) -> tuple[str, ...]:
    """Tokens to fill places with, beginning anywhere in their list and in any stride."""
    fillers = _FILLERS[kind]
    size = len(fillers)
    return tuple(fillers[(start + index * (1 + stride)) % size] for index in range(min(size, _SHOWN)))


_TOPICS = {
    "refund": "refund refunds refunded return returns returned returning money reimburse",
    "delivery": "delivery deliver delivered parcel package shipping ship shipped tracking arrive arrived"
    " courier carrier late dispatch order",
    "login": "login log-in password sign-in signin locked reset two-factor 2fa authenticator",
    "billing": "invoice invoices charged charge billing bill payment paid card debit twice vat receipt",
    "cancel": "cancel cancellation unsubscribe subscription terminate downgrade pause",
    "fault": "error crash crashes crashed bug broken freezes frozen fails failing outage slow sync",
    "warranty": "warranty repair repaired guarantee battery defective screen replacement cracked device",
    "privacy": "gdpr privacy delete personal erase consent data-protection export",
    "pricing": "price prices pricing cost costs plan plans discount upgrade trial tariff quote",
    "leave": "vacation leave holiday parental sick absence overtime hr employee handbook",
    "health": "symptoms headache fever pain dose medicine tablet ibuprofen doctor patient cough rash",
    "travel": "flight trip luggage boarding hotel itinerary airport booking visa sightseeing",
    "email": "email e-mail letter draft reply-to apology newsletter",
    "summary": "summarize summarise summary tl;dr tldr condense key-points recap",
    "recipe": "recipe cook dinner ingredients bake pasta soup lunch",
    "python": "python function script code program algorithm refactor pytest javascript typescript",
    "sql": "sql query select postgres postgresql database join table",
    "ideas": "ideas suggestions brainstorm suggest names tips recommendations",
    "story": "story poem tale fiction haiku joke song",
    "explain": "explain why difference understand meaning concept theory define definition works",
}
TOPIC_BY_WORD = {word: topic for topic, text in _TOPICS.items() for word in text.split()}

CAPITALS: dict[str, tuple[str, ...]] = {
    "france": ("Paris",), "germany": ("Berlin", "Bonn"), "spain": ("Madrid",), "italy": ("Rome",),
    "portugal": ("Lisbon",), "austria": ("Vienna",), "switzerland": ("Bern", "Zurich"), "poland": ("Warsaw",),
    "the netherlands": ("Amsterdam", "The Hague"), "belgium": ("Brussels",), "sweden": ("Stockholm",),
    "norway": ("Oslo",), "denmark": ("Copenhagen",), "finland": ("Helsinki",), "ireland": ("Dublin",),
    "greece": ("Athens",), "turkey": ("Ankara", "Istanbul"), "egypt": ("Cairo",), "kenya": ("Nairobi",),
    "south africa": ("Pretoria", "Cape Town"), "morocco": ("Rabat", "Casablanca"),
    "india": ("New Delhi", "Delhi"), "china": ("Beijing",), "japan": ("Tokyo",),
    "australia": ("Canberra", "Sydney"), "new zealand": ("Wellington", "Auckland"),
    "canada": ("Ottawa", "Toronto"), "brazil": ("Brasília", "Rio de Janeiro"),
    "argentina": ("Buenos Aires",), "mexico": ("Mexico City",), "chile": ("Santiago",), "peru": ("Lima",),
    "england": ("London",), "the united kingdom": ("London",),
    "the united states": ("Washington, D.C.", "New York"),
}  # fmt: skip
"""Countries in lower case; the first city is the capital, a second one a mistake that the model may make."""

LANGUAGES = {
    "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt", "japanese": "ja",
    "chinese": "zh", "arabic": "ar", "hebrew": "he", "hindi": "hi", "greek": "el", "ukrainian": "uk",
}  # fmt: skip
COMMON_WORDS = {
    "de": words("ich und nicht wie mein meine ist der die das eine habe bitte können wann wurde"),
    "fr": words("je et pas comment mon ma est le les une vous bonjour pourquoi quand avez"),
    "es": words("yo y no cómo mi es el los una usted hola por qué cuándo tengo"),
    "it": words("io e non come mio mia è il gli una buongiorno perché quando ho"),
    "pt": words("eu e não como meu minha é o os uma olá por quando tenho"),
}

STOP_WORDS = words(
    "a about after again all also am an and any are as at be because been before but by can could did do"
    " does doing don't for from get give got had has have he hello help her here hi him his how i i'd"
    " i'll i'm i've if in into is it it's its just let like make may me more most much my need no not of"
    " on one only or our out over please say should show so some tell than thank thanks that the their"
    " them then there these they this those to too up us very want was we were what what's when where"
    " which while who why will with without would write you your explain describe summarize summarise"
    " list answer question following between word words sentence sentences short briefly three two five"
    " ten create generate draft idea ideas story poem recipe email summary suggest brainstorm text"
    " compose simple terms difference mean means works work every it'd reply respond"
)
TOOL_WORDS = words(
    "get set the for with this that use used call tool function given return returns current from about"
    " user find when what which your look value values provide list"
)
"""Words in the names and descriptions of tools that say nothing about what a tool is for."""

VALUES_BY_NAME: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"e_?mail", ("anna.keller@example.com", "support@example.com", "j.okafor@example.org")),
    (r"phone|mobile", ("+49 30 1234567", "+44 20 7946 0958")),
    (r"url|link|website|homepage", ("https://example.com/help", "https://example.com/orders")),
    (r"first_?name", ("Anna", "Jana", "Tomás", "Priya", "Alex")),
    (r"last_?name|surname|family_?name", ("Keller", "Okafor", "Silva", "Rao")),
    (
        r"(?:customer|user|author|person|full)?_?name$",
        ("Anna Keller", "Jana Novak", "Tomás Silva", "Priya Rao"),
    ),
    (r"city|location|place|destination|origin", ("Berlin", "Paris", "Lisbon", "Vienna", "Boston")),
    (r"country", ("Germany", "France", "Portugal", "Austria")),
    (r"address|street", ("12 Harbour Street, Dublin", "Lindenweg 4, Berlin")),
    (r"date|day|deadline|due", ("2026-11-23", "2026-11-30", "2026-12-01")),
    (r"time|hour", ("09:00", "14:30", "18:00")),
    (r"sentiment|mood|tone", ("negative", "neutral", "positive", "mixed")),
    (r"priority|urgency|severity|importance|risk", ("high", "medium", "low", "urgent")),
    (r"status|state", ("open", "pending", "resolved", "closed")),
    (
        r"category|topic|label|type|kind|intent|department|class",
        ("refund", "delivery", "billing", "technical"),
    ),
    (r"language|locale", ("en", "de", "fr", "es")),
    (r"currency", ("EUR", "USD", "GBP")),
    (r"unit", ("celsius", "fahrenheit")),
    (r"colou?r", ("blue", "green", "red", "black")),
    (r"product|item|device|article", ("headphones", "coffee machine", "desk lamp", "running shoes")),
    (r"title|subject|heading", ("Late delivery", "Refund for a damaged item", "Question about an invoice")),
    (r"tags?|keywords?", ("refund", "shipping", "damaged", "follow-up", "vip")),
    (r"query|search|keyword|term", ("return policy", "delivery times", "reset password")),
    (r"order|ticket|invoice|reference|number|code|sku|_id$|^id$", ("48213", "A-1042", "77120")),
)
"""What a text property is likely to hold, by its name."""
