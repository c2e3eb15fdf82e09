from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from reviewapp.models import (
    Alert,
    Annotation,
    AuditEntry,
    BackendChange,
    CarriedVerdict,
    Flag,
    NotAllowed,
    QueueItem,
    ReplayRun,
    Rubric,
    SeenKind,
    Verification,
)
from reviewapp.models.changing import change_rows
from reviewapp.pure.ids import new_id
from reviewapp.stages import replay, watch
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import Seen
from tests.factories import NOW, make_attempt, make_interaction, make_provider
from tests.stumbling import refusing

LATER = NOW + timedelta(minutes=5)
GOOD = {"verdict": "good", "correct": True}


@pytest.fixture
def provider(project):
    return make_provider(project=project, base_url="http://127.0.0.1:9/v1")


@pytest.fixture
def change(project, provider):
    seen = Seen(kind=SeenKind.NEW_VALUE, key="new_value:fp_new", at=NOW, sentence="New.", values=("fp_new",))
    return watch.open_or_join(
        project_id=project.pk, provider_id=provider.pk, model="gpt-4o-mini", event=seen, now=NOW
    )


def judge(interaction, scores=GOOD, **fields):
    return Annotation.objects.create(
        project=interaction.project,
        interaction=interaction,
        rubric=Rubric.objects.get(project=interaction.project),
        scores=scores,
        created_at=NOW,
        updated_at=NOW,
        **fields,
    )


def flag(interaction, **fields):
    return Flag.objects.create(
        project=interaction.project, interaction=interaction, reason="Wrong", created_at=NOW, **fields
    )


def approved(project, **fields):
    made = make_interaction(project=project, **fields)
    judge(made)
    return made


def start(admin, change, **more):
    change.refresh_from_db()
    return watch.start_verification(actor=admin, change=change, now=LATER, **more)


def finish(verification, verdicts):
    """The run's attempts as the workers and the comparing leave them: each answer's verdicts, in order."""
    run = verification.run
    originals = [attempt.original for attempt in run.attempt_set.filter(number=1).order_by("id")]
    run.attempt_set.all().delete()
    for original, verdict in zip(originals, verdicts, strict=True):
        if verdict is None:
            make_attempt(run=run, original=original, state="failed", error="No answer.", finished_at=LATER)
        else:
            for number, name in enumerate(verdict.split(), 1):
                make_attempt(run=run, original=original, verdict=name, number=number)
    ReplayRun.objects.filter(pk=run.pk).update(state="done", finished_at=LATER)
    watch.settle_verifications(now=LATER + timedelta(minutes=1))


def figures(change):
    change.refresh_from_db()
    (row,) = change_rows([change])
    return row.last


def test_approved_and_flagged_answers_of_the_model_are_asked_again(project, admin, change):
    one, other = approved(project), make_interaction(project=project)
    flag(other)
    judge(make_interaction(project=project), {"verdict": "bad", "correct": True})
    make_interaction(project=project)
    approved(project, model="another")
    approved(project, status=500)
    judge(make_interaction(project=project), removed_at=NOW)
    flag(make_interaction(project=project), state="resolved")

    verification = start(admin, change)

    assert set(verification.run.attempt_set.values_list("original", flat=True)) == {one.pk, other.pk}
    assert (verification.approved, verification.flagged, verification.asked) == (1, 1, 2)
    assert (verification.run.kind, verification.run.overrides) == ("change", {})
    change.refresh_from_db()
    assert change.state == "verifying"


def test_an_answer_on_which_people_disagree_is_not_approved(project, admin, change):
    judge(approved(project), {"verdict": "minor", "correct": True})

    with pytest.raises(Refused, match="Nobody has approved or flagged"):
        start(admin, change)


def test_a_flagged_answer_counts_as_flagged_only(project, admin, change):
    flag(approved(project))

    verification = start(admin, change)

    assert (verification.approved, verification.flagged) == (0, 1)


def test_a_second_start_is_refused(project, admin, change):
    approved(project)
    start(admin, change)

    with pytest.raises(Refused, match="running already"):
        start(admin, change)


