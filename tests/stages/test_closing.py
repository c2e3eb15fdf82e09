from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from reviewapp.models import (
    AuditEntry,
    BackendChange,
    Comparison,
    Export,
    Fingerprint,
    Interaction,
    NotAllowed,
    SeenKind,
)
from reviewapp.models.filters import InvalidFilter, apply, read_filter
from reviewapp.stages import export, watch
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import Seen
from tests.factories import NOW, make_interaction, make_provider
from tests.stages.test_verifying import approved, finish, start

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def provider(project):
    return make_provider(project=project, base_url="http://127.0.0.1:9/v1")


@pytest.fixture
def change(project, provider):
    """A pool that knew one value, and then two new ones answered."""
    for place, value in enumerate(["fp_old"] * 25 + ["fp_a"] * 5 + ["fp_b"] * 5):
        make_interaction(project=project, fingerprint=value, started_at=NOW + timedelta(seconds=place))
    while watch.pull(now=LATER):
        pass
    watch.walk(now=LATER)
    return BackendChange.objects.get()


def states():
    return dict(Fingerprint.objects.values_list("value", "state"))


def accept(admin, change, **more):
    change.refresh_from_db()
    return watch.accept_change(actor=admin, change=change, **{"note": "Same quality.", "now": LATER, **more})


def test_accepting_accepts_all_its_values_and_keeps_the_old_one_on_overlap(project, admin, change):
    assert accept(admin, change)

    change.refresh_from_db()
    assert (change.state, change.note, change.decided_by) == ("accepted", "Same quality.", admin.person)
    assert states() == {"fp_old": "overlap", "fp_a": "accepted", "fp_b": "accepted"}


def test_accepting_asks_for_a_note(admin, change):
    with pytest.raises(Refused, match="Say why"):
        accept(admin, change, note="  ")

    assert states()["fp_a"] == "new"


def test_who_decides_second_changes_nothing(admin, change):
    stale = BackendChange.objects.get(pk=change.pk)
    accept(admin, change)

    assert not watch.dismiss_change(actor=admin, change=stale, note="", now=LATER)

    change.refresh_from_db()
    assert change.state == "accepted"


def test_accepting_can_be_taken_back(admin, change):
    accept(admin, change)
    change.refresh_from_db()

    assert watch.undo_decision(actor=admin, change=change, now=LATER + timedelta(minutes=1))

    change.refresh_from_db()
    assert (change.state, change.decided_at, change.moved) == ("open", None, [])
    assert {value: states()[value] for value in ("fp_a", "fp_b")} == {"fp_a": "new", "fp_b": "new"}


def test_a_decision_stays_when_a_newer_change_waits(project, admin, change):
    accept(admin, change)
    change.refresh_from_db()
    watch.open_or_join(
        project_id=project.pk,
        provider_id=change.provider_id,
        model=change.model,
        event=Seen(kind=SeenKind.BEHAVIOUR_CHANGED, key="canary:9", at=LATER, sentence="Canaries."),
        now=LATER,
    )

    with pytest.raises(Refused, match="newer change"):
        watch.undo_decision(actor=admin, change=change, now=LATER)

    assert states()["fp_a"] == "accepted"


def test_nobody_decides_while_a_verification_runs(project, admin, change):
    approved(project)
    start(admin, change)
    change.refresh_from_db()

    with pytest.raises(Refused, match="still running"):
        accept(admin, change)


def test_reviewers_may_not_decide(reviewer, change):
    with pytest.raises(NotAllowed):
        watch.accept_change(actor=reviewer, change=change, note="Fine.", now=LATER)


def test_dismissing_leaves_the_fingerprints_alone(admin, change):
    watch.dismiss_change(actor=admin, change=change, note="", now=LATER)

    change.refresh_from_db()
    assert change.state == "dismissed"
    assert states()["fp_a"] == "new"


def test_without_a_verification_there_is_nothing_to_report(admin, change):
    with pytest.raises(Refused, match="Verify first"):
        export.report_regressions(actor=admin, change=change, note="Worse.", now=LATER)


def report(project, admin, change, verdicts=("backend_changed", "identical"), note="Worse."):
    for _ in verdicts:
        approved(project)
    finish(start(admin, change), list(verdicts))
    change.refresh_from_db()
    return export.report_regressions(actor=admin, change=change, note=note, now=LATER)


def found(project, values):
    return apply(Interaction.objects.all(), read_filter(values), project=project)


def test_reporting_exports_the_changed_answers_for_anybody_to_run_again(project, admin, change):
    made = report(project, admin, change)

    change.refresh_from_db()
    assert (change.state, change.export) == ("reported", made)
    assert (made.format, made.expected) == ("bundle", 1)
    changed = Comparison.objects.get(verdict="backend_changed").original
    assert list(found(project, made.filter)) == [changed]


def test_what_a_person_called_the_same_is_no_regression(project, admin, change):
    for _ in range(2):
        approved(project)
    finish(start(admin, change), ["backend_changed", "backend_changed"])
    one = Comparison.objects.filter(verdict="backend_changed").first()
    Comparison.objects.filter(pk=one.pk).update(decision="same", decided_at=LATER)
    change.refresh_from_db()

    made = export.report_regressions(actor=admin, change=change, note="Worse.", now=LATER)

    assert one.original not in found(project, made.filter)


def test_reporting_needs_a_changed_answer(project, admin, change):
    with pytest.raises(Refused, match="nothing to report"):
        report(project, admin, change, ["identical"])

    assert not Export.objects.exists()


def test_reporting_asks_for_a_note_and_leaves_no_export_without(project, admin, change):
    with pytest.raises(Refused, match="Say what is wrong"), transaction.atomic():
        report(project, admin, change, note="")

    assert not Export.objects.exists()


def test_a_decision_without_its_time_is_refused_by_the_database(change):
    with pytest.raises(IntegrityError), transaction.atomic():
        BackendChange.objects.update(state="accepted", decided_at=None)


def test_the_filter_names_a_change():
    with pytest.raises(InvalidFilter, match="id of a backend change"):
        read_filter({"regressions": "yes"})


def test_every_decision_leaves_its_trace(admin, change):
    accept(admin, change)
    change.refresh_from_db()
    watch.undo_decision(actor=admin, change=change, now=LATER)

    actions = AuditEntry.objects.filter(object_type="backendchange", person=admin.person)
    assert set(actions.values_list("action", flat=True)) == {"change.accepted", "change.undo"}
