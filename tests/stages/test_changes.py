from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from reviewapp.models import AuditEntry, BackendChange, ChangeEvent, SeenKind
from reviewapp.pure.ids import new_id
from reviewapp.stages import watch
from reviewapp.stages.watch import Seen
from tests.factories import NOW, make_project, make_provider

LATER = NOW + timedelta(minutes=5)


def seen(
    key="new_value:fp_new", *, kind=SeenKind.NEW_VALUE, at=NOW, sentence="fp_new was never seen before."
):
    return Seen(kind=kind, key=key, at=at, sentence=sentence, values=("fp_new",))


def see(project, event=None, *, model="gpt-4o-mini", provider=None, now=LATER):
    provider = provider or project.providers.first() or make_provider(project=project)
    return watch.open_or_join(
        project_id=project.pk, provider_id=provider.pk, model=model, event=event or seen(), now=now
    )


def test_an_event_opens_a_change(project):
    change = see(project)

    assert (change.state, change.opened_at, change.last_event_at) == ("open", LATER, NOW)
    assert change.title == "A new fingerprint answers for gpt-4o-mini"
    assert [event.sentence for event in change.events.all()] == ["fp_new was never seen before."]


def test_the_same_event_is_stored_once(project):
    first = see(project)

    assert see(project) == first
    assert ChangeEvent.objects.count() == 1


def test_another_event_of_the_model_joins_the_change_that_waits(project):
    first = see(project)

    second = see(project, seen("canary:1", kind=SeenKind.BEHAVIOUR_CHANGED, at=LATER))

    assert second == first
    assert second.last_event_at == LATER
    assert first.events.count() == 2


def test_another_model_or_provider_has_a_change_of_its_own(project):
    changes = {
        see(project).pk,
        see(project, model="gpt-4o").pk,
        see(project, provider=make_provider(project=project, name="azure")).pk,
        see(make_project(name="Elsewhere")).pk,
    }

    assert len(changes) == 4


def test_after_a_decision_an_event_opens_a_new_change(project):
    first = see(project)
    BackendChange.objects.update(state="accepted", decided_at=NOW)

    second = see(project, seen("new_value:fp_newer"))

    assert second != first
    assert second.state == "open"


def test_an_event_known_from_a_decided_change_opens_nothing(project):
    first = see(project)
    BackendChange.objects.update(state="dismissed", decided_at=NOW)

    assert see(project) == first
    assert BackendChange.objects.count() == 1


def test_an_older_event_that_joins_does_not_turn_back_the_clock(project):
    see(project, seen(at=LATER))

    change = see(project, seen("canary:1", at=NOW))

    assert change.last_event_at == LATER


def test_opening_and_joining_leave_their_traces_by_the_system(project):
    see(project)
    see(project, seen("canary:1"))

    entries = AuditEntry.objects.filter(object_type="backendchange").order_by("at", "id")
    assert [(entry.action, entry.person, entry.key) for entry in entries] == [
        ("change.open", None, None),
        ("change.join", None, None),
    ]


def test_an_event_that_is_no_change_is_kept_without_one(project):
    provider = make_provider(project=project)
    stopped = seen("reporting_stopped:12", kind=SeenKind.REPORTING_STOPPED)
    place = {"project_id": project.pk, "provider_id": provider.pk, "model": "gpt-4o-mini", "now": LATER}

    kept = [watch.note_event(event=stopped, **place) for _ in range(2)]

    assert kept == [True, False]
    assert not BackendChange.objects.exists()
    assert ChangeEvent.objects.get().change is None


def test_an_event_kept_for_the_record_can_turn_out_to_matter(project):
    provider = make_provider(project=project)
    watch.note_event(
        project_id=project.pk, provider_id=provider.pk, model="gpt-4o-mini", event=seen(), now=NOW
    )

    change = see(project)

    assert ChangeEvent.objects.get().change == change


def test_two_undecided_changes_of_one_model_are_refused_by_the_database(project):
    change = see(project)
    change.pk = None

    with pytest.raises(IntegrityError), transaction.atomic():
        BackendChange.objects.create(
            project=project,
            provider=change.provider,
            model=change.model,
            title="Another",
            opened_at=NOW,
            last_event_at=NOW,
            state="verifying",
        )


def test_the_same_event_twice_is_refused_by_the_database(project):
    see(project)
    event = ChangeEvent.objects.get()
    event.pk = new_id()

    with pytest.raises(IntegrityError), transaction.atomic():
        event.save(force_insert=True)


def test_what_is_no_change_shows_in_the_change_that_waits_and_history_does_not(project):
    change = see(project)
    place = {
        "project_id": project.pk,
        "provider_id": change.provider_id,
        "model": "gpt-4o-mini",
        "now": LATER,
    }

    watch.note_event(event=seen("shift", kind=SeenKind.SHARES_SHIFTED), **place)
    watch.note_event(event=seen("old", kind=SeenKind.SHARES_SHIFTED), joins=False, **place)

    assert set(change.events.values_list("key", flat=True)) == {"new_value:fp_new", "shift"}


@pytest.mark.django_db(transaction=True)
def test_watchers_of_one_moment_open_one_change():
    project = make_project(name="Racing")
    provider = make_provider(project=project)
    found = []

    def look(number):
        try:
            for event in (seen(f"new_value:fp_{number}"), seen("new_value:fp_same")):
                found.append(see(project, event, provider=provider).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=look, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16
    assert len(set(found)) == 1
    assert ChangeEvent.objects.count() == 9
