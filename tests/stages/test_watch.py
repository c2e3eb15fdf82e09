from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from reviewapp.formats.interchange import read_interaction
from reviewapp.models import (
    AuditEntry,
    Fingerprint,
    FingerprintHour,
    IdentityPart,
    InteractionBody,
    NotAllowed,
    Watermark,
    system_actor,
)
from reviewapp.models.browsing import list_rows
from reviewapp.models.canarying import Histories
from reviewapp.models.fingerprint import Pools, pool_state, states_of
from reviewapp.models.probing import Probes
from reviewapp.pure.ids import new_id
from reviewapp.stages import compare, watch
from reviewapp.stages import record as recording
from reviewapp.stages.administer import Refused
from tests.factories import (
    NOW,
    make_actor,
    make_attempt,
    make_interaction,
    make_project,
    make_provider,
    make_run,
)

LATER = NOW + timedelta(hours=1)
DAY = timedelta(days=1)


def record(project, values, *, start=NOW, **fields):
    """One answer a second, with these fingerprints."""
    return [
        make_interaction(
            project=project, fingerprint=value, started_at=start + i * timedelta(seconds=1), **fields
        )
        for i, value in enumerate(values)
    ]


def pull_all(now=LATER):
    total = 0
    while counted := watch.pull(now=now):
        total += counted
    return total


def states():
    return dict(Fingerprint.objects.values_list("value", "state"))


def counts():
    return dict(Fingerprint.objects.values_list("value", "count"))


@pytest.fixture
def changed(project):
    """A pool that knew one value and then answered with another."""
    record(project, ["fp_old"] * 25 + ["fp_new"] * 5)
    pull_all()
    return Fingerprint.objects.get(value="fp_new")


def test_each_answer_is_counted_once_however_often_one_pulls(project):
    record(project, ["fp_1", "fp_2", "fp_1", None])

    pull_all()
    pull_all()

    assert counts() == {"fp_1": 2, "fp_2": 1, None: 1}


def test_a_pull_goes_on_where_the_last_one_ended(project):
    record(project, ["fp_1"] * 7)

    taken = [watch.pull(now=LATER, batch=3) for _ in range(4)]

    assert taken == [3, 3, 1, 0]
    assert counts() == {"fp_1": 7}


def test_answers_of_one_moment_are_not_lost_between_batches(project):
    for _ in range(5):
        make_interaction(project=project, fingerprint="fp_1", started_at=NOW)

    while watch.pull(now=LATER, batch=2):
        pass

    assert counts() == {"fp_1": 5}


def test_what_was_recorded_just_now_waits_for_its_neighbours(project):
    record(project, ["fp_1"])

    assert watch.pull(now=Fingerprint.objects.count() * DAY + NOW) == 0


def test_what_is_committed_behind_the_mark_is_found_a_little_later(project):
    record(project, ["fp_1"], start=NOW + timedelta(minutes=5))
    pull_all()
    record(project, ["fp_late"], start=NOW + timedelta(minutes=1))

    pull_all(LATER + timedelta(minutes=2))
    pull_all(LATER + timedelta(minutes=4))

    assert counts() == {"fp_1": 1, "fp_late": 1}


@transaction.atomic
def pull_and_die():
    watch.pull(now=LATER)
    raise KeyboardInterrupt


def test_a_crash_moves_neither_mark_nor_counts(project):
    record(project, ["fp_1"] * 3)

    with pytest.raises(KeyboardInterrupt):
        pull_and_die()

    assert not Watermark.objects.exists()
    assert pull_all() == 3
    assert counts() == {"fp_1": 3}


def test_counting_anew_gives_the_same(project, changed):
    record(project, ["fp_1", None], start=NOW + timedelta(minutes=10), model="other")
    pull_all()
    before = set(Fingerprint.objects.values_list("model", "value", "shape", "count", "first_seen", "state"))
    hours = set(FingerprintHour.objects.values_list("fingerprint__value", "hour", "count"))

    total = watch.rebuild(now=LATER)

    assert total == 32
    assert (
        set(Fingerprint.objects.values_list("model", "value", "shape", "count", "first_seen", "state"))
        == before
    )
    assert set(FingerprintHour.objects.values_list("fingerprint__value", "hour", "count")) == hours
    assert pull_all() == 0


def test_what_was_recorded_by_an_earlier_version_is_counted_by_its_texts(project):
    asked = {"model": "m", "messages": [{"role": "user", "content": "Who?"}], "seed": 7}
    schema = {"type": "json_schema", "json_schema": {"name": "one", "schema": {}}}
    answered = {"model": "m-1", "system_fingerprint": "fp_1", "choices": []}
    calls = [
        (asked, answered | {"service_tier": "default", "seed": 7}),
        (asked | {"tools": [{"type": "function"}], "logprobs": True}, answered | {"seed": 8}),
        (asked | {"response_format": schema, "service_tier": "flex"}, answered | {"service_tier": "flex"}),
    ]
    arrivals = [
        recording.Arrival(
            id=new_id(),
            project_id=project.pk,
            received_at=NOW,
            content=read_interaction(json.dumps({"request": request, "response": response})),
        )
        for request, response in calls
    ]
    recording.record_now(arrivals=arrivals, now=NOW)
    pull_all()
    before = told()

    InteractionBody.objects.update(shape=None, service_tier=None, answered_seed=None)
    watch.rebuild(now=LATER)

    assert before == told()
    assert len(before) == 8


