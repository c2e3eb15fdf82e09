"""Canaries against the simulated provider: prepared, learnt, checked, changed, renewed."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django_celery_beat.models import PeriodicTask

from reviewapp.models import (
    AuditEntry,
    BackendChange,
    Canary,
    CanaryBaseline,
    CanaryCheck,
    CanarySession,
    CanarySet,
    Interaction,
    NotAllowed,
    Provider,
    ReplayRun,
)
from reviewapp.models.canarying import Histories
from reviewapp.models.fingerprint import Pools
from reviewapp.models.probing import Probes
from reviewapp.providers.simulated import server
from reviewapp.stages import compare, replay, watch
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import CanaryValues, evidence
from tests import keeping
from tests.factories import (
    NOW,
    make_actor,
    make_attempt,
    make_canaries,
    make_check,
    make_interaction,
    make_project,
    make_provider,
    make_run,
    make_session,
)
from tests.providers.tiny_servers import need_tiny_model, serving
from tests.watching import Watched, tell, watched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def simulated():
    with server.running() as base_url:
        yield base_url


@pytest.fixture
def provider(project, simulated):
    return make_provider(project=project, name="simulated", base_url=simulated, max_concurrency=40)


@pytest.fixture(scope="module")
def learnt(taken_out):
    """The rows of a model that never varies, with its baseline, and what is known of them."""

    def learn():
        project = make_project(name="Demo")
        with server.running() as base_url:
            provider = make_provider(project=project, name="simulated", base_url=base_url, max_concurrency=40)
            return watched(actor=make_actor(project=project), provider=provider, model="sim-steady")

    return taken_out(learn)


@pytest.fixture
def steady(db, learnt, simulated):
    """A model that never varies, with its baseline, on a server of the test's own."""
    rows, made = learnt
    keeping.put_back(rows)
    Provider.objects.update(base_url=simulated)
    found = deepcopy(made)
    found.set.refresh_from_db()
    return found


def test_the_starter_set_is_recorded_like_anybodys_data(admin, provider):
    found = watched(actor=admin, provider=provider, model="sim-small", learn=False, whole=True)

    canaries = Canary.objects.filter(set=found.set).select_related("interaction__source")
    kinds = [canary.kind for canary in canaries]
    assert found.set.state == "watching"
    assert found.set.alternatives == 20
    assert found.set.seed_honoured is True
    assert (kinds.count("token"), kinds.count("seeded"), kinds.count("plain")) == (20, 5, 3)
    assert {canary.interaction.source.name for canary in canaries} == {"canaries"}
    assert all(canary.interaction.tags == ["canary"] for canary in canaries)
    assert all(canary.interaction.output_tokens == 1 for canary in canaries if canary.kind == "token")


def test_a_model_without_a_seed_gets_no_seeded_texts(admin, provider):
    found = watched(actor=admin, provider=provider, model="sim-no-seed", learn=False)

    assert found.set.seed_honoured is False
    assert set(found.set.canaries.values_list("kind", flat=True)) == {"token"}


def test_a_provider_that_is_away_is_tried_again_later(admin, project):
    away = make_provider(project=project, name="away", base_url="http://127.0.0.1:9/v1")
    made = watch.make_set(actor=admin, provider=away, model="m", values=CanaryValues(), now=NOW)

    done = watch.prepare(set_id=made.pk, clock=lambda: NOW)

    made.refresh_from_db()
    assert not done
    assert made.state == "preparing"
    assert "can't be reached" in made.trouble
    assert watch.waiting(now=NOW) == []
    assert watch.waiting(now=NOW + timedelta(minutes=1)) == [made.pk]


def test_a_model_that_does_not_exist_says_so_and_is_not_tried_again(admin, provider):
    made = watch.make_set(actor=admin, provider=provider, model="no-such", values=CanaryValues(), now=NOW)

    watch.prepare(set_id=made.pk, clock=lambda: NOW)

    made.refresh_from_db()
    assert made.state == "failed"
    assert "no-such" in made.trouble
    assert watch.waiting(now=NOW + timedelta(days=1)) == []


