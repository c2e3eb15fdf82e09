"""Pages of a long list by keyset: as fast far in as at the start, and stable while rows arrive.

A cursor names the last row seen by its sort values; it is opaque to clients, and one that was
tampered with is refused with a clear error.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet

M = TypeVar("M")


class InvalidCursor(Exception):
    """The cursor is none that this list gave out."""

    def __init__(self) -> None:
        super().__init__("cursor: is none that this list gave out; start again without it")


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Some rows, in the order asked for; `older` and `newer` are the neighbours' cursors, or None."""

    items: list[M]
    older: str | None
    newer: str | None

    @property
    def next(self) -> str | None:
        return self.older


def page_of(
    queryset: QuerySet[Any],
    *,
    limit: int,
    cursor: str = "",
    by: str = "started_at",
    oldest_first: bool = False,
    read: Callable[[QuerySet[Any]], list[Any]] = list,
) -> Page[Any]:
    """One page of `queryset`, by the time column `by` and the id, both descending; or both ascending.

    Reads one row more than asked for, to know whether another page follows. `read` may make other things of
    the rows than the queryset does, as long as they have the time and the id. Raises InvalidCursor.
    """
    # What the rows have by that name may stand elsewhere too, where PostgreSQL finds these rows in order.
    key = getattr(queryset, "time", by) if by == "started_at" else by
    direction, moment, id_ = _read(cursor) if cursor else ("n" if oldest_first else "o", None, None)
    rows = queryset
    if direction == "o":
        if moment is not None:
            # <= on the first column is what the index can use; the rest sorts out the ties.
            rows = rows.filter(Q(**{f"{key}__lte": moment}) & ~Q(**{key: moment, "id__gte": id_}))
        found = read(rows.order_by(f"-{key}", "-id")[: limit + 1])
        more, items = len(found) > limit, found[:limit]
        has_newer, has_older = bool(cursor), more
    else:
        if moment is not None:
            rows = rows.filter(Q(**{f"{key}__gte": moment}) & ~Q(**{key: moment, "id__lte": id_}))
        found = read(rows.order_by(key, "id")[: limit + 1])
        more, items = len(found) > limit, found[:limit][::-1]
        has_newer, has_older = more, bool(cursor)
    return Page(
        items=items[::-1] if oldest_first else items,
        older=_write("o", items[-1], by) if items and has_older else None,
        newer=_write("n", items[0], by) if items and has_newer else None,
    )


def _write(direction: str, row: Any, by: str) -> str:
    text = f"{direction}{getattr(row, by).isoformat()}/{row.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[str, datetime, UUID]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        moment, _, id_ = text[1:].partition("/")
        when = datetime.fromisoformat(moment)
        if text[0] not in "on" or when.tzinfo is None:
            raise InvalidCursor
        return text[0], when, UUID(id_)
    except (ValueError, binascii.Error, IndexError):
        raise InvalidCursor from None
