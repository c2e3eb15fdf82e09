"""JSON that fits a schema, and the calls of tools, as grammars.

A schema becomes sections of their own: at each place only tokens that keep the JSON valid have a chance, as
constrained decoding does on real backends, and among them the model chooses with real probabilities. Values
come from the prompt where it offers some (names, numbers, e-mail addresses, places), else from what the
property's name suggests.

Read of JSON Schema: type (or a list of them), properties, required, enum, const, items, minItems, maxItems,
anyOf, oneOf, allOf, $ref into $defs, minimum, maximum, exclusive bounds, multipleOf, format, pattern (as a
filter), minLength, maxLength. Anything else is ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reviewapp.providers.simulated.chance import key_of
from reviewapp.providers.simulated.grammar import (
    BETWEEN,
    Alternatives,
    Grammar,
    Name,
    Pick,
    Sequence_,
    tokens_of,
)
from reviewapp.providers.simulated.language import Prompt
from reviewapp.providers.simulated.prompts import Message, key_phrase, phrases
from reviewapp.providers.simulated.words import TOOL_WORDS, VALUES_BY_NAME

_DEEPEST = 7
_SENTENCES = re.compile(
    r"summary|description|reason|text|answer|explanation|message|comment|note|details|reasoning|response|reply|content|rationale|instructions|step$|output",
    re.I,
)
_WORDS = ("standard", "express", "confirmed", "included", "default")
_FORMATS: dict[str, tuple[str, ...]] = {
    "date-time": ("2026-11-23T10:00:00Z", "2026-12-01T08:30:00Z"),
    "date": ("2026-11-23", "2026-12-01"),
    "time": ("10:00:00Z", "14:30:00Z"),
    "duration": ("P3D", "PT2H"),
    "email": ("anna.keller@example.com", "support@example.com"),
    "hostname": ("example.com", "api.example.com"),
    "ipv4": ("192.0.2.10", "198.51.100.7"),
    "ipv6": ("2001:db8::1",),
    "uri": ("https://example.com/help", "https://example.com/orders"),
    "uuid": ("6f9a1c1e-5d3b-4f0e-9a67-2c1d8e4b7a10", "0b1f7c52-8a3d-4d1e-b6c9-5e2f90a1d734"),
}
_NUMBERS: tuple[tuple[str, tuple[float, ...]], ...] = (
    (r"age$", (34, 29, 41, 52)),
    (r"rating|stars", (4, 2, 5, 3)),
    (r"confidence|probability|likelihood", (0.92, 0.85, 0.78, 0.64)),
    (r"score", (0.8, 0.6, 0.9, 0.4)),
    (r"price|amount|total|cost|value|sum", (49.9, 129, 24.5, 19.99)),
    (r"year", (2026, 2025, 2027)),
    (r"temperature", (18, 21, 7, 12)),
)
_INTEGERS = (3, 1, 2, 5, 7, 10, 14)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a request offers."""

    name: str
    description: str
    parameters: dict[str, Any]


class _Found:
    """The values that a prompt offers."""

    def __init__(self, text: str) -> None:
        text = text.encode("utf-8", "replace").decode("utf-8")[:4000]
        self.emails = re.findall(r"[\w.+-]{1,40}@[\w-]{1,40}(?:\.[\w-]{1,20})+", text)
        self.urls = re.findall(r"https?://[\w./?=&%-]{1,80}", text)
        self.dates = re.findall(r"\b\d{4}-\d{2}-\d{2}\b", text)
        self.numbers = [
            float(each) for each in re.findall(r"(?<![\w.-])-?\d{1,9}(?:\.\d{1,4})?(?![\w-])", text)
        ]
        self.references = re.findall(r"\b[A-Z]{1,4}-?\d{2,10}\b|(?<![\d.])\d{4,12}(?![\d.])", text)
        place = r"\b(?:in|from|to|at|near|for|of) ([A-Z][a-zà-ÿ]+(?: [A-Z][a-zà-ÿ]+)?)\b"
        self.places = list(dict.fromkeys(re.findall(place, text)))
        names = re.findall(r"\b[A-Z][a-zà-ÿ]+(?: [A-Z][a-zà-ÿ]+)?\b", text)
        inside = re.findall(r"(?<=[a-zà-ÿ,] )[A-Z][a-zà-ÿ]+", text)
        full = [each for each in names if " " in each]
        self.names = [each for each in dict.fromkeys([*full, *inside]) if each not in self.places]
        self.phrase = key_phrase(text)

    def strings(self, name: str) -> list[str]:
        """What the prompt offers for a property of this name."""
        name = name.lower()
        if "mail" in name:
            return self.emails
        if "url" in name or "link" in name:
            return self.urls
        if re.search("date|day|deadline", name):
            return self.dates
        if re.search("order|ticket|invoice|reference|number|code|sku|_id$|^id$", name):
            return self.references
        if re.search("city|location|place|destination|origin|country", name):
            return self.places
        if re.search("name|person|customer|user|author", name):
            return self.names
        if re.search("query|search|topic|subject|title|term|keyword", name):
            return [self.phrase] if self.phrase else []
        return []


