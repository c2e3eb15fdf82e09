"""A chain of entries: each link's digest holds its own content and the link before it.

Whoever changes, removes, adds or reorders a link in the middle must compute every later one anew, and the
last digest, which somebody may have written down elsewhere, is then another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reviewapp.pure.canonical import canonical_json
from reviewapp.pure.said import said

# Part of the digest: whoever changes what takes part must change it, and the golden value.
_VERSION: Final = b"a1"
START: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Link:
    """One link as it was kept."""

    seq: int
    previous: bytes
    digest: bytes
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain breaks first, and how; a sentence for people."""

    seq: int
    sentence: str


def digest_of(*, previous: bytes, seq: int, content: Mapping[str, Any]) -> bytes:
    """The digest of a link."""
    text = canonical_json(dict(content)).encode()
    return hashlib.sha256(b"%s\n%d\n%s\n%s" % (_VERSION, seq, previous.hex().encode(), text)).digest()


def first_break(links: Iterable[Link]) -> tuple[Broken | None, int, bytes]:
    """The first break of a chain read from its beginning; how many links are good; the last good digest."""
    previous, seq = START, 0
    for link in links:
        expected = seq + 1
        if link.seq != expected:
            return (
                Broken(expected, said("chain_missing", seq=expected, next=link.seq, before=seq)),
                seq,
                previous,
            )
        if link.previous != previous:
            return Broken(link.seq, said("chain_parted", seq=link.seq)), seq, previous
        if digest_of(previous=previous, seq=link.seq, content=link.content) != link.digest:
            return (
                Broken(link.seq, said("chain_changed", seq=link.seq)),
                seq,
                previous,
            )
        previous, seq = link.digest, link.seq
    return None, seq, previous