def test_a_try_to_prepare_that_fails_is_paid_for_from_the_days_budget(admin, project):
    away = make_provider(project=project, name="away", base_url="http://127.0.0.1:9/v1")
    made = watch.make_set(actor=admin, provider=away, model="m", values=CanaryValues(daily_budget=2), now=NOW)

    for now in (NOW + timedelta(minutes=minutes) for minutes in range(5)):
        watch.prepare(set_id=made.pk, clock=lambda now=now: now)

    made.refresh_from_db()
    assert watch.spent_today(canaries=made, now=NOW) == 2
    assert made.state == "failed"
    assert "more than is left of the day's budget of 2" in made.trouble


def test_what_a_worker_that_died_may_have_asked_is_paid_for(admin, provider):
    made = watch.make_set(
        actor=admin, provider=provider, model="sim-steady", values=CanaryValues(daily_budget=70), now=NOW
    )
    times = iter([NOW])

    with pytest.raises(RuntimeError):
        watch.prepare(set_id=made.pk, clock=lambda: next(times))

    made.refresh_from_db()
    assert watch.spent_today(canaries=made, now=NOW) == 70


def test_preparing_is_one_workers_at_a_time(admin, provider):
    made = watch.make_set(actor=admin, provider=provider, model="sim-small", values=CanaryValues(), now=NOW)
    CanarySet.objects.filter(pk=made.pk).update(lease_until=NOW + timedelta(minutes=1))

    assert not watch.prepare(set_id=made.pk, clock=lambda: NOW)
    assert watch.prepare(set_id=made.pk, clock=lambda: NOW + timedelta(minutes=2))
    assert CanaryBaseline.objects.filter(set=made).count() == 1


def test_the_first_three_sessions_are_the_baseline(steady):
    assert [session.purpose for session in steady.sessions] == ["baseline"] * 3
    assert all(session.fit and session.answered == session.requests == 45 for session in steady.sessions)
    assert not CanaryCheck.objects.exists()


def test_every_answer_of_a_session_can_be_opened(steady):
    runs = ReplayRun.objects.filter(kind="canary")

    assert runs.count() == 3
    assert set(runs.values_list("state", flat=True)) == {"done"}
    assert Interaction.objects.filter(replay_of__isnull=False).count() == 3 * 45


def test_rows_are_the_same_when_they_are_read_again_from_the_answers(steady):
    session = CanarySession.objects.select_related("set").order_by("created_at").first()

    kept = evidence.rows_of(session)
    session.rows = None

    assert len(kept) == 45
    assert evidence.rows_of(session) == kept


def test_an_unchanged_backend_is_identical_and_joins_the_baseline(steady):
    check = steady.check()

    assert check.verdict == "identical"
    assert check.requests == 9
    assert check.sessions.get().fit
    assert steady.set.evidence < 1
    assert not BackendChange.objects.exists()


def test_a_check_is_decided_again_from_its_answers_with_the_same_outcome(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="little", fingerprint="same")
    before = steady.check()
    CanarySession.objects.update(rows=None, rows_version=None)
    CanaryCheck.objects.update(verdict="identical", effect=None, method=0)

    call_command("recompute_canaries", verbosity=0)

    after = CanaryCheck.objects.get(pk=before.pk)
    assert (after.verdict, after.effect, after.p, after.method) == (
        "backend_changed",
        before.effect,
        before.p,
        before.method,
    )
    assert after.alarmed


def test_ordinary_noise_is_no_change(admin, provider):
    noisy = watched(actor=admin, provider=provider, model="sim-small", daily_budget=20_000)

    verdicts = [noisy.check().verdict for _ in range(4)]

    assert "backend_changed" not in verdicts
    assert not BackendChange.objects.exists()


