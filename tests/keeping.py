"""Rows that many tests begin with: made once, by what makes them in the product, and put back for each.

What took seconds to make - a model's canaries with their baseline, a project with one of everything - is
committed, read out as the database's own COPY writes it, and from then on put back in milliseconds, ids and
times unchanged. So each test still has rows of its own that are committed, to change as it likes, and
threads and servers see them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import connection, transaction
from psycopg import sql

from tests import emptying

Made = TypeVar("Made")
# What `COPY … TO` wrote, by the table's name.
Rows = dict[str, bytes]


def taken_out(make: Callable[[], Made]) -> tuple[Rows, Made]:
    """The rows that `make` commits in the empty database, which is empty again afterwards."""
    try:
        made = make()
        return _rows(), made
    finally:
        emptying.empty()


def put_back(rows: Rows) -> None:
    """Commit them in the empty database. Sequences went on when they were made, and are past them."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Neither foreign keys nor triggers: these rows went by them once, and come in any order.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, written in rows.items():
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
                copy.write(written)
        # In a test that is rolled back, this transaction is only a part of its own.
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def _rows() -> Rows:
    found: Rows = {}
    with connection.cursor() as cursor:
        for table in emptying.tables():
            with cursor.copy(sql.SQL("COPY (TABLE {}) TO STDOUT").format(sql.Identifier(table))) as copy:
                written = b"".join(copy)
            if written:
                found[table] = written
    return found
