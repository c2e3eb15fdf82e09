"""Reading: pages of the list and the filters, the server's time, against one trivial query."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

from benchmarks.lines import Line
from benchmarks.recording import fill
from benchmarks.workload import COMMON, FINGERPRINTS, RARE
from reviewapp.models import Interaction, system_actor
from reviewapp.models.browsing import list_rows
from reviewapp.models.filters import apply, read_filter
from reviewapp.models.pages import page_of
from reviewapp.stages import export

ROUNDS = 15


def milliseconds(deed: Callable[[], Any]) -> float:
    """The median of some rounds, after a warm-up."""
    deed()
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        deed()
        found.append((time.perf_counter() - started) * 1000)
    return statistics.median(found)


def measure(*, rows: int) -> Iterator[Line]:
    project, _ = fill(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    actor = system_actor(project=project)
    one = Interaction.objects.filter(project=project).first()
    assert one is not None

    def listed(**values: str) -> Callable[[], Any]:
        def deed() -> Any:
            wanted = read_filter(values)
            found = apply(Interaction.objects.visible_to(actor), wanted).select_related("source", "provider")
            return list_rows(page_of(found, limit=50).items)

        return deed

    def far() -> Callable[[], Any]:
        cursor = page_of(Interaction.objects.visible_to(actor).originals(), limit=rows * 3 // 4).older or ""
        return lambda: page_of(Interaction.objects.visible_to(actor).originals(), limit=50, cursor=cursor)

    floor = milliseconds(lambda: Interaction.objects.filter(pk=one.pk).first())
    for name, deed in (
        ("list, first page", listed()),
        ("list, a page far in", far()),
        ("filter by model", listed(model="gpt-4.1")),
        ("filter by fingerprint", listed(fingerprint=FINGERPRINTS[3])),
        ("find one seed", listed(seed=str(one.seed))),
        ("search a rare word", listed(q=RARE)),
        ("search a common word", listed(q=COMMON)),
        ("open one", lambda: export.rows_of(list(export.with_bodies(Interaction.objects.filter(pk=one.pk))))),
    ):
        yield Line(name, milliseconds(deed), floor, "ms", at_most=50 / floor)
