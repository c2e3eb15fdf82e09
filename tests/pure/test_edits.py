"""Graded edits: deterministic, from one place to all, and never of what was not asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.edits import AUTOMATIC, EditKind, edit, graded, size_of

ASKED = "Where is my order 48213? I need it soon, please help. It cost 3.50 at example.org."


def one(kind, amount=0.0, text=ASKED, seed=7):
    return edit(text=text, kind=kind, amount=amount, seed=seed)


@pytest.mark.parametrize("kind", AUTOMATIC)
def test_the_same_seed_edits_alike(kind):
    assert one(kind, 0.4) == one(kind, 0.4)


def test_another_seed_edits_another_place():
    assert len({one(EditKind.TYPO, seed=seed) for seed in range(20)}) > 3


@pytest.mark.parametrize("kind", [EditKind.WHITE_SPACE, EditKind.PUNCTUATION, EditKind.TYPO, EditKind.CASE])
def test_a_larger_amount_changes_more(kind):
    sizes = [size_of(ASKED, one(kind, amount)) for amount in (0.0, 0.4, 1.0)]

    assert 0 < sizes[0] < sizes[1] < sizes[2]


def test_white_space_leaves_all_words():
    assert one(EditKind.WHITE_SPACE, 1.0).split() == ASKED.split()


def test_case_leaves_all_letters():
    assert one(EditKind.CASE, 1.0).lower() == ASKED.lower()


def test_punctuation_leaves_numbers_and_addresses():
    edited = one(EditKind.PUNCTUATION, 1.0)

    assert "3.50" in edited
    assert "example.org" in edited
    assert "?" not in edited


def test_a_synonym_keeps_the_capital():
    assert one(EditKind.SYNONYM, 1.0, text="Help me.") == "Assist me."


def test_reordering_keeps_every_sentence():
    edited = one(EditKind.REORDER, 1.0)

    assert edited != ASKED
    assert sorted(edited.split()) == sorted(ASKED.split())


def test_one_sentence_can_not_be_reordered():
    assert one(EditKind.REORDER, text="Where is it?") is None


def test_appended_context_grows_with_the_amount():
    little, much = one(EditKind.APPEND, 0.0), one(EditKind.APPEND, 1.0)

    assert little.startswith(ASKED)
    assert len(much) >= 2 * len(ASKED) > len(little)


def test_a_paraphrase_is_written_by_people():
    with pytest.raises(ValueError, match="not made by itself"):
        one(EditKind.PARAPHRASE)


def test_graded_edits_are_each_another_text():
    edits = graded(text=ASKED, seed=7)

    texts = [found.text for found in edits]
    assert len(set(texts)) == len(texts)
    assert ASKED not in texts
    assert {found.kind for found in edits} == set(AUTOMATIC)


@given(st.text(max_size=200), st.sampled_from(AUTOMATIC), st.sampled_from([0.0, 0.1, 1.0]))
def test_any_text_is_edited_or_said_not_to_be(text, kind, amount):
    edited = edit(text=text, kind=kind, amount=amount, seed=1)

    assert edited is None or 0 <= size_of(text, edited) <= 1