def told():
    """What was counted, whether of shapes and fingerprints or of the other parts."""
    shapes = Fingerprint.objects.values_list("model", "value", "shape", "count")
    return {*shapes, *IdentityPart.objects.values_list("model", "part", "name", "value", "count")}


def test_counting_anew_keeps_what_was_decided(project, admin, changed):
    watch.retire(actor=admin, fingerprint=changed, now=LATER)

    watch.rebuild(now=LATER)

    assert states() == {"fp_old": "accepted", "fp_new": "retired"}


def test_hours_are_counted_by_when_it_was_asked(project):
    record(project, ["fp_1"] * 2)
    record(project, ["fp_1"] * 3, start=NOW + timedelta(hours=2))

    pull_all(NOW + timedelta(hours=3))

    assert list(FingerprintHour.objects.order_by("hour").values_list("hour", "count")) == [
        (NOW, 2),
        (NOW + timedelta(hours=2), 3),
    ]


def test_errors_and_embeddings_say_nothing_about_a_pool(project):
    make_interaction(project=project, status=500, fingerprint=None)
    make_interaction(project=project, endpoint="embeddings", fingerprint=None)

    pull_all()

    assert not Fingerprint.objects.exists()


def test_an_empty_fingerprint_is_none(project):
    record(project, ["", None])

    pull_all()

    assert counts() == {None: 2}


def test_a_huge_fingerprint_does_not_stop_the_counting(project):
    record(project, ["é" * 600, "fp_1"], model="m" * 600)

    pull_all()

    assert sorted(counts().values()) == [1, 1]


def test_request_shapes_are_counted_apart(project):
    make_interaction(project=project, started_at=NOW)
    request = {"model": "gpt-4o-mini", "messages": [], "tools": [{"type": "function"}]}
    make_interaction(project=project, started_at=NOW, request=request)

    pull_all()

    assert set(Fingerprint.objects.values_list("shape", flat=True)) == {
        "chat.completions",
        "chat.completions+tools",
    }


def test_the_first_values_of_a_pool_are_learnt_without_asking(project):
    record(project, ["fp_1", "fp_2", "fp_3"] * 3)

    pull_all()

    assert set(states().values()) == {"accepted"}


def test_a_later_value_is_new(changed):
    assert states() == {"fp_old": "accepted", "fp_new": "new"}


def test_a_known_value_in_another_shape_has_its_state(project, admin, changed):
    watch.retire(actor=admin, fingerprint=changed, now=LATER)
    request = {"model": "gpt-4o-mini", "messages": [], "tools": [{"type": "function"}]}
    record(project, ["fp_new"], start=NOW + timedelta(minutes=5), request=request)

    pull_all()

    assert set(Fingerprint.objects.filter(value="fp_new").values_list("state", flat=True)) == {"retired"}


def test_imported_history_is_no_news(project, changed):
    make_interaction(
        project=project,
        fingerprint="fp_ancient",
        started_at=NOW - 100 * DAY,
        created_at=NOW + timedelta(minutes=5),
    )

    pull_all()

    assert states()["fp_ancient"] == "retired"


def test_a_value_retired_by_itself_that_comes_back_is_new(project, changed):
    Fingerprint.objects.filter(value="fp_old").update(state="retired")
    record(project, ["fp_old"], start=NOW + timedelta(minutes=10))

    pull_all()

    assert states()["fp_old"] == "new"


def test_a_value_that_a_person_retired_stays_retired(project, admin, changed):
    watch.retire(actor=admin, fingerprint=changed, now=LATER)
    record(project, ["fp_new"], start=NOW + timedelta(minutes=10))

    pull_all()

    assert states()["fp_new"] == "retired"


def test_accepting_opens_the_overlap_of_the_older_value(admin, changed):
    assert watch.accept(actor=admin, fingerprint=changed, now=LATER)

    old = Fingerprint.objects.get(value="fp_old")
    assert states() == {"fp_old": "overlap", "fp_new": "accepted"}
    assert old.overlap_until == LATER + 7 * DAY


def test_accepting_can_be_undone(admin, changed):
    watch.accept(actor=admin, fingerprint=changed, now=LATER)

    watch.put_back(actor=admin, fingerprint=changed, state="new", until=None, now=LATER)

    assert states() == {"fp_old": "accepted", "fp_new": "new"}


def test_who_comes_second_is_told_so(project, admin, changed):
    stale = Fingerprint.objects.get(pk=changed.pk)
    watch.accept(actor=admin, fingerprint=changed, now=LATER)

    assert not watch.retire(actor=admin, fingerprint=stale, now=LATER)
    assert states()["fp_new"] == "accepted"