def test_a_small_silent_change_is_found_by_the_next_check(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="little", fingerprint="same")

    check = steady.check()

    change = BackendChange.objects.get()
    assert check.verdict == "backend_changed"
    assert check.alarmed
    assert [session.purpose for session in check.sessions.order_by("created_at")] == ["look", "confirm"]
    assert check.effect > check.floor
    assert check.p <= 0.01
    assert check.column == "log probabilities"
    assert check.change == change
    assert (change.model, change.events.get().kind) == ("sim-steady", "behaviour_changed")
    assert change.events.get().evidence["check"] == str(check.pk)
    assert not check.sessions.filter(fit=True).exists()
    assert steady.set.changed_at == check.created_at


def test_the_session_after_a_change_confirms_it_with_more_requests_and_raises_no_second_alarm(
    steady, simulated
):
    tell(simulated, "change", model="sim-steady", size="little", fingerprint="same")
    steady.check()

    again = steady.check()

    assert again.verdict == "backend_changed"
    assert again.sessions.order_by("created_at").first().requests == 45
    assert not again.alarmed
    assert BackendChange.objects.get().events.count() == 1


def test_a_changed_sampler_is_found_by_text_alone_and_the_sentence_says_so(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="none", fingerprint="same", top_p=0.5)

    check = steady.check()

    assert check.verdict == "backend_changed"
    assert check.statistic == "unseen_text"
    assert "The text changed but the log probabilities did not" in check.sentence


def test_a_relabelled_backend_is_no_change_of_behaviour(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="none", fingerprint="new")

    check = steady.check()

    assert check.verdict == "identical"
    assert any("The vendor says the stack changed; behaviour does not differ" in note for note in check.notes)
    assert not BackendChange.objects.exists()


def test_a_provider_that_fails_is_inconclusive_and_never_a_difference(steady, simulated):
    before = steady.set.evidence
    tell(simulated, "faults", model="sim-steady", shares={"quota": 1.0})
    steady.now += timedelta(hours=1)

    steady.session()

    check = CanaryCheck.objects.get()
    steady.set.refresh_from_db()
    assert check.verdict == "inconclusive"
    assert "failed" in check.sentence
    assert steady.set.evidence == before
    assert not check.sessions.get().fit


def test_answers_that_never_come_end_the_check_after_a_while(steady):
    steady.now += timedelta(hours=1)
    run = watch.begin(set_id=steady.set.pk, now=steady.now)

    watch.advance(now=steady.now + timedelta(minutes=14))
    waits = CanaryCheck.objects.get().state
    watch.advance(now=steady.now + timedelta(minutes=16))

    assert waits == "open"
    assert CanaryCheck.objects.get().verdict == "inconclusive"
    assert ReplayRun.objects.get(pk=run).state == "cancelled"


def test_a_check_goes_on_where_a_dead_process_left_it(steady):
    steady.now += timedelta(hours=1)
    run = watch.begin(set_id=steady.set.pk, now=steady.now)

    assert watch.begin(set_id=steady.set.pk, now=steady.now + timedelta(hours=2)) is None
    assert watch.advance(now=steady.now) == []
    replay.work(run_id=run, worker="another", seconds=60)
    while compare.compare_new(now=steady.now, run_id=run):
        pass
    watch.advance(now=steady.now)
    watch.advance(now=steady.now)

    assert CanaryCheck.objects.get().verdict == "identical"


def test_the_database_refuses_a_second_session_at_the_same_time(steady):
    first = steady.sessions[0]
    run = ReplayRun.objects.create(project=steady.set.project, created_at=NOW)
    CanarySession.objects.filter(pk=first.pk).update(state="asking")

    with pytest.raises(IntegrityError), transaction.atomic():
        CanarySession.objects.create(
            set=steady.set,
            baseline=first.baseline,
            run=run,
            purpose="look",
            requests=1,
            created_at=NOW,
        )