def test_who_starts_in_the_same_moment_is_refused_and_leaves_no_run(project, admin, change):
    approved(project)
    start(admin, change)
    stale = BackendChange.objects.get(pk=change.pk)
    stale.state = "open"

    with pytest.raises(Refused, match="same moment"):
        watch.start_verification(actor=admin, change=stale, now=LATER)

    assert ReplayRun.objects.count() == 1


def test_two_running_verifications_are_refused_by_the_database(project, admin, change):
    approved(project)
    one = start(admin, change)
    run = ReplayRun.objects.create(project=project, created_at=NOW)

    with pytest.raises(IntegrityError), transaction.atomic():
        Verification.objects.create(
            project=project, change=one.change, run=run, approved=1, flagged=0, asked=1, started_at=NOW
        )


def test_an_event_during_a_verification_joins_it(project, admin, change):
    approved(project)
    start(admin, change)

    joined = watch.open_or_join(
        project_id=project.pk,
        provider_id=change.provider_id,
        model="gpt-4o-mini",
        event=Seen(kind=SeenKind.BEHAVIOUR_CHANGED, key="canary:1", at=LATER, sentence="Canaries too."),
        now=LATER,
    )

    assert joined == change
    assert joined.state == "verifying"
    assert ReplayRun.objects.count() == 1


def test_reviewers_may_not_start_one(project, reviewer, change):
    approved(project)

    with pytest.raises(NotAllowed):
        watch.start_verification(actor=reviewer, change=change, now=LATER)


def test_kept_answers_keep_their_verdicts_and_changed_ones_go_to_people(project, admin, change):
    for _ in range(4):
        approved(project)
    verification = start(admin, change)

    finish(verification, ["identical", "equivalent", "backend_changed", "inconclusive"])

    assert set(CarriedVerdict.objects.values_list("verdict", flat=True)) == {"identical", "equivalent"}
    carried = CarriedVerdict.objects.filter(verdict="identical").get()
    assert carried.annotation.interaction == carried.original
    assert carried.answer.replay_of == carried.original
    items = QueueItem.objects.filter(queue__slug="changed-answers").in_order()
    assert [item.attempt.comparison.verdict for item in items] == ["backend_changed", "inconclusive"]
    assert items[0].reason == "Backend change: A new fingerprint answers for gpt-4o-mini"
    change.refresh_from_db()
    assert change.state == "verified"


def test_a_flagged_answer_that_changed_comes_before_an_approved_one(project, admin, change):
    approved(project)
    flagged = make_interaction(project=project)
    flag(flagged)
    verification = start(admin, change)

    finish(verification, ["backend_changed"] * 2)

    assert QueueItem.objects.in_order().first().interaction == flagged


def test_a_kept_answer_keeps_its_flag_too(project, admin, change):
    flag(make_interaction(project=project))
    verification = start(admin, change)

    finish(verification, ["identical"])

    carried = CarriedVerdict.objects.get()
    assert carried.annotation is None
    assert carried.flag.interaction == carried.original


def test_each_answer_is_asked_three_times(project, admin, change):
    approved(project)

    verification = start(admin, change)

    assert (verification.asked, verification.run.attempt_set.count()) == (1, 3)


def test_an_answer_that_mostly_comes_back_is_kept_and_carried_to_those_that_did(project, admin, change):
    approved(project)
    verification = start(admin, change)

    finish(verification, ["identical identical nondeterministic"])

    assert figures(change).kept == 1
    assert list(CarriedVerdict.objects.values_list("verdict", flat=True)) == ["identical"] * 2


def test_an_answer_stands_once_in_the_queue_with_its_gravest_attempt(project, admin, change):
    approved(project)
    verification = start(admin, change)

    finish(verification, ["inconclusive backend_changed identical"])

    assert QueueItem.objects.get().attempt.comparison.verdict == "backend_changed"
    assert figures(change).changed == 1


