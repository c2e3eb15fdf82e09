"""Phrases written by hand, as a lattice of tokens.

A phrase file is a list of sections; each line of a section is one way to say it:

    [greeting]
    Hello <name>,
    [2] Thanks for writing.

`<name>` takes another section's place, `[2]` weighs a line, and further there are

    <a|b|c>          one of these, each a line of its own kind
    <close?0.5>      a section, or nothing, with this probability of the section
    <pick:2:facts>   two different lines of a section, one after the other
    <steps:3:facts>  three of them as a numbered list, in their order; <bullets:3:facts> with bullets, in any
    \\n               a new line; a line that ends in a lone backslash goes on in the next one

A sentence under way is a set of *states*, each a place in the phrases that fits all tokens so far, with the
weight of the choices that lead there. The tokens that may come next are those of all states; so two phrases
that begin alike are one token until they part, as in a language model, and the choice falls where they
part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

END = "<|end|>"
"""The token that ends an answer; it is never shown as text."""

BETWEEN = "between:"
"""Before the text that stands between two picked lines, in the style of a Pick."""


@dataclass(frozen=True, slots=True)
class Name:
    """Another section."""

    name: str


@dataclass(frozen=True, slots=True)
class Maybe:
    """Another section, or nothing."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Pick:
    """`left` different lines of a section, of which `used` (a bit each) are used up."""

    name: str
    left: int
    style: str
    used: int = 0
    number: int = 1


class _Space:
    """A space, which belongs to the token that follows it."""


SPACE = _Space()
Symbol: TypeAlias = "str | Name | Maybe | Pick | _Space"
Sequence_: TypeAlias = tuple[Symbol, ...]
Alternatives: TypeAlias = tuple[tuple[float, Sequence_], ...]
# A place in a sequence, and the place to go on at when it ends: (sequence, index, parent).
Place: TypeAlias = "tuple[Sequence_, int, Place] | None"
State: TypeAlias = tuple[float, Place]
Frontier: TypeAlias = dict[str, list[State]]


class InvalidPhrases(ValueError):
    """A phrase file says something that has no meaning."""


_TOKENS = re.compile(r"\n+| {2,}| |[^\W\d_]+(?:['’][a-z]{1,2}\b)?|\d{1,3}|[^\w\s]+|_|[^\S\n ]|.", re.DOTALL)
_SECTION = re.compile(r"^\[([\w. -]+)\]$")
_WEIGHT = re.compile(r"^\[(\d+(?:\.\d+)?)\] ")
_COUNTED = re.compile(r"\w+|[^\w\s]")
_LONG_WORD = 11


def _pieces(token: str) -> Iterable[str]:
    """One token of text as a byte-level vocabulary would have it: long words and emoji come in pieces."""
    if token.isalpha() and token.isascii():
        if len(token) > _LONG_WORD:
            yield token[: len(token) - 5]
            yield token[len(token) - 5 :]
            return
    elif any(ord(character) > 0xFFFF for character in token):
        for character in token:
            data = character.encode()
            if len(data) == 4:
                # A lone half of a character cannot be shown; it stands for its bytes, as Python's file
                # names do.
                yield data[:3].decode("utf-8", "surrogateescape")
                yield data[3:].decode("utf-8", "surrogateescape")
            else:
                yield character
        return
    elif len(token) > 2 and not token.isascii() and token.isalpha():
        for start in range(0, len(token), 3):
            yield token[start : start + 3]
        return
    yield token


def tokens_of(text: str) -> Sequence_:
    """Plain text as terminals."""
    symbols: list[Symbol] = []
    for found in _TOKENS.findall(text):
        if found == " ":
            symbols.append(SPACE)
        else:
            symbols.extend(_pieces(found))
    return tuple(symbols)


def count_tokens(text: str) -> int:
    """About how many tokens a text has; only for usage."""
    return len(_COUNTED.findall(text)) + len(text) // 40