def test_nothing_is_asked_before_it_is_due(steady):
    assert watch.begin(set_id=steady.set.pk, now=steady.now + timedelta(minutes=10)) is None
    assert steady.set.pk not in watch.due_sets(now=steady.now + timedelta(minutes=10))


def test_a_nudge_that_beat_lost_is_found_by_the_sweep(steady):
    later = steady.now + timedelta(minutes=62)

    assert watch.due_sets(now=later) == [steady.set.pk]


@pytest.mark.parametrize("nudged", [True, False])
def test_canaries_are_asked_no_oftener_than_their_schedule_says(admin, project, nudged):
    provider = make_provider(project=project, base_url="http://127.0.0.1:9/v1")
    canaries = make_canaries(
        project=project, provider=provider, every_minutes=2, learn_every_minutes=1, daily_budget=100_000
    )
    for minutes in range(3):
        make_session(canaries=canaries, created_at=NOW - timedelta(minutes=5 - minutes))
    begun = []

    for seconds in range(0, 1800, 5):
        now = NOW + timedelta(seconds=seconds)
        if nudged and seconds % 120 == 5 * (seconds // 120 % 3):
            # Beat's nudge, up to ten seconds late.
            begun += [now] if watch.begin(set_id=canaries.pk, now=now) else []
        begun += [now] * len(watch.begin_due(now=now))
        CanarySession.objects.filter(state="asking").update(state="read")
        CanaryCheck.objects.filter(state="open").update(state="done", decided_at=now, verdict="identical")

    assert len(begun) in (range(14, 17) if nudged else range(9, 12))
    assert begun[-1] - begun[0] >= (len(begun) - 1) * timedelta(seconds=119)


def test_the_budget_of_the_day_is_never_passed(admin, provider):
    poor = watched(actor=admin, provider=provider, model="sim-steady", learn=False, daily_budget=140)
    spent = watch.spent_today(canaries=poor.set, now=poor.now)

    poor.session()
    with pytest.raises(watch.NothingToAsk) as refused:
        poor.session()

    assert 45 <= spent <= 60
    assert watch.spent_today(canaries=poor.set, now=poor.now) == spent + 45
    assert "Today's budget of 140 requests has" in str(refused.value)


def test_a_schedule_that_meets_an_empty_budget_says_so_and_goes_on_after_midnight(admin, provider):
    poor = watched(actor=admin, provider=provider, model="sim-steady", learn=False, daily_budget=140)
    poor.session()

    poor.wait(hours=8)
    assert poor.session(forced=False) is None
    poor.set.refresh_from_db()
    trouble = poor.set.trouble
    poor.wait(hours=8)

    assert "Today's budget" in trouble
    assert poor.session(forced=False) is not None
    assert poor.set.trouble == ""


def test_a_first_look_whose_fresh_requests_can_not_be_paid_says_so(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="little", fingerprint="same")
    steady.wait(days=1)
    CanarySet.objects.filter(pk=steady.set.pk).update(daily_budget=20)

    steady.session()

    check = CanaryCheck.objects.get()
    assert check.verdict == "inconclusive"
    assert any("Fresh requests were not asked." in note for note in check.notes)
    assert not check.alarmed


def test_the_schedule_stands_in_the_database_where_beat_reads_it(steady):
    row = PeriodicTask.objects.get(pk=steady.set.schedule_id)
    before = (row.interval.every, row.interval.period, row.enabled)

    watch.change_set(actor=steady.actor, canaries=steady.set, values=CanaryValues(every_minutes=30), now=NOW)

    row.refresh_from_db()
    assert before == (60, "minutes", True)
    assert row.task == "reviewapp.tasks.watch_canaries"
    assert json.loads(row.kwargs) == {"set_id": str(steady.set.pk)}
    assert row.interval.every == 30


def test_paused_canaries_are_not_asked(steady):
    assert watch.pause(actor=steady.actor, canaries=steady.set, now=steady.now)

    assert not PeriodicTask.objects.get(pk=steady.set.schedule_id).enabled
    assert watch.begin(set_id=steady.set.pk, now=steady.now + timedelta(days=1)) is None
    assert watch.due_sets(now=steady.now + timedelta(days=1)) == []
    assert watch.resume(actor=steady.actor, canaries=steady.set, now=steady.now)
    assert watch.due_sets(now=steady.now + timedelta(days=1)) == [steady.set.pk]


def test_after_its_last_day_a_model_is_not_asked(steady):
    gone = (steady.now + timedelta(days=3)).date()
    watch.change_set(actor=steady.actor, canaries=steady.set, values=CanaryValues(retires_on=gone), now=NOW)

    steady.now += timedelta(days=4)

    with pytest.raises(watch.NothingToAsk, match="was to be retired on"):
        steady.session()


def test_capture_now_adds_a_session_to_the_baseline(steady):
    run = watch.ask_now(actor=steady.actor, canaries=steady.set, capture=True, now=steady.now)

    session = CanarySession.objects.get(run=run)
    assert (session.purpose, session.requests) == ("baseline", 45)
    assert AuditEntry.objects.filter(action="canaries.capture").count() == 1


def test_an_accepted_change_renews_the_baseline_from_what_answered_since(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="little", fingerprint="same")
    steady.check()
    steady.check()
    BackendChange.objects.update(state="accepted", decided_at=steady.now)

    assert watch.renew_accepted(now=steady.now) == 1
    assert watch.renew_accepted(now=steady.now) == 0
    steady.set.refresh_from_db()
    check = steady.check()

    standing = CanaryBaseline.objects.get(set=steady.set, ended_at__isnull=True)
    assert standing.reason == "The change of the backend was accepted."
    assert check.baseline == standing
    assert check.verdict in {"identical", "nondeterministic"}
    assert (steady.set.changed_at, steady.set.alarmed_at) == (None, None)


def test_taking_an_acceptance_back_brings_the_former_baseline_back(steady, simulated):
    former = CanaryBaseline.objects.get(set=steady.set)
    tell(simulated, "change", model="sim-steady", size="lot", fingerprint="same")
    steady.check()
    known = set(CanarySession.objects.filter(baseline=former, fit=True))
    change = BackendChange.objects.get()
    watch.accept_change(actor=steady.actor, change=change, note="Fine.", now=steady.now)
    watch.renew_accepted(now=steady.now)
    steady.check()

    watch.undo_decision(actor=steady.actor, change=change, now=steady.now)

    steady.set.refresh_from_db()
    assert CanaryBaseline.objects.get(set=steady.set, ended_at__isnull=True) == former
    assert set(CanarySession.objects.filter(baseline=former, fit=True)) == known
    assert steady.set.changed_at is not None
    assert watch.renew_accepted(now=steady.now) == 0
    assert steady.check().verdict == "backend_changed"


def test_a_baseline_begun_anew_by_hand_since_is_left_as_it_is(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="lot", fingerprint="same")
    steady.check()
    change = BackendChange.objects.get()
    watch.accept_change(actor=steady.actor, change=change, note="Fine.", now=steady.now)
    watch.renew_accepted(now=steady.now)
    watch.renew(actor=steady.actor, canaries=steady.set, now=steady.now)
    by_hand = CanaryBaseline.objects.get(set=steady.set, ended_at__isnull=True)

    watch.undo_decision(actor=steady.actor, change=change, now=steady.now)

    assert CanaryBaseline.objects.get(set=steady.set, ended_at__isnull=True) == by_hand


def test_a_rollback_is_recognised_by_name(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="lot", fingerprint="same")
    steady.check()
    steady.check()
    watch.renew(actor=steady.actor, canaries=steady.set, now=steady.now)
    steady.set.refresh_from_db()
    steady.check()
    tell(simulated, "reset", model="sim-steady")

    back = steady.check()

    assert back.verdict == "backend_changed"
    assert any("The answers are the same as before" in note for note in back.notes)


def test_a_backend_that_comes_back_by_itself_ends_the_alarm(steady, simulated):
    tell(simulated, "change", model="sim-steady", size="little", fingerprint="same")
    steady.check()
    tell(simulated, "reset", model="sim-steady")

    back = steady.check()

    assert back.verdict == "identical"
    assert "It answers as its baseline again." in back.notes
    assert (steady.set.changed_at, steady.set.alarmed_at, steady.set.evidence) == (None, None, 0)


def test_any_interaction_can_be_made_a_canary(admin, project, provider, simulated):
    interaction = make_interaction(project=project, provider=provider, model="sim-steady", seed=7)

    made = watch.watch_with(actor=admin, interaction=interaction, now=NOW)
    again = watch.watch_with(actor=admin, interaction=interaction, now=NOW)
    watch.prepare(set_id=made.pk, clock=lambda: NOW)

    canary = Canary.objects.get(set=made)
    made.refresh_from_db()
    assert made == again
    assert (canary.interaction, canary.kind) == (interaction, "greedy")
    assert (made.state, made.starter) == ("watching", False)


def test_log_probabilities_are_asked_for_where_the_record_did_not(admin, project, provider):
    interaction = make_interaction(project=project, provider=provider, model="sim-steady", seed=7)
    made = watch.watch_with(actor=admin, interaction=interaction, now=NOW)
    watch.prepare(set_id=made.pk, clock=lambda: NOW)

    run = watch.begin(set_id=made.pk, now=NOW)
    replay.work(run_id=run, worker="w1", seconds=60)

    assert ReplayRun.objects.get(pk=run).overrides == {"logprobs": True, "top_logprobs": 20}
    assert all(Interaction.objects.filter(replay_of=interaction).values_list("has_logprobs", flat=True))


def test_a_single_canary_is_asked_often_enough_for_a_verdict(admin, project, provider):
    interaction = make_interaction(project=project, provider=provider, model="sim-steady", seed=7)
    made = watch.watch_with(actor=admin, interaction=interaction, now=NOW)
    watch.prepare(set_id=made.pk, clock=lambda: NOW)
    made.refresh_from_db()
    alone = Watched(set=made, actor=admin, now=NOW)
    alone.learn()

    check = alone.check()

    assert check.requests == 5
    assert check.verdict in {"identical", "nondeterministic"}


def test_what_no_worker_can_prepare_is_given_up(admin, provider):
    made = watch.make_set(actor=admin, provider=provider, model="sim-small", values=CanaryValues(), now=NOW)
    CanarySet.objects.filter(pk=made.pk).update(tries=5)

    assert not watch.prepare(set_id=made.pk, clock=lambda: NOW)
    assert CanarySet.objects.get(pk=made.pk).state == "failed"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": 500}, "It got no answer"),
        ({"endpoint": "embeddings"}, "Only chat completions"),
        ({"model": ""}, "names no model"),
    ],
)
def test_what_can_not_be_a_canary_is_refused_with_the_reason(admin, project, provider, fields, reason):
    interaction = make_interaction(project=project, provider=provider, **fields)

    with pytest.raises(Refused, match=reason):
        watch.watch_with(actor=admin, interaction=interaction, now=NOW)


