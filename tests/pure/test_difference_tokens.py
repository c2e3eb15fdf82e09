from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.differences.chances import choosing, clean_logprob, has_chances, positions, shift_between
from reviewapp.pure.differences.tokens import compare_tokens, first_divergence
from reviewapp.pure.exchange import Alternative, Choice, Token
from tests.pure.exchanges import sure, token

logprobs = st.one_of(st.none(), st.floats(), st.floats(-20, 0))
some_tokens = st.lists(
    st.builds(
        Token,
        text=st.sampled_from(["a", "b", " c", "", "\n", "</s>", "\ud800"]),
        logprob=logprobs,
        alternatives=st.lists(
            st.builds(
                Alternative,
                token=st.sampled_from(["a", "b", " c", ""]),
                logprob=logprobs,
                bytes=st.sampled_from([None, b"a", b"\xff"]),
            ),
            max_size=4,
        ).map(tuple),
        bytes=st.sampled_from([None, b"a", b"\xe4\xbd"]),
    ),
    max_size=8,
).map(tuple)


def choice(*tokens: Token) -> Choice:
    return Choice(text="".join(one.text for one in tokens), tokens=tokens)


@given(some_tokens, some_tokens)
def test_token_stretches_cover_both_sides(left: tuple[Token, ...], right: tuple[Token, ...]) -> None:
    stretches = compare_tokens(left, right)

    assert [x for s in stretches for x in left[s.left_start : s.left_end]] == list(left)
    assert [x for s in stretches for x in right[s.right_start : s.right_end]] == list(right)


@given(some_tokens, some_tokens)
def test_a_divergence_is_found_from_both_sides_alike(
    left: tuple[Token, ...], right: tuple[Token, ...]
) -> None:
    one, other = choice(*left), choice(*right)

    there, back = first_divergence(one, other), first_divergence(other, one)

    assert (there is None) == (back is None) == (one.text == other.text)
    if there and back:
        assert there.position == back.position
        assert (there.margin_original, there.margin_attempt) == (back.margin_attempt, back.margin_original)


@given(some_tokens, some_tokens)
def test_a_shift_is_the_same_from_both_sides(left: tuple[Token, ...], right: tuple[Token, ...]) -> None:
    there = shift_between(positions(left), positions(right))
    back = shift_between(positions(right), positions(left))

    assert (there is None) == (back is None)
    if there and back:
        assert there.probability == pytest.approx(back.probability)
        assert 0 <= there.probability <= 1


@given(some_tokens)
def test_nothing_shifts_against_itself(tokens: tuple[Token, ...]) -> None:
    shift = shift_between(positions(tokens), positions(tokens))

    assert shift is None or shift.probability == 0


def test_the_divergence_has_its_place_in_tokens_and_characters() -> None:
    left = choice(*sure("The", " cat"), token(" sat", 0.6, **{" ran": 0.3}), *sure("."))
    right = choice(*sure("The", " cat"), token(" ran", 0.5, **{" sat": 0.4}))

    found = first_divergence(left, right)

    assert found is not None
    assert (found.position, found.shared, found.total, found.characters) == (3, 2, 4, 7)
    assert (found.original, found.attempt) == (" sat", " ran")


def test_the_margins_are_those_of_each_side() -> None:
    left = choice(token("a", 0.6, b=0.3))
    right = choice(token("b", 0.5, a=0.4))

    found = first_divergence(left, right)

    assert found is not None
    assert found.margin_original == pytest.approx(math.log(2))
    assert found.margin_attempt == pytest.approx(math.log(1.25))
    assert found.moved == pytest.approx(math.log(2) + math.log(1.25))
    assert not found.moved_is_least


def test_a_token_that_is_not_listed_has_at_most_the_least_listed_chance() -> None:
    side = choosing(token("a", 0.6, b=0.2, c=0.1), Token("z", None))

    assert side is not None
    assert side.bounded
    assert side.other.probability == pytest.approx(0.1)


def test_a_token_that_is_not_listed_has_at_most_what_the_listed_leave() -> None:
    side = choosing(token("a", 0.95, b=0.04), Token("z", None))

    assert side is not None
    assert side.other.probability == pytest.approx(0.01)


def test_tokens_are_the_same_by_their_bytes() -> None:
    left = choice(Token("\ufffd", -0.1, bytes=b"\xe4"), Token("\ufffd", -0.1, bytes=b"\xbd"))
    right = choice(Token("\ufffd", -0.1, bytes=b"\xe4"), Token("\ufffd", -0.1, bytes=b"\xbe"))

    # The texts are equal, being half characters; the tokens are not.
    assert compare_tokens(left.tokens, right.tokens)[0].left_end == 1


