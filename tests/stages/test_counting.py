"""What several web processes count together: buckets told of and heard of, values kept until they expire."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import DataError, connection, transaction

from reviewapp.models import Kept, RateLevel
from reviewapp.stages.administer import counting
from reviewapp.stages.administer.counting import Came
from tests.factories import NOW

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def share(*came: Came) -> dict[str, float]:
    return counting.share_counts(came=came)


def aged(**back: float) -> None:
    """As if so much time had passed since the buckets were told of."""
    for row in RateLevel.objects.all():
        RateLevel.objects.filter(pk=row.pk).update(at=row.at - timedelta(**back))


def test_who_came_to_one_process_has_less_left_at_another():
    share(Came("key:a", 60, 20))

    left = share(Came("key:a", 60, 30))

    assert left["key:a"] == pytest.approx(10, abs=15)


@pytest.mark.django_db(transaction=True)
def test_what_is_told_by_who_can_not_hear_does_not_count(monkeypatch):
    share(Came("key:a", 60, 0))
    with monkeypatch.context() as patched:
        patched.setattr(counting, "_HEAR", "SELECT 1 / 0")
        with pytest.raises(DataError):
            share(Came("key:a", 60, 5))

    share(Came("key:a", 60, 5))

    assert RateLevel.objects.get().level == pytest.approx(55)


def test_a_process_to_which_nobody_came_hears_of_the_others():
    share(Came("key:a", 60, 60))

    assert share()["key:a"] == pytest.approx(0, abs=15)


def test_what_was_too_much_is_owed():
    share(Came("key:a", 60, 60))

    assert share(Came("key:a", 60, 60))["key:a"] == pytest.approx(-60, abs=15)


def test_buckets_fill_up_evenly_and_hold_a_minutes():
    share(Came("key:a", 60, 60), Came("key:b", 60, 10))
    aged(seconds=30)

    # Told of again: else what is as old as this would not be heard.
    left = share(Came("key:a", 60, 0), Came("key:b", 60, 0))

    assert left["key:a"] == pytest.approx(30, abs=15)
    assert left["key:b"] == 60


def test_a_full_bucket_takes_no_room_and_one_that_owes_stays():
    share(Came("key:full", 60, 10), Came("key:owes", 60, 600))
    aged(seconds=60)

    counting.forget_counts(now=NOW)

    assert [row.name for row in RateLevel.objects.all()] == ["key:owes"]


@pytest.mark.django_db(transaction=True)
def test_making_room_waits_for_nobody_who_tells():
    share(Came("key:a", 60, 1), Came("key:b", 60, 1))
    aged(seconds=60)

    def telling(left: threading.Event, go: threading.Event) -> None:
        with transaction.atomic():
            RateLevel.objects.filter(name="key:a").update(level=60)
            left.set()
            go.wait(60)
        connection.close()

    held, go = threading.Event(), threading.Event()
    other = threading.Thread(target=telling, args=(held, go))
    other.start()
    held.wait(60)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '5s'")
    try:
        counting.forget_counts(now=NOW)
        left = [row.name for row in RateLevel.objects.all()]
    finally:
        go.set()
        other.join(60)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")

    assert left == ["key:a"]


def test_the_tables_are_not_logged():
    tables = [RateLevel._meta.db_table, Kept._meta.db_table]
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = ANY(%s)", [tables])

        assert cursor.fetchall() == [("u",), ("u",)]


def test_what_is_kept_is_there_until_it_expires():
    counting.keep(key="k", value=[1.5, 2.5], expires_at=NOW + MINUTE)

    assert counting.kept(key="k", now=NOW) == [1.5, 2.5]
    assert counting.kept(key="k", now=NOW + MINUTE) is None


def test_the_first_is_the_first_until_it_expires():
    def first(now):
        return counting.keep_first(key="k", value="y", expires_at=now + MINUTE, now=now)

    assert [first(NOW), first(NOW), first(NOW + MINUTE)] == [True, False, True]


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_the_first():
    answers: list[bool] = []
    together = threading.Barrier(8)

    def trying() -> None:
        try:
            together.wait(60)
            answers.append(
                counting.keep_first(key="k", value="y", expires_at=NOW + MINUTE, now=NOW),
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=trying) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)

    assert sorted(answers) == [False] * 7 + [True]


def test_what_expired_goes():
    counting.keep(key="old", value=1, expires_at=NOW)
    counting.keep(key="new", value=1, expires_at=NOW + MINUTE)

    counting.forget_counts(now=NOW)

    assert [row.key for row in Kept.objects.all()] == ["new"]


def test_sessions_that_are_over_go():
    for key, end in (("old", NOW - MINUTE), ("new", NOW + MINUTE)):
        Session.objects.create(session_key=key, session_data="", expire_date=end)

    counting.make_room(now=NOW)

    assert [row.session_key for row in Session.objects.all()] == ["new"]
