from __future__ import annotations

from datetime import timedelta

import pytest

from reviewapp.models.pools import pools_of
from reviewapp.models.traffic import traffic_of
from reviewapp.stages import watch
from tests.factories import NOW, make_interaction, make_project

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
# In the middle of an hour that is not over.
HERE = NOW + 30 * MINUTE


@pytest.fixture
def changed(project):
    """One value for twenty minutes, another since ten minutes ago."""
    answer(project, "fp_old", *(HERE - n * MINUTE for n in range(30, 10, -1)))
    answer(project, "fp_new", *(HERE - n * MINUTE for n in range(10, 0, -1)))
    return project


def answer(project, value, *moments, **fields):
    for moment in moments:
        make_interaction(project=project, fingerprint=value, started_at=moment, **fields)


def count_all(now=HERE + HOUR):
    while watch.pull(now=now):
        pass


def traffic(project, length, **options):
    count_all()
    pools = pools_of(project=project, now=HERE)
    return traffic_of(project=project, pools=pools, start=HERE - length, end=HERE, now=HERE, **options)


def counts(project, length, **options):
    """The answers by moment and value, of the one pool that there is."""
    (buckets,) = traffic(project, length, **options).buckets.values()
    return {bucket.at: dict(bucket.counts) for bucket in buckets}


def test_a_short_span_is_counted_by_the_minute(changed):
    found = counts(changed, HOUR)

    assert len(found) == 30
    assert found[HERE - 11 * MINUTE] == {"fp_old": 1}
    assert found[HERE - 10 * MINUTE] == {"fp_new": 1}


def test_a_long_span_is_counted_by_the_hour(changed):
    assert counts(changed, timedelta(days=1)) == {NOW: {"fp_old": 20, "fp_new": 10}}


def test_both_ways_of_counting_agree(changed):
    answer(changed, None, HERE - 5 * MINUTE)
    answer(changed, "", HERE - 4 * MINUTE)
    answer(changed, "fp_new", HERE - 3 * MINUTE, status=500)
    answer(changed, "fp_new", HERE - 3 * MINUTE, endpoint="embeddings")
    answer(changed, "fp_new", HERE - 3 * MINUTE, status=None, error="timeout")

    by_minute = counts(changed, HOUR).values()

    summed = {
        value: sum(one.get(value, 0) for one in by_minute) for value in {v for one in by_minute for v in one}
    }
    assert [summed] == list(counts(changed, timedelta(days=1)).values())
    assert summed == {"fp_old": 20, "fp_new": 10, None: 2}


def test_what_replays_got_is_counted(changed):
    original = make_interaction(project=changed, fingerprint="fp_old", started_at=HERE - 15 * MINUTE)
    answer(changed, "fp_replayed", HERE - 2 * MINUTE, replay_of=original)

    assert counts(changed, HOUR)[HERE - 2 * MINUTE] == {"fp_new": 1, "fp_replayed": 1}


def test_more_answers_than_the_bound_are_counted_by_the_hour(changed):
    exactly = traffic(changed, HOUR, most=30)
    beyond = traffic(changed, HOUR, most=29)

    assert (exactly.is_coarse, exactly.span.step) == (False, MINUTE)
    assert (beyond.is_coarse, beyond.span.step) == (True, HOUR)


def test_another_project_is_not_counted(changed):
    answer(make_project(), "fp_other", HERE - 2 * MINUTE)

    assert counts(changed, HOUR)[HERE - 2 * MINUTE] == {"fp_new": 1}


def test_answers_outside_the_span_are_not_counted(changed):
    answer(changed, "fp_old", HERE - 3 * HOUR)
    answer(changed, "fp_late", HERE)

    assert {value for one in counts(changed, HOUR).values() for value in one} == {"fp_old", "fp_new"}