def test_ordinary_variation_is_neither_kept_nor_changed(project, admin, change):
    approved(project)
    verification = start(admin, change)

    finish(verification, ["nondeterministic"])

    assert (figures(change).kept, figures(change).changed, figures(change).varied) == (0, 0, 1)
    assert not CarriedVerdict.objects.exists()
    assert not QueueItem.objects.exists()


def test_what_got_no_answer_is_never_a_difference(project, admin, change):
    for _ in range(3):
        approved(project)
    verification = start(admin, change)

    finish(verification, ["identical", "failed", None])

    found = figures(change)
    assert (found.kept, found.changed, found.unmeasured) == (1, 0, 2)
    assert found.sentence == (
        "1 of 3 judged answers came out the same and keep their verdicts; none changed; "
        "2 could not be measured."
    )


def test_what_failed_can_be_asked_again_in_the_same_run(project, admin, change):
    approved(project)
    verification = start(admin, change)
    finish(verification, [None])
    change.refresh_from_db()

    again = watch.retry_unmeasured(actor=admin, change=change, now=LATER + timedelta(minutes=2))

    change.refresh_from_db()
    assert again == verification
    assert (change.state, again.run.attempt_set.get().state) == ("verifying", "queued")
    finish(Verification.objects.get(), ["identical"])
    assert figures(change).kept == 1
    assert change.state == "verified"


def test_where_nothing_failed_there_is_nothing_to_ask_again(project, admin, change):
    approved(project)
    finish(start(admin, change), ["identical"])
    change.refresh_from_db()

    assert watch.retry_unmeasured(actor=admin, change=change, now=LATER) is None
    change.refresh_from_db()
    assert change.state == "verified"


def test_concluding_twice_carries_and_queues_once(project, admin, change):
    for _ in range(2):
        approved(project)
    finish(start(admin, change), ["identical", "backend_changed"])

    Verification.objects.update(finished_at=None)
    watch.settle_verifications(now=LATER + timedelta(hours=1))

    assert CarriedVerdict.objects.count() == 1
    assert QueueItem.objects.count() == 1


def test_the_end_of_a_verification_is_told(project, admin, change):
    for _ in range(2):
        approved(project)
    finish(start(admin, change), ["identical", "backend_changed"])

    told = Alert.objects.get(kind="verification")
    assert told.title == "Verified gpt-4o-mini: 1 of 2 judged answers changed"
    assert told.severity == "warning"


def test_a_cancelled_verification_leaves_the_change_open(project, admin, change):
    approved(project)
    start(admin, change)

    assert watch.cancel_verification(actor=admin, change=change, now=LATER)

    change.refresh_from_db()
    assert change.state == "open"
    assert ReplayRun.objects.get().state == "cancelled"
    assert not CarriedVerdict.objects.exists()


@pytest.mark.parametrize("by_its_run", [False, True])
def test_cancelling_what_is_asked_again_keeps_what_was_found(project, admin, change, by_its_run):
    for _ in range(3):
        approved(project)
    finish(start(admin, change), ["identical", "backend_changed", None])
    change.refresh_from_db()
    watch.retry_unmeasured(actor=admin, change=change, now=LATER + timedelta(minutes=2))
    change.refresh_from_db()

    if by_its_run:
        replay.cancel_run(actor=admin, run=Verification.objects.get().run, now=LATER + timedelta(minutes=3))
        watch.settle_verifications(now=LATER + timedelta(minutes=3))
    else:
        watch.cancel_verification(actor=admin, change=change, now=LATER + timedelta(minutes=3))

    found = figures(change)
    assert change.state == "verified"
    assert (found.kept, found.changed, found.unmeasured) == (1, 1, 1)
    assert not found.is_running
    assert CarriedVerdict.objects.count() == QueueItem.objects.count() == 1


def test_a_run_cancelled_by_itself_ends_its_verification(project, admin, change):
    approved(project)
    verification = start(admin, change)
    replay.cancel_run(actor=admin, run=verification.run, now=LATER)

    watch.settle_verifications(now=LATER)

    change.refresh_from_db()
    verification.refresh_from_db()
    assert (change.state, verification.was_cancelled) == ("open", True)


