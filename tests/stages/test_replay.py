from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from datetime import timedelta
from uuid import RFC_4122

import pytest
from django.db import connection

from reviewapp.models import Attempt, AuditEntry, Comparison, Interaction, NotAllowed, ReplayRun
from reviewapp.providers.simulated import server
from reviewapp.stages import compare, replay
from reviewapp.stages.administer import Refused
from reviewapp.stages.replay import working
from tests.factories import NOW, make_actor, make_interaction, make_provider


@pytest.fixture(scope="module")
def simulated():
    with server.running() as base_url:
        yield base_url


@pytest.fixture
def provider(project, simulated):
    return make_provider(project=project, name="simulated", base_url=simulated)


def recorded(
    project, provider, simulated, *, model="sim-steady", seed=7, prompt="When is my refund due?", n=1
):
    """Interactions as the provider itself answered them."""
    made = []
    for number in range(n):
        request = {
            "model": model,
            "messages": [{"role": "user", "content": f"{prompt} {number or ''}".strip()}],
            "seed": seed,
            "temperature": 0.7,
        }
        call = urllib.request.Request(
            f"{simulated}/chat/completions",
            json.dumps(request).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(call) as answer:
            response = json.load(answer)
        made.append(
            make_interaction(
                project=project,
                provider=provider,
                request=request,
                response=response,
                model=model,
                seed=seed,
                fingerprint=response["system_fingerprint"],
            )
        )
    return made


def finished(run, *, worker="w1", seconds=600.0):
    replay.work(run_id=run.pk, worker=worker, seconds=seconds)
    while compare.compare_new(now=NOW, run_id=run.pk):
        pass
    run.refresh_from_db()
    return run


def start(actor, interactions, **values):
    return replay.start_run(
        actor=actor, selection={"interactions": [one.pk for one in interactions]}, now=NOW, **values
    )


@pytest.mark.django_db(transaction=True)
def test_the_same_seed_on_an_unchanged_backend_gives_the_identical_answer(project, provider, simulated):
    reviewer = make_actor(project=project, role="reviewer")
    (original,) = recorded(project, provider, simulated)

    run = finished(start(reviewer, [original], attempts=3))

    assert run.state == "done"
    assert set(Comparison.objects.values_list("verdict", flat=True)) == {"identical"}
    answers = Interaction.objects.filter(replay_of=original)
    assert answers.count() == 3
    assert {answer.seed for answer in answers} == {7}


def test_ids_of_a_runs_attempts_are_of_version_7_and_in_the_order_of_asking(project, provider):
    reviewer = make_actor(project=project, role="reviewer")
    originals = [make_interaction(project=project, provider=provider) for _ in range(7)]
    run = start(reviewer, originals, attempts=30)

    attempts = list(Attempt.objects.filter(run=run).order_by("pk"))

    assert [one.number for one in attempts] == [n for n in range(1, 31) for _ in originals]
    assert {(one.pk.version, one.pk.variant) for one in attempts} == {(7, RFC_4122)}
    assert len({one.pk.int & (1 << 62) - 1 for one in attempts}) == 210


@pytest.mark.django_db(transaction=True)
def test_the_answer_is_recorded_under_the_attempts_own_id(project, provider, simulated):
    reviewer = make_actor(project=project, role="reviewer")
    (original,) = recorded(project, provider, simulated)

    finished(start(reviewer, [original]))

    attempt = Attempt.objects.get()
    assert attempt.answer_id == attempt.pk


@pytest.mark.django_db(transaction=True)
def test_an_override_is_sent_and_marked(project, provider, simulated):
    reviewer = make_actor(project=project, role="reviewer")
    (original,) = recorded(project, provider, simulated)

    run = finished(start(reviewer, [original], overrides={"seed": 8, "max_tokens": 5}))

    answer = Interaction.objects.select_related("body").get(replay_of=original)
    assert answer.seed == 8
    assert json.loads(answer.body.request_text)["max_tokens"] == 5
    assert run.overrides == {"seed": 8, "max_tokens": 5}


@pytest.mark.django_db(transaction=True)
def test_a_refused_request_fails_with_the_providers_words_and_is_no_difference(project, provider, simulated):
    reviewer = make_actor(project=project, role="reviewer")
    (original,) = recorded(project, provider, simulated)

    run = finished(start(reviewer, [original], overrides={"model": "no-such-model"}))

    attempt = Attempt.objects.get()
    assert (run.state, attempt.state) == ("done", "failed")
    assert "no-such-model" in attempt.error
    assert not Comparison.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_provider_that_is_away_is_asked_again_before_it_counts_as_failed(project, monkeypatch):
    stop, stored = working._stop, threading.Event()

    def when_it_failed(turn, lanes):
        if stored.is_set():
            stop(turn, lanes)
        else:
            asyncio.get_running_loop().call_later(0.02, when_it_failed, turn, lanes)

    monkeypatch.setattr(working, "_stop", when_it_failed)
    reviewer = make_actor(project=project, role="reviewer")
    gone = make_provider(project=project, name="gone", base_url="http://127.0.0.1:9/v1")
    original = make_interaction(project=project, provider=gone)

    run = start(reviewer, [original])
    replay.work(run_id=run.pk, worker="w1", seconds=0, on_stored=stored.set)

    attempt = Attempt.objects.get()
    assert attempt.state == "queued"
    assert 1 <= attempt.tries <= 3
    assert attempt.not_before is not None


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_a_run_and_no_attempt_is_asked_twice(project, provider, simulated):
    reviewer = make_actor(project=project, role="reviewer")
    originals = recorded(project, provider, simulated, n=6)
    run = start(reviewer, originals, attempts=5)

    def turn(name):
        replay.work(run_id=run.pk, worker=name, seconds=600)
        connection.close()

    workers = [threading.Thread(target=turn, args=(name,)) for name in ("w1", "w2")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while compare.compare_new(now=NOW, run_id=run.pk):
        pass

    run.refresh_from_db()
    assert run.state == "done"
    assert Interaction.objects.filter(replay_of__isnull=False).count() == 30
    assert set(Attempt.objects.values_list("tries", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_leases_of_a_dead_worker_are_taken_up_by_the_next(project, provider, simulated):
    reviewer = make_actor(project=project, role="reviewer")
    (original,) = recorded(project, provider, simulated)
    run = start(reviewer, [original], attempts=2)
    ReplayRun.objects.update(state="running", started_at=NOW)
    Attempt.objects.update(state="leased", leased_by="dead", lease_until=NOW, tries=1)

    assert replay.sweep(now=NOW + timedelta(minutes=1)) == [run.pk]
    run = finished(run, worker="w2")

    assert run.state == "done"
    assert Attempt.objects.filter(state="done").count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_run_asks_nothing_more(project, provider, simulated):
    reviewer = make_actor(project=project, role="reviewer")
    (original,) = recorded(project, provider, simulated)
    run = start(reviewer, [original], attempts=5)

    assert replay.cancel_run(actor=reviewer, run=run, now=NOW)
    replay.work(run_id=run.pk, worker="w1", seconds=600)

    assert set(Attempt.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not Interaction.objects.filter(replay_of__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_what_failed_can_be_retried(project, provider, simulated):
    reviewer = make_actor(project=project, role="reviewer")
    (original,) = recorded(project, provider, simulated)
    run = finished(start(reviewer, [original]))
    Attempt.objects.update(state="failed", answer=None, error="Down.")
    Comparison.objects.all().delete()
    Interaction.objects.filter(replay_of=original).delete()

    assert replay.retry_failed(actor=reviewer, run=run, now=NOW) == 1
    run = finished(run)

    assert run.state == "done"
    assert Attempt.objects.get().state == "done"


def test_the_estimate_counts_calls_tokens_and_what_brings_no_seed(project, reviewer):
    provider = make_provider(
        project=project,
        base_url="http://127.0.0.1:9/v1",
        prices={"gpt-4o-mini": {"input": 1.0, "output": 2.0}},
    )
    make_interaction(project=project, provider=provider)
    make_interaction(project=project, provider=provider, seed=None)

    estimate = replay.estimate(actor=reviewer, selection={"filter": {}}, attempts=3, overrides={})

    assert (estimate.interactions, estimate.calls, estimate.unseeded) == (2, 6, 1)
    assert (estimate.input_tokens, estimate.output_tokens) == (48, 30)
    assert estimate.cost == pytest.approx((48 * 1.0 + 30 * 2.0) / 1e6)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"attempts": 0}, "attempts"),
        ({"attempts": 51}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"overrides": {"provider": "nobody"}}, "overrides.provider"),
        ({"overrides": {"provider": "no-address"}}, "overrides.provider"),
        ({"overrides": {"seed": "seven"}}, "overrides.seed"),
        ({"overrides": {"messages": []}}, "overrides.messages"),
        ({"selection": {"interactions": []}}, "interactions"),
        ({"selection": {"interactions": ["x"]}}, "interactions"),
        ({"selection": {}}, "interactions"),
        ({"selection": {"filter": {"model": "none-such"}}}, "filter"),
    ],
)
def test_a_run_that_cannot_be_is_refused_by_field(project, reviewer, values, field):
    make_provider(project=project, name="no-address")
    provider = make_provider(project=project, name="here", base_url="http://127.0.0.1:9/v1")
    original = make_interaction(project=project, provider=provider)

    with pytest.raises(Refused) as refused:
        replay.start_run(actor=reviewer, now=NOW, **{"selection": {"interactions": [original.pk]}, **values})

    assert refused.value.field == field
    assert not ReplayRun.objects.exists()


def test_a_run_leaves_an_audit_entry(project, reviewer):
    provider = make_provider(project=project, base_url="http://127.0.0.1:9/v1")
    run = start(reviewer, [make_interaction(project=project, provider=provider)], note="Why not")

    assert AuditEntry.objects.get(action="replay.start").object_id == str(run.pk)


def test_a_viewer_may_not_replay(project, viewer):
    with pytest.raises(NotAllowed):
        start(viewer, [make_interaction(project=project)])
