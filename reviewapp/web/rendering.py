"""Model output for people's eyes: nothing in it can run, style the page, or load from elsewhere.

Markdown is rendered by markdown-it (CommonMark with tables) and then sanitised by nh3 with a
short list of elements; links open outside without telling where from, images become their
description, since fetching one would tell its server who reads what. Invisible characters that
could deceive (bidirectional overrides, zero-width spaces, other controls) are made visible.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

from reviewapp.formats.openai import Message, Part
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Choice, Token

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
_TAGS = {
    *("p", "br", "hr", "em", "strong", "del", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6", "mark"),
}
_MARKDOWN_LIMIT = 200_000


# Bidirectional controls, zero-width characters, halves of surrogate pairs, C0/C1 controls other than tab and
# line breaks; joiners and direction marks between plain letters, where no script needs them; and letters that
# only a model reads: tags outside of a flag, runs of variation selectors.
DECEIVING = re.compile(
    "[\u180e\u200b\u202a-\u202e\u2060-\u206f\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"
    "|(?<=[0-9A-Za-z])[\u200c-\u200f](?=[0-9A-Za-z])"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
)
# All that the pattern above could begin with. To look for one of a set is sixteen times as fast as to try
# each of its ways at each letter, and nearly every text has none.
_SUSPECT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)


def deceives(text: str) -> bool:
    """Whether a character that could deceive is in it."""
    return _SUSPECT.search(text) is not None and DECEIVING.search(text) is not None


def visible(text: str) -> str:
    """The text with deceiving invisible characters shown as their code, such as ⟨U+202E⟩."""
    if _SUSPECT.search(text) is None:
        return text
    return DECEIVING.sub(lambda m: "".join(f"⟨U+{ord(one):04X}⟩" for one in m[0]), text)


def markdown(text: str) -> SafeString:
    """Markdown as safe HTML; a text beyond 200,000 characters stays plain."""
    shown = visible(text)
    if len(shown) > _MARKDOWN_LIMIT:
        return mark_safe(f"<p>{escape(shown)}</p>")  # noqa: S308  # escaped
    html = _MARKDOWN.render(_images_as_words(shown))
    return mark_safe(  # noqa: S308  # sanitised
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}, "th": {"align"}, "td": {"align"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow",
            set_tag_attribute_values={"a": {"target": "_blank"}},
        )
    )


_IMAGE = re.compile(r"!\[([^\]\n]{0,500})\]\(([^)\s]{0,2000})[^)\n]{0,500}\)")


def _images_as_words(text: str) -> str:
    """Markdown images become a link with the image's description: nothing is fetched by looking."""
    return _IMAGE.sub(lambda m: f"[🖼 {m[1] or _('image')}]({m[2]})", text)


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part of a message, ready for the template. `kind` chooses how it is drawn."""

    kind: str
    text: str = ""
    html: SafeString | None = None
    name: str = ""
    note: str = ""
    source: str = ""
    value: Any = None
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One turn of the conversation."""

    role: str
    parts: list[ShownPart] = field(default_factory=list)
    note: str = ""
    folded: bool = False
    judged: bool = False
    text: str = ""


def show_messages(messages: Sequence[Message], *, source: bool = False) -> list[ShownMessage]:
    """The conversation that was sent; system prompts folded. `source` shows Markdown as written."""
    shown = []
    for message in messages:
        parts = [_show(part, source=source) for part in message.parts]
        is_instruction = message.role in {"system", "developer"}
        shown.append(
            ShownMessage(
                role=message.role,
                parts=parts,
                note=_summary(parts) if is_instruction else message.name or "",
                folded=is_instruction,
            )
        )
    return shown


def show_choice(choice: Choice, *, model: str, source: bool = False) -> ShownMessage:
    """One of the answers, drawn as the message that people judge."""
    parts = []
    if choice.reasoning:
        parts.append(ShownPart(kind="reasoning", text=visible(choice.reasoning)))
    if choice.text:
        parts.append(_text(choice.text, source=source))
    if choice.refusal:
        parts.append(ShownPart(kind="refusal", text=visible(choice.refusal)))
    parts.extend(_call(call.name, call.arguments, call.id) for call in choice.tool_calls)
    return ShownMessage(
        role=choice.role or "assistant", parts=parts, note=model, judged=True, text=choice.text or ""
    )


