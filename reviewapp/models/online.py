"""Operations of migrations that hinder nobody, on plain tables and on partitioned ones.

`CREATE INDEX CONCURRENTLY` is refused for a partitioned table, and an operator may have partitioned those of
the interactions (models/partitions.py). So use these instead of Django's AddIndex and AddIndexConcurrently
for tables that grow with what is recorded; a test refuses what would lock one of them for long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.contrib.postgres.operations import (
    AddIndexConcurrently,
    NotInTransactionMixin,
    RemoveIndexConcurrently,
)
from django.db import OperationalError, migrations, transaction
from psycopg import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable

# Behind an ALTER that waits everybody waits: less than PostgreSQL's `deadlock_timeout`, but often.
_WAIT_MS: Final = 500
_PAUSE_SECONDS: Final = 1.0
_TRIES: Final = 120

_FILLED_AT_ONCE: Final = 1000
_FILL = """
WITH batch AS MATERIALIZED (
    SELECT id FROM {table} WHERE id > %s ORDER BY id LIMIT %s
), free AS MATERIALIZED (
    SELECT id FROM {table} WHERE id IN (SELECT id FROM batch) AND {column} IS NULL
    FOR NO KEY UPDATE SKIP LOCKED
), filled AS (
    UPDATE {table} SET {column} = ({value}) WHERE id IN (SELECT id FROM free)
)
SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1)
"""

_LEAVES = """
SELECT part.relname, made.relname, coalesce(i.indisvalid, false)
FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
LEFT JOIN pg_class made ON made.relname = %(mark)s || part.oid AND made.relnamespace = part.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = made.oid
WHERE inhparent = %(table)s::regclass
  AND NOT EXISTS (
    SELECT FROM pg_index own JOIN pg_inherits up ON up.inhrelid = own.indexrelid
    WHERE own.indrelid = part.oid AND up.inhparent = %(index)s::regclass
  )
ORDER BY part.relname
"""


class AddIndexOnline(AddIndexConcurrently):
    """Make an index while others go on writing; one partition after the other where there are any.

    What was cut off is gone on with when the migration runs again.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if _is_partitioned(schema_editor, model):
            _on_partitions(schema_editor, model, self.index)
        elif not _is_made(schema_editor, self.index):
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        _take_away(
            super().database_backwards, schema_editor, model, self.index, app_label, from_state, to_state
        )


class RemoveIndexOnline(RemoveIndexConcurrently):
    """Take an index away; from a partitioned table in one moment, for which a lock is waited a moment."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        index = from_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        _take_away(super().database_forwards, schema_editor, model, index, app_label, from_state, to_state)


class AddFieldOnline(NotInTransactionMixin, migrations.AddField):
    """Add a column in a transaction of its own, for whose lock a moment is waited, again and again.

    For a migration of several tables, which in one transaction would lock the first until it has the last.
    A column that is there already is left, so what was cut off is gone on with when the migration runs again.
    The field itself must be one that is added in a moment: null or with `db_default`.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model) and not self._is_in(
            schema_editor, model
        ):
            plainly = super().database_forwards
            _patiently(schema_editor, lambda: plainly(app_label, schema_editor, from_state, to_state))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._ensure_not_in_transaction(schema_editor)
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model) and self._is_in(
            schema_editor, model
        ):
            plainly = super().database_backwards
            _patiently(schema_editor, lambda: plainly(app_label, schema_editor, from_state, to_state))

    def _is_in(self, schema_editor: Any, model: Any) -> bool:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attname = %s AND NOT attisdropped)",
                [model._meta.db_table, model._meta.get_field(self.name).column],
            )
            return bool(cursor.fetchone()[0])


