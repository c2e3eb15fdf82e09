"""What a prompt is about: the section of the phrases that answers it, and the words to take up from it.

A handful of questions have an answer of their own (sums, capitals, translations), so that a demo shows
something to be right or wrong about; the rest goes by key words to a topic. What is taken from a prompt is
stripped to plain words: a prompt is data, and an answer made from it must stay printable.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson

from reviewapp.providers.simulated.chance import key_of
from reviewapp.providers.simulated.grammar import Alternatives, Grammar, Name, Pick, choices, read_phrases
from reviewapp.providers.simulated.language import Prompt
from reviewapp.providers.simulated.words import CAPITALS, COMMON_WORDS, LANGUAGES, STOP_WORDS, TOPIC_BY_WORD

_OWN_SUBJECT = frozenset({"email", "summary", "ideas", "explain", "story", "general"})

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("uk", re.compile(r"[\u0400-\u04ff]")),
)
_CODE = {
    "python.csv": ("csv", "order", "file", "parse", "load"),
    "python.median": ("median", "average", "middle", "statistic"),
    "python.words": ("word", "count", "text", "common", "string"),
    "python.retry": ("retr", "attempt", "again", "backoff"),
}
_WORD = re.compile(r"[^\W_][\w'’-]*")
_REFERENCE = re.compile(
    r"\b(order|ticket|invoice|case|booking|parcel|claim)\s*(?:no\.?|number|nr\.?|id)?\s*#?\s*([A-Z]{0,4}-?\d{3,12})",
    re.I,
)
_NAME = re.compile(
    r"(?:[Mm]y name is|[Tt]his is|(?:[Rr]egards|[Tt]hanks|Cheers|Best),\s*)\s*([A-Z][a-zà-ÿ]{1,15})\b"
)
_AMOUNT = r"\d{1,6}(?:\.\d{1,3})?"
_SUM = re.compile(
    rf"(?<![\w.])({_AMOUNT}(?:\s*(?:[-+*/×x]|times|plus|minus|divided by)\s*{_AMOUNT}){{1,3}})(?![\w.])"
)
_CAPITAL = re.compile(r"capital(?: city)? of ([A-Za-z ]{3,24})")
_HARM = re.compile(
    r"\b(?:(?:build|make) a bomb|explosives?|kill (?:him|her|them|myself)|malware|phishing mail"
    r"|steal (?:a|the) (?:password|car))\b",
    re.IGNORECASE,
)
_JSON = re.compile(
    r"\b(?:in|as|return|output|valid|only|with) (?:a )?(?:valid )?json\b|\bjson (?:object|only|format)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as plain text."""

    role: str
    text: str


