"""What is asked: budgets, dialects, and the probes of what an endpoint honours."""

from __future__ import annotations

import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.drift.dialect import Dialect
from reviewapp.pure.drift.panel import (
    DEFAULT_BUDGET,
    PLAIN_PROMPTS,
    TEXT_PROMPTS,
    TOKEN_PROMPTS,
    Abilities,
    BudgetTooSmall,
    Question,
    SeedProbe,
    balance,
    border_prompts,
    design,
    is_seed_honoured,
)


@given(st.integers(60, 5_000), st.integers(1, 8), st.integers(1, 50), st.booleans())
def test_a_plan_never_costs_more_than_its_budget(budget: int, sessions: int, pool: int, text: bool) -> None:
    try:
        plan = design(budget=budget, sessions=sessions, abilities=Abilities(), text_only=text, pool=pool)
    except BudgetTooSmall:
        assert budget < 150
        return

    assert plan.requests <= budget
    assert plan.first_rows >= 1
    assert plan.confirming_rows >= 1


def test_the_default_budget_pays_for_the_full_panel_and_fifteen_baseline_rows() -> None:
    plan = design(budget=DEFAULT_BUDGET, abilities=Abilities())

    assert len(plan.questions) == 35
    assert plan.sessions * plan.baseline_rows == 15
    assert plan.confirming_rows == 5


def test_a_budget_that_settles_nothing_says_what_would() -> None:
    with pytest.raises(BudgetTooSmall, match="the smallest check asks 40"):
        design(budget=30, abilities=Abilities())


def test_one_session_gets_as_many_baseline_rows_as_three() -> None:
    plan = design(budget=DEFAULT_BUDGET, sessions=1, abilities=Abilities())

    assert plan.baseline_rows == 15


def test_a_large_pool_gets_more_baseline_rows_where_the_budget_allows() -> None:
    plan = design(budget=5_000, abilities=Abilities(), pool=12)

    assert plan.sessions * plan.baseline_rows == 36


def test_without_log_probabilities_only_texts_are_asked() -> None:
    plan = design(budget=DEFAULT_BUDGET, abilities=Abilities(alternatives=0))

    assert {question.kind for question in plan.questions} == {"seeded", "plain"}


def test_where_the_seed_is_ignored_texts_are_asked_at_temperature_zero() -> None:
    plan = design(budget=DEFAULT_BUDGET, abilities=Abilities(seed_honoured=False))

    assert {question.kind for question in plan.questions} == {"token", "greedy"}


def test_no_question_is_asked_twice() -> None:
    prompts = [*TOKEN_PROMPTS, *TEXT_PROMPTS, *PLAIN_PROMPTS]

    assert len(set(prompts)) == len(prompts)


def random_text(rng: random.Random, *, start: str = "") -> str:
    return start + "".join(rng.choices(string.ascii_lowercase, k=100))


def probe(same: list[str], different: list[str]) -> SeedProbe:
    return SeedProbe(same=tuple(same), different=tuple(different))


def honoured(*probes: SeedProbe) -> bool:
    return is_seed_honoured(probes, rng=np.random.default_rng(1))


def test_a_seed_whose_texts_repeat_is_honoured() -> None:
    rng = random.Random(1)

    assert honoured(probe(["same"] * 5, [random_text(rng) for _ in range(5)]))


def test_a_pool_whose_texts_begin_alike_honours_the_seed() -> None:
    rng = random.Random(2)
    same = [random_text(rng, start="The function returns") for _ in range(5)]

    assert honoured(probe(same, [random_text(rng) for _ in range(5)]))


def test_texts_as_random_under_one_seed_as_under_many_are_not_honoured() -> None:
    ignored = 0
    for number in range(40):
        rng = random.Random(100 + number)
        probes = [probe([random_text(rng) for _ in range(5)], [random_text(rng) for _ in range(5)])]
        ignored += not honoured(*probes)

    assert ignored >= 34


def test_texts_that_are_always_equal_repeat_whatever_the_seed() -> None:
    assert honoured(probe(["same"] * 5, ["same"] * 5))


def test_too_few_answers_do_not_show_an_honoured_seed() -> None:
    assert not honoured(probe(["a"], ["b", "c"]))
    assert not honoured()


def test_border_inputs_are_the_most_balanced_ones() -> None:
    probes = {"certain": ["a", "a", "a"], "torn": ["a", "b", "a"], "even": ["a", "b", "a", "b"]}

    assert border_prompts(probes) == ["even", "torn"]
    assert balance(["a"]) == 0.0


TOKEN = Question("x", "token", 7)
SEEDED = Question("x", "seeded", 7)
PLAIN = Question("x", "plain", 7)


def test_a_token_question_is_greedy_and_asks_for_twenty_alternatives() -> None:
    body = Dialect().request(TOKEN, model="m")

    assert body["temperature"] == 0
    assert body["max_tokens"] == 1
    assert (body["logprobs"], body["top_logprobs"]) == (True, 20)
    assert (body["top_k"], body["min_p"], body["cache_prompt"]) == (0, 0, False)


def test_a_seeded_question_opens_the_sampler() -> None:
    body = Dialect().request(SEEDED, model="m")

    assert (body["temperature"], body["top_p"], body["top_k"], body["seed"]) == (1.0, 1, 0, 7)
    assert "logprobs" not in body


def test_a_plain_question_says_nothing_of_the_sampler() -> None:
    body = Dialect().request(PLAIN, model="m")

    assert set(body) == {"model", "messages", "max_tokens", "seed", "cache_prompt"}


@pytest.mark.parametrize(
    ("refusal", "missing"),
    [
        ("Unrecognized request argument supplied: cache_prompt", "cache_prompt"),
        ("Unrecognized request argument supplied: top_k", "top_k"),
        ("Unsupported parameter: 'logprobs' is not supported with this model", "logprobs"),
        ("seed is not supported", "seed"),
        ("'temperature' does not support 0 with this model", "temperature"),
    ],
)
def test_what_a_refusal_names_is_given_up(refusal: str, missing: str) -> None:
    weaker = Dialect().without(refusal)

    assert weaker is not None
    assert missing in Dialect().request(TOKEN, model="m")
    assert missing not in weaker.request(TOKEN, model="m")


def test_too_many_alternatives_become_eight_then_five_then_none() -> None:
    dialect: Dialect | None = Dialect()
    seen = []
    for _ in range(3):
        assert dialect is not None
        dialect = dialect.without("top_logprobs must be less")
        assert dialect is not None
        seen.append(dialect.alternatives)

    assert seen == [8, 5, 0]


def test_a_vendor_that_renamed_max_tokens_is_asked_by_the_new_name() -> None:
    weaker = Dialect().without(
        "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    )

    assert weaker is not None
    assert "max_completion_tokens" in weaker.request(TOKEN, model="m")
    assert "max_tokens" not in weaker.request(TOKEN, model="m")


def test_a_refusal_that_names_nothing_costs_the_switches_first() -> None:
    weaker = Dialect().without("Bad Request")

    assert weaker is not None
    assert weaker.given_up == ("cache_prompt", "top_k, min_p")


def test_giving_up_ends() -> None:
    dialect: Dialect | None = Dialect()
    steps = 0
    while dialect is not None:
        dialect = dialect.without("Bad Request")
        steps += 1

    assert steps <= 10


def test_both_sides_are_asked_in_what_both_take() -> None:
    common = Dialect(alternatives=5, cache_switch=False).common(Dialect(seed=False, least_tokens=16))

    assert common == Dialect(alternatives=5, cache_switch=False, seed=False, least_tokens=16)
