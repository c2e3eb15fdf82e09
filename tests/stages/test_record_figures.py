"""The quick figures of log probabilities are those of the tokens that the reader gives."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from reviewapp.formats.openai import read_reply
from reviewapp.stages.record.figures import quick_figures, token_figures
from tests.recordings import recorded_rows


def slow_figures(endpoint: Any, response: Any) -> tuple[bool, float | None, float | None]:
    reply = read_reply(endpoint, response)
    numbers = [t.logprob for t in reply.tokens if t.logprob is not None and math.isfinite(t.logprob)]
    reported = any(choice.tokens for choice in reply.choices)
    mean = math.fsum(numbers) / len(numbers) if numbers else None
    return reported, mean, min(numbers, default=None)


def assert_same(endpoint: Any, response: Any) -> bool:
    figures = token_figures(endpoint, response)
    assert (figures.reported, figures.mean, figures.least) == slow_figures(endpoint, response)
    quick = quick_figures(endpoint, json.dumps(response))
    if quick is not None:
        assert (quick.reported, quick.mean, quick.least) == slow_figures(endpoint, response)
        # All else is read from the rest as it would be from the whole.
        whole, rest = read_reply(endpoint, response), read_reply(endpoint, quick.rest)
        assert rest == replace(whole, choices=tuple(replace(c, tokens=()) for c in whole.choices))
    return figures.reported


def test_they_are_the_same_for_every_recorded_answer(shared):
    reported = sum(assert_same(row["endpoint"], row["response"]) for row in recorded_rows(shared))

    assert reported >= 24


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        [],
        {"content": []},
        {"content": None, "refusal": [{"token": "no", "logprob": -1}]},
        {"content": [{"token": "a", "logprob": -1}, {"token": "b"}, "rubbish", {"logprob": "x"}]},
        {"content": [{"token": "a", "logprob": float("-inf")}]},
        {"tokens": ["a", "b"], "token_logprobs": [None, -2.5]},
        {"tokens": ["a", "b"], "token_logprobs": [-1]},
        {"tokens": ["a"], "token_logprobs": "x"},
        {"tokens": []},
    ],
)
@pytest.mark.parametrize("endpoint", ["chat.completions", "completions", "responses", "embeddings"])
def test_they_are_the_same_for_odd_answers(endpoint, logprobs):
    assert_same(endpoint, {"choices": [{"logprobs": logprobs}, "x", {"logprobs": {"content": [{}]}}]})


@pytest.mark.parametrize("response", [None, "x", [], {"choices": {}}, {"choices": [1]}])
def test_what_is_no_answer_reports_none(response):
    assert not assert_same("chat.completions", response)


@pytest.mark.parametrize("endpoint", ["chat.completions", "completions"])
def test_usual_answers_are_read_quickly(endpoint):
    chat = {"content": [{"token": "a", "logprob": -1, "top_logprobs": []}], "refusal": None}
    older = {"tokens": ["a", "b"], "token_logprobs": [None, -2.5], "top_logprobs": [None, {}]}
    response = {"model": "m", "choices": [{"index": 0, "logprobs": chat}, {"index": 1, "logprobs": older}]}

    assert quick_figures(endpoint, json.dumps(response)) is not None
    assert assert_same(endpoint, response)


def test_an_answer_with_numbers_that_json_has_not_is_left_to_the_slow_reader():
    assert quick_figures("chat.completions", '{"choices": [{"logprobs": {"content": [NaN]}}]}') is None
