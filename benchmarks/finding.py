"""Finding: completions of what is typed and a page with its passages, against one trivial query.

The completions' table is as large as it ever gets for a project, however many interactions it was
learnt from; so the figure is that of a million interactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

from benchmarks.lines import Line
from benchmarks.reading import milliseconds
from benchmarks.recording import fill
from benchmarks.workload import COMMON
from reviewapp.models import Interaction, system_actor
from reviewapp.models.browsing import list_rows
from reviewapp.models.completing import completions
from reviewapp.models.filters import apply, read_filter
from reviewapp.models.pages import page_of
from reviewapp.stages.find.learning import MOST_ROWS

# A large vocabulary, fewer words after one word, few after three; all else is other contexts.
_FILL = """
INSERT INTO reviewapp_continuation (project_id, context, next, shown, count, mass)
SELECT %(project)s, context, word, word, 1000, CASE WHEN word = '' THEN 0 ELSE random() * 100 END
FROM (VALUES ('', 75000), ('of', 20000), ('capital of', 2000), ('the capital of', 1000))
    AS given (context, most),
    LATERAL (SELECT CASE n WHEN 0 THEN '' ELSE substr(md5(n::text), 1, 8) END AS word
             FROM generate_series(0, most) AS n) AS words
UNION ALL
SELECT %(project)s, substr(md5((n / 4)::text), 1, 12), CASE n %% 4 WHEN 0 THEN '' ELSE 'w' || n END, 'w', 3, 1
FROM generate_series(1, %(rest)s) AS n
ON CONFLICT DO NOTHING
"""
_SAID = 98_004


def measure(*, rows: int) -> Iterator[Line]:
    project, _ = fill(rows)
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"project": project.pk, "rest": MOST_ROWS - _SAID})
        cursor.execute("VACUUM ANALYZE reviewapp_continuation")
        cursor.execute("ANALYZE")
    actor = system_actor(project=project)
    one = Interaction.objects.filter(project=project).first()
    assert one is not None

    def typed(text: str) -> Callable[[], Any]:
        return lambda: completions(project=project, typed=text)

    def searched() -> Any:
        wanted = read_filter({"q": COMMON})
        found = apply(Interaction.objects.visible_to(actor), wanted, project=project).select_related(
            "source", "provider"
        )
        return list_rows(page_of(found, limit=50).items, actor=actor, search=wanted.q)

    floor = milliseconds(lambda: Interaction.objects.filter(pk=one.pk).first())
    for name, deed in (
        ("complete one letter after three words", typed("the capital of f")),
        ("complete three letters after three words", typed("the capital of f3a")),
        ("complete one letter", typed("f")),
        ("a searched page with its passages", searched),
    ):
        yield Line(name, milliseconds(deed), floor, "ms", at_most=50 / floor)