class _Builder:
    """Builds the sections of one schema."""

    def __init__(self, root: dict[str, Any], found: _Found, topic: str, *, pretty: bool) -> None:
        self.sections: dict[str, Alternatives] = {}
        self._root = root
        self._found = found
        self._sentences = Name(f"{topic}.fact" if f"{topic}.fact" in phrases() else "general.fact")
        self._pretty = pretty

    def value(self, schema: Any, name: str, depth: int) -> Sequence_:
        """The ways to write a value of this schema, as one symbol or plain tokens."""
        if schema is False or depth > _DEEPEST:
            return tokens_of("null")
        if not isinstance(schema, dict):
            schema = {"type": "string"}
        schema = self._resolved(schema)
        if "const" in schema:
            return tokens_of(_json(schema["const"]))
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._one_of([tokens_of(_json(each)) for each in schema["enum"]])
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list) and schema[key]:
                rest = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
                return self._union(
                    [{**rest, **each} for each in schema[key] if isinstance(each, dict)], name, depth
                )
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._union([{**schema, "type": each} for each in kind], name, depth)
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._one_of(
                [tokens_of(_json(each)) for each in self._numbers(schema, name, kind)], first=6
            )
        if kind == "boolean":
            return self._one_of([tokens_of("true"), tokens_of("false")])
        if kind == "null":
            return tokens_of("null")
        return self._string(schema, name)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        for _ in range(8):
            if isinstance(schema.get("allOf"), list):
                merged = {k: v for k, v in schema.items() if k != "allOf"}
                for part in schema["allOf"]:
                    if isinstance(part, dict):
                        part = self._resolved(part)
                        properties = {**merged.get("properties", {}), **part.get("properties", {})}
                        merged = {**part, **merged} | ({"properties": properties} if properties else {})
                schema = merged
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#"):
                return schema
            target: Any = self._root
            for part in reference[1:].split("/"):
                if part:
                    target = (
                        target.get(part.replace("~1", "/").replace("~0", "~"), {})
                        if isinstance(target, dict)
                        else {}
                    )
            schema = (
                {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
                if isinstance(target, dict)
                else {}
            )
        return {}

    def _section(self, lines: Sequence[tuple[float, Sequence_]]) -> Name:
        total = sum(weight for weight, _ in lines)
        name = f"$json{len(self.sections)}"
        self.sections[name] = tuple((weight / total, line) for weight, line in lines)
        return Name(name)

    def _one_of(self, lines: list[Sequence_], *, first: float = 1.0) -> Sequence_:
        if len(lines) == 1:
            return lines[0]
        return (self._section([(first if index == 0 else 1.0, line) for index, line in enumerate(lines)]),)

    def _union(self, schemas: list[dict[str, Any]], name: str, depth: int) -> Sequence_:
        null = [each.get("type") == "null" for each in schemas]
        # At the deepest level a way out is taken where there is one, so that recursive schemas end.
        if depth >= _DEEPEST - 2 and any(null):
            return tokens_of("null")
        lines = [
            (0.25 if is_null else 1.0, self.value(each, name, depth))
            for each, is_null in zip(schemas, null, strict=True)
        ]
        return (self._section(lines),) if lines else tokens_of("null")

    def _object(self, schema: dict[str, Any], depth: int) -> Sequence_:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or not properties:
            return tokens_of("{}")
        required = schema.get("required") or []
        shown = [name for name in properties if name in required or depth < _DEEPEST - 2]
        pad = "\n" + "  " * (depth + 1) if self._pretty else ""
        symbols: list[Any] = ["{"]
        for index, name in enumerate(shown):
            before = ("," if index else "") + pad + _json(name) + (": " if self._pretty else ":")
            symbols.extend(tokens_of(before))
            symbols.extend(self.value(properties[name], name, depth + 1))
        symbols.extend(tokens_of(("\n" + "  " * depth if self._pretty else "") + "}"))
        return tuple(symbols)

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> Sequence_:
        least, most = _whole(schema.get("minItems"), 0), _whole(schema.get("maxItems"), -1)
        most = max(least, 3) if most < 0 else most
        if depth >= _DEEPEST - 1 and not least:
            return tokens_of("[]")
        item = self.value(schema.get("items", {}), name.removesuffix("s"), depth + 1)
        lines = (
            self.sections[item[0].name]
            if len(item) == 1 and isinstance(item[0], Name) and item[0].name in self.sections
            else ()
        )
        found: list[tuple[float, Sequence_]] = []
        pad = "\n" + "  " * (depth + 1) if self._pretty else ""
        comma = "," + pad
        for length in range(max(least, 1) if most else 0, min(most, max(least, 1) + 2) + 1):
            body: Sequence_
            if len(lines) >= length and length:
                body = (Pick(item[0].name, length, BETWEEN + comma),)  # type: ignore[union-attr]
            elif schema.get("uniqueItems") and length > 1:
                continue
            else:
                commas = tokens_of(comma)
                body = tuple(symbol for index in range(length) for symbol in (commas if index else ()) + item)
            shown = (*tokens_of("[" + pad), *body, *tokens_of(pad[:-2] + "]")) if length else tokens_of("[]")
            found.append((1.0, shown))
        return (self._section(found),) if found else tokens_of("[]")

    def _numbers(self, schema: dict[str, Any], name: str, kind: str) -> list[float]:
        low, high = _bounds(schema, kind)
        step = schema.get("multipleOf") or (1 if kind == "integer" else None)
        hints = next((values for pattern, values in _NUMBERS if re.search(pattern, name, re.I)), _INTEGERS)
        wanted = [*self._found.numbers, *hints]

        def fits(value: float) -> bool:
            return low <= value <= high and (not step or abs(value / step - round(value / step)) < 1e-9)

        fitting = [value for value in dict.fromkeys(wanted) if fits(value)][:6]
        if not fitting:
            start = low if low > -1e15 else (high if high < 1e15 else 0.0)
            if step:
                start = -(-start // step) * step
            fitting = [value for value in (start, start + (step or 0.5)) if fits(value)] or [start]
        return [int(value) if kind == "integer" or value == int(value) else value for value in fitting]

    def _string(self, schema: dict[str, Any], name: str) -> Sequence_:
        least, most = _whole(schema.get("minLength"), 0), _whole(schema.get("maxLength"), 10_000)
        pattern = schema.get("pattern")
        form = schema.get("format")
        if form in _FORMATS:
            options = list(_FORMATS[form])
        elif not pattern and least <= 20 and most >= 160 and _SENTENCES.search(name):
            return ('"', self._sentences, '"')
        else:
            hints = next((values for regex, values in VALUES_BY_NAME if re.search(regex, name, re.I)), _WORDS)
            offered = [_bare(each) for each in self._found.strings(name)]
            options = [each for each in offered if each][:3] + list(hints)
        if isinstance(pattern, str):
            options = [each for each in options if _matches(pattern, each)] or options
        fitting = [each for each in options if least <= len(each) <= most]
        if not fitting:
            fitting = [
                (options[0] + " " + "and so on " * (least // 10 + 1))[
                    : max(least, min(most, len(options[0])))
                ]
            ]
        weight = 300.0 if self._found.strings(name) else 1.5
        return self._one_of([tokens_of(_json(each)) for each in dict.fromkeys(fitting)], first=weight)


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _bounds(schema: dict[str, Any], kind: str) -> tuple[float, float]:
    low, high = schema.get("minimum", -1e15), schema.get("maximum", 1e15)
    little = 1 if kind == "integer" else 1e-6
    if isinstance(schema.get("exclusiveMinimum"), int | float):
        low = max(low, schema["exclusiveMinimum"] + little)
    if isinstance(schema.get("exclusiveMaximum"), int | float):
        high = min(high, schema["exclusiveMaximum"] - little)
    return low, high


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True


def _bare(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:80]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")


def json_prompt(
    prompt: Prompt, schema: dict[str, Any], messages: Sequence[Message], *, topic: str, pretty: bool
) -> Prompt:
    """The prompt, to be answered by JSON of this schema."""
    last = next((message.text for message in reversed(messages) if message.role == "user"), "")
    builder = _Builder(schema, _Found(last), topic, pretty=pretty)
    start = builder.value(schema, "", 0)
    key = key_of(prompt.key, "json")
    return Prompt(key, Grammar(builder.sections, base=prompt.grammar), start, constrained=True)


def free_schema(messages: Sequence[Message]) -> dict[str, Any]:
    """A schema for a request that wants JSON without saying which: the keys that the text names, else a
    ticket's."""
    text = " ".join(message.text for message in messages if message.role != "assistant")[:4000]
    match = re.search(
        r"\b(?:keys?|fields?|properties)\b[:\s]*((?:[`\"']?\w{2,24}[`\"']?(?:\s*\([^)]*\))?(?:\s*,\s*|\s+and\s+|\s*,\s*and\s+)?){1,12})",
        text,
    )
    keys = re.findall(r"\w{2,24}", re.sub(r"\([^)]*\)", "", match[1])) if match else []
    keys = [
        each for each in dict.fromkeys(keys) if each not in ("and", "the", "with", "for", "only", "are", "is")
    ][:8]
    if not keys:
        keys = ["category", "priority", "summary"]
    return {"type": "object", "properties": {key: _guessed(key) for key in keys}, "required": keys}


def _guessed(key: str) -> dict[str, Any]:
    if re.search(
        r"count|quantity|age$|rating|stars|score|price|amount|total|year|confidence|days", key, re.I
    ):
        return {
            "type": "number" if re.search(r"score|price|amount|total|confidence", key, re.I) else "integer",
            "minimum": 0,
        }
    if re.match(r"is_|has_|needs_|can_", key):
        return {"type": "boolean"}
    if re.search(r"(?:tags|keywords|items|topics|steps)$", key):
        return {"type": "array", "items": {"type": "string", "maxLength": 60}, "minItems": 1}
    return {"type": "string"}


def called_tools(tools: Sequence[Tool], messages: Sequence[Message], *, forced: bool) -> list[Tool]:
    """The tools that a prompt calls for; at least one when it is forced to call."""
    if not tools:
        return []
    last = next((message.text for message in reversed(messages) if message.role == "user"), "").lower()
    words = {_stem(word) for word in re.findall(r"[a-zà-ÿ]{3,}", last)}
    scored = []
    for tool in tools:
        named = {
            _stem(word)
            for word in re.findall(r"[a-z]{3,}", re.sub(r"([a-z])([A-Z])", r"\1 \2", tool.name).lower())
        }
        described = {_stem(word) for word in re.findall(r"[a-z]{4,}", tool.description.lower())} - TOOL_WORDS
        scored.append(2 * len(words & (named - TOOL_WORDS)) + len(words & described))
    best = max(scored)
    if best >= 2 or forced:
        return [tools[scored.index(best)]]
    return []


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def tool_prompt(prompt: Prompt, tool: Tool, messages: Sequence[Message], *, topic: str) -> Prompt:
    """The prompt, to be answered by the arguments of a call."""
    schema = {"type": "object", "properties": {}, **tool.parameters}
    prompt = Prompt(key_of(prompt.key, tool.name), prompt.grammar, prompt.start)
    return json_prompt(prompt, schema, messages, topic=topic, pretty=False)
