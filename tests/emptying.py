"""Empties the tables after a test that committed: what Django's `flush` does, in a sixth of its time.

TRUNCATE makes new files for each of a hundred tables and all of their indexes, though a test fills only
a few of them with a few rows; and whatever the packages put in after a migration is made anew. Here the
tables that have rows are emptied by DELETE, and what the packages put in stays.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.test import TransactionTestCase
from psycopg import sql
from psycopg.errors import DeadlockDetected

# The same in every run: made from the models, not by tests.
STAYS = {"django_content_type", "auth_permission"}

EMPTY = """
DO $$
DECLARE
  one text;
  filled boolean;
BEGIN
  -- Neither foreign keys nor triggers: all goes, whatever the order.
  SET LOCAL session_replication_role = replica;
  -- What a server's thread is still writing is waited for, and goes too.
  LOCK TABLE {locked} IN EXCLUSIVE MODE;
  FOREACH one IN ARRAY {tables}::text[] LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', one) INTO filled;
    IF filled THEN
      EXECUTE format('DELETE FROM %I', one);
    END IF;
  END LOOP;
END $$
"""


def install() -> None:
    """Have all tests that commit use it."""

    def teardown(case: Any) -> None:
        for alias in case._databases_names(include_mirrors=False):
            empty(alias)

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]


def empty(alias: str = DEFAULT_DB_ALIAS) -> None:
    if not _is_superuser(alias):
        # On a server of somebody's own: only a superuser may set triggers aside.
        call_command("flush", verbosity=0, interactive=False, database=alias)
        return
    for last_try in (False, False, True):
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(_statement(alias))
            return
        except OperationalError as error:
            # It holds some tables and wants one more, a thread the other way round: one has to give way.
            if last_try or not isinstance(error.__cause__, DeadlockDetected):
                raise


@cache
def _is_superuser(alias: str) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute("SHOW is_superuser")
        return bool(cursor.fetchone() == ("on",))


@cache
def tables(alias: str = DEFAULT_DB_ALIAS) -> list[str]:
    """The tables whose rows are tests' own."""
    names = connections[alias].introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(names) - STAYS)


@cache
def _statement(alias: str) -> str:
    emptied = tables(alias)
    return EMPTY.format(
        tables=sql.Literal(emptied).as_string(None),
        locked=sql.SQL(", ").join(map(sql.Identifier, emptied)).as_string(None),
    )