def test_only_admins_make_canaries(reviewer, provider):
    with pytest.raises(NotAllowed):
        watch.make_set(actor=reviewer, provider=provider, model="m", values=CanaryValues(), now=NOW)


def test_a_model_has_one_set_of_canaries(admin, provider):
    watch.make_set(actor=admin, provider=provider, model="m", values=CanaryValues(), now=NOW)

    with pytest.raises(Refused, match="has its canaries already"):
        watch.make_set(actor=admin, provider=provider, model="m", values=CanaryValues(), now=NOW)


def test_removing_a_set_removes_its_schedule_and_keeps_the_answers(steady):
    answers = Interaction.objects.count()

    watch.remove_set(actor=steady.actor, canaries=steady.set, now=steady.now)

    assert not CanarySet.objects.exists()
    assert not PeriodicTask.objects.filter(name__startswith="canaries ").exists()
    assert Interaction.objects.count() == answers


def asked_again(project, *, asked, answered):
    """An attempt at an interaction, the two asked at these times, with its evidence."""
    original = make_interaction(project=project, model="m", started_at=asked)
    run = make_run(project=project)
    answer = make_interaction(project=project, model="m", started_at=answered, replay_of=original)
    attempt = make_attempt(run=run, original=original, verdict="identical", answer=answer)
    return compare.evidence_of(
        attempt,
        original=original,
        answer=answer,
        pools=Pools(),
        histories=Histories(),
        probes=Probes(),
    ).canary


