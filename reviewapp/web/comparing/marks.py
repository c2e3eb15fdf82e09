"""Pieces of text with their differences marked. Dense pages hold thousands, so they are drawn in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from reviewapp.pure.differences.rows import Piece
from reviewapp.web.rendering import visible

Side: TypeAlias = Literal["left", "right"]


@dataclass(slots=True)
class Numbers:
    """One row of numbers for all the differences of a page, in the order in which it shows them."""

    count: int = 0
    _known: dict[tuple[int, int], int] = field(default_factory=dict)
    _block: int = 0
    # The sides on which the first difference is marked already.
    _parted: set[Side] = field(default_factory=set)

    def begin_block(self) -> None:
        """What follows has numbers of its own, from 1."""
        self._block += 1

    def of(self, number: int) -> int:
        """The page's number of a block's difference."""
        key = (self._block, number)
        if key not in self._known:
            self._known[key] = self.next()
        return self._known[key]

    def next(self) -> int:
        """A new number."""
        self.count += 1
        return self.count

    def parting(self, number: int, side: Side) -> SafeString:
        """The mark where the answers part, once on each side."""
        if number != 1 or side in self._parted:
            return mark_safe("")
        self._parted.add(side)
        return format_html(
            '<span class="divergence" role="img" aria-label="{}"></span>', _("Here the answers part")
        )


def draw_pieces(pieces: Sequence[Piece], *, side: Side, numbers: Numbers | None) -> SafeString:
    """A line's pieces. Without `numbers` differences are marked, but are none that keys step to."""
    drawn = []
    for piece in pieces:
        if piece.number is None:
            drawn.append(escape(visible(piece.text)))
        elif numbers is None:
            drawn.append(marked(piece.text, side=side))
        else:
            number = numbers.of(piece.number)
            drawn.append(numbers.parting(number, side) + marked(piece.text, side=side, number=number))
    return mark_safe("".join(drawn))  # noqa: S308  # each part is escaped


def marked(text: str, *, side: Side, number: int | None = None) -> SafeString:
    """Text that only this side has."""
    tag = "del" if side == "left" else "ins"
    attribute = "" if number is None else f' data-difference="{number}"'
    inner = escape(blanks_shown(visible(text)))
    return mark_safe(f"<{tag}{attribute}>{inner}</{tag}>")  # noqa: S308  # escaped above


def blanks_shown(text: str) -> str:
    """A difference of nothing but white space, made visible."""
    if text.strip():
        return text
    return text.replace(" ", "·").replace("\t", "⇥").replace("\r", "␍") or "⏎"
