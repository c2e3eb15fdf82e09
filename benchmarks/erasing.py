"""Deleting among many: what a rule would delete, a thousand deleted by it, and an end user erased.

The floors are the statements without which it can't be done: counting the rows, deleting bodies and words of
a thousand, reading every body once. Before, completion learns from what is there. All of it is rolled
back, so that a database that is kept stays as it is; what the database would check at a commit, it checks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.lines import Line
from benchmarks.multiplying import Multiplied, multiply
from reviewapp.models import Actor, Erasure, Interaction, InteractionBody, InteractionText, system_actor
from reviewapp.stages import find, privacy
from reviewapp.stages.privacy.clearing import BATCH
from reviewapp.stages.privacy.retaining import RuleValues

_DELETED: Final = 1_000


def measure(*, rows: int) -> Iterator[Line]:
    made = multiply(rows=rows)
    find.rebuild_continuations(now=timezone.now())
    actor = system_actor(project=made.project)
    # When a tenth is older than a day.
    now = made.begin + timedelta(days=1, seconds=made.rows // 10)
    values = RuleValues(days=1)

    hot = Interaction._meta.db_table
    floor = _seconds(
        lambda: _run(
            f"SELECT count(*) FROM {hot} WHERE project_id = %s AND started_at < %s",  # the app's own table
            made.project.pk,
            now - timedelta(days=1),
        )
    )
    yield Line(
        "preview of a rule that deletes a tenth",
        _seconds(lambda: privacy.would_go(actor=actor, values=values, now=now)) * 1_000,
        floor * 1_000,
        "ms",
    )
    yield Line(
        f"{_DELETED:,} deleted by a rule", _deleting(made, actor, values) * 1_000, _bare(made) * 1_000, "ms"
    )
    yield _erasing(made, actor)


def _deleting(made: Multiplied, actor: Actor, values: RuleValues) -> float:
    now = made.begin + timedelta(days=1, seconds=made.rows // 10)
    with transaction.atomic():
        rule = privacy.add_rule(actor=actor, values=values, now=now)
        began = time.perf_counter()
        for _ in range(_DELETED // BATCH):
            privacy.retain(rule_id=rule.pk, now=now, batch=BATCH)
        _check()
        took = time.perf_counter() - began
        transaction.set_rollback(True)
    return took


def _bare(made: Multiplied) -> float:
    with transaction.atomic():
        ids = list(
            Interaction.objects.filter(project=made.project, started_at__gt=made.begin + timedelta(hours=2))
            .order_by("started_at")
            .values_list("pk", flat=True)[:_DELETED]
        )
        began = time.perf_counter()
        for model in (InteractionBody, InteractionText):
            _run(f"DELETE FROM {model._meta.db_table} WHERE interaction_id = ANY(%s)", ids)
        _check()
        took = time.perf_counter() - began
        transaction.set_rollback(True)
    return took


def _erasing(made: Multiplied, actor: Actor) -> Line:
    name = (
        Interaction.objects.filter(project=made.project, end_user__isnull=False)
        .order_by("-started_at")
        .values_list("end_user", flat=True)[0]
    )
    of_them = Interaction.objects.filter(project=made.project, end_user=name).count()
    bodies = InteractionBody._meta.db_table
    floor = _seconds(
        lambda: _run(f"SELECT sum(length(request) + coalesce(length(metadata), 0)) FROM {bodies}")
    )
    with transaction.atomic():
        # Whose word it was that an end user is erased, is a person's: what is measured begins behind that.
        erasure = privacy.start_erasure(actor=actor, name=name, now=made.begin)
        began = time.perf_counter()
        privacy.erase(erasure_id=erasure.pk, clock=lambda: made.begin)
        took = time.perf_counter() - began
        _check()
        assert Erasure.objects.get(pk=erasure.pk).certificate
        transaction.set_rollback(True)
    return Line(f"an end user of {of_them:,} calls erased", took, floor, "s")


def _check() -> None:
    """Whether anything refers to what is gone: else it would be left for a commit that does not come."""
    _run("SET CONSTRAINTS ALL IMMEDIATE")


def _run(sql: str, *given: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, given)


def _seconds(does: Callable[[], object]) -> float:
    began = time.perf_counter()
    does()
    return time.perf_counter() - began
