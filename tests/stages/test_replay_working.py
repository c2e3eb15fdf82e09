"""Workers' turns against a provider that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from datetime import UTC, datetime

import pytest
from aiohttp import web
from django.db import connection

from reviewapp.models import Attempt, CallShare, Interaction, ReplayRun
from reviewapp.stages import compare, replay
from reviewapp.stages.replay import leasing, sharing, working
from reviewapp.stages.replay.lane import BEAT_SECONDS
from tests.answering import answering, completion, refusal
from tests.factories import NOW, make_actor, make_interaction, make_provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server():
    with answering() as running:
        yield running


def start(project, server, *, interactions=1, attempts=1, overrides=None, request=None, **limits):
    provider = make_provider(project=project, name="acme", base_url=server.base_url, **limits)
    for _ in range(interactions):
        make_interaction(project=project, provider=provider, request=request)
    return replay.start_run(
        actor=make_actor(project=project),
        selection={"filter": {"provider": "acme"}},
        attempts=attempts,
        overrides=overrides or {},
        now=NOW,
    )


def work(run, *, worker="w1", seconds=600.0, **more):
    return replay.work(run_id=run.pk, worker=worker, seconds=seconds, **more)


def at_once(run, *workers, seconds=600.0):
    """A turn of several workers at the same time."""

    def turn(name):
        try:
            work(run, worker=name, seconds=seconds)
        finally:
            connection.close()

    threads = [threading.Thread(target=turn, args=(name,)) for name in workers]
    for thread in threads:
        thread.start()
    return threads


def end(threads):
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()


def states():
    found = Attempt.objects.values_list("state", flat=True)
    return {state: list(found).count(state) for state in set(found)}


def slowly(seconds):
    async def behave(_):
        await asyncio.sleep(seconds)
        return completion()

    return behave


def first(*answers):
    """These answers, one after the other, then good ones."""
    left = list(answers)
    return lambda _: left.pop(0) if left else completion()


def test_no_more_calls_are_open_than_the_provider_allows(project, server):
    server.behave = slowly(0.05)
    run = start(project, server, interactions=6, attempts=10, max_concurrency=7)

    end(at_once(run, "w1", "w2", "w3"))

    assert states() == {"done": 60}
    assert len(server.asked) == 60
    assert server.most_busy <= 7


def test_requests_a_minute_hold_for_all_workers_and_are_used(project, server, monkeypatch):
    came_at = []
    server.behave = lambda _: came_at.append(time.time()) or completion()
    reserve, reserved = sharing.reserve_starts, []

    def reserve_starts(*, now, **more):
        starts = reserve(now=now, **more)
        reserved.append((now.timestamp(), starts))
        return starts

    monkeypatch.setattr(sharing, "reserve_starts", reserve_starts)
    run = start(project, server, attempts=50, requests_per_minute=600)

    end(at_once(run, "w1", "w2"))

    assert states() == {"done": 50}
    starts = sorted(start for _, some in reserved for start in some)
    assert len(starts) == 50
    # An even pace, two hundredths below the limit (tests/providers/test_limits.py is exact) …
    pace = 60 / (600 * 0.98)
    assert all(following - start > 0.999 * pace for start, following in itertools.pairwise(starts))
    # … that no call runs ahead of, but for what two clocks may differ …
    assert all(came > start - 0.02 for came, start in zip(sorted(came_at), starts, strict=True))
    # … and none falls behind, except where a worker came to ask for its start only when that was over.
    late = {asked_at for asked_at, _ in reserved}
    assert all(
        following - start < 1.001 * pace or following in late
        for start, following in itertools.pairwise(starts)
    )
    # They ask ahead: it is nowhere near one at a look.
    assert starts[-1] - starts[0] < 40


def test_as_long_as_the_provider_asks_to_wait_nothing_is_asked(project, server):
    server.behave = first(refusal(429, "slow down", retry_after="2"))
    run = start(project, server, interactions=5, max_concurrency=1)

    work(run)

    assert states() == {"done": 5}
    assert server.asked[1].at - server.asked[0].at >= 2


def test_a_server_error_is_asked_again_and_leaves_no_trace(project, server):
    server.behave = first(refusal(500), refusal(503))
    run = start(project, server)

    work(run)

    attempt = Attempt.objects.get()
    assert (attempt.state, attempt.tries) == ("done", 3)
    assert (attempt.error, attempt.failure) == (None, None)


def test_a_stream_that_broke_off_is_asked_again(project, server):
    whole = 'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}\n\n'
    broken = 'data: {"choices": [{"index": 0, "delta": {"content": "Par"}}]}\n\n'
    left = [broken, whole + "data: [DONE]\n\n"]
    server.behave = lambda _: web.Response(text=left.pop(0), content_type="text/event-stream")
    run = start(project, server, request={"model": "m", "messages": [], "stream": True, "seed": 1})

    work(run)

    answer = Interaction.objects.select_related("body").get(replay_of__isnull=False)
    assert len(server.asked) == 2
    assert answer.streamed
    assert answer.body.chunks_text == json.dumps([json.loads(whole[6:])]).encode()


def test_a_streaming_request_is_asked_as_it_was(project, server):
    request = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}
    run = start(project, server, request=request)

    work(run)

    assert server.asked[0].json == request


def test_a_refused_request_keeps_the_vendors_words_and_is_asked_once(project, server):
    server.behave = lambda _: refusal(400, "top_p out of range")
    run = start(project, server)

    work(run)

    attempt = Attempt.objects.get()
    assert (attempt.state, len(server.asked)) == ("failed", 1)
    assert "top_p out of range" in attempt.error
    assert attempt.failure["status"] == 400
    assert "top_p out of range" in attempt.failure["body"]


def test_a_cancelled_run_hangs_up_within_two_seconds(project, server):
    # No answer would come: what ends the turn is its next look, and it looks every second.
    assert BEAT_SECONDS <= 1
    server.behave = slowly(3600)
    run = start(project, server, attempts=5)
    threads = at_once(run, "w1")
    _until(lambda: server.busy == 5)

    replay.cancel_run(actor=make_actor(project=project), run=run, now=NOW)
    end(threads)

    assert states() == {"cancelled": 5}
    assert not Interaction.objects.filter(replay_of__isnull=False).exists()


def test_an_attempt_that_is_somebody_elses_now_is_let_go(project, server):
    server.behave = slowly(3600)
    run = start(project, server)
    threads = at_once(run, "w1")
    _until(lambda: server.busy == 1)

    Attempt.objects.update(leased_by="w2")
    end(threads)

    attempt = Attempt.objects.get()
    assert (attempt.state, attempt.leased_by) == ("leased", "w2")
    assert not Interaction.objects.filter(replay_of__isnull=False).exists()


def test_an_answer_that_was_recorded_before_a_crash_is_not_recorded_twice(project, server):
    run = start(project, server)
    work(run)
    Attempt.objects.update(state="queued", answer=None, tries=0)

    work(run, worker="w2")

    assert states() == {"done": 1}
    assert Interaction.objects.filter(replay_of__isnull=False).count() == 1


def test_a_turn_whose_time_is_over_gives_back_what_it_did_not_ask(project, server, monkeypatch):
    stop, stopped = working._stop, threading.Event()

    def when_four_are_asked(turn, lanes):
        if server.busy < 4:
            asyncio.get_running_loop().call_later(0.02, when_four_are_asked, turn, lanes)
        else:
            stop(turn, lanes)
            stopped.set()

    async def when_stopped(_):
        while not stopped.is_set():  # noqa: ASYNC110  # set in another thread
            await asyncio.sleep(0.02)
        return completion()

    monkeypatch.setattr(working, "_stop", when_four_are_asked)
    server.behave = when_stopped
    run = start(project, server, attempts=20, max_concurrency=4)

    work(run, seconds=0)

    assert states() == {"queued": 16, "done": 4}
    assert set(Attempt.objects.filter(state="queued").values_list("tries", flat=True)) == {0}
    assert not CallShare.objects.exists()


def test_what_must_wait_longer_is_left_to_a_later_turn(project, server, monkeypatch):
    run = start(project, server)
    Attempt.objects.update(not_before=datetime(2100, 1, 1, tzinfo=UTC))
    over = []
    monkeypatch.setattr(working, "_stop", lambda *_: over.append("the turn's time"))

    work(run)

    assert over == []
    assert server.asked == []


def test_no_turn_is_had_while_enough_workers_are_busy(project, server):
    run = start(project, server)
    other = ReplayRun.objects.create(project=project, created_at=NOW)
    far = datetime(2100, 1, 1, tzinfo=UTC)
    CallShare.objects.create(
        provider=Attempt.objects.get().provider, run=other, worker="busy", slots=1, wants=1, until=far
    )

    had = work(run, most_workers=1)

    assert not had
    assert server.asked == []


def test_a_provider_whose_key_cannot_be_read_fails_with_the_mend(project, server, settings):
    run = start(project, server, api_key="sk-1")
    settings.ENCRYPTION_KEYS = ["b25seS1mb3ItYS10ZXN0LTAwMDAwMDAwMDAwMDAwMDA="]

    work(run)

    assert "REVIEWAPP_ENCRYPTION_KEYS" in Attempt.objects.get().error


def test_an_address_that_was_taken_away_meanwhile_fails_what_waits(project, server):
    run = start(project, server, attempts=3)
    Attempt.objects.get(number=1).provider.__class__.objects.update(base_url="")

    work(run)

    assert states() == {"failed": 3}
    assert "has no address" in Attempt.objects.first().error


def test_a_large_request_is_sent_whole(project, server):
    noise = "".join(chr(33 + (at * at + at // 7) % 90) for at in range(400_000))
    request = {"model": "m", "messages": [{"role": "user", "content": noise}]}
    run = start(project, server, request=request)
    leasing.LARGE_REQUEST, kept = 1_000, leasing.LARGE_REQUEST

    try:
        work(run)
    finally:
        leasing.LARGE_REQUEST = kept

    assert server.asked[0].json == request


def test_an_interaction_without_a_seed_is_asked_as_it_was(project, server):
    run = start(project, server, request={"model": "m", "messages": []})

    work(run)

    assert server.asked[0].json == {"model": "m", "messages": []}
    assert states() == {"done": 1}


def test_who_stores_tells_that_there_is_something_to_compare(project, server):
    run = start(project, server, attempts=3)
    told = []

    work(run, on_stored=lambda: told.append(Attempt.objects.filter(state="done").count()))

    assert told[-1] == 3


def test_a_run_is_done_when_its_answers_are_compared(project, server):
    run = start(project, server)

    work(run)
    run.refresh_from_db()
    before = run.state
    compare.compare_new(now=NOW, run_id=run.pk)
    run.refresh_from_db()

    assert (before, run.state) == ("running", "done")


def test_the_sweeper_sends_nobody_for_what_is_worked_on_or_must_wait(project, server):
    run = start(project, server)
    CallShare.objects.create(
        provider=Attempt.objects.get().provider,
        run=run,
        worker="busy",
        slots=1,
        wants=1,
        until=datetime(2100, 1, 1, tzinfo=UTC),
    )

    worked_on = replay.sweep(now=NOW)
    CallShare.objects.all().delete()
    Attempt.objects.update(not_before=datetime(2100, 1, 1, tzinfo=UTC))
    waiting = replay.sweep(now=NOW)
    Attempt.objects.update(not_before=None)

    assert (worked_on, waiting) == ([], [])
    assert replay.sweep(now=NOW) == [run.pk]
    assert replay.sweep(now=NOW) == []


def test_an_attempt_that_takes_every_worker_down_is_given_up(project, server):
    start(project, server)
    Attempt.objects.update(state="leased", leased_by="dead", lease_until=NOW, tries=leasing.MOST_STARTS)

    replay.sweep(now=datetime.now(tz=UTC))

    assert states() == {"failed": 1}


def _until(happens, seconds=120.0):
    limit = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < limit
        time.sleep(0.02)
