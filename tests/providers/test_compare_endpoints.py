"""Two endpoints compared: on a real engine, and on servers that take and answer less."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from django.core.management import CommandError, call_command

from reviewapp.providers.endpoints import Outcome, compare_endpoints
from reviewapp.providers.panel import SLOW_WIDTHS, WIDTHS, Side, asked_with, base_url
from reviewapp.pure.drift.decision import SAME
from reviewapp.pure.drift.panel import Question
from reviewapp.pure.verdicts.values import VerdictKind
from tests.answering import Asked, answering, refusal
from tests.providers.tiny_servers import need_tiny_model, serving, traffic

ROOT = Path(__file__).resolve().parents[2]
CHANGED = VerdictKind.BACKEND_CHANGED
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def compare(
    baseline: str | Sequence[str],
    candidate: str | Sequence[str],
    *,
    budget: int = 470,
    sessions: int = 3,
    text_only: bool = False,
    model: str | None = None,
    seed: int = 1,
) -> Outcome:
    sides = [
        Side(name=name, urls=(urls,) if isinstance(urls, str) else tuple(urls), model=model)
        for name, urls in (("baseline", baseline), ("candidate", candidate))
    ]
    return asyncio.run(
        compare_endpoints(
            baseline=sides[0],
            candidate=sides[1],
            budget=budget,
            sessions=sessions,
            text_only=text_only,
            seed=seed,
            clock=lambda: NOW,
        )
    )


# --- on the real engine -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    need_tiny_model()
    with serving("base") as url:
        yield url


@pytest.fixture(scope="module")
def pool(base: str) -> Iterator[list[str]]:
    with serving("base@0") as one, serving("base@1") as two, serving("base@2") as three:
        yield [one, two, three]


@pytest.fixture(scope="module")
def batching(base: str) -> Iterator[str]:
    with serving("base", "--slots", "4") as url:
        yield url


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[str], str]]:
    """Other models' servers, each started when the first test asks for it."""
    need_tiny_model()
    with ExitStack() as started:
        yield cache(lambda model: started.enter_context(serving(model)))


def test_the_same_model_on_another_port_is_identical(base: str) -> None:
    with serving("base") as twin:
        outcome = compare(base, twin)

    assert outcome.verdict is VerdictKind.IDENTICAL
    assert outcome.failed == 0


@pytest.mark.parametrize("model", ["noise0.001", "ft1", "bf16", "q8_0"])
def test_a_changed_model_is_found(base: str, served: Callable[[str], str], model: str) -> None:
    outcome = compare(base, served(model))

    assert outcome.verdict is CHANGED
    assert outcome.decision is not None
    assert outcome.decision.deciding is not None
    assert outcome.decision.deciding.statistic == "lp_nearest"


@pytest.mark.parametrize("model", ["noise0.001", "q8_0"])
def test_a_changed_model_is_found_by_its_texts_alone(
    base: str, served: Callable[[str], str], model: str
) -> None:
    outcome = compare(base, served(model), text_only=True)

    assert outcome.verdict is CHANGED
    assert outcome.decision is not None
    assert {one.statistic for one in outcome.decision.looks[-1]} == {"unseen_text"}


def test_a_changed_cache_type_is_found(base: str) -> None:
    with serving("base", "--ctk", "q8_0") as other:
        assert compare(base, other).verdict is CHANGED


