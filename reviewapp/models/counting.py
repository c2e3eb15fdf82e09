"""How many rows there are, told without counting a large table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from reviewapp import replica

COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class About:
    """A count; beyond ten thousand the planner's estimate, in two figures."""

    n: int
    is_exact: bool = True


def about(rows: Any) -> About:
    """About how many rows there are."""
    counted = len(rows.order_by().values_list("pk")[: COUNTED + 1])
    if counted <= COUNTED:
        return About(counted)
    sql, params = rows.order_by().values("pk").query.sql_with_params()
    with replica.connection().cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        (plan,) = cursor.fetchone()
    estimate = max(counted, int(plan[0]["Plan"]["Plan Rows"]))
    step = 10 ** (len(str(estimate)) - 2)
    return About(round(estimate / step) * step, is_exact=False)
