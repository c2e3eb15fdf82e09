"""Finding: completions of what is typed and a page with its passages, against one trivial query.

The completions' table is as large as it ever gets for a project, however many interactions it was
learnt from. What is measured are the lookups alone, and whole requests of the search box: through every
middleware, with its session, to the lines of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from benchmarks.lines import Line
from benchmarks.multiplying import multiply
from benchmarks.reading import MANY, milliseconds
from benchmarks.recording import fill
from benchmarks.workload import COMMON
from reviewapp.models import Interaction, Membership, Person, Project, system_actor
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
    project = multiply(rows=rows, bodies=False) if rows >= MANY else fill(rows)[0]
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"project": project.pk, "rest": MOST_ROWS - _SAID})
        cursor.execute("VACUUM ANALYZE reviewapp_continuation")
        cursor.execute("ANALYZE")
    actor = system_actor(project=project)
    one = Interaction.objects.filter(project=project).first()
    assert one is not None

    def typed(text: str) -> Callable[[], Any]:
        return lambda: completions(project=project, typed=text)

    client = _signed_in(project)

    def asked(text: str) -> Callable[[], Any]:
        return lambda: client.get(reverse("interactions-suggest"), {"q": text}).content

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
        ("whole request: a letter after three words", asked("the capital of f")),
        ("whole request: one letter", asked("f")),
        ("whole request: a model's name", asked("model:g")),
        ("whole request: a source's name", asked("source:b")),
        ("whole request: a tag's name", asked("tag:t")),
        ("a searched page with its passages", searched),
    ):
        yield Line(name, milliseconds(deed), floor, "ms", at_most=50 / floor)


def _signed_in(project: Project) -> Client:
    """The browser of a member."""
    person = Person.objects.create_user("bench@example.org")
    Membership.objects.create(project=project, person=person, role="reviewer", created_at=timezone.now())
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
