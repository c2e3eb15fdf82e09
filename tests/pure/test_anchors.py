from __future__ import annotations

import pytest

from reviewapp.pure.anchors import find_words, ink_before


@pytest.mark.parametrize(
    ("text", "words", "near", "found"),
    [
        ("Within five days.", "five", 6, "five"),
        ("Within **five** days.", "five days", 6, "five** days"),
        ("- one\n- two", "one two", 0, "one\n- two"),
        ("a 😀 smile", "😀 smile", 1, "😀 smile"),
        ("line\r\nbreak", "line break", 0, "line\r\nbreak"),
    ],
)
def test_words_are_found_as_they_were_recorded(text, words, near, found):
    start, end = find_words(text=text, words=words, near=near)

    assert text[start:end] == found


def test_of_several_places_the_nearest_is_meant():
    text = "yes no yes no yes"

    assert find_words(text=text, words="yes", near=0) == (0, 3)
    assert find_words(text=text, words="yes", near=6) == (7, 10)
    assert find_words(text=text, words="yes", near=99) == (14, 17)


@pytest.mark.parametrize("words", ["", " \n", "***", "elsewhere"])
def test_what_does_not_stand_there_is_not_found(words):
    assert find_words(text="Within five days.", words=words, near=0) is None


def test_ink_before_leaves_space_and_signs_out():
    assert ink_before("a **b** c", 8) == 2