def test_the_sweep_counts_what_would_be_asked_and_the_page_need_not(project, change):
    approved(project)
    watch.verify_by_policy(now=LATER)
    approved(project)
    change.refresh_from_db()

    before = watch.counted_scope(change=change, now=LATER)
    BackendChange.objects.update(scoping_seconds=0)
    watch.verify_by_policy(now=LATER + timedelta(seconds=5))
    change.refresh_from_db()
    after = watch.counted_scope(change=change, now=LATER)

    assert (before.approved, before.asked) == (1, 1)
    assert (after.approved, after.asked) == (2, 2)


def test_what_takes_long_to_count_is_counted_seldomer(project, change):
    watch.verify_by_policy(now=LATER)
    BackendChange.objects.update(scoping_seconds=2)
    approved(project)

    watch.verify_by_policy(now=LATER + timedelta(seconds=100))
    change.refresh_from_db()
    early = change.scope["approved"]
    watch.verify_by_policy(now=LATER + timedelta(seconds=121))
    change.refresh_from_db()

    assert (early, change.scope["approved"]) == (0, 1)


def test_more_than_a_sample_is_sampled_and_said(project, admin, change):
    for _ in range(6):
        approved(project)

    verification = start(admin, change, sample=4)
    finish(verification, ["identical"] * 3 + ["backend_changed"])

    assert (verification.asked, verification.in_scope, verification.is_sample) == (4, 6, True)
    assert "A sample of 4 from 6: between" in figures(change).sentence


def test_a_provider_that_verifies_by_itself_starts_one(project, provider, change):
    approved(project)
    assert watch.verify_by_policy(now=LATER) == []
    provider.verifies_by_itself = True
    provider.save()

    runs = watch.verify_by_policy(now=LATER)

    assert runs == [Verification.objects.get().run_id]
    assert watch.verify_by_policy(now=LATER) == []
    assert AuditEntry.objects.get(action="change.verify").person is None


def test_a_verdict_carries_exactly_one_judgement(project, admin, change):
    made = approved(project)
    finish(start(admin, change), ["identical"])
    carried = CarriedVerdict.objects.get()

    carried.pk, carried.flag = new_id(), flag(made)

    with pytest.raises(IntegrityError), transaction.atomic():
        carried.save(force_insert=True)


def test_a_change_that_cannot_be_verified_keeps_no_other_from_it(project, provider, change):
    provider.verifies_by_itself = True
    provider.save()
    approved(project)
    approved(project, model="another")
    other = watch.open_or_join(
        project_id=project.pk,
        provider_id=provider.pk,
        model="another",
        event=Seen(kind=SeenKind.NEW_VALUE, key="x", at=NOW, sentence="New.", values=("x",)),
        now=NOW,
    )

    with refusing("reviewapp_verification", f"NEW.change_id = '{change.pk}'"):
        first = watch.verify_by_policy(now=LATER)
        assert [row.change_id for row in Verification.objects.all()] == [other.pk]
    again = watch.verify_by_policy(now=LATER)

    assert (len(first), len(again)) == (1, 1)
    assert set(Verification.objects.values_list("change", flat=True)) == {change.pk, other.pk}


def test_a_verification_that_cannot_be_concluded_keeps_no_other_from_it(project, admin, provider, change):
    approved(project)
    start(admin, change)
    other = watch.open_or_join(
        project_id=project.pk,
        provider_id=provider.pk,
        model="another",
        event=Seen(kind=SeenKind.NEW_VALUE, key="x", at=NOW, sentence="New.", values=("x",)),
        now=NOW,
    )
    approved(project, model="another")
    start(admin, other)
    bad, good = Verification.objects.get(change=change), Verification.objects.get(change=other)

    with refusing("reviewapp_carriedverdict", f"NEW.verification_id = '{bad.pk}'"):
        finish(bad, ["identical"])
        finish(good, ["identical"])
        assert list(Verification.objects.filter(finished_at__isnull=False)) == [good]
    watch.settle_verifications(now=LATER + timedelta(minutes=2))

    assert Verification.objects.filter(finished_at__isnull=False).count() == 2
