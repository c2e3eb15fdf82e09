"""Token beside token: tinted by probability, in step up to where the answers part, alternatives at hand.

Tokens that stand at the same place carry the same pair number, so that pointing at one shows the
alternatives of both. After the first divergence the two sides have seen different words: tokens
are still aligned there, but only the first pair that differs is worth comparing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from reviewapp.pure.differences.chances import token_key
from reviewapp.pure.differences.equivalence import in_order
from reviewapp.pure.differences.tokens import compare_tokens
from reviewapp.pure.exchange import Choice, Reply, Token
from reviewapp.web.comparing.marks import Numbers, Side
from reviewapp.web.rendering import ShownToken, show_tokens, visible

# An equal stretch longer than this is cut to its ends.
LONGEST_EQUAL: Final = 400
_KEPT: Final = 120
# Tokens of each side that are drawn at first, and when all are asked for.
MOST_TOKENS: Final = 1_500
MOST_OF_ALL: Final = 20_000
_ALTERNATIVES: Final = 6


@dataclass(frozen=True, slots=True)
class TokenRow:
    """Tokens up to a line break, or `cut` equal ones that are left out."""

    left: SafeString | None = None
    right: SafeString | None = None
    equal: bool = False
    cut: int = 0


@dataclass(frozen=True, slots=True)
class TokenBlock:
    """One answer's tokens. `note` says what is not there; `left_out` is what was not drawn."""

    title: str
    rows: list[TokenRow]
    note: str = ""
    left_out: int = 0


@dataclass(slots=True)
class _Line:
    left: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    equal: bool = True

    def row(self) -> TokenRow:
        return TokenRow(
            _joined(self.left) if self.left else None,
            _joined(self.right) if self.right else None,
            self.equal,
        )


def token_blocks(
    original: Reply, attempt: Reply, *, numbers: Numbers, everything: bool = False
) -> list[TokenBlock]:
    """The tokens of each answer that has any."""
    pairs = list(zip(in_order(original), in_order(attempt), strict=False))
    found = []
    for at, (left, right) in enumerate(pairs, start=1):
        if not left.tokens and not right.tokens:
            continue
        title = _("Answer %(n)d of %(all)d") % {"n": at, "all": len(pairs)} if len(pairs) > 1 else ""
        numbers.begin_block()
        if left.tokens and right.tokens:
            rows, left_out = _both(left, right, numbers, MOST_OF_ALL if everything else MOST_TOKENS)
            found.append(TokenBlock(title, rows, left_out=left_out))
        else:
            found.append(_one_side(left, right, title))
    return found


def _both(left: Choice, right: Choice, numbers: Numbers, most: int) -> tuple[list[TokenRow], int]:
    a, b = left.tokens[:most], right.tokens[:most]
    drawn = _Drawer(show_tokens(a), show_tokens(b), _parting(a, b))
    rows: list[TokenRow] = []
    line = _Line()
    for stretch in compare_tokens(a, b):
        mine = range(stretch.left_start, stretch.left_end)
        theirs = range(stretch.right_start, stretch.right_end)
        if stretch.number is not None:
            number = numbers.of(stretch.number)
            line.left += [drawn.token("left", place, number=number) for place in mine]
            line.right += [drawn.token("right", place, number=number) for place in theirs]
            line.equal = False
            continue
        cut = len(mine) - 2 * _KEPT if len(mine) > LONGEST_EQUAL else 0
        for place, (i, j) in enumerate(zip(mine, theirs, strict=True)):
            if cut and _KEPT <= place < len(mine) - _KEPT:
                if place == _KEPT:
                    rows += [line.row(), TokenRow(cut=cut)]
                    line = _Line()
                continue
            ends = "\n" in a[i].text
            line.left.append(drawn.token("left", i, pair=i, ends=ends))
            line.right.append(drawn.token("right", j, pair=i, ends=ends))
            if ends:
                rows.append(line.row())
                line = _Line()
    if line.left or line.right:
        rows.append(line.row())
    return rows, max(0, max(len(left.tokens), len(right.tokens)) - most)


def _parting(left: Sequence[Token], right: Sequence[Token]) -> int | None:
    """The place of the first tokens that differ; None where all are equal."""
    for place, (one, other) in enumerate(zip_longest(left, right)):
        if one is None or other is None or token_key(one) != token_key(other):
            return place
    return None


def _one_side(left: Choice, right: Choice, title: str) -> TokenBlock:
    side: Side = "left" if left.tokens else "right"
    tokens, text = (left.tokens, right.text) if left.tokens else (right.tokens, left.text)
    drawn = _Drawer(show_tokens(tokens[:MOST_TOKENS]), show_tokens(tokens[:MOST_TOKENS]))
    told = _joined([drawn.token(side, at) for at in range(min(len(tokens), MOST_TOKENS))])
    plain = mark_safe(escape(visible(text or "")))  # noqa: S308  # escaped
    row = TokenRow(told, plain) if side == "left" else TokenRow(plain, told)
    note = (
        _("The replay reported no log probabilities.")
        if side == "left"
        else _("The original reported no log probabilities.")
    )
    return TokenBlock(title, [row], note=note, left_out=max(0, len(tokens) - MOST_TOKENS))


@dataclass(frozen=True, slots=True)
class _Drawer:
    left: Sequence[ShownToken]
    right: Sequence[ShownToken]
    parting: int | None = None

    def token(
        self,
        side: Side,
        place: int,
        *,
        pair: int | None = None,
        number: int | None = None,
        ends: bool = False,
    ) -> str:
        token = (self.left if side == "left" else self.right)[place]
        # The first tokens that differ were chosen after the same words, whatever they are aligned with:
        # it is their alternatives that tell why.
        divergent = place == self.parting
        pair = -1 if divergent else pair
        kind = "token is-divergent" if divergent else "token is-other" if number is not None else "token"
        attributes = [f'class="{kind}"', 'tabindex="-1"', f'data-token="{place}"', f'data-of="{side}"']
        if token.sure is not None:
            attributes.append(f'data-sure="{token.sure}"')
        if pair is not None:
            attributes.append(f'data-pair="{pair}"')
        if number is not None:
            attributes.append(f'data-difference="{number}"')
        told = _told(token)
        if told:
            attributes.append(f'data-alternatives="{escape(json.dumps(told, ensure_ascii=False))}"')
        return f"<span {' '.join(attributes)}>{escape(_shown(token.text, ends))}</span>"


def _told(token: ShownToken) -> list[list[str | float | bool]]:
    """What else might have stood here: text, probability, and whether it is what does."""
    if not token.alternatives:
        return [] if token.probability is None else [[token.text, round(token.probability, 6), True]]
    first = token.alternatives[:_ALTERNATIVES]
    chosen = [one for one in token.alternatives[_ALTERNATIVES:] if one.chosen]
    return [[one.token, round(one.probability, 6), one.chosen] for one in (*first, *chosen)]


def _shown(text: str, ends: bool) -> str:
    """A token's text with its line breaks made visible; where a row `ends`, the last one is the row's."""
    shown = text.replace("\n", "⏎\n")
    return (shown.removesuffix("\n") if ends else shown) or "∅"


def _joined(parts: Sequence[str]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308  # each token is escaped
