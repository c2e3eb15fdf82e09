"""A sweep goes on where one item stumbles, and stops where the database is away."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from reviewapp.models import Project
from reviewapp.models.sweeping import each
from tests.factories import make_project


@pytest.mark.django_db
def test_one_item_that_stumbles_is_logged_and_the_others_are_done(caplog):
    def deed(number):
        return 12 // number

    done = each([1, 0, 3], deed, what="A number")

    assert done == [12, 4]
    assert "A number could not be dealt with and is tried again: 0" in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.django_db
def test_what_a_stumbling_item_wrote_is_taken_back():
    def deed(name):
        make_project(name=name)
        if name == "Bad":
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")

    each(["Bad", "Good"], deed, what="A project")

    assert list(Project.objects.values_list("name", flat=True)) == ["Good"]


@pytest.mark.django_db
def test_a_querys_time_limit_is_that_items_trouble():
    def deed(seconds):
        with connection.cursor() as cursor:
            # Only the one that sleeps has so little time; the other could need more on a busy machine.
            cursor.execute("SET LOCAL statement_timeout = %s", [50 if seconds else 0])
            cursor.execute("SELECT pg_sleep(%s)", [seconds])
        return seconds

    assert each([600, 0], deed, what="A sleeper") == [0]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_stops_the_sweep():
    asked = []

    def deed(number):
        asked.append(number)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OperationalError):
        each([1, 2], deed, what="A number")

    assert asked == [1]
    connection.close()
