"""The way to the broker outlives what happens to the broker."""

from __future__ import annotations

import pytest
import structlog
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.exceptions import OperationalError

from reviewapp import tasks
from reviewapp.celery import app


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