def test_a_replay_without_tokens_is_placed_in_the_originals() -> None:
    left = choice(*sure("The", " cat"), token(" sat", 0.6, **{" ran": 0.3}))

    found = first_divergence(left, Choice(text="The cat ran off"))

    assert found is not None
    assert (found.position, found.original, found.attempt) == (3, " sat", " ran")
    assert found.margin_original == pytest.approx(math.log(2))
    assert found.in_attempt is None


def test_an_original_without_tokens_is_placed_in_the_replays() -> None:
    right = choice(*sure("The", " cat"), token(" sat", 0.6, **{" ran": 0.3}))

    found = first_divergence(Choice(text="The cat ran off"), right)

    assert found is not None
    assert (found.position, found.original, found.attempt, found.total) == (3, " ran", " sat", None)
    assert found.margin_attempt == pytest.approx(math.log(2))


def test_without_tokens_the_divergence_is_told_in_words() -> None:
    found = first_divergence(Choice(text="One two three"), Choice(text="One two four"))

    assert found is not None
    assert not found.by_tokens
    assert (found.position, found.original, found.attempt) == (3, "three", "four")


def test_the_end_of_an_answer_is_a_choice_too() -> None:
    left = choice(*sure("Yes"), token(",", 0.7, **{"<|im_end|>": 0.2}))
    right = choice(*sure("Yes"))

    found = first_divergence(left, right)

    assert found is not None
    assert (found.original, found.attempt) == (",", None)
    assert found.margin_original == pytest.approx(math.log(3.5))


def test_an_end_mark_is_no_word_of_the_answer() -> None:
    left = Choice(text="Yes", tokens=(*sure("Yes"), Token("<|im_end|>", -0.1)))
    right = Choice(text="Yes, it is", tokens=sure("Yes", ",", " it", " is"))

    found = first_divergence(left, right)

    assert found is not None
    assert (found.position, found.original, found.attempt) == (2, None, ",")


@pytest.mark.parametrize("value", [None, math.nan, -math.inf, -9999.0, 3.0])
def test_a_placeholder_is_a_missing_value(value: float | None) -> None:
    assert clean_logprob(value) is None


def test_a_log_probability_is_clipped() -> None:
    assert clean_logprob(-100.0) == -40
    assert clean_logprob(1e-7) == 0


def test_zero_for_everything_tells_nothing() -> None:
    zeros = tuple(Token(word, 0.0, (Alternative("a", 0.0), Alternative("b", 0.0))) for word in "abcdef")

    assert not has_chances(zeros)


def test_a_sure_token_among_others_tells_something() -> None:
    assert has_chances((Token("a", 0.0), Token("b", -0.2), *(Token(c, 0.0) for c in "cdef")))


def test_the_shift_is_the_share_of_probability_that_moved() -> None:
    left = (token("a", 0.6, b=0.4),)
    right = (token("a", 0.5, b=0.5),)

    shift = shift_between(positions(left), positions(right))

    assert shift is not None
    assert shift.probability == pytest.approx(0.1)
    assert shift.chosen_mean == pytest.approx(math.log(1.2))


def test_the_shift_counts_the_position_where_the_answers_part_and_nothing_after() -> None:
    left = (token("a", 0.9, b=0.1), token("x", 0.6, y=0.4), token("p", 0.9, q=0.1))
    right = (token("a", 0.9, b=0.1), token("y", 0.6, x=0.4), token("q", 0.9, p=0.1))

    shift = shift_between(positions(left), positions(right))

    assert shift is not None
    assert shift.positions == 2
    assert shift.profile == pytest.approx((0.0, 0.2))


def test_a_longer_list_of_alternatives_is_no_shift() -> None:
    left = (token("a", 0.5, b=0.3),)
    right = (token("a", 0.5, b=0.3, c=0.1, d=0.05),)

    shift = shift_between(positions(left), positions(right))

    assert shift is not None
    assert shift.probability == 0


def test_without_lists_the_chosen_tokens_tell_the_shift() -> None:
    left = (Token("a", math.log(0.6)), Token("b", math.log(0.9)))
    right = (Token("a", math.log(0.5)), Token("c", math.log(0.2)))

    shift = shift_between(positions(left), positions(right))

    assert shift is not None
    assert (shift.positions, shift.probability) == (1, pytest.approx(0.1))
