"""/healthz, /readyz, and what they are made of."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from celery.contrib.testing.worker import start_worker
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from reviewapp import health
from reviewapp.celery import app
from tests.serving import serving

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def schedule_task(*, last_run_at: datetime | None, written: datetime, enabled: bool = True) -> None:
    every = IntervalSchedule.objects.create(every=30, period=IntervalSchedule.SECONDS)
    task = PeriodicTask.objects.create(
        name="sweep", task="sweep", interval=every, last_run_at=last_run_at, enabled=enabled
    )
    PeriodicTask.objects.filter(pk=task.pk).update(date_changed=written)


def get(address: str, *, host: str = "127.0.0.1") -> tuple[int, str]:
    request = urllib.request.Request(address, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.django_db(transaction=True)
def test_healthz_answers_under_any_name():
    with serving() as address:
        assert get(f"{address}/healthz", host="10.1.2.3") == (200, "ok\n")


@pytest.mark.django_db(transaction=True)
def test_readyz_names_the_parts_that_are_down(monkeypatch):
    # What is there may take its time.
    monkeypatch.setattr(health, "DEADLINE_SECONDS", 60.0)

    with serving() as address:
        status, text = get(f"{address}/readyz")

    answer = json.loads(text)
    assert status == 503
    assert {part: answer[part] for part in ("database", "broker", "worker", "scheduler")} == {
        "database": "ok",
        "broker": "ok",
        "worker": "down",
        "scheduler": "down",
    }
    assert set(answer["problems"]) == {"worker", "scheduler"}


def test_a_database_that_answers_is_well(transactional_db):
    finding = health.database()

    assert finding.ok
    assert "PostgreSQL" in finding.detail


def test_a_broker_that_answers_is_well():
    assert health.broker().ok


def test_a_broker_that_is_away_is_said_without_its_address():
    finding = health.broker(url="redis+socket:///nowhere/broker.sock")

    assert not finding.ok
    assert "nowhere" not in finding.sentence
    assert "nowhere" in finding.detail


def test_without_a_worker_nothing_answers():
    assert not health.worker().ok


def test_a_worker_that_runs_is_found(transactional_db, monkeypatch):
    monkeypatch.setattr(health, "WORKER_SECONDS", 60.0)

    with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=120):
        assert health.worker().ok


def test_a_scheduler_that_never_ran_is_down(db):
    finding = health.scheduler_at(now=NOW)

    assert not finding.ok
    assert "never" in finding.sentence


def test_a_scheduler_that_sent_a_task_is_well(db):
    schedule_task(last_run_at=NOW - timedelta(seconds=40), written=NOW - timedelta(days=1))

    assert health.scheduler_at(now=NOW).ok


def test_a_scheduler_that_has_just_started_is_well_before_its_first_task(db):
    schedule_task(last_run_at=None, written=NOW - timedelta(seconds=5))

    assert health.scheduler_at(now=NOW).ok


def test_a_scheduler_that_fell_silent_is_down_and_for_how_long(db):
    schedule_task(last_run_at=NOW - timedelta(minutes=17), written=NOW - timedelta(minutes=17))

    finding = health.scheduler_at(now=NOW)

    assert not finding.ok
    assert "17 minutes" in finding.sentence


def test_a_task_that_is_switched_off_says_nothing_about_the_scheduler(db):
    schedule_task(last_run_at=NOW, written=NOW, enabled=False)

    assert not health.scheduler_at(now=NOW).ok
