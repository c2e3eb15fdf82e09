"""The way to the broker outlives what happens to the broker."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError

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