def test_a_comparison_across_a_confirmed_change_is_told_so(project):
    canaries = make_canaries(project=project, model="m")
    make_check(canaries=canaries, created_at=NOW + timedelta(hours=5), verdict="backend_changed")

    across = asked_again(project, asked=NOW, answered=NOW + timedelta(hours=6))
    after = asked_again(project, asked=NOW + timedelta(hours=6), answered=NOW + timedelta(hours=7))

    assert (across, after) == ("changed", "unknown")


def test_a_comparison_within_a_watched_and_quiet_time_is_told_so(project):
    canaries = make_canaries(project=project, model="m")
    make_session(canaries=canaries, created_at=NOW)
    make_check(canaries=canaries, created_at=NOW + timedelta(hours=6))

    watched_all_the_time = asked_again(
        project, asked=NOW + timedelta(hours=1), answered=NOW + timedelta(hours=6)
    )
    asked_before_anybody_watched = asked_again(
        project, asked=NOW - timedelta(days=9), answered=NOW + timedelta(hours=6)
    )

    assert (watched_all_the_time, asked_before_anybody_watched) == ("steady", "unknown")


def test_between_two_checks_the_one_before_speaks_until_the_one_after_does(project):
    canaries = make_canaries(project=project, model="m")
    make_session(canaries=canaries, created_at=NOW)
    make_check(canaries=canaries, created_at=NOW + timedelta(hours=6))

    def between():
        return asked_again(project, asked=NOW + timedelta(hours=1), answered=NOW + timedelta(hours=7))

    so_far = between()
    changed = make_check(canaries=canaries, created_at=NOW + timedelta(hours=8), verdict="backend_changed")
    told_later = between()
    changed.delete()
    make_check(canaries=canaries, created_at=NOW + timedelta(hours=8))

    assert (so_far, told_later, between()) == ("steady_so_far", "unknown", "steady")


