from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewapp.models import AddedTag, Flag, Interaction, Project
from reviewapp.models.filters import Filter, InvalidFilter, apply, read_filter
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.stages import discuss
from tests.factories import NOW, make_interaction, make_project, make_provider, make_source


def ids(values):
    rows = apply(Interaction.objects.all(), read_filter(values), project=Project.objects.get())
    return {row.pk for row in rows}


def test_each_hot_column_narrows(project):
    plain = make_interaction(project=project)
    other_source = make_source(project=project, name="voice bot")
    other_provider = make_provider(project=project, name="azure")
    special = make_interaction(
        project=project,
        source=other_source,
        provider=other_provider,
        model="gpt-4.1",
        seed=150,
        fingerprint=None,
        status=429,
        tags=["late"],
        trace="t-1",
    )

    for values in (
        {"source": "voice bot"},
        {"provider": "azure"},
        {"model": "gpt-4.1"},
        {"fingerprint": "none"},
        {"seed": "150"},
        {"seed": "124..199"},
        {"status": "429"},
        {"status": "4xx"},
        {"status": "error"},
        {"tag": "late"},
        {"trace": "t-1"},
        {"request_hash": special.request_digest},
        {"q": "model:gpt-4.1"},
    ):
        assert ids(values) == {special.pk}, values
    assert ids({"fingerprint": "fp_44709d6fcb"}) == {plain.pk}


def test_a_cost_is_more_or_less_than_so_many_dollars_or_between_two(project):
    cheap, fair, dear = (make_interaction(project=project, cost=cost) for cost in (0.00001, 0.01, 0.5))
    unpriced = make_interaction(project=project)

    assert ids({"cost": ">0.01"}) == {dear.pk}
    assert (
        ids({"cost": ">=0.01"}) == ids({"cost": "0.01.."}) == ids({"q": "cost:>=$0.01"}) == {fair.pk, dear.pk}
    )
    assert ids({"cost": "<.01"}) == {cheap.pk}
    assert ids({"cost": "<=0.01"}) == ids({"cost": "..0.01"}) == {cheap.pk, fair.pk}
    assert ids({"cost": "0.005..0.1"}) == {fair.pk}
    assert ids({"cost": "none"}) == {unpriced.pk}


def test_words_are_found_in_prompt_and_answer(project):
    found = make_interaction(project=project, prompt="Where is my parcel?", answer="In 東京 station.")
    make_interaction(project=project)

    for text in ("parcel", "STATION", '"my parcel"', "parc*", "東京", "parcel -refund"):
        assert ids({"q": text}) == {found.pk}, text
    assert ids({"q": '"parcel my"'}) == set()
    assert ids({"q": "..."}) == set()


def test_flagged_means_an_open_flag(project):
    flagged = make_interaction(project=project)
    resolved = make_interaction(project=project)
    for interaction, state in ((flagged, "open"), (resolved, "resolved")):
        Flag.objects.create(
            project=project, interaction=interaction, reason="Wrong", state=state, created_at=NOW
        )

    assert ids({"flagged": "yes"}) == {flagged.pk}
    assert ids({"flagged": "no"}) == {resolved.pk}


def test_discussed_says_what_became_of_the_threads(project, reviewer):
    opened, resolved, silent = (make_interaction(project=project) for _ in range(3))
    for interaction in (opened, opened, resolved):
        thread = discuss.start_thread(actor=reviewer, interaction=interaction, text="So?", now=NOW)
        if interaction == resolved or interaction.threads.count() == 1:
            discuss.move_thread(actor=reviewer, thread=thread, to="resolved", now=NOW)

    assert ids({"discussed": "open"}) == ids({"q": "is:discussed"}) == {opened.pk}
    assert ids({"discussed": "resolved"}) == {resolved.pk}
    assert ids({"discussed": "yes"}) == {opened.pk, resolved.pk}
    assert ids({"discussed": "no"}) == {silent.pk}


def test_answers_of_replays_are_left_out_unless_asked_for(project):
    original = make_interaction(project=project)
    answer = make_interaction(project=project, replay_of=original)

    assert ids({}) == {original.pk}
    assert ids({"replays": "yes"}) == {answer.pk}
    assert ids({"replays": "all"}) == {original.pk, answer.pk}


