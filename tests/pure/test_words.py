from __future__ import annotations

import pytest

from reviewapp.pure.words import indexable, query, storable


def test_words_must_all_be_found():
    assert query("refund policy") == "'refund' & 'policy'"


def test_quotes_make_a_phrase():
    assert query('"refund policy" order') == "'refund policy' & 'order'"


def test_a_minus_excludes_a_word_or_a_phrase():
    assert query('refund -late -"by mail"') == "'refund' & !'late' & !'by mail'"


def test_a_star_finds_words_that_begin_so():
    assert query("refu*") == "'refu':*"


def test_a_run_of_characters_without_spaces_is_a_phrase_of_characters():
    assert query("返金") == "'返 金'"
    assert indexable("返金です").split() == ["返", "金", "で", "す"]


@pytest.mark.parametrize("text", ["", "  ", "-", '"', "***", "&|!()", "''"])
def test_what_holds_no_word_asks_for_nothing(text):
    assert query(text) == ""


def test_quotes_and_backslashes_are_no_syntax():
    assert query("it's\\") == "'it''s\\\\'"


def test_nul_and_lone_surrogates_become_replacement_characters():
    assert storable("a\x00b\ud800c") == "a\ufffdb\ufffdc"