class RunSQLOnline(NotInTransactionMixin, migrations.RunSQL):
    """A statement whose lock on a table is short, once it has it: for it a moment is waited, again and again.

    It must be one that may run twice (`OR REPLACE`, `IF EXISTS`).
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._ensure_not_in_transaction(schema_editor)
        plainly = super().database_forwards
        _patiently(schema_editor, lambda: plainly(app_label, schema_editor, from_state, to_state))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._ensure_not_in_transaction(schema_editor)
        plainly = super().database_backwards
        _patiently(schema_editor, lambda: plainly(app_label, schema_editor, from_state, to_state))


class FillOnline(NotInTransactionMixin, migrations.RunPython):
    """Give a column of the rows that are there the value of an expression, a thousand rows at a time.

    The table must have the key `id`. Rows that somebody holds are left and looked for again, so nobody waits
    for this while it waits for them. Rows that come meanwhile are for a default or a trigger. What was cut
    off is gone on with when the migration runs again. At the end the planner is told what the column holds.
    """

    def __init__(self, table: str, column: str, expression: str) -> None:
        self.table, self.column, self.expression = table, column, expression
        super().__init__(self._fill, migrations.RunPython.noop, elidable=True)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, [self.table, self.column, self.expression], {}

    def describe(self) -> str:
        return f"Fill {self.table}.{self.column}"

    def _fill(self, apps: Any, schema_editor: Any) -> None:
        for left in reversed(range(_TRIES)):
            if not self._pass(schema_editor):
                break
            if not left:
                raise OperationalError(f"Rows of {self.table} are held by somebody; end that and try again.")
            time.sleep(_PAUSE_SECONDS)
        with schema_editor.connection.cursor() as cursor:
            _run(cursor, "ANALYZE {}", self.table)

    def _pass(self, schema_editor: Any) -> bool:
        """Fill what nobody holds; whether anything is left."""
        names = {"table": sql.Identifier(self.table), "column": sql.Identifier(self.column)}
        # By the key, for to find what is empty still would be to read all that is filled again and again.
        statement = sql.SQL(_FILL).format(**names, value=sql.SQL(self.expression)).as_string(None)
        after = UUID(int=0)
        with schema_editor.connection.cursor() as cursor:
            while True:
                cursor.execute(statement, [after, _FILLED_AT_ONCE])
                (last,) = cursor.fetchone()
                if last is None:
                    break
                after = last
            cursor.execute(
                sql.SQL("SELECT EXISTS (SELECT FROM {table} WHERE {column} IS NULL)")
                .format(**names)
                .as_string(None)
            )
            return bool(cursor.fetchone()[0])


def _patiently(schema_editor: Any, deed: Callable[[], None]) -> None:
    """Do it in one transaction, anew while others hold the table; raises the last try's error."""
    for left in reversed(range(_TRIES)):
        try:
            with (
                transaction.atomic(using=schema_editor.connection.alias),
                schema_editor.connection.cursor() as cursor,
            ):
                cursor.execute(f"SET LOCAL lock_timeout = '{_WAIT_MS}ms'")
                deed()
                return
        except OperationalError as error:
            if not left or not isinstance(error.__cause__, (LockNotAvailable, DeadlockDetected)):
                raise
            time.sleep(_PAUSE_SECONDS)


def _take_away(plainly: Any, schema_editor: Any, model: Any, index: Any, *states: Any) -> None:
    if not _is_partitioned(schema_editor, model):
        plainly(states[0], schema_editor, *states[1:])
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '5s'")
        try:
            _run(cursor, "DROP INDEX IF EXISTS {}", index.name)
        finally:
            cursor.execute("RESET lock_timeout")


def _is_partitioned(schema_editor: Any, model: Any) -> bool:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        return bool(cursor.fetchone()[0])


def _is_made(schema_editor: Any, index: Any) -> bool:
    """Whether an earlier run made it; what that left half made is taken away."""
    with schema_editor.connection.cursor() as cursor:
        name = schema_editor.quote_name(index.name)
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        found = cursor.fetchone()
        if found is not None and not found[0]:
            _run(cursor, "DROP INDEX CONCURRENTLY {}", index.name)
        return bool(found and found[0])


def _on_partitions(schema_editor: Any, model: Any, index: Any) -> None:
    """An index of the whole that is not valid yet; one for each partition, made beside; then joined to it."""
    table, mark = model._meta.db_table, f"{index.name}_"[:50]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NULL", [schema_editor.quote_name(index.name)])
        if cursor.fetchone()[0]:
            # Partitions made from now on get it by themselves.
            cursor.execute(_said(schema_editor, model, index, name=index.name, table=table, how="ONLY"))
        cursor.execute(_LEAVES, {"mark": mark, "table": table, "index": index.name})
        for part, made, is_valid in cursor.fetchall():
            if made is not None and not is_valid:
                _run(cursor, "DROP INDEX CONCURRENTLY {}", made)
            if made is None or not is_valid:
                cursor.execute("SELECT %s || %s::regclass::oid", [mark, part])
                (made,) = cursor.fetchone()
                cursor.execute(_said(schema_editor, model, index, name=made, table=part, how="CONCURRENTLY"))
            _run(cursor, "ALTER INDEX {} ATTACH PARTITION {}", index.name, made)


def _said(schema_editor: Any, model: Any, index: Any, *, name: str, table: str, how: str) -> str:
    """Django's statement for the index, for another table and by another name."""
    statement = index.create_sql(model, schema_editor, concurrently=how == "CONCURRENTLY")
    statement.parts["name"] = schema_editor.quote_name(name)
    quoted = schema_editor.quote_name(table)
    statement.parts["table"] = f"ONLY {quoted}" if how == "ONLY" else quoted
    return str(statement)


def _run(cursor: Any, statement: str, *names: str) -> None:
    cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)).as_string(None))