def test_a_changed_template_is_found(base: str) -> None:
    template = (
        "{% for m in messages %}<|{{ m['role'] }}|> {{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with serving("base", "--chat-template", template) as other:
        assert compare(base, other).verdict is CHANGED


@pytest.mark.parametrize("text_only", [False, True])
def test_a_pool_against_itself_is_the_same(pool: list[str], text_only: bool) -> None:
    assert compare(pool, pool, text_only=text_only).verdict in SAME


def test_one_member_of_the_pool_is_the_same_backend(pool: list[str]) -> None:
    assert compare(pool, pool[1]).verdict in SAME


@pytest.mark.parametrize("text_only", [False, True])
def test_a_model_outside_the_pool_is_a_change(pool: list[str], base: str, text_only: bool) -> None:
    assert compare(pool, base, text_only=text_only).verdict is CHANGED


def test_load_on_the_candidate_is_no_change(batching: str) -> None:
    with traffic(batching):
        loaded = compare(batching, batching)

    assert loaded.verdict in SAME


@pytest.mark.parametrize("busy", ["baseline", "candidate"])
def test_traffic_on_one_side_alone_changes_no_texts(batching: str, busy: str) -> None:
    with serving("base", "--slots", "4") as other, traffic(batching if busy == "baseline" else other):
        outcome = compare(batching, other, text_only=True)

    assert outcome.verdict is not CHANGED
    assert outcome.decision is not None
    assert all(one.below_floor for look in outcome.decision.looks for one in look)


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_a_session_spreads_its_requests_over_all_widths_and_never_asks_one_alone(rows: int) -> None:
    panel = [Question(str(number), "seeded", number) for number in range(15)]
    first = random.Random(1).sample(range(15), 15)

    shares = [asked_with(panel, first=first, rows=rows, widths=3, number=number) for number in range(3)]

    assert [len(share) for share in shares] == [5 * rows] * 3
    assert Counter(question for share in shares for question in share) == dict.fromkeys(panel, rows)
    if rows >= 3:
        assert all(set(share) == set(panel) for share in shares)
    assert min(*WIDTHS, *SLOW_WIDTHS) > 1


def test_a_loaded_server_hides_no_change(batching: str) -> None:
    with serving("noise0.001", "--slots", "4") as other, traffic(other):
        assert compare(batching, other).verdict is CHANGED


def test_the_budget_is_kept_and_counted(base: str, served: Callable[[str], str]) -> None:
    outcome = compare(base, served("noise0.001"), budget=120)

    assert outcome.requests <= 120
    assert outcome.verdict is CHANGED


def test_another_sampler_is_found_by_text_and_said_to_leave_the_numbers_alone(base: str) -> None:
    def cut(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "top_p": 0.95} if "top_p" in body else body

    with forwarding(base, change=cut) as other:
        outcome = compare(base, other)

    assert outcome.verdict is CHANGED
    assert "text changed but the log probabilities did not" in outcome.sentence


def test_the_command_prints_json_and_ends_with_the_verdicts_status(
    base: str, served: Callable[[str], str], tmp_path: Path
) -> None:
    other = served("q8_0")
    changed = run_command("--baseline", base, "--candidate", f"{other}/v1", "--json", data=tmp_path)
    same = run_command("--baseline", base, "--candidate", base, "--json", data=tmp_path)

    told = json.loads(changed.stdout)
    assert changed.returncode == 3
    assert same.returncode == 0
    assert set(told) == {
        "verdict",
        "sentence",
        "statistic",
        "effect",
        "floor",
        "p",
        "requests",
        "evidence",
    }
    assert told["verdict"] == "backend_changed"
    assert told["effect"] > told["floor"]
    assert json.loads(same.stdout)["verdict"] == "identical"
    # No database was made or asked for.
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("garbage", ["nonsense", "http://a\nb"])
def test_garbage_for_an_address_is_told_in_one_line_that_names_its_option(garbage: str) -> None:
    with pytest.raises(CommandError) as told:
        call_command("compare_endpoints", "--baseline", garbage, "--candidate", "http://127.0.0.1:9")

    assert str(told.value).startswith("--baseline ")
    assert "\n" not in str(told.value)


def run_command(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "compare_endpoints", *arguments, "--budget", "200"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ
        | {"REVIEWAPP_DATA": str(data), "REVIEWAPP_DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"},
    )


@contextmanager
def forwarding(
    url: str,
    *,
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body,
) -> Iterator[str]:
    """A proxy in front of a server that changes what it is asked."""
    import aiohttp

    async def forward(asked: Asked) -> web.StreamResponse:
        body = change(json.loads(asked.body)) if asked.body else None
        method = "POST" if body is not None else "GET"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{url}{asked.path}", json=body) as answer,
        ):
            return web.Response(
                status=answer.status, body=await answer.read(), content_type="application/json"
            )

    with answering(forward) as provider:
        yield provider.base_url


# --- on servers that take and answer less --------------------------------------------------------------


class Little:
    """A model made of a hash: the same request gives the same answer, another variant another one."""

    def __init__(
        self,
        *,
        variant: str = "one",
        refuses: Sequence[str] = (),
        logprobs: bool = True,
        seed: bool = True,
        failing: float = 0.0,
        models: Sequence[str] = ("little",),
        most_alternatives: int = 20,
    ) -> None:
        self.variant = variant
        self.refuses = refuses
        self.logprobs = logprobs
        self.seed = seed
        self.failing = failing
        self.models = models
        self.most_alternatives = most_alternatives
        self.chance = random.Random(3)
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, asked: Asked) -> web.Response:
        if asked.path.endswith("/models"):
            return web.json_response({"data": [{"id": name} for name in self.models]})
        body = asked.json
        self.bodies.append(body)
        for name in self.refuses:
            if name in body:
                return refusal(400, f"Unrecognized request argument supplied: {name}")
        if body.get("top_logprobs", 0) > self.most_alternatives:
            return refusal(400, f"top_logprobs must be at most {self.most_alternatives}")
        if len(self.bodies) > 5 and self.chance.random() < self.failing:
            return refusal(500, "overloaded")
        return web.json_response(self.answer(body))

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        drawn = body.get("seed") if self.seed else self.chance.random()
        if body.get("temperature") == 0:
            drawn = 0
        prompt = body["messages"][0]["content"]
        text = self.digest("text", prompt, drawn)
        choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}}
        if body.get("logprobs") and self.logprobs:
            listed = [
                {
                    "token": name,
                    "bytes": list(name.encode()),
                    "logprob": -1 - place / 4 - int(self.digest("lp", prompt, name)[:4], 16) / 2**18,
                }
                for place, name in enumerate("abcdefghijklmnopqrst"[: body["top_logprobs"]])
            ]
            choice["logprobs"] = {"content": [{**listed[0], "top_logprobs": listed}]}
        return {"model": body["model"], "choices": [choice], "system_fingerprint": "fp_little"}

    def digest(self, *parts: object) -> str:
        return hashlib.sha256(repr((self.variant, *parts)).encode()).hexdigest()


