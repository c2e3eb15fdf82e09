from __future__ import annotations

import pytest

from reviewapp.pure.passages import passage_of, pattern_of


def marked(text: str, search: str) -> list[str]:
    pattern = pattern_of(search)
    assert pattern is not None
    return [part.text for part in passage_of(text, pattern) if part.found]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("refund", ["Refund", "refund"]),
        ("refunds", []),
        ("refu*", ["Refund", "refund", "refusal"]),
        ('"refund policy"', ["refund policy"]),
        ('policy "refund policy"', ["refund policy"]),
        ("refund -policy", ["Refund", "refund"]),
    ],
)
def test_what_a_search_found_is_marked(search, found):
    assert marked("Refund me. The refund policy is no refusal.", search) == found


def test_punctuation_between_the_words_of_a_phrase_does_not_hide_it():
    assert marked("Ask for gpt-4o, mini.", '"gpt 4o mini"') == ["gpt-4o, mini"]


def test_a_run_of_unspaced_characters_is_marked_inside_a_longer_one():
    assert marked("返金はいつですか", "いつ") == ["いつ"]


@pytest.mark.parametrize("search", ["", "-late", '-"by mail"', "***"])
def test_a_search_that_wants_no_word_marks_nothing(search):
    assert pattern_of(search) is None


def test_a_passage_begins_a_little_before_what_was_found():
    pattern = pattern_of("needle")
    assert pattern is not None

    first, before, found, *_ = passage_of("hay " * 400 + "a needle" + " hay" * 400, pattern)

    assert (first.text, found.text) == ("…", "needle")
    assert 0 < len(before.text) <= 24


def test_a_passage_is_one_line_of_bounded_length():
    pattern = pattern_of("x*")
    assert pattern is not None

    passage = passage_of("x\n" * 50_000, pattern)

    assert "\n" not in "".join(part.text for part in passage)
    assert sum(len(part.text) for part in passage) < 300
