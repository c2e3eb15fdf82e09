"""The bodies of a comparison in one of its modes."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reviewapp.models import Interaction
from reviewapp.models.bodies import recorded_of
from reviewapp.pure import rawjson
from reviewapp.pure.differences.calls import compare_calls
from reviewapp.pure.differences.equivalence import in_order
from reviewapp.pure.differences.structure import compare_json, read_structure
from reviewapp.pure.differences.vectors import cosine
from reviewapp.pure.exchange import Reply
from reviewapp.stages.compare import Pair
from reviewapp.web.comparing.bodies import Block, call_block, word_blocks
from reviewapp.web.comparing.marks import Numbers
from reviewapp.web.comparing.structures import draw_structure, draw_whole
from reviewapp.web.comparing.tokens import TokenBlock, token_blocks
from reviewapp.web.rendering import ShownMessage, show_choice

# In the order of their keys, 1 to 5.
MODES: Final[dict[str, str | Promise]] = {
    "words": gettext_lazy("Words"),
    "tokens": gettext_lazy("Tokens"),
    "json": gettext_lazy("JSON"),
    "unified": gettext_lazy("Unified"),
    "rendered": gettext_lazy("Rendered"),
}


@dataclass(frozen=True, slots=True)
class Bodies:
    """What the chosen mode draws, and how many differences the keys can step through."""

    mode: str
    differences: int = 0
    blocks: list[Block] = field(default_factory=list)
    tokens: list[TokenBlock] = field(default_factory=list)
    rendered: list[tuple[ShownMessage | None, ShownMessage | None]] = field(default_factory=list)
    whole_response: SafeString | None = None
    whole_request: SafeString | None = None
    is_vector: bool = False
    cosine: float | None = None


def draw(pair: Pair, *, mode: str, everything: bool = False) -> Bodies:
    """The bodies; without a known mode, JSON for structured answers and words for all others."""
    left, right = pair.original.reply, pair.answer.reply
    if mode not in MODES:
        mode = "json" if _is_structured(left) and _is_structured(right) else "words"
    if pair.original.endpoint == "embeddings":
        return Bodies(mode=mode, is_vector=True, cosine=cosine(in_order(left), in_order(right)))
    numbers = Numbers()
    if mode == "tokens":
        tokens = token_blocks(left, right, numbers=numbers, everything=everything)
        return Bodies(mode=mode, differences=numbers.count, tokens=tokens)
    if mode == "json":
        blocks = _structures(left, right, numbers)
        return Bodies(
            mode=mode,
            differences=numbers.count,
            blocks=blocks,
            whole_response=draw_whole(_response(pair.original_row), _response(pair.answer_row)),
            whole_request=draw_whole(pair.original.request, pair.answer.request),
        )
    if mode == "rendered":
        return Bodies(mode=mode, rendered=list(zip_longest(_shown(left), _shown(right))))
    blocks = word_blocks(left, right, numbers=numbers, one_column=mode == "unified")
    return Bodies(mode=mode, differences=numbers.count, blocks=blocks)


def _shown(reply: Reply) -> list[ShownMessage]:
    """The answers as their readers see them, Markdown rendered."""
    return [show_choice(choice, model="") for choice in in_order(reply)]


def _is_structured(reply: Reply) -> bool:
    """Whether all that was answered is JSON, or nothing but tool calls."""
    return bool(reply.choices) and all(
        read_structure(choice.text) is not None if choice.text else bool(choice.tool_calls)
        for choice in reply.choices
    )


def _structures(left: Reply, right: Reply, numbers: Numbers) -> list[Block]:
    """The answers' own structures: JSON texts and tool calls."""
    blocks = []
    for one, other in zip(in_order(left), in_order(right), strict=False):
        a, b = read_structure(one.text), read_structure(other.text)
        if a is not None and b is not None:
            found = compare_json(a, b)
            drawn = draw_structure(found, numbers=numbers)
            blocks.append(Block(kind="structure", title=_("Answer"), drawn=drawn, equal=found.equal))
        blocks += [
            call_block(call, numbers=numbers) for call in compare_calls(one.tool_calls, other.tool_calls)
        ]
    return blocks


def _response(row: Interaction) -> Any:
    """The whole response as a value; what is no JSON as its text."""
    text = recorded_of(row).response_text
    if text is None:
        return None
    try:
        return rawjson.parse(text)
    except rawjson.InvalidJson:
        return text
