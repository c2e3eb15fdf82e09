"""Deeds done to many: exactly once, also after a worker was killed; bounded; taken back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from reviewapp.models import (
    AddedTag,
    Annotation,
    ApiKey,
    AuditEntry,
    BulkMade,
    BulkWork,
    Flag,
    Interaction,
    Membership,
    NotAllowed,
    QueueItem,
)
from reviewapp.models.filters import InvalidFilter, apply, read_filter
from reviewapp.models.tag import Selection
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import export, find, review
from reviewapp.stages.administer import Refused
from tests import factories
from tests.factories import NOW

LATER = NOW + timedelta(days=1)


@pytest.fixture
def rows(project) -> list[Interaction]:
    return [factories.make_interaction(project=project, tags=["seen"] if n == 0 else []) for n in range(5)]


def start(actor: Any, deed: str, values: dict[str, Any] | None = None, **parameters: Any) -> BulkWork:
    return find.start_bulk(
        actor=actor, deed=deed, wanted=read_filter(values or {}), parameters=parameters, now=LATER
    )


def finish(work: BulkWork) -> BulkWork:
    moment = LATER
    while find.step(work_id=work.pk, now=moment, batch=2):
        moment += timedelta(seconds=1)
    work.refresh_from_db()
    return work


def tagged(project: Any, name: str) -> list[UUID]:
    found = apply(Interaction.objects.filter(project=project), read_filter({"tag": name}), project=project)
    return list(found.order_by("started_at").values_list("pk", flat=True))


def test_a_tag_on_all_that_match_filters_with_the_recorded_ones(reviewer, project, rows):
    work = finish(start(reviewer, "tag", tag=" seen "))

    assert (work.state, work.walked, work.changed) == ("done", 5, 4)
    assert tagged(project, "seen") == [row.pk for row in rows]
    assert AddedTag.objects.count() == 4


def test_what_was_tagged_can_be_taken_back(reviewer, project, rows):
    work = finish(start(reviewer, "tag", tag="seen"))

    assert find.undo_bulk(actor=reviewer, work=work, now=LATER)
    finish(work)

    assert (work.state, work.taken_back) == ("undone", 4)
    assert tagged(project, "seen") == [rows[0].pk]
    assert not find.undo_bulk(actor=reviewer, work=work, now=LATER)


def test_a_tag_taken_off_many_leaves_what_was_recorded_and_what_others_are_called(reviewer, project, rows):
    for row in rows[1:4]:
        review.add_tag(actor=reviewer, interaction=row, name="seen", now=NOW)
    review.add_tag(actor=reviewer, interaction=rows[1], name="other", now=NOW)

    work = finish(start(reviewer, "untag", {"tag": "seen"}, tag="seen"))

    assert (work.state, work.walked, work.changed) == ("done", 4, 3)
    assert tagged(project, "seen") == [rows[0].pk]
    assert tagged(project, "other") == [rows[1].pk]


def test_tags_taken_off_come_back_as_they_were(reviewer, admin, project, rows):
    for row in rows[1:]:
        review.add_tag(actor=admin, interaction=row, name="seen", now=NOW)
    before = list(AddedTag.objects.order_by("id").values())
    work = finish(start(reviewer, "untag", tag="seen"))
    assert not AddedTag.objects.exists()

    assert find.undo_bulk(actor=reviewer, work=work, now=LATER)
    finish(work)

    assert (work.state, work.taken_back) == ("undone", 4)
    assert list(AddedTag.objects.order_by("id").values()) == before


def test_a_tag_given_anew_meanwhile_and_an_interaction_that_is_gone_stay_so(reviewer, project, rows):
    for row in rows[1:]:
        review.add_tag(actor=reviewer, interaction=row, name="seen", now=NOW)
    work = finish(start(reviewer, "untag", tag="seen"))
    review.add_tag(actor=reviewer, interaction=rows[1], name="seen", now=LATER)
    rows[2].delete()

    find.undo_bulk(actor=reviewer, work=work, now=LATER)
    finish(work)

    assert work.taken_back == 2
    given = dict(AddedTag.objects.values_list("interaction", "created_at"))
    assert given == {rows[1].pk: LATER, rows[3].pk: NOW, rows[4].pk: NOW}


@pytest.mark.parametrize("field", ["revoked_at", "expires_at"])
def test_a_key_that_is_no_longer_valid_has_nothing_more_done_in_its_name(project, rows, field):
    actor = factories.make_key_actor(project=project, scopes=("read", "review"))
    work = start(actor, "tag", tag="x")
    find.step(work_id=work.pk, now=LATER, batch=2)
    ApiKey.objects.update(**{field: LATER})

    assert finish(work).state == "cancelled"
    assert "no longer valid" in work.error
    assert AddedTag.objects.count() == 2


def test_what_a_key_did_to_many_is_the_keys(project, rows):
    actor = factories.make_key_actor(project=project, scopes=("read", "review"))

    finish(start(actor, "flag", reason="Wrong"))
    finish(start(actor, "annotate", comment="Boilerplate"))
    again = finish(start(actor, "annotate", comment="Again"))

    assert {flag.made_by for flag in Flag.objects.all()} == {actor.name}
    assert {one.made_by for one in Annotation.objects.all()} == {actor.name}
    # It judged them already.
    assert again.changed == 0


def test_a_deed_that_changes_what_it_filters_by_reaches_every_row_once(reviewer, rows):
    work = finish(start(reviewer, "flag", {"flagged": "no"}, reason="Wrong", severity="low"))

    assert work.changed == Flag.objects.filter(state="open").count() == 5


def test_flags_that_were_resolved_meanwhile_stay_when_the_others_are_taken_back(reviewer, rows):
    work = finish(start(reviewer, "flag", reason="Wrong"))
    resolved = Flag.objects.order_by("id")[1]
    review.move_flag(actor=reviewer, flag_id=resolved.pk, to="resolved", now=LATER)

    find.undo_bulk(actor=reviewer, work=work, now=LATER)
    finish(work)

    assert work.taken_back == 4
    assert list(Flag.objects.exclude(state="removed").values_list("pk", flat=True)) == [resolved.pk]


def test_items_that_nobody_took_leave_the_queue_again(reviewer, project, rows):
    queue = factories.make_queue(project=project)
    factories.fill_queue(queue, rows[3])
    work = finish(start(reviewer, "queue", queue=str(queue.pk)))
    assert (work.changed, QueueItem.objects.count()) == (4, 5)
    slot = review.take(actor=reviewer, queue=queue, now=LATER)
    assert slot is not None

    find.undo_bulk(actor=reviewer, work=work, now=LATER)
    finish(work)

    assert set(QueueItem.objects.values_list("interaction", flat=True)) == {
        rows[3].pk,
        slot.item.interaction_id,
    }


def test_many_are_judged_alike_but_not_what_one_judged_already(reviewer, project, rows):
    review.annotate(actor=reviewer, interaction=rows[2], scores={}, comment="Mine", now=NOW)
    work = finish(start(reviewer, "annotate", comment="Boilerplate"))
    assert work.changed == 4

    find.undo_bulk(actor=reviewer, work=work, now=LATER)
    finish(work)

    assert [one.comment for one in Annotation.objects.filter(removed_at=None)] == ["Mine"]


def test_what_arrives_after_it_was_asked_for_is_not_swept_in(reviewer, project, rows):
    work = start(reviewer, "tag", tag="old")
    find.step(work_id=work.pk, now=LATER, batch=2)
    # Asked long ago, recorded now: an import.
    factories.make_interaction(project=project, started_at=LATER, created_at=LATER + timedelta(seconds=1))

    assert finish(work).changed == 5


def test_ages_in_the_filter_mean_the_moment_when_it_was_asked_for(reviewer):
    work = start(reviewer, "tag", {"since": "7d"}, tag="x")

    assert work.filter == {"since": (LATER - timedelta(days=7)).isoformat()}


def test_nothing_of_another_project_is_touched(reviewer, rows):
    other = factories.make_interaction(project=factories.make_project())
    chosen = Selection.objects.create(
        project=reviewer.project, interactions=[other.pk, rows[0].pk], created_at=NOW
    )

    finish(start(reviewer, "tag", {"selection": str(chosen.pk)}, tag="mine"))

    assert list(AddedTag.objects.values_list("interaction", flat=True)) == [rows[0].pk]
    with pytest.raises(Refused, match="Choose at least one"):
        find.choose(actor=reviewer, ids=[other.pk], now=NOW)


def test_cancelled_it_stops_and_what_was_done_can_still_be_taken_back(reviewer, rows):
    work = start(reviewer, "tag", tag="x")
    find.step(work_id=work.pk, now=LATER, batch=2)

    assert find.cancel_bulk(actor=reviewer, work=work, now=LATER)
    assert finish(work).state == "cancelled"
    assert AddedTag.objects.count() == 2
    find.undo_bulk(actor=reviewer, work=work, now=LATER)
    finish(work)

    assert AddedTag.objects.count() == 0


def test_who_may_no_longer_review_has_nothing_more_done_in_their_name(reviewer, rows):
    work = start(reviewer, "tag", tag="x")
    find.step(work_id=work.pk, now=LATER, batch=2)
    Membership.objects.filter(person=reviewer.person).update(role="viewer")

    assert finish(work).state == "cancelled"
    assert "You may not flag and annotate" in work.error
    assert AddedTag.objects.count() == 2


def test_each_deed_asks_for_its_permission_and_its_values(viewer, reviewer, project):
    with pytest.raises(NotAllowed):
        start(viewer, "tag", tag="x")
    with pytest.raises(Refused, match="Give the tag a name"):
        start(reviewer, "tag", tag="  ")
    with pytest.raises(Refused, match="Give the tag a name"):
        start(reviewer, "untag")
    with pytest.raises(Refused, match="can't be done to many"):
        start(reviewer, "delete")
    with pytest.raises(InvalidAnswer, match="reason"):
        start(reviewer, "flag")
    with pytest.raises(Refused, match="Choose a queue"):
        start(reviewer, "queue", queue="no-id")
    with pytest.raises(InvalidAnswer, match="scores"):
        start(reviewer, "annotate")
    with pytest.raises(InvalidFilter, match="selection"):
        read_filter({"selection": "x"})
    assert not BulkWork.objects.exists()


def test_another_person_but_an_admin_can_not_stop_it(reviewer, admin, project):
    work = start(reviewer, "tag", tag="x")
    other = factories.make_actor(project=project, role="reviewer")

    with pytest.raises(Refused, match="Only who asked"):
        find.cancel_bulk(actor=other, work=work, now=LATER)
    assert find.cancel_bulk(actor=admin, work=work, now=LATER)


def test_the_audit_tells_of_start_end_and_undo(reviewer, rows):
    work = finish(start(reviewer, "tag", tag="x"))
    find.undo_bulk(actor=reviewer, work=work, now=LATER)
    finish(work)

    told = AuditEntry.objects.filter(object_id=str(work.pk)).order_by("id").values_list("action", flat=True)
    assert list(told) == ["bulk.start", "bulk.done", "bulk.undo", "bulk.undone"]


def test_an_export_carries_added_tags_and_who_added_them(reviewer, rows):
    review.add_tag(actor=reviewer, interaction=rows[0], name="good one", now=NOW)
    assert not review.add_tag(actor=reviewer, interaction=rows[0], name="seen", now=NOW)

    (row,) = export.preview(actor=reviewer, wanted=read_filter({"tag": "good one"}))

    assert row.stored.tags == ["seen", "good one"]
    assert '"added_tags":' in row.line.replace(" :", ":")
    assert reviewer.person.email in row.line
    assert review.remove_tag(actor=reviewer, interaction=rows[0], name="good one", now=NOW)
    assert not review.remove_tag(actor=reviewer, interaction=rows[0], name="seen", now=NOW)


# Two batches, and a third that is done but not committed when its worker dies.
_WORKER = """
import os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "reviewapp.settings"
import django
django.setup()
from uuid import UUID
from django.db import connection, transaction
from django.utils import timezone
connection.settings_dict["NAME"] = sys.argv[2]
from reviewapp.stages import find

