from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.differences.rows import Fold, folded, side_by_side, unified
from reviewapp.pure.differences.units import align, units
from reviewapp.pure.differences.words import compare_texts, where_texts_part

# Few letters and many borders, so that texts share much and break in odd places.
pieces = st.sampled_from(
    [
        "a",
        "b",
        "word",
        " ",
        "  ",
        "\n",
        "\r\n",
        ",",
        ".",
        "你好",
        "ไทย",
        "हिन्दी",
        "👩🏽‍🚀",
        "🇩🇪",
        "é",
        "\ud800",
        "\x00",
    ]
)
texts = st.one_of(st.text(), st.lists(pieces, max_size=40).map("".join))


def marked(left: str, right: str) -> str:
    """The comparison as one line: [-removed-]{+added+}."""
    out = ""
    for segment in compare_texts(left, right).segments:
        if segment.kind == "equal":
            out += segment.left.text
        else:
            out += f"[-{segment.left.text}-]" if segment.left.text else ""
            out += f"{{+{segment.right.text}+}}" if segment.right.text else ""
    return out


@given(texts)
def test_units_together_are_the_text(text: str) -> None:
    assert "".join(units(text)) == text


@given(texts, texts)
def test_segments_give_back_both_texts(left: str, right: str) -> None:
    segments = compare_texts(left, right).segments

    assert "".join(segment.left.text for segment in segments) == left
    assert "".join(segment.right.text for segment in segments) == right


@given(texts, texts)
def test_segments_know_where_they_stand(left: str, right: str) -> None:
    for segment in compare_texts(left, right).segments:
        assert left[segment.left.start : segment.left.end] == segment.left.text
        assert right[segment.right.start : segment.right.end] == segment.right.text
        assert segment.kind != "equal" or segment.left.text == segment.right.text


@given(texts, texts)
def test_differences_are_numbered_in_order(left: str, right: str) -> None:
    difference = compare_texts(left, right)

    numbers = [segment.number for segment in difference.segments if segment.number is not None]

    assert numbers == list(range(1, difference.count + 1))
    assert difference.equal == (left == right)


@given(texts, texts)
def test_every_line_of_both_texts_is_in_one_row(left: str, right: str) -> None:
    rows = side_by_side(compare_texts(left, right))

    assert "\n".join(row.left.text for row in rows if row.left) == left
    assert "\n".join(row.right.text for row in rows if row.right) == right
    assert [row.left.number for row in rows if row.left] == list(range(1, left.count("\n") + 2))


@given(texts, texts)
def test_rows_are_equal_only_where_the_lines_are(left: str, right: str) -> None:
    for row in side_by_side(compare_texts(left, right)):
        assert not row.equal or (row.left and row.right and row.left.text == row.right.text)


@given(texts, texts)
def test_the_unified_form_holds_both_texts(left: str, right: str) -> None:
    lines = unified(side_by_side(compare_texts(left, right)))

    assert "\n".join(one.line.text for one in lines if one.kind != "added") == left
    assert "\n".join(one.line.text for one in lines if one.kind != "removed") == right


@given(texts)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert compare_texts(text, text).count == 0
    assert where_texts_part(text, text) is None


@given(texts, texts)
def test_the_place_where_texts_part_is_the_same_from_both_sides(left: str, right: str) -> None:
    one, other = where_texts_part(left, right), where_texts_part(right, left)

    if one is None or other is None:
        assert one is other is None
        assert left == right
    else:
        assert (one.characters, one.words) == (other.characters, other.words)
        assert (one.left, one.right) == (other.right, other.left)


@given(st.lists(st.integers(0, 4), max_size=30), st.lists(st.integers(0, 4), max_size=30))
def test_an_alignment_covers_both_sequences(left: list[int], right: list[int]) -> None:
    stretches = align(left, right)

    assert [x for s in stretches for x in left[s.i1 : s.i2]] == left
    assert [x for s in stretches for x in right[s.j1 : s.j2]] == right
    assert all(left[s.i1 : s.i2] == right[s.j1 : s.j2] for s in stretches if s.equal)


def test_a_replaced_word_is_one_difference() -> None:
    assert marked("The cat sat.", "The dog sat.") == "The [-cat-]{+dog+} sat."


def test_neighbouring_words_are_one_difference_with_the_space_between_them() -> None:
    assert marked("a big red house", "a small blue house") == "a [-big red-]{+small blue+} house"


def test_chinese_is_compared_by_characters() -> None:
    assert marked("你好世界今天", "你好朋友今天") == "你好[-世界-]{+朋友+}今天"


def test_thai_is_not_one_word() -> None:
    assert compare_texts("ฉันรักแมวมาก", "ฉันรักหมามาก").shared > 0.4


def test_a_vowel_sign_stays_with_its_letter() -> None:
    assert units("हिन्दी में") == ["हिन्दी", " ", "में"]


def test_emoji_are_whole() -> None:
    assert units("👩🏽‍🚀🇩🇪🇫🇷❤️") == ["👩🏽‍🚀", "🇩🇪", "🇫🇷", "❤️"]


def test_numbers_and_contractions_are_words() -> None:
    assert units("don't 3.14 1,000") == ["don't", " ", "3.14", " ", "1,000"]


def test_a_removed_line_leaves_its_neighbours_equal() -> None:
    rows = side_by_side(compare_texts("a\nb\nc", "a\nc"))

    assert [(r.left and r.left.text, r.right and r.right.text, r.equal) for r in rows] == [
        ("a", "a", True),
        ("b", None, False),
        ("c", "c", True),
    ]


def test_a_lost_line_break_is_seen() -> None:
    rows = side_by_side(compare_texts("one\ntwo\n", "one\ntwo"))

    assert not all(row.equal for row in rows)


def test_long_equal_runs_fold() -> None:
    left = "\n".join(str(n) for n in range(100))

    rows = folded(side_by_side(compare_texts(left, left.replace("50", "fifty"))), context=2)

    assert [row for row in rows if isinstance(row, Fold)] == [Fold(0, 48), Fold(53, 47)]
    assert len(rows) == 7


def test_two_empty_texts_are_equal() -> None:
    difference = compare_texts("", "")

    assert difference.segments == ()
    assert difference.equal
    assert [row.equal for row in side_by_side(difference)] == [True]


def test_a_hundred_thousand_words_take_seconds_and_stay_aligned() -> None:
    chance = random.Random(3)
    words = [f"word{chance.randrange(4000)}" for _ in range(100_000)]
    other = [word if chance.random() > 0.1 else "changed" for word in words]
    begin = time.process_time()

    difference = compare_texts(" ".join(words), " ".join(other))

    assert difference.by_lines
    assert difference.shared > 0.9
    assert time.process_time() - begin < 30


def test_unlike_texts_of_a_hundred_thousand_words_are_replaced_as_a_whole() -> None:
    chance = random.Random(4)
    left, right = (" ".join(chance.choices("abcdefgh", k=100_000)) for _ in range(2))
    begin = time.process_time()

    difference = compare_texts(left, right)

    assert "".join(segment.left.text for segment in difference.segments) == left
    assert time.process_time() - begin < 30


def test_where_texts_part_is_told_in_words_and_characters() -> None:
    part = where_texts_part("One two three.", "One two four.")

    assert part is not None
    assert (part.words, part.characters, part.left, part.right) == (2, 8, "three", "four")


def test_a_text_that_ends_early_parts_at_its_end() -> None:
    part = where_texts_part("One two", "One two three")

    assert part is not None
    assert (part.left, part.right) == (None, "three")