def test_canary_questions_can_be_left_out_or_looked_at_alone(project):
    source = make_source(project=project, name="canaries")
    question = make_interaction(project=project, source=source, tags=["canary"])
    asked = make_interaction(project=project, source=make_source(project=project))
    # Somebody's own source of that name is none of the app's.
    theirs = make_interaction(project=project, source=source)

    assert ids({}) == ids({"canaries": "all"}) == {question.pk, asked.pk, theirs.pk}
    assert ids({"canaries": "no"}) == {asked.pk, theirs.pk}
    assert ids({"canaries": "yes"}) == ids({"q": "is:canary"}) == {question.pk}


def test_screens_leave_canary_questions_out_unless_they_are_asked_for():
    assert Filter(model="gpt-4o").browsed == Filter(model="gpt-4o", canaries="no")
    assert Filter(canaries="yes").browsed == Filter(canaries="yes")
    assert Filter(source="canaries").browsed == Filter(source="canaries")
    assert Filter(tag="canary").browsed == Filter(tag="canary")


def test_times_bound_from_since_up_to_until(project):
    early = make_interaction(project=project, started_at=NOW)
    late = make_interaction(project=project, started_at=NOW + timedelta(hours=1))

    assert ids({"since": "2026-11-22T12:30:00Z"}) == {late.pk}
    assert ids({"until": "2026-11-22T13:00:00+00:00"}) == {early.pk}
    assert ids({"since": "2026-11-22", "until": "2026-11-23"}) == {early.pk, late.pk}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"seed": "abc"}, "seed"),
        ({"seed": "9..1"}, "seed"),
        ({"cost": "dear"}, "cost"),
        ({"cost": "0.01"}, "cost"),
        ({"cost": ".."}, "cost"),
        ({"cost": "0.2..0.1"}, "cost"),
        ({"status": "teapot"}, "status"),
        ({"flagged": "maybe"}, "flagged"),
        ({"discussed": "maybe"}, "discussed"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-13-45"}, "until"),
        ({"request_hash": "sha256:12"}, "request_hash"),
        ({"endpoint": "chat"}, "endpoint"),
        ({"verdict": "good"}, "verdict"),
        ({"colour": "red"}, "colour"),
        ({"model": ["a"]}, "model"),
        ({"q": "x" * 1001}, "q"),
        ({"trace": "a\x00"}, "trace"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(values, field):
    with pytest.raises(InvalidFilter) as refused:
        read_filter(values)

    assert refused.value.field == field


def test_a_seed_beyond_64_bits_matches_nothing(project):
    make_interaction(project=project)

    assert ids({"seed": str(2**64)}) == set()


def test_pages_hold_every_row_once_in_both_directions(project):
    rows = [make_interaction(project=project, started_at=NOW + timedelta(seconds=n // 3)) for n in range(10)]
    wanted = [row.pk for row in sorted(rows, key=lambda row: (row.started_at, row.pk), reverse=True)]

    first = page_of(Interaction.objects.all(), limit=4)
    second = page_of(Interaction.objects.all(), limit=4, cursor=first.older)
    third = page_of(Interaction.objects.all(), limit=4, cursor=second.older)
    back = page_of(Interaction.objects.all(), limit=4, cursor=third.newer)

    assert [row.pk for page in (first, second, third) for row in page.items] == wanted
    assert [row.pk for row in back.items] == [row.pk for row in second.items]
    assert first.newer is None
    assert third.older is None


@pytest.mark.parametrize("cursor", ["x", "!!", "b29vcHM", "bzIwMjYtMTEtMjJUMTI6MDA6MDAvYQ"])
def test_a_cursor_that_was_not_given_out_is_refused(db, cursor):
    with pytest.raises(InvalidCursor):
        page_of(Interaction.objects.all(), limit=4, cursor=cursor)


def test_only_the_tags_of_ones_own_project_are_looked_at(project):
    """How often others gave a tag of the same name says nothing here."""
    mine, theirs = make_interaction(project=project), make_interaction(project=make_project())
    for one in (mine, theirs):
        AddedTag.objects.create(project=one.project, interaction=one, name="golden", created_at=NOW)

    with CaptureQueriesContext(connection) as captured:
        rows = apply(
            Interaction.objects.filter(project=project), read_filter({"tag": "golden"}), project=project
        )
        found = list(rows)

    assert found == [mine]
    assert theirs.pk.hex not in str(captured.captured_queries).replace("-", "")
