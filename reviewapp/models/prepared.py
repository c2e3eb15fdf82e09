"""Statements that PostgreSQL plans once for each connection, and not for each question.

Where interactions are partitioned, planning looks at the indexes of every month: some milliseconds for what
takes a tenth of one. A prepared statement is planned anew five times; from then on PostgreSQL keeps one plan
for all values, if it is no dearer than planning is, and makes it again when statistics or tables change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection
from psycopg import Cursor


def rows_of(sql: str, values: Mapping[str, Any]) -> list[Any]:
    """All rows of a statement that is asked often, on connections that are kept."""
    connection.ensure_connection()
    raw = connection.connection
    with connection.wrap_database_errors, Cursor(raw) as cursor:
        # Only for this one. While a connection may prepare, psycopg remembers whatever else it is asked, and
        # Django writes values into its statements: recorded texts would be kept, those too that are erased.
        raw.prepare_threshold = 0
        try:
            # Django's own cursors write values into the statement, so that no two are the same.
            cursor.execute(sql, values, prepare=True)
        finally:
            raw.prepare_threshold = None
        return cursor.fetchall()