def test_a_real_servers_quantisation_is_found_and_its_noise_is_not(admin, project):
    need_tiny_model()
    with serving("base") as before, serving("q8_0") as after:
        provider = make_provider(project=project, name="llama", base_url=f"{before}/v1", max_concurrency=2)
        real = watched(actor=admin, provider=provider, model="tiny")
        quiet = real.check()
        Provider.objects.filter(pk=provider.pk).update(base_url=f"{after}/v1")
        changed = real.check()

    assert quiet.verdict in {"identical", "nondeterministic"}
    assert changed.verdict == "backend_changed"
    assert changed.alarmed
    assert changed.column == "log probabilities"


def test_a_real_servers_own_sampler_is_found_by_text_where_log_probabilities_stay(admin, project):
    need_tiny_model()
    with serving("base") as before, serving("base", top_p=0.5) as after:
        provider = make_provider(project=project, name="llama", base_url=f"{before}/v1", max_concurrency=2)
        real = watched(actor=admin, provider=provider, model="tiny", whole=True)
        Provider.objects.filter(pk=provider.pk).update(base_url=f"{after}/v1")
        changed = real.check()

    assert changed.verdict == "backend_changed"
    assert changed.statistic == "unseen_text"
    assert "The text changed but the log probabilities did not" in changed.sentence
    assert "seeded texts under the server's own sampler settings" in changed.sentence
