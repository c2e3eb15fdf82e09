"""Who is meant by an @ in a text: the handles of a project's people, and the handles that stand in a text.

A handle is the person's name in lower case with dots between its words, or the part of the address
before its @; of people who would share one, each goes by the whole address. What stands in code is
no mention, nor is the domain of an e-mail address.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

Id = TypeVar("Id")

_OTHER: Final = re.compile(r"[^\w+-]+")
_CODE: Final = re.compile(r"(?s)```.*?(?:```|$)|`[^`\n]*`")
# More people are not told of one text.
MOST: Final = 50
# What can follow an @: a name, or a whole address.
HANDLE: Final = re.compile(r"\w[\w.+-]*(?:@\w[\w.-]*)?")
_AT: Final = re.compile(r"(?<![\w.+@/-])@(?=\w)")


def handles(people: Iterable[tuple[Id, str, str]]) -> dict[str, Id]:
    """Each handle and whose it is, from id, name (which may be empty) and address."""
    rows = [(id_, _handle(name or email.split("@", 1)[0]), email.casefold()) for id_, name, email in people]
    shared = Counter(base for _, base, _ in rows)
    return {base if base and shared[base] == 1 else email: id_ for id_, base, email in rows}


def _handle(name: str) -> str:
    return _OTHER.sub(".", name.casefold()).strip(".+-_")


class Mention(NamedTuple):
    """A handle in a text: where its @ stands, where it ends, and the handle as it is known."""

    start: int
    end: int
    handle: str


def mentions(text: str, known: Container[str]) -> Iterator[Mention]:
    """The known handles that a text names, in order, outside of code."""
    plain = _CODE.sub(lambda found: " " * len(found[0]), text)
    for at in _AT.finditer(plain):
        found = handle_at(plain, at.end(), known)
        if found is not None:
            yield Mention(at.start(), at.end() + found[0], found[1])


def handle_at(text: str, start: int, known: Container[str]) -> tuple[int, str] | None:
    """The longest known handle that begins here: how many characters it takes, and its name."""
    match = HANDLE.match(text, start)
    if match is None:
        return None
    written = match[0][:320]
    for length in range(len(written), 0, -1):
        handle = written[:length].casefold()
        if handle in known and not _goes_on(text, start + length):
            return length, handle
    return None


def _goes_on(text: str, at: int) -> bool:
    """Whether the name would be cut: a letter follows, or a dot, hyphen or @ and then a letter.

    Scripts without spaces between words write on behind a name.
    """
    following = text[at : at + 2]
    if following[:1] in {".", "-", "+", "@", "_"}:
        following = following[1:]
    return bool(following) and following[0].isalnum() and following[0].isascii()
