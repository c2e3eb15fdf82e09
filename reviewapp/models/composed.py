"""Queries that Django composes once and that are asked again with other values.

Turning a queryset into SQL takes Django longer than PostgreSQL takes to find a row by its key. Where the same
few questions come with every request (whose session is it, which queue, which item is next) they are written
as querysets still, and their SQL is kept:

    _OWN = Composed(lambda person: Membership.objects.filter(person=person).select_related("project"))
    _OWN.first(person=person.pk)

The lambda is called once, with values that stand for the real ones, so it must not look at them: no `if`, no
`None`, no lists whose length makes other SQL. Of several values `one_of` makes one parameter.

What is kept is the SQL, never a row; it is asked where Django would ask the queryset (reviewapp/replica.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import connections
from django.db.models import BigIntegerField, BooleanField, F, Field, Func, Subquery, UUIDField, Value
from django.db.models.query import ModelIterable, get_related_populators
from psycopg import Binary

from reviewapp import replica

_FAR: Final = datetime(2500, 1, 1, tzinfo=UTC)


# What a query can be asked with.
Sent = UUID | datetime | int | str | bytes | list[UUID] | list[str]


class NotComposable(Exception):
    """The query does not send a value as it was given, so another can't take its place."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The SQL with the names of its values, and how its rows become objects (none: they stay tuples)."""

    alias: str
    sql: str
    # A name, or a constant of the query.
    values: tuple[tuple[str | None, Any], ...]
    converters: tuple[tuple[int, Any, Any], ...]
    model: Any = None
    first: int = 0
    last: int = 0
    names: tuple[str, ...] = ()
    populators: tuple[Any, ...] = ()
    annotations: tuple[tuple[str, int], ...] = ()


class Composed:
    """One query; thread-safe. `compose` makes the queryset (of objects, or of `values_list`)."""

    def __init__(self, compose: Callable[..., Any]) -> None:
        self._compose = compose
        self._kept: dict[str, _Kept] = {}

    def rows(self, **values: Sent) -> list[Any]:
        """All rows. Keys go in as UUIDs, not as objects."""
        alias = replica.alias()
        kept = self._kept.get(alias)
        if kept is None:
            kept = self._kept[alias] = self._composed(values, alias)
        connection = connections[alias]
        with connection.cursor() as cursor:
            cursor.execute(kept.sql, [value if name is None else values[name] for name, value in kept.values])
            found = cursor.fetchall()
        if kept.converters:
            found = [_converted(row, kept, connection) for row in found]
        return found if kept.model is None else [_object(row, kept) for row in found]

    def first(self, **values: Sent) -> Any:
        """The first row, or None; the query itself says how many there may be."""
        found = self.rows(**values)
        return found[0] if found else None

    def _composed(self, values: dict[str, Any], alias: str) -> _Kept:
        standing = {name: _stand_in(value) for name, value in values.items()}
        queryset = self._compose(**standing)
        compiler = queryset.query.get_compiler(using=alias)
        sql, params = compiler.as_sql()
        names = {_known_by(value): name for name, value in standing.items()}
        sent = tuple(
            (names[known], None) if (known := _known_by(value)) in names else (None, value)
            for value in params
        )
        if missing := standing.keys() - {name for name, _ in sent}:
            raise NotComposable(f"{', '.join(sorted(missing))} is not sent as it was given")
        converters = tuple(
            (at, tuple(convert), expression)
            for at, (convert, expression) in compiler.get_converters(
                [column[0] for column in compiler.select]
            ).items()
        )
        if queryset._iterable_class is not ModelIterable:
            return _Kept(alias=alias, sql=sql, values=sent, converters=converters)
        info = compiler.klass_info
        fields = info["select_fields"]
        first, last = fields[0], fields[-1] + 1
        return _Kept(
            alias=alias,
            sql=sql,
            values=sent,
            converters=converters,
            model=info["model"],
            first=first,
            last=last,
            names=tuple(column[0].target.attname for column in compiler.select[first:last]),
            # The stubs are of a later Django.
            populators=tuple(
                get_related_populators(info, compiler.select, alias)  # type: ignore[call-arg]
            ),
            annotations=tuple((compiler.annotation_col_map or {}).items()),
        )


def _stand_in(value: Any) -> Any:
    """A value of the same kind that stands nowhere else in the query."""
    if isinstance(value, UUID):
        return uuid4()
    if isinstance(value, datetime):
        return _FAR + timedelta(microseconds=secrets.randbelow(10**12))
    if isinstance(value, str):
        return secrets.token_hex(16)
    if isinstance(value, int) and not isinstance(value, bool):
        return secrets.randbelow(10**6) + 10**6
    if isinstance(value, bytes):
        return secrets.token_bytes(16)
    if isinstance(value, list):
        return [uuid4()]
    raise NotComposable(f"{type(value).__name__} can't stand for itself in a query that is kept")


def _known_by(value: Any) -> Any:
    """What tells a value from all others, of any kind: True is 1, and a list has no hash.

    The same of ids and of texts, because nothing tells of which an empty list has none.
    """
    if isinstance(value, Binary):
        value = value.obj
    if isinstance(value, list):
        return (list, tuple(map(str, value)))
    return (type(value), value if isinstance(value, Hashable) else id(value))


def _converted(row: Any, kept: _Kept, connection: Any) -> list[Any]:
    values = list(row)
    for at, convert, expression in kept.converters:
        for one in convert:
            values[at] = one(values[at], expression, connection)
    return values


def _object(row: Any, kept: _Kept) -> Any:
    """As Django's own ModelIterable does it."""
    found = kept.model.from_db(kept.alias, kept.names, row[kept.first : kept.last])
    for populator in kept.populators:
        populator.populate(row, found)
    for name, at in kept.annotations:
        setattr(found, name, row[at])
    return found


def one_of(name: str, values: Collection[Any], field: Field[Any, Any] | None = None) -> Func:
    """A condition: the field `name` has one of these values, of the kind of `field` (ids if none is given).

    They are sent as one array, so that the SQL is the same for any number of them, none included.
    """
    sent = Value(list(values), output_field=ArrayField(field or UUIDField()))
    return Func(F(name), sent, template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField())


def counted(queryset: Any) -> Subquery:
    """How many rows a queryset has, as one figure among others; up to where it is cut off, if it is."""
    return Subquery(
        queryset.values("pk"),
        template="(SELECT count(*) FROM (%(subquery)s) counted)",
        output_field=BigIntegerField(),
    )