def step():
    return find.step(work_id=UUID(sys.argv[1]), now=timezone.now(), batch=3)

step(), step()
with transaction.atomic():
    print("in the middle" if step() else "ended", flush=True)
    time.sleep(600)
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_leaves_whole_batches_and_another_ends_it():
    project = factories.make_project()
    reviewer = factories.make_actor(project=project, role="reviewer")
    for _ in range(11):
        factories.make_interaction(project=project)
    work = start(reviewer, "flag", reason="Wrong")
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(work.pk), connection.settings_dict["NAME"]],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline().strip() == "in the middle"

    # Whoever comes by while it is at it leaves it alone.
    assert not find.step(work_id=work.pk, now=LATER)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    work.refresh_from_db()
    assert (work.walked, Flag.objects.count()) == (6, 6)
    assert find.waiting_bulk() == [work.pk]
    # The server notices in its own time that the worker is gone.
    deadline = time.monotonic() + 60
    while finish(work).state != "done" and time.monotonic() < deadline:
        time.sleep(0.05)

    assert (work.state, work.walked, work.changed) == ("done", 11, 11)
    assert Flag.objects.values("interaction").distinct().count() == Flag.objects.count() == 11
    assert BulkMade.objects.filter(work=work).count() == 11
    assert find.waiting_bulk() == []
