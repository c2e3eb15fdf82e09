"""A sweep goes on where one item stumbles.

What sweeps look at are rows that others wrote, and one that can't be dealt with must not keep all
others waiting for good. It is logged and left as it is, so that the next sweep tries it again. A
database that is away is no item's fault: that is raised, for the next sweep finds everything as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    items: Iterable[Item],
    deed: Callable[[Item], Result],
    *,
    what: str,
    stumbled: Callable[[Item], object] | None = None,
) -> list[Result]:
    """The deed done to each item, in a transaction of its own; what came of those that it could be done to.

    `what` names an item in the log; `stumbled` is told of each that it could not be done to.
    """
    done = []
    for item in items:
        connection.ensure_connection()
        held = connection.connection
        try:
            with transaction.atomic():
                result = deed(item)
        except Exception as error:  # one item's trouble must not be the others'
            if isinstance(error, OperationalError | InterfaceError) and _is_away(held):
                raise
            log.exception("%s could not be dealt with and is tried again: %s", what, _name(item))
            if stumbled is not None:
                stumbled(item)
            continue
        done.append(result)
    return done


def _is_away(held: object) -> bool:
    """Whether this connection was lost; a deadlock or a query's time limit leaves it usable."""
    if connection.connection is not held:
        return True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return True
    return False


def _name(item: object) -> object:
    return getattr(item, "pk", item)
