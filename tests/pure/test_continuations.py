from __future__ import annotations

import math

import pytest

from reviewapp.pure.continuations import following, typed_of
from reviewapp.pure.exchange import Alternative, Token


def tokens(*pairs: tuple[str, float | None], **more: list[tuple[str, float]]) -> list[Token]:
    """Tokens with their probabilities; `more` names the alternatives of a token by its stripped text."""
    return [
        Token(
            text=text,
            logprob=None if share is None else math.log(share),
            alternatives=tuple(Alternative(word, math.log(p)) for word, p in more.get(text.strip(), [])),
        )
        for text, share in pairs
    ]


def test_a_word_is_as_probable_as_its_tokens_together():
    capital, lisbon = following(tokens(("Capital", 0.5), (" Lis", 0.8), ("bon", 0.5)))

    assert (lisbon.text, lisbon.before) == ("Lisbon", ("capital",))
    assert lisbon.probability == pytest.approx(0.4)
    assert list(lisbon.contexts) == ["", "capital"]
    assert list(capital.contexts) == [""]


def test_a_sentence_does_not_go_on_after_its_full_stop():
    words = list(following(tokens(("Paris", 1), (" is", 1), (".", 1), (" It", 1), (" rains", 1))))

    assert [word.before for word in words] == [(), ("paris",), (), ("it",)]


def test_what_the_model_might_have_said_stands_beside_what_it_said():
    (_, france) = following(
        tokens(
            ("of", 1),
            (" France", 0.7),
            France=[(" France", 0.7), (" Spain", 0.2), ("spain", 0.05), (" ,", 0.01)],
        )
    )

    assert [(one.text, round(one.probability, 3)) for one in france.alternatives] == [("Spain", 0.2)]


def test_a_word_without_a_probability_is_context_and_nothing_else():
    (word,) = following(tokens(("the", None), (" capital", 0.5)))

    assert (word.text, word.before) == ("capital", ("the",))


def test_hostile_text_makes_words_that_can_be_stored_or_none():
    texts = [
        word.text for word in following(tokens(("a\x00b", 0.5), ("\ud800", 0.5), (" " + "x" * 500, 0.5)))
    ]

    assert texts == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "before", "begun"),
    [
        ("the capital of fr", ("the", "capital", "of"), "fr"),
        ("what is the capital of ", ("the", "capital", "of"), ""),
        ("model:gpt-4o the ca", ("the",), "ca"),
        ('"the capital of Fr', ("the", "capital", "of"), "fr"),
        ('"by mail" ref', (), "ref"),
        ("late. ref", (), "ref"),
        ("", (), ""),
        ("model:gp", (), ""),
        ("-late", (), ""),
        ("ref*", (), ""),
        ('"by mail"', (), ""),
        ("refund -", (), ""),
    ],
)
def test_what_goes_on_are_the_words_at_the_end(text, before, begun):
    typed = typed_of(text)

    assert (typed.before, typed.begun) == (before, begun)
    assert not begun or typed.head + text[len(typed.head) :] == text
