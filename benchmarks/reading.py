"""Reading: pages of the list and the filters, the server's time, against one trivial query."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.db.models import Max, Min

from benchmarks.lines import Line
from benchmarks.multiplying import multiply
from benchmarks.recording import fill
from benchmarks.workload import COMMON, FINGERPRINTS, RARE
from reviewapp.models import Interaction, Project, system_actor
from reviewapp.models.browsing import known_values, list_rows
from reviewapp.models.filters import apply, read_filter
from reviewapp.models.overview import overview
from reviewapp.models.pages import page_of
from reviewapp.models.pools import pools_of
from reviewapp.stages import export, record

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


# From so many on the rows are multiplied, not recorded one by one.
MANY = 20_000


def measure(*, rows: int) -> Iterator[Line]:
    project = multiply(rows=rows, bodies=False) if rows >= MANY else fill(rows)[0]
    while record.index_words():
        pass
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    actor = system_actor(project=project)
    seen = Interaction.objects.visible_to(actor)
    times = seen.originals().aggregate(first=Min("started_at"), last=Max("started_at"))
    middle = times["first"] + (times["last"] - times["first"]) / 2
    one = seen.originals().filter(started_at__gte=middle).order_by("started_at", "id")[0]

    def listed(**values: str) -> Callable[[], Any]:
        def deed() -> Any:
            found = apply(seen, read_filter(values).browsed, project=project).select_related(
                "source", "provider"
            )
            return list_rows(page_of(found, limit=50).items, actor=actor)

        return deed

    floor = milliseconds(lambda: Interaction.objects.filter(pk=one.pk).first())
    for name, deed in (
        ("list, first page", listed()),
        ("list, a page far in", listed(until=middle.isoformat())),
        ("filter by source", listed(source="bot-3")),
        ("filter by provider", listed(provider="openai")),
        ("filter by model", listed(model="gpt-4.1")),
        ("filter by fingerprint", listed(fingerprint=FINGERPRINTS[3])),
        ("filter by seeds", listed(seed="1000..90000")),
        ("find one seed", listed(seed=str(one.seed))),
        ("filter by errors", listed(status="error")),
        ("filter by open flags", listed(flagged="yes")),
        ("filter by tag", listed(tag="topic-7")),
        ("filter by trace", listed(trace=one.trace or "none")),
        ("filter by end user", listed(user=one.end_user or "none")),
        ("filter by request hash", listed(request_hash=bytes(one.request_hash).hex())),
        ("filter by last verdict", listed(verdict="identical")),
        ("filter by a verdict that none has", listed(verdict="failed")),
        ("filter by a source that is not there", listed(source="nobody")),
        ("filter by a model that none has", listed(model="none-such")),
        ("filter by a finish reason that none has", listed(finish_reason="none_such")),
        ("filter by a tag that none has", listed(tag="none-such")),
        (
            "source, model and fingerprint",
            listed(source="bot-1", model="gpt-4.1", fingerprint=FINGERPRINTS[4]),
        ),
        ("errors of a model", listed(status="error", model="llama-3.3-70b")),
        ("search a rare word", listed(q=RARE)),
        ("search a common word", listed(q=COMMON)),
        ("search a word that none has", listed(q="unfindable")),
        ("the models and fingerprints to choose from", lambda: _choices(project)),
        ("open one", lambda: export.rows_of(list(export.with_bodies(Interaction.objects.filter(pk=one.pk))))),
        ("fingerprints page", lambda: pools_of(project=project, now=times["last"])),
        ("Home", lambda: overview(actor=actor, since=middle, now=times["last"])),
    ):
        yield Line(name, milliseconds(deed), floor, "ms", at_most=50 / floor)


def _choices(project: Project) -> list[list[str]]:
    return [known_values(project=project, name=name) for name in ("model", "fingerprint")]