@cache
def phrases() -> Grammar:
    """The compiled phrase files."""
    folder = Path(__file__).parent / "phrases"
    return Grammar(
        read_phrases({path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.txt"))})
    )


@cache
def _with_fullness(fullness: float) -> Grammar:
    return Grammar({}, base=phrases(), fullness=fullness)


def plain(text: str, *, limit: int = 48) -> str:
    """A piece of a prompt that may stand in an answer: words, one line, a few of them."""
    words = " ".join(_WORD.findall(text.encode("utf-8", "replace").decode("utf-8")))
    return words if len(words) <= limit else words[:limit].rsplit(" ", 1)[0]


def key_phrase(text: str) -> str | None:
    """The words that a question is most likely about: its last run of up to three that are not common."""
    best: list[str] = []
    run: list[str] = []
    for match in re.finditer(r"[^\W_][\w'’-]*|[^\w\s]", _sample(text, most=400)):
        word = match[0]
        if not word[0].isalnum() or word.lower() in STOP_WORDS or (word.isdigit() and not run):
            run = []
            continue
        run = [*run, word][-3:]
        if len(run) >= min(len(best), 2):
            best = run
    return plain(" ".join(best)) or None


def _last_question(messages: Sequence[Message]) -> str:
    return next((message.text for message in reversed(messages) if message.role == "user"), "")


def _sample(text: str, *, most: int = 1000) -> str:
    """The beginning and the end of a text: what a question is about stands in one of them."""
    return text if len(text) <= most else f"{text[: most // 2]} {text[-most // 2 :]}"


@lru_cache(maxsize=512)
def topic_of(messages: tuple[Message, ...]) -> str:
    """The section of the phrases that answers these messages."""
    if messages and messages[-1].role in ("tool", "function"):
        return "followup"
    asked = _last_question(messages)
    last = _sample(asked)
    lower = last.lower().strip()
    if _HARM.search(last):
        return "refusal"
    if _SUM.search(last) and _value_of(last) is not None and len(last) < 160:
        return "arithmetic"
    if (match := _CAPITAL.search(lower)) and _country(match[1]):
        return "capital"
    if "translat" in lower and any(language in lower for language in LANGUAGES):
        return "translate"
    everything = (
        lower + " " + " ".join(_sample(m.text).lower() for m in messages if m.role in ("system", "developer"))
    )
    if "sentiment" in everything:
        return "sentiment"
    if re.search(r"\bclassif|\bcategori[sz]e|\blabel (?:it|this|the)|which category", everything):
        return "label"
    if re.search(r"\b(?:one|single|1) word\b", everything):
        return "oneword"
    if re.search(r"\byes or no\b|\byes/no\b|true or false", everything):
        return "yesno"
    if _language_of(last):
        return "native"
    if (
        re.match(r"(?:hi|hello|hey|good (?:morning|evening|afternoon)|test|ping|greetings)\b", lower)
        and len(lower) < 40
    ):
        return "greeting"
    return _by_words(messages, asked, lower)


def _by_words(messages: Sequence[Message], last: str, lower: str) -> str:
    scores: dict[str, float] = {}
    for message in messages[-8:]:
        weight = {"user": 3.0 if message.text is last else 1.0, "system": 0.3, "developer": 0.3}.get(
            message.role, 0.2
        )
        for word in set(re.findall(r"[\w;-]+", _sample(message.text).lower())):
            if topic := TOPIC_BY_WORD.get(word):
                scores[topic] = scores.get(topic, 0.0) + weight
    best = max(scores, key=lambda topic: (scores[topic], topic), default="")
    if best and scores[best] >= 3:
        return best
    if re.match(r"(?:what(?:'s| is| are)|how (?:do|does|is|are|did)|why|tell me about|describe)\b", lower):
        return "explain"
    if best and scores[best] >= 1:
        return best
    return "general"


def wants_json(messages: Sequence[Message]) -> bool:
    """Whether the text itself asks for JSON."""
    return any(
        "json" in text.lower() and _JSON.search(text)
        for text in (_sample(message.text) for message in messages if message.role != "assistant")
    )


def prompt_of(
    messages: tuple[Message, ...],
    *,
    topic: str,
    fullness: float = 1.0,
    extra: Mapping[str, Any] | None = None,
) -> Prompt:
    """The prompt that these messages make.

    `extra` is whatever else the answer depends on (tools, formats).
    """
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    described = orjson.dumps(extra, option=options, default=str) if extra else b""
    return _prompt(messages, topic, fullness, described)


@lru_cache(maxsize=512)
def _prompt(messages: tuple[Message, ...], topic: str, fullness: float, described: bytes) -> Prompt:
    last = _sample(_last_question(messages))
    grammar = Grammar(_overlay(topic, last, messages), base=_with_fullness(fullness), fullness=fullness)
    start = (Name("$native"),) if topic == "native" else (Name(topic),)
    parts = [part for message in messages for part in (message.role, message.text)]
    return Prompt(key=key_of("prompt", described, *parts), grammar=grammar, start=start)


def _overlay(topic: str, last: str, messages: Sequence[Message]) -> dict[str, Alternatives]:
    overlay: dict[str, Alternatives] = {
        "$name": choices([_name_of(messages) or "there"]),
        "$subject": _subject(topic, last),
        "$title": choices([(key_phrase(last) or "Overview").capitalize()]),
    }
    if topic == "arithmetic" and (found := _SUM.search(last)):
        value = _value_of(last)
        assert value is not None
        wrong = [value + 1, value - 1, value + 10] if abs(value) > 20 else []
        overlay["$result"] = choices([_number(each) for each in (value, *wrong)], first_weight=400)
        overlay["$sum"] = choices([_symbols(found[1])])
    elif topic == "python":
        words = last.lower()
        wanted = [name for name, signs in _CODE.items() if any(sign in words for sign in signs)] or list(
            _CODE
        )
        overlay["$code"] = tuple((1 / len(wanted), (Name(name),)) for name in wanted)
    elif topic == "capital" and (match := _CAPITAL.search(last.lower())):
        country = _country(match[1])
        overlay["$capital"] = choices(CAPITALS[country], first_weight=8)
        shown = country.title().replace("The ", "the ")
        overlay["$country"] = choices([shown])
    elif topic == "translate":
        code = next(code for language, code in LANGUAGES.items() if language in last.lower())
        overlay["$translation"] = phrases().section(code)
    elif topic == "native":
        code = _language_of(last) or "de"
        overlay["$native"] = _native(code)
    elif topic == "followup":
        overlay["$tool.sentence"] = choices([_tool_sentence(messages[-1].text)])
    return overlay


def _native(code: str) -> Alternatives:
    return ((0.6, (Pick(code, 2, "pick"),)), (0.4, (Pick(code, 3, "pick"),)))


def _subject(topic: str, last: str) -> Alternatives:
    found: list[str] = []
    if match := _REFERENCE.search(last):
        found.append(f"your {match[1].lower()} {plain(match[2])}")
    elif match := re.search(r"[\"“«]([^\"”»]{3,40})[\"”»]", last):
        found.append(plain(match[1]))
    elif topic in _OWN_SUBJECT and (phrase := key_phrase(last)):
        article = {"ideas": "your ", "email": "the "}.get(topic, "")
        found.append(article + phrase)
    own = f"{topic}.subject"
    named = choices(found) if found else ()
    if own not in phrases():
        own = "general.subject"
    if not named:
        return phrases().section(own)
    others = phrases().section(own)
    return (
        *((0.95 * weight, line) for weight, line in named),
        *((0.05 * weight, line) for weight, line in others),
    )


def _name_of(messages: Sequence[Message]) -> str | None:
    for message in reversed(messages):
        if message.role == "user" and (match := _NAME.search(message.text)):
            return match[1]
    return None


def _language_of(text: str) -> str | None:
    for code, script in _SCRIPTS:
        if len(script.findall(text)) > 0.3 * len(text.replace(" ", "")):
            return code
    words = set(re.findall(r"[^\W\d_]+", text.lower()))
    for code, common in COMMON_WORDS.items():
        if len(words & common) >= 3 and len(words & common) > len(words & STOP_WORDS):
            return code
    return None


def _country(text: str) -> str:
    text = text.strip()
    for country in CAPITALS:
        if text.startswith((country, country.removeprefix("the "))):
            return country
    return ""


_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _symbols(text: str) -> str:
    for word, symbol in (
        ("times", "*"),
        ("plus", "+"),
        ("minus", "-"),
        ("divided by", "/"),
        ("×", "*"),
        ("x", "*"),
    ):
        text = text.replace(word, symbol)
    return re.sub(r"\s*([-+*/])\s*", r" \1 ", text)


def _value_of(text: str) -> float | None:
    match = _SUM.search(text)
    # A date or a telephone number is no sum.
    if not match or re.fullmatch(r"\d+(?:[-/]\d+)+", match[1]):
        return None

    def evaluated(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](evaluated(node.left), evaluated(node.right))
        assert isinstance(node, ast.Constant)
        return float(node.value)  # type: ignore[arg-type]

    try:
        return evaluated(ast.parse(re.sub(r"\b0+(?=\d)", "", _symbols(match[1])), mode="eval").body)
    except (ZeroDivisionError, SyntaxError):
        return None


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.2f}".rstrip("0")


def _tool_sentence(text: str) -> str:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        parts = [
            f"the {plain(str(key).replace('_', ' '))} is {_shown(each)}"
            for key, each in value.items()
            if isinstance(each, str | int | float) and not isinstance(each, bool)
        ][:4]
        if parts:
            sentence = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
            return sentence[0].upper() + sentence[1:] + "."
    shown = plain(text, limit=160)
    return f"The result is: {shown}." if shown else "The tool gave no result."


def _shown(value: str | float) -> str:
    return plain(value) if isinstance(value, str) else str(value)