@contextmanager
def little(**options: Any) -> Iterator[tuple[str, Little]]:
    model = Little(**options)
    with answering(model) as provider:
        yield provider.base_url, model


def test_a_server_that_refuses_extras_is_asked_without_them() -> None:
    with little(refuses=("cache_prompt", "top_k")) as (url, model), little() as (other, twin):
        outcome = compare(url, other, budget=200)

    assert outcome.verdict is VerdictKind.IDENTICAL
    assert outcome.given_up == ("cache_prompt", "top_k, min_p")
    assert all("cache_prompt" not in body for body in twin.bodies)
    assert "seed" in model.bodies[-1]


def test_what_the_candidate_refuses_the_baseline_is_not_asked_either() -> None:
    with little() as (url, model), little(most_alternatives=5) as (other, _):
        outcome = compare(url, other, budget=200)

    assert outcome.verdict is VerdictKind.IDENTICAL
    asked = [body["top_logprobs"] for body in model.bodies[1:] if "top_logprobs" in body]
    assert set(asked) == {5}


def test_a_candidate_without_log_probabilities_is_compared_by_text() -> None:
    with little() as (url, _), little(logprobs=False) as (other, _):
        same = compare(url, other, budget=200)
    with little() as (url, _), little(logprobs=False, variant="two") as (other, _):
        changed = compare(url, other, budget=200)

    assert same.verdict is VerdictKind.IDENTICAL
    assert same.given_up == ("log probabilities",)
    assert changed.verdict is CHANGED


def test_a_seed_that_is_ignored_is_noticed_and_texts_are_asked_greedily() -> None:
    with little(seed=False) as (url, model), little(seed=False) as (other, _):
        outcome = compare(url, other, budget=300)

    assert outcome.verdict in SAME
    assert not outcome.seed_honoured
    assert model.bodies[-1]["temperature"] == 0


def test_an_ignored_seed_and_no_log_probabilities_still_show_a_change() -> None:
    quiet = {"seed": False, "logprobs": False}
    with little(**quiet) as (url, _), little(**quiet, variant="two") as (other, _):
        outcome = compare(url, other, budget=400)

    assert outcome.verdict is CHANGED


def test_more_than_one_failure_in_five_is_inconclusive() -> None:
    with little() as (url, _), little(failing=0.4) as (other, _):
        outcome = compare(url, other, budget=400)

    assert outcome.verdict is VerdictKind.INCONCLUSIVE
    assert "requests failed" in outcome.sentence
    assert outcome.failed > 0


def test_a_few_failures_are_asked_again() -> None:
    with little() as (url, _), little(failing=0.1) as (other, _):
        outcome = compare(url, other, budget=200)

    assert outcome.verdict is VerdictKind.IDENTICAL
    assert outcome.requests <= 200


def test_a_budget_too_small_is_inconclusive_and_says_what_would_do() -> None:
    with little() as (url, _):
        outcome = compare(url, url, budget=20)

    assert outcome.verdict is VerdictKind.INCONCLUSIVE
    assert outcome.requests <= 20
    assert "the smallest check asks" in outcome.sentence


def test_an_endpoint_that_cannot_be_reached_is_inconclusive() -> None:
    with little() as (url, _):
        outcome = compare(url, "http://127.0.0.1:9", budget=200)

    assert outcome.verdict is VerdictKind.INCONCLUSIVE
    assert "can't be reached" in outcome.sentence


def test_the_model_both_sides_list_is_asked_for() -> None:
    with little(models=("a", "b")) as (url, ours), little(models=("c", "b")) as (other, theirs):
        compare(url, other, budget=100)

    assert {body["model"] for body in [*ours.bodies, *theirs.bodies]} == {"b"}


def test_a_model_that_was_named_is_asked_for() -> None:
    with little() as (url, ours):
        compare(url, url, budget=100, model="chosen")

    assert {body["model"] for body in ours.bodies} == {"chosen"}


def test_one_endpoint_of_a_pool_is_drawn_for_each_request() -> None:
    with little() as (one, first), little() as (two, second), little() as (three, _):
        compare([one, two], three, budget=200)

    shares = sorted(len(model.bodies) for model in (first, second))
    assert shares[0] > 0.3 * sum(shares)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("https://api.example.org/openai/v1", "https://api.example.org/openai/v1"),
        ("http://h/v1/chat/completions", "http://h/v1"),
    ],
)
def test_an_address_is_taken_with_and_without_its_version(given: str, asked: str) -> None:
    assert base_url(given) == asked
