"""Finding: completions of what is typed, against one trivial query.

The completions' table is as large as it ever gets for a project, however many interactions it was
learnt from. What is measured are the lookups alone, and whole requests of the search box: through every
middleware, with its session, to the lines of the list.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.urls import reverse

from benchmarks.lines import Line
from benchmarks.reading import LIMIT_MS, ROUNDS, lines_of, milliseconds, signed_in, stored
from reviewapp.models import Interaction
from reviewapp.models.completing import completions
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
    project = stored(rows).project
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"project": project.pk, "rest": MOST_ROWS - _SAID})
        cursor.execute("VACUUM ANALYZE reviewapp_continuation")
    one = Interaction.objects.filter(project=project).first()
    assert one is not None
    client = signed_in(project)
    floor = milliseconds(lambda: Interaction.objects.filter(pk=one.pk).first())
    for name, text in (
        ("complete one letter after three words", "the capital of f"),
        ("complete three letters after three words", "the capital of f3a"),
        ("complete one letter", "f"),
    ):
        yield Line(
            name,
            milliseconds(lambda text=text: completions(project=project, typed=text)),  # type: ignore[misc]
            floor,
            "ms",
            at_most=LIMIT_MS / floor,
        )

    def asked(text: str) -> Callable[[], Any]:
        return lambda: client.get(reverse("interactions-suggest"), {"q": text}).content

    rng = random.Random(6)
    for name, begun in (
        ("a letter after three words", "the capital of {letter}"),
        ("two letters after three words", "the capital of {letter}{letter}"),
        ("one letter", "{letter}"),
        ("a model's name", "model:{letter}"),
        ("a source's name", "source:{letter}"),
        ("a tag's name", "tag:{letter}"),
        ("a finish reason", "finish_reason:{letter}"),
    ):
        typed = [begun.format(letter=rng.choice("0123456789abcdef")) for _ in range(ROUNDS + 2)]
        yield from lines_of(f"whole request: {name}", [asked(text) for text in typed])
