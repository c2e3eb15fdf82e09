"""A chain of entries: every way of tampering shows, and where."""

from __future__ import annotations

import pytest

from reviewapp.pure.chain import START, Link, digest_of, first_break


def chain(*contents: str) -> list[Link]:
    links, previous = [], START
    for seq, text in enumerate(contents, 1):
        digest = digest_of(previous=previous, seq=seq, content={"deed": text})
        links.append(Link(seq, previous, digest, {"deed": text}))
        previous = digest
    return links


def test_the_digest_of_a_link_is_what_it_always_was():
    digest = digest_of(previous=START, seq=1, content={"deed": "made", "n": 1.0})

    assert digest.hex() == "6970aac75a2abd359ba855ed47493cce6d79862af20e310a07dc251b497c7d25"


def test_a_chain_as_it_was_made_is_whole():
    links = chain("made", "changed", "removed")

    assert first_break(links) == (None, 3, links[-1].digest)
    assert first_break([]) == (None, 0, START)


@pytest.mark.parametrize(
    ("tamper", "seq", "said"),
    [
        (lambda links: [links[0], links[2]], 2, "Entry 2 is missing; entry 3 follows 1."),
        (lambda links: links[1:], 1, "Entry 1 is missing; entry 2 follows 0."),
        (
            lambda links: [
                links[0],
                Link(2, links[1].previous, links[1].digest, {"deed": "other"}),
                links[2],
            ],
            2,
            "Entry 2 is not what was sealed: it was changed.",
        ),
        (
            lambda links: [chain("forged")[0], *links[1:]],
            2,
            "Entry 2 does not follow the one before it.",
        ),
        (lambda links: [links[0], links[0], links[1]], 2, "Entry 2 is missing; entry 1 follows 1."),
    ],
)
def test_what_was_done_to_a_chain_shows_at_its_place(tamper, seq, said):
    broken, _, _ = first_break(tamper(chain("made", "changed", "removed")))

    assert broken is not None
    assert (broken.seq, broken.sentence) == (seq, said)
