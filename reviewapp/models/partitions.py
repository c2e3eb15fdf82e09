"""What the database's catalogue says of interactions that an operator has partitioned by month.

The tables that have a row for each interaction are then partitioned by its id, which begins with the time:

    rest      what was there before, and every id that carries another time than one of the months
    early     months whose rows are all deleted, in one; empty but for what is imported late
    2027_01   a month, by the time (UTC) in the id
    later     from the last month on, until that is made
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

# Each with the column that holds the interaction's id; what others refer to comes first.
TABLES: Final = {
    "reviewapp_interaction": "id",
    "reviewapp_interactionbody": "interaction_id",
    "reviewapp_interactiontext": "interaction_id",
}
HOT: Final = "reviewapp_interaction"
REST: Final = "rest"
EARLY: Final = "early"
LATER: Final = "later"
_uuids: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").findall


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of all three tables: [start, end) by the time in the id; no times for the rest.

    `rows` is PostgreSQL's estimate of interactions, 0 before it first looked; `size` is in bytes, indexes
    included.
    """

    name: str
    start: datetime | None
    end: datetime | None
    rows: int
    size: int

    @property
    def is_month(self) -> bool:
        return self.name not in (REST, EARLY, LATER)


def are_partitioned() -> bool:
    """Whether an operator has partitioned the interactions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass", [HOT])
        return bool(cursor.fetchone()[0])


def partitions() -> list[Partition]:
    """All of them, oldest first; none where the tables are plain."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT parent.relname, part.relname, pg_get_expr(part.relpartbound, part.oid),"
            " greatest(part.reltuples, 0)::bigint, pg_total_relation_size(part.oid)"
            " FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid"
            " JOIN pg_class parent ON parent.oid = inhparent"
            " WHERE inhparent = ANY(%s::regclass[])",
            [list(TABLES)],
        )
        found: dict[str, dict[str, Any]] = {}
        for parent, name, bound, rows, size in cursor.fetchall():
            one = found.setdefault(name.removeprefix(f"{parent}_"), {"rows": 0, "size": 0})
            one["size"] += size
            if parent == HOT:
                start, end = bounds_in(bound) or (None, None)
                one |= {"start": start, "end": end, "rows": rows}
    made = [Partition(name, **one) for name, one in found.items() if "start" in one]
    return sorted(made, key=lambda one: (one.start is not None, one.start))


def bounds_in(text: str) -> tuple[datetime, datetime] | None:
    """The times of the first two ids in an expression of the catalogue; None where there are none."""
    found = [datetime.fromtimestamp((UUID(id_).int >> 80) / 1000, tz=UTC) for id_ in _uuids(text)]
    return (found[0], found[1]) if len(found) >= 2 else None