def _summary(parts: Sequence[ShownPart]) -> str:
    text = " ".join(part.text for part in parts if part.text)
    return text if len(text) <= 140 else text[:139] + "…"


def _show(part: Part, *, source: bool) -> ShownPart:
    if part.kind == "text":
        return _text(part.text or "", source=source)
    if part.kind == "image":
        url = part.url or ""
        # Only what the conversation carries itself is drawn.
        drawn = url if re.match(r"data:image/(png|jpeg|gif|webp);base64,", url) else ""
        return ShownPart(kind="image", source=drawn, text="" if drawn else visible(url)[:500])
    if part.kind == "tool_call":
        return _call(part.name or "", part.text or "", part.id)
    if part.kind == "tool_result":
        value, is_json = _parsed(part.text or "")
        return ShownPart(
            kind="tool_result",
            text=visible(part.text or ""),
            name=part.name or "",
            value=value,
            is_json=is_json,
        )
    if part.kind in {"refusal", "reasoning"}:
        return ShownPart(kind=part.kind, text=visible(part.text or ""))
    value, is_json = _parsed(part.text or "")
    return ShownPart(
        kind=part.kind,
        text=visible(part.text or part.url or "")[:20_000],
        name=part.name or "",
        value=value,
        is_json=is_json,
    )


def _text(text: str, *, source: bool) -> ShownPart:
    value, is_json = _parsed(text) if text.lstrip()[:1] in {"{", "["} else (None, False)
    return ShownPart(
        kind="text",
        text=visible(text),
        html=None if source or is_json else markdown(text),
        value=value,
        is_json=is_json and not source,
    )


def _call(name: str, arguments: str, call_id: str | None) -> ShownPart:
    value, is_json = _parsed(arguments)
    short = (
        ", ".join(f"{k}: {v}" for k, v in value.items())[:120] if isinstance(value, dict) else arguments[:120]
    )
    return ShownPart(
        kind="tool_call",
        name=visible(name),
        note=visible(short),
        text=visible(arguments),
        value=value,
        is_json=is_json,
        source=call_id or "",
    )


def _parsed(text: str) -> tuple[Any, bool]:
    """The JSON structure that a text holds; plain words and numbers are no structure."""
    if len(text) > _MARKDOWN_LIMIT:
        return None, False
    try:
        value = rawjson.parse(text)
    except rawjson.InvalidJson:
        return None, False
    return (value, True) if isinstance(value, dict | list) else (None, False)


@dataclass(frozen=True, slots=True)
class ShownAlternative:
    token: str
    probability: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token of the tokens view: its text, how sure the model was, and what else it might have said."""

    index: int
    text: str
    probability: float | None
    sure: int | None
    alternatives: list[ShownAlternative]


_STEPS = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)


def sureness(probability: float) -> int:
    """0 (hardly) to 6 (sure), the steps of the token tints."""
    return sum(probability >= step for step in _STEPS)


def show_tokens(tokens: Sequence[Token]) -> list[ShownToken]:
    """The tokens with their probabilities and alternatives, most likely first."""
    return [_token(index, token) for index, token in enumerate(tokens)]


def _token(index: int, token: Token) -> ShownToken:
    probability = _probability(token.logprob)
    alternatives = {
        one.token: ShownAlternative(visible(one.token), p, one.token == token.text)
        for one in token.alternatives
        if (p := _probability(one.logprob)) is not None
    }
    if probability is not None and alternatives and token.text not in alternatives:
        alternatives[token.text] = ShownAlternative(visible(token.text), probability, chosen=True)
    return ShownToken(
        index=index,
        text=visible(token.text),
        probability=probability,
        sure=None if probability is None else sureness(probability),
        alternatives=sorted(alternatives.values(), key=lambda one: -one.probability),
    )


def _probability(logprob: float | None) -> float | None:
    if logprob is None or math.isnan(logprob) or logprob > 0.01 or logprob <= -9000:
        return None
    return min(1.0, math.exp(max(logprob, -745.0)))


def pretty(text: str | None) -> str:
    """A raw JSON text indented for reading; as it came where it is no JSON."""
    if text is None:
        return ""
    try:
        return visible(json.dumps(rawjson.parse(text), indent=2, ensure_ascii=False))
    except (rawjson.InvalidJson, ValueError):
        return visible(text)
