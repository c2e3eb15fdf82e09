from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.searching import FIELDS, parse_search, unknown_terms, write_search


def test_fields_are_told_from_words():
    search = parse_search('model:gpt-4o-mini seed:100..199 "exact words" late')

    assert search.fields == {"model": "gpt-4o-mini", "seed": "100..199"}
    assert search.words == '"exact words" late'


def test_a_value_with_spaces_stands_in_quotes():
    assert parse_search('source:"support bot"').fields == {"source": "support bot"}


def test_an_unknown_field_is_words():
    search = parse_search("https://example.org 12:30")

    assert search.fields == {}
    assert search.words == "https://example.org 12:30"


@pytest.mark.parametrize(
    ("words", "name", "instead"),
    [
        ("bogus:1", "bogus", ""),
        ("late modle:gpt-4o refund", "modle", "model:gpt-4o"),
        ("Model:gpt-4o", "Model", "model:gpt-4o"),
        ("fp:fp_1", "fp", "fingerprint:fp_1"),
        ("finish:length", "finish", "finish_reason:length"),
        ('sorce:"support bot"', "sorce", 'source:"support bot"'),
        ("request-hash:sha256:ab", "request-hash", "request_hash:sha256:ab"),
        ("is:flaged", "is:flaged", "is:flagged"),
        ("is:over", "is:over", ""),
    ],
)
def test_what_looks_like_a_filter_is_told_with_the_nearest_one(words: str, name: str, instead: str):
    (unknown,) = unknown_terms(words)

    assert (unknown.name, unknown.instead) == (name, instead)
    assert unknown.term in words
    assert unknown_terms(unknown.quoted) == []
    assert parse_search(unknown.quoted).fields == {}


@pytest.mark.parametrize(
    "words", ["https://example.org/a:b", "12:30", '"bogus:1"', '-"see bogus:1 there"', "a: b", "refund", "::"]
)
def test_what_is_clearly_words_is_no_unknown_filter(words: str):
    assert unknown_terms(words) == []


@pytest.mark.parametrize(
    "text", ["verdict:foo", "seed:abc refund", "cost:>abc", "flagged:maybe is:canary", 'source:"support bot"']
)
def test_a_filter_is_known_whatever_its_value(text: str):
    assert unknown_terms(text) == []
    assert [one.name for one in unknown_terms(f"{text} modle:x")] == ["modle"]


def test_is_is_short_for_a_field():
    assert parse_search("is:canary refund").fields == {"canaries": "yes"}
    assert parse_search("is:flagged is:error").fields == {"flagged": "yes", "status": "error"}
    assert parse_search("is:discussed").fields == {"discussed": "open"}
    assert parse_search("is:over").words == "is:over"


def test_of_a_field_given_twice_the_last_counts():
    assert parse_search("model:a model:b").fields == {"model": "b"}


@given(
    st.dictionaries(
        st.sampled_from(FIELDS),
        st.text(
            st.characters(exclude_characters='"', exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]),
            min_size=1,
        ),
    )
)
def test_what_is_written_is_read_back(fields):
    assert parse_search(write_search(fields)).fields == fields