class Grammar:
    """Sections by name. An overlay adds sections that only one prompt has, over the shared ones."""

    __slots__ = ("_base", "_maybes", "_picks", "_sections", "fullness")

    def __init__(
        self, sections: Mapping[str, Alternatives], *, base: Grammar | None = None, fullness: float = 1.0
    ) -> None:
        self._sections = dict(sections)
        self._base = base
        self._picks: dict[Pick, Alternatives] = {}
        self._maybes: dict[Maybe, Alternatives] = {}
        self.fullness = fullness

    def __contains__(self, name: str) -> bool:
        return name in self._sections or (self._base is not None and name in self._base)

    def section(self, name: str) -> Alternatives:
        """The lines of a section."""
        found = self._sections.get(name)
        if found is None:
            if self._base is None:
                raise InvalidPhrases(f"no section [{name}]")
            return self._base.section(name)
        return found

    def alternatives(self, symbol: Name | Maybe | Pick) -> Alternatives:
        """The ways to go on from a symbol that is no token."""
        if isinstance(symbol, Name):
            return self.section(symbol.name)
        if isinstance(symbol, Maybe):
            known = self._maybes.get(symbol)
            if known is None:
                share = min(0.97, max(0.03, symbol.share * self.fullness))
                known = self._maybes[symbol] = ((share, (Name(symbol.name),)), (1 - share, ()))
            return known
        known = self._picks.get(symbol)
        if known is None:
            known = self._picks[symbol] = self._picked(symbol)
        return known

    def _picked(self, pick: Pick) -> Alternatives:
        lines = self.section(pick.name)
        free = [index for index in range(len(lines)) if not pick.used >> index & 1]
        if pick.style == "steps":
            # Steps keep the order in which they are written, so enough must be left below.
            free = [index for index in free if index >= pick.used.bit_length()][: 1 - pick.left or None]
        if not pick.left or not free:
            return ((1.0, ()),)
        found = []
        first = pick.number == 1
        for index in free:
            weight, line = lines[index]
            before: Sequence_
            if pick.style == "steps":
                before = (*(() if first else ("\n",)), str(pick.number), ".", SPACE)
            elif pick.style == "bullets":
                before = (*(() if first else ("\n",)), "-", SPACE)
            elif pick.style.startswith(BETWEEN):
                before = () if first else tokens_of(pick.style.removeprefix(BETWEEN))
            else:
                before = () if first else (SPACE,)
            rest = Pick(pick.name, pick.left - 1, pick.style, pick.used | 1 << index, pick.number + 1)
            found.append((weight, (*before, *line, rest)))
        total = sum(weight for weight, _ in found)
        return tuple((weight / total, sequence) for weight, sequence in found)

    def start(self, sequence: Sequence_) -> list[State]:
        """The states before the first token."""
        return [(1.0, (sequence, 0, None) if sequence else None)]

    def frontier(self, states: Sequence[State]) -> Frontier:
        """The tokens that may come next, each with the states that it leads to."""
        found: Frontier = {}
        for weight, place in states:
            self._expand(weight, place, False, found)
        return found

    def _expand(self, weight: float, place: Place, spaced: bool, found: Frontier) -> None:
        while place is not None:
            sequence, index, parent = place
            symbol = sequence[index]
            index += 1
            rest: Place = (sequence, index, parent) if index < len(sequence) else parent
            if type(symbol) is str:
                token = " " + symbol if spaced and symbol[0] != "\n" else symbol
                known = found.get(token)
                if known is None:
                    found[token] = [(weight, rest)]
                else:
                    known.append((weight, rest))
                return
            if symbol is SPACE:
                spaced = True
                place = rest
                continue
            for share, inner in self.alternatives(symbol):  # type: ignore[arg-type]
                self._expand(weight * share, (inner, 0, rest) if inner else rest, spaced, found)
            return
        found.setdefault(END, []).append((weight, None))


_TAG = re.compile(r"(?<!\\)<([^<>]+)>")
_STRAY = re.compile(r"(?<!\\)(?:<(?! |=)|\||(?<=\w)>(?=\w))")
_STYLES = ("pick", "steps", "bullets")


def _tagged(tag: str, sections: dict[str, Alternatives], where: str) -> Symbol:
    if "|" in tag:
        name = f"({tag})"
        if name not in sections:
            parts = [_line(part, sections, where) for part in tag.split("|")]
            sections[name] = tuple((1 / len(parts), part) for part in parts)
        return Name(name)
    style, _, rest = tag.partition(":")
    if rest and style in _STYLES:
        count, _, name = rest.partition(":")
        return Pick(name, int(count), style)
    name, mark, share = tag.partition("?")
    if mark:
        return Maybe(name, float(share or 0.5))
    return Name(tag)


def _line(text: str, sections: dict[str, Alternatives], where: str) -> Sequence_:
    symbols: list[Symbol] = []
    at = 0
    for match in _TAG.finditer(text):
        symbols.extend(tokens_of(_plain(text[at : match.start()], where)))
        symbols.append(_tagged(match[1], sections, where))
        at = match.end()
    symbols.extend(tokens_of(_plain(text[at:], where)))
    return tuple(symbols)


def _plain(text: str, where: str) -> str:
    if match := _STRAY.search(text):
        raise InvalidPhrases(
            f"{where}: {match[0]!r} stands alone; a choice holds no other, and \\< and \\| are signs"
        )
    return text.replace("\\n", "\n").replace("\\<", "<").replace("\\|", "|")


def _logical_lines(text: str) -> Iterable[tuple[int, str]]:
    held, began = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        began = began if held else number
        if line.endswith("\\"):
            held += line[:-1] + "\\n"
            continue
        yield began, held + line
        held = ""


def read_phrases(texts: Mapping[str, str]) -> dict[str, Alternatives]:
    """Compiles phrase files, given by name. Raises InvalidPhrases with file and line."""
    sections: dict[str, Alternatives] = {}
    written: dict[str, list[tuple[float, Sequence_]]] = {}
    for name, text in texts.items():
        lines: list[tuple[float, Sequence_]] | None = None
        for number, line in _logical_lines(text):
            where = f"{name}, line {number}"
            if not line.strip() or line.startswith("#"):
                continue
            if match := _SECTION.match(line):
                if match[1] in written:
                    raise InvalidPhrases(f"{where}: section [{match[1]}] is there twice")
                lines = written[match[1]] = []
                continue
            if lines is None:
                raise InvalidPhrases(f"{where}: a line before the first section")
            weight = 1.0
            if match := _WEIGHT.match(line):
                weight, line = float(match[1]), line[match.end() :]
            lines.append((weight, _line(line, sections, where)))
    for section, found in written.items():
        total = sum(weight for weight, _ in found)
        if not total:
            raise InvalidPhrases(f"section [{section}] is empty")
        sections[section] = tuple((weight / total, sequence) for weight, sequence in found)
    _check_names(sections)
    return sections


def _check_names(sections: Mapping[str, Alternatives]) -> None:
    for section, lines in sections.items():
        for _, sequence in lines:
            for symbol in sequence:
                name = getattr(symbol, "name", None)
                if name is not None and name not in sections and not name.startswith("$"):
                    raise InvalidPhrases(f"section [{section}] names [{name}], which is nowhere")


def choices(texts: Iterable[str], *, first_weight: float = 1.0) -> Alternatives:
    """A section of plain texts, the first of them likelier by this factor."""
    found = [tokens_of(text) for text in texts]
    total = first_weight + len(found) - 1
    return tuple(((first_weight if index == 0 else 1.0) / total, line) for index, line in enumerate(found))