def test_a_decision_says_who_and_leaves_an_audit_entry(admin, changed):
    watch.accept(actor=admin, fingerprint=changed, now=LATER)

    changed.refresh_from_db()
    entry = AuditEntry.objects.get(action="fingerprint.accepted")
    assert (changed.decided_by, changed.decided_at) == (admin.person, LATER)
    assert entry.detail["before"] == "new"


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_only_admins_decide(project, changed, role):
    actor = make_actor(project=project, role=role)

    for deed in (watch.accept, watch.retire):
        with pytest.raises(NotAllowed):
            deed(actor=actor, fingerprint=changed, now=LATER)


def test_an_admin_of_another_project_moves_nothing(changed):
    stranger = make_actor(project=make_project())

    assert not watch.accept(actor=stranger, fingerprint=changed, now=LATER)
    assert states()["fp_new"] == "new"


@pytest.mark.parametrize("until", [NOW, LATER + 400 * DAY])
def test_an_overlap_ends_in_the_next_year(admin, changed, until):
    with pytest.raises(Refused):
        watch.overlap(actor=admin, fingerprint=changed, until=until, now=LATER)


def test_an_old_value_retires_when_its_overlap_has_passed_and_it_is_gone(admin, changed):
    watch.accept(actor=admin, fingerprint=changed, now=LATER)

    assert watch.settle(now=LATER + 6 * DAY) == 0
    assert watch.settle(now=LATER + 8 * DAY) == 1

    assert states() == {"fp_old": "retired", "fp_new": "accepted"}
    assert AuditEntry.objects.get(action="fingerprint.retired").detail["value"] == "fp_old"


def test_a_value_still_seen_when_its_overlap_has_passed_is_a_member_of_the_pool(project, admin, changed):
    watch.accept(actor=admin, fingerprint=changed, now=LATER)
    record(project, ["fp_old"], start=LATER + 8 * DAY)
    pull_all(LATER + 9 * DAY)

    watch.settle(now=LATER + 8 * DAY + timedelta(minutes=5))

    assert states() == {"fp_old": "accepted", "fp_new": "accepted"}


def test_an_end_that_a_person_set_waits_until_the_value_is_gone(project, admin, changed):
    watch.overlap(actor=admin, fingerprint=changed, until=LATER + DAY, now=LATER)
    record(project, ["fp_new"], start=LATER + 2 * DAY)
    pull_all(LATER + 3 * DAY)

    watch.settle(now=LATER + 2 * DAY + timedelta(minutes=5))
    still = states()["fp_new"]
    watch.settle(now=LATER + 4 * DAY)

    assert (still, states()["fp_new"]) == ("overlap", "retired")


def test_the_pool_tells_grade_and_states(project, changed):
    pool = pool_state(provider=changed.provider_id, model="gpt-4o-mini")

    assert pool.graded.grade == "informative"
    assert pool.states == {"fp_old": "accepted", "fp_new": "new"}


def test_the_state_of_each_interactions_fingerprint_costs_one_query(project, django_assert_num_queries):
    seen = record(project, ["fp_1"] * 25 + ["fp_2", None])
    pull_all()

    with django_assert_num_queries(1):
        found = states_of(seen)

    assert found[seen[0].pk] == "accepted"
    assert found[seen[25].pk] == "new"
    assert seen[26].pk not in found


def test_a_comparison_is_told_the_pool_of_who_answered(project, changed):
    attempt = make_attempt(
        run=make_run(project=project), original=make_interaction(project=project), verdict="identical"
    )

    evidence = compare.evidence_of(
        attempt,
        original=attempt.original,
        answer=attempt.answer,
        pools=Pools(),
        histories=Histories(),
        probes=Probes(),
    )

    assert evidence.grade == "informative"
    assert evidence.states == {"fp_old": "accepted", "fp_new": "new"}


def test_the_list_tells_the_state_of_each_fingerprint(project, changed):
    old, new = record(project, ["fp_old", "fp_new"])

    rows = list_rows([old, new], actor=system_actor(project=project))
    assert [row.fingerprint_state for row in rows] == ["accepted", "new"]


def test_projects_have_pools_of_their_own(project):
    other = make_project()
    make_provider(project=other)
    record(project, ["fp_1"])
    record(other, ["fp_1"])

    pull_all()

    assert Fingerprint.objects.filter(value="fp_1").count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "odd"},
        {"state": "overlap", "overlap_until": None},
        {"count": -1},
        {"last_seen": NOW - DAY},
    ],
)
def test_the_database_refuses_a_fingerprint_that_can_not_be(changed, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        Fingerprint.objects.filter(pk=changed.pk).update(**wrong)


def test_the_database_refuses_a_second_row_for_none(project):
    record(project, [None])
    pull_all()
    row = Fingerprint.objects.get()

    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        Fingerprint.objects.bulk_create(
            [
                Fingerprint(
                    project=row.project,
                    provider=row.provider,
                    model=row.model,
                    shape=row.shape,
                    value=None,
                    state="accepted",
                    first_seen=NOW,
                    last_seen=NOW,
                )
            ]
        )
