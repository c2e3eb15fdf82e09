"""Stored answers served again by the gateway, over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from aiohttp import web
from django.db import IntegrityError
from django.utils import timezone

from reviewapp.models import (
    Annotation,
    AuditEntry,
    Fingerprint,
    Interaction,
    Provider,
    Reuse,
    Rubric,
    Source,
)
from reviewapp.stages import reuse
from reviewapp.stages.record import Serving
from reviewapp.web.gateway import reuse as gateway_reuse
from tests import answering, factories
from tests.serving import settle

QUESTION = {
    "model": "gpt-4o-mini",
    "seed": 7,
    "messages": [{"role": "user", "content": "Capital of France?"}],
}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a look takes here, it is waited for: by default two seconds of it mean a miss."""
    monkeypatch.setattr(gateway_reuse, "LOOK_SECONDS", 60.0)


def ask(gateway: httpx2.Client, request: Any = QUESTION, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in ({"X_Review_Reuse": "valid"} | headers).items()}
    return gateway.post("/v1/chat/completions", json=request, headers=named)


def recorded(gateway, request: Any = QUESTION) -> Interaction:
    """An answer in the store."""
    return gateway.recorded(ask(gateway, request, X_Review_Reuse="off"))


def judge_of(one: Interaction, state: str) -> None:
    """What became of the fingerprint of an answer."""
    Fingerprint.objects.update_or_create(
        project=one.project,
        provider=one.provider,
        model=one.model,
        shape="chat.completions",
        value=one.fingerprint,
        defaults={
            "state": state,
            "first_seen": one.started_at,
            "last_seen": one.started_at,
            "overlap_until": timezone.now() + timedelta(days=1) if state == "overlap" else None,
        },
    )


@pytest.mark.parametrize("state", ["accepted", "overlap"])
def test_an_equal_request_and_seed_get_the_stored_answer(gateway, provider, state):
    first = recorded(gateway)
    judge_of(first, state)

    again = ask(gateway)

    assert len(provider.asked) == 1
    assert again.content == first.body.response_text
    assert again.headers["X-Review-Reused"] == again.headers["X-Review-Interaction"] == str(first.pk)
    assert again.headers["X-Review-Seed"] == "7"
    assert int(again.headers["Age"]) >= 0
    settle()
    assert Reuse.objects.get().interaction == first
    assert Interaction.objects.count() == 1


@pytest.mark.parametrize("state", ["new", "retired"])
def test_a_fingerprint_that_is_not_valid_is_asked_anew(gateway, provider, state):
    judge_of(recorded(gateway), state)

    again = ask(gateway)

    assert len(provider.asked) == 2
    assert "X-Review-Reused" not in again.headers


def test_a_retired_fingerprint_ends_it_at_once(gateway, provider):
    first = recorded(gateway)
    judge_of(first, "accepted")
    assert "X-Review-Reused" in ask(gateway).headers

    judge_of(first, "retired")

    assert "X-Review-Reused" not in ask(gateway).headers


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 8},
        {"temperature": 0.5},
        {"messages": [{"role": "user", "content": "Capital of Spain?"}]},
        {"model": "gpt-4o"},
    ],
)
def test_another_request_or_seed_is_asked(gateway, provider, other):
    judge_of(recorded(gateway), "accepted")

    ask(gateway, QUESTION | other)

    assert len(provider.asked) == 2


def test_without_a_seed_nothing_is_served_again(gateway, provider):
    request = {name: value for name, value in QUESTION.items() if name != "seed"}
    judge_of(recorded(gateway, request), "accepted")

    ask(gateway, request)

    assert len(provider.asked) == 2


def test_off_asks_whatever_is_stored(gateway, provider):
    judge_of(recorded(gateway), "accepted")

    ask(gateway, X_Review_Reuse="off")

    assert len(provider.asked) == 2


