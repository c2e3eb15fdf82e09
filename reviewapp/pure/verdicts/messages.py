"""How numbers and names are written in the verdicts' sentences. What they are made of: see `pure.said`."""

from __future__ import annotations

from typing import Final

from reviewapp.pure.said import Message, Param, say

__all__ = [
    "Message",
    "Param",
    "nats",
    "percent",
    "percents",
    "quoted",
    "say",
    "short",
    "short_fingerprint",
    "told_apart",
]


def percent(share: float, *, decimals: int | None = None) -> str:
    """A share as people write it: 94 %, 49.8 %, 0.5 %, < 0.01 %, > 99.99 %."""
    if share <= 0:
        return "0 %"
    if share < 0.0001:
        return "< 0.01 %"
    if share > 0.9999:
        return "100 %" if share >= 1 else "> 99.99 %"
    if decimals is None:
        # Two digits that mean something, counted from the nearer end.
        distance = min(share, 1 - share)
        decimals = 0 if distance >= 0.095 else 1 if distance >= 0.001 else 2
    return f"{share * 100:.{decimals}f}".removesuffix(".0") + " %"


def percents(*shares: float) -> tuple[str, ...]:
    """Shares of one sentence, all with as few decimals as tell those apart that differ."""
    for decimals in (0, 1, 2):
        written = tuple(percent(share, decimals=decimals) for share in shares)
        vague = any(text in ("0 %", "100 %") for text in written)
        if not vague and len(set(written)) == len(set(shares)):
            return written
    return told_apart(*shares)


_MOST_DECIMALS: Final = 6


def told_apart(*shares: float) -> tuple[str, ...]:
    """Shares of one sentence, each as `percent` writes it, with more digits where two would look equal."""
    written = tuple(percent(share) for share in shares)
    for decimals in range(1, _MOST_DECIMALS + 1):
        if len(set(written)) == len(set(shares)):
            break
        written = tuple(f"{share * 100:.{decimals}f} %" for share in shares)
    return written


def nats(value: float) -> str:
    """A difference of log probabilities, to two significant digits."""
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


_LONGEST_PIECE: Final = 24


def quoted(piece: str | None) -> str:
    """A token or word in quotes; control characters are made visible, the end of an answer is (end)."""
    if piece is None:
        return "(end)"
    shown = piece.strip(" ") or piece
    shown = shown.replace("\r", "").replace("\n", "⏎").replace("\t", "⇥")
    shown = "".join(c if c.isprintable() else "\ufffd" for c in shown)
    if len(shown) > _LONGEST_PIECE:
        shown = shown[: _LONGEST_PIECE - 1] + "…"
    return f"“{shown}”"


def short(text: str, *, length: int = 160) -> str:
    """One line of text, cut."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def short_fingerprint(value: str, *, beside: str = "") -> str:
    """A fingerprint as it is written in a sentence, whole where cutting would make two look the same."""
    if len(value) <= 12 or value[:7] == beside[:7] != "":
        return short(value, length=60)
    return value[:7] + "…"
