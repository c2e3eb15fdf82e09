"""The way to the broker outlives what happens to the broker."""

from __future__ import annotations

from types import SimpleNamespace

import psycopg
import pytest
import structlog
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.exceptions import OperationalError

from reviewapp import tasks
from reviewapp.celery import app, renew_connections


def look_in_vain():
    with app.connection_or_acquire() as connection:
        connection.channel()
        raise OperationalError("gone")


def test_a_look_at_the_broker_works_again_after_one_that_failed():
    for _ in range(3):
        with pytest.raises(OperationalError):
            look_in_vain()

    with app.connection_or_acquire() as connection, connection.channel() as channel:
        assert channel.queue_declare(queue="looked-at").queue == "looked-at"


def test_the_id_of_the_request_goes_along_with_the_task_it_sets_off():
    with app.connection() as connection, connection.channel() as channel:
        channel.queue_declare("default", durable=True, auto_delete=False)
        channel.queue_purge("default")

    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        tasks.review_sweep.apply_async()

    with app.connection() as connection, connection.channel() as channel:
        message = channel.basic_get("default", no_ack=True)
    assert message.headers["__django_structlog__"]["request_id"] == "req-1"
    # The worker's part: it binds what it finds there before the task begins.
    assert DjangoStructLogInitStep in app.steps["worker"]


def backend() -> int:
    """Which process of the database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def end_task_and_begin_another() -> None:
    """What a worker does between two tasks."""
    fixup = DjangoWorkerFixup(app)
    task = SimpleNamespace(request=SimpleNamespace(is_eager=False))
    fixup.on_task_postrun(task)
    fixup.on_task_prerun(task)
    renew_connections(task)


def test_a_worker_keeps_its_connection_from_task_to_task(transactional_db):
    before = backend()

    end_task_and_begin_another()

    assert backend() == before


def test_a_task_finds_the_database_after_the_connection_has_broken(transactional_db):
    before = backend()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 60000)", [before])

    end_task_and_begin_another()

    assert backend() != before


def test_a_connection_that_has_grown_old_is_renewed(transactional_db):
    before = backend()
    connection.close_at = 0.0

    end_task_and_begin_another()

    assert backend() != before