def test_reviewed_takes_only_what_people_approved(gateway, provider):
    first = recorded(gateway)
    judge_of(first, "accepted")
    assert "X-Review-Reused" not in ask(gateway, X_Review_Reuse="reviewed").headers

    Annotation.objects.create(
        project=first.project,
        interaction=first,
        rubric=Rubric.objects.get(project=first.project),
        scores={"verdict": "good", "correct": True},
        created_by=factories.make_member(project=first.project),
        created_at=timezone.now(),
        updated_at=timezone.now(),
    )

    assert ask(gateway, X_Review_Reuse="reviewed").headers["X-Review-Reused"] == str(first.pk)


def test_another_project_is_served_nothing_of_it(gateway, provider):
    judge_of(recorded(gateway), "accepted")
    other = factories.make_project()
    factories.make_provider(project=other, name="openai", base_url=provider.base_url, is_default=True)
    key = factories.make_key(project=other)

    answer = ask(gateway, Authorization=f"Bearer {key}")

    assert "X-Review-Reused" not in answer.headers


def test_a_stored_plain_answer_comes_as_a_stream_where_one_is_asked_for(gateway, provider):
    first = recorded(gateway)
    judge_of(first, "accepted")

    again = ask(gateway, QUESTION | {"stream": True})

    assert again.headers["Content-Type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in again.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    text = "".join(
        choice["delta"].get("content") or "" for line in lines[:-1] for choice in json.loads(line)["choices"]
    )
    assert text == json.loads(first.body.response_text)["choices"][0]["message"]["content"]


def test_the_sources_policy_holds_where_the_call_says_nothing(gateway, provider):
    source = factories.make_source(project=gateway.project, name="bot", reuse="valid")
    judge_of(recorded(gateway), "accepted")

    answer = gateway.post("/v1/chat/completions", json=QUESTION, headers={"X-Review-Source": "bot"})

    assert "X-Review-Reused" in answer.headers
    settle()
    assert Reuse.objects.get().source == source


@pytest.mark.parametrize(
    ("prices", "cost", "unpriced"),
    [({"gpt-4o-mini": {"input": 1000.0, "output": 2000.0}}, 8e-3 + 10e-3, 0), ({}, 0.0, 1)],
)
def test_what_was_spared_is_told_in_dollars_where_prices_are_known(project, prices, cost, unpriced):
    source = factories.make_source(project=project, name="bot", reuse="valid")
    provider = factories.make_provider(project=project, name="acme", prices=prices)
    tally = reuse.Tally(hits=1, input_tokens=8, output_tokens=5)
    reuse.note_tallies(
        tallies={reuse.Asked(source.pk, provider.pk, "gpt-4o-mini"): tally}, now=timezone.now()
    )

    saved = reuse.saved(sources=[source.pk], now=timezone.now())[source.pk]
    assert (saved.hits, saved.cost, saved.unpriced) == (1, pytest.approx(cost), unpriced)


def test_what_is_too_old_or_purged_is_asked_anew(gateway, provider):
    source = factories.make_source(project=gateway.project, name="bot", reuse="valid", reuse_days=30)
    first = recorded(gateway)
    judge_of(first, "accepted")
    admin = factories.make_actor(project=gateway.project)

    Interaction.objects.filter(pk=first.pk).update(started_at=timezone.now() - timedelta(days=31))
    assert "X-Review-Reused" not in ask(gateway, X_Review_Source="bot").headers
    Interaction.objects.filter(pk=first.pk).update(started_at=timezone.now() - timedelta(days=29))
    settle()
    Interaction.objects.exclude(pk=first.pk).delete()
    assert "X-Review-Reused" in ask(gateway, X_Review_Source="bot").headers
    reuse.purge(actor=admin, source=source, now=timezone.now())

    assert "X-Review-Reused" not in ask(gateway, X_Review_Source="bot").headers
    assert AuditEntry.objects.filter(action="source.purge_reuse").exists()


def test_an_error_is_never_served_again(gateway, provider):
    provider.behave = lambda _: answering.refusal(500, "busy")
    ask(gateway, X_Review_Reuse="off")
    settle()

    ask(gateway)

    assert len(provider.asked) == 2


def test_equal_calls_at_a_time_ask_once(gateway, provider, monkeypatch):
    source = factories.make_source(project=gateway.project, name="bot", reuse="valid")
    Provider.objects.update(prices={"gpt-4o-mini": {"input": 1000.0, "output": 2000.0}})

    waiting: list[gateway_reuse.Flight] = []
    under_way = gateway_reuse.Reuser.under_way

    def seen(reuser: gateway_reuse.Reuser, wanted: Any) -> gateway_reuse.Flight | None:
        flight = under_way(reuser, wanted)
        waiting.extend([flight] if flight is not None else [])
        return flight

    async def when_nine_wait(asked: answering.Asked) -> web.StreamResponse:
        while asked.json == QUESTION and len(waiting) < 9:  # noqa: ASYNC110  # in another thread
            await asyncio.sleep(0.02)
        return answering.completion()

    monkeypatch.setattr(gateway_reuse.Reuser, "under_way", seen)
    provider.behave = when_nine_wait

    async def together() -> list[httpx2.Response]:
        client = httpx2.AsyncClient(base_url=gateway.base_url, headers=gateway.headers, timeout=120)
        async with client as many:
            return await asyncio.gather(
                *(
                    many.post("/v1/chat/completions", json=QUESTION, headers={"X-Review-Source": "bot"})
                    for _ in range(10)
                )
            )

    ask(gateway, QUESTION | {"seed": 1}, X_Review_Source="bot")  # the directory knows the source now
    asked = len(provider.asked)
    answers = asyncio.run(together())

    assert len(provider.asked) == asked + 1
    assert len({answer.content for answer in answers}) == 1
    assert sum("X-Review-Reused" in answer.headers for answer in answers) == 9
    settle()  # the answer is in the tables; what shared it is noted within seconds
    until(lambda: Reuse.objects.count() == 9)
    figures = reuse.saved(sources=[source.pk], now=timezone.now())
    assert (figures[source.pk].joined, figures[source.pk].misses) == (9, 2)
    assert figures[source.pk].cost > 0
    assert figures[source.pk].unpriced == 0
    assert Source.objects.filter(project=gateway.project).count() == 1


def serving_of(one: Interaction) -> Serving:
    wanted = reuse.Wanted(
        project=one.project_id,
        provider=one.provider_id,
        endpoint="chat.completions",
        digest=b"",
        seed=7,
        policy="valid",
    )
    return reuse.serving_of(wanted=wanted, interaction=one.pk, at=timezone.now())


def test_a_note_that_is_refused_holds_back_none_of_the_others(project, caplog):
    one = factories.make_interaction(project=project)
    servings = [serving_of(one) for _ in range(5)]
    # Longer than its column: the database refuses it.
    servings[2] = replace(servings[2], policy="x" * 11)
    reuser = gateway_reuse.Reuser()
    reuser._unnoted = [(time.monotonic(), serving) for serving in servings]

    reuser._flush()

    assert Reuse.objects.count() == 4
    assert reuser._unnoted == []
    assert f"{one.pk} was served again can't be noted" in caplog.text


def test_figures_that_are_refused_hold_back_no_note(project, monkeypatch):
    def refuses(**values: Any) -> None:
        raise IntegrityError("the source is gone")

    monkeypatch.setattr(reuse, "note_tallies", refuses)
    one = factories.make_interaction(project=project)
    reuser = gateway_reuse.Reuser()
    asked = reuse.Asked(one.source_id or one.pk, one.provider_id, "m")
    reuser._tallies = {asked: reuse.Tally(hits=1)}
    reuser._unnoted = [(time.monotonic(), serving_of(one))]
    # What it closes is another thread's elsewhere; here it is the test's.
    monkeypatch.setattr(gateway_reuse.connection, "close", lambda: None)

    reuser._flush()

    assert Reuse.objects.count() == 1
    assert reuser._tallies == {asked: reuse.Tally(hits=1)}


def until(holds: Any, *, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.2)
