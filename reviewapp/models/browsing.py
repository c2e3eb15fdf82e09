"""What lists show beside an interaction, and the values a person can filter by.

A page of rows costs the same handful of queries however many rows it has and however many
interactions the project holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db.models import Count, Sum

from reviewapp import replica
from reviewapp.models.comparison import Comparison
from reviewapp.models.composed import Composed, one_of
from reviewapp.models.discussing import open_counts
from reviewapp.models.fingerprint import Fingerprint, states_of
from reviewapp.models.interaction import Interaction
from reviewapp.models.passages import Passages, passages_of
from reviewapp.models.project import Project
from reviewapp.models.provider import Provider
from reviewapp.models.review import Flag, FlagState
from reviewapp.models.scoping import Actor
from reviewapp.models.source import Source
from reviewapp.models.tag import AddedTag, added_tags


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line of the interactions list."""

    interaction: Interaction
    flags: list[Flag] = field(default_factory=list)
    verdict: str | None = None
    comparison_of: UUID | None = None
    # The state of its fingerprint in its pool; empty where that is not known.
    fingerprint_state: str = ""
    # Where a search matched; without one the previews say what it is about.
    passages: Passages = field(default_factory=Passages)
    # What people added to the tags that were recorded.
    added_tags: list[AddedTag] = field(default_factory=list)
    # Discussions on it that wait for an answer, as far as the reader may know of them.
    open_threads: int = 0

    @property
    def tags(self) -> list[str]:
        """Those that were recorded, then those that people added."""
        return list(dict.fromkeys([*self.interaction.tags, *(tag.name for tag in self.added_tags)]))

    @property
    def worst_flag(self) -> Flag | None:
        order = {"critical": 0, "high": 1, "medium": 2, "low": 3}
        return min(self.flags, key=lambda flag: order[flag.severity], default=None)


_FLAGS: Final = Composed(
    lambda ids: Flag.objects.filter(one_of("interaction", ids), state=FlagState.OPEN).order_by("created_at")
)
_VERDICTS: Final = Composed(
    lambda ids: (
        Comparison.objects.of_replays()
        .filter(one_of("original", ids))
        # Those of one batch are of one moment.
        .order_by("original", "-created_at", "-attempt")
        .distinct("original")
        .values_list("original", "verdict", "attempt")
    )
)


def list_rows(interactions: Sequence[Interaction], *, actor: Actor, search: str = "") -> list[ListRow]:
    """The interactions with their open flags and threads and the verdict of their last replay, in order.

    With the words of a search each has the passages that it found.
    """
    ids = [interaction.pk for interaction in interactions]
    flags: dict[UUID, list[Flag]] = {}
    for flag in _FLAGS.rows(ids=ids):
        flags.setdefault(flag.interaction_id, []).append(flag)
    verdicts: dict[UUID, tuple[str, UUID]] = {
        original: (verdict, attempt) for original, verdict, attempt in _VERDICTS.rows(ids=ids)
    }
    states = states_of(interactions)
    passages = passages_of(interactions, search)
    tags = added_tags(ids)
    threads = open_counts(actor=actor, interactions=ids)
    return [
        ListRow(
            interaction=interaction,
            flags=flags.get(interaction.pk, []),
            verdict=verdicts[interaction.pk][0] if interaction.pk in verdicts else None,
            comparison_of=verdicts[interaction.pk][1] if interaction.pk in verdicts else None,
            fingerprint_state=states.get(interaction.pk, ""),
            passages=passages.get(interaction.pk, Passages()),
            added_tags=tags.get(interaction.pk, []),
            open_threads=threads.get(interaction.pk, 0),
        )
        for interaction in interactions
    ]


# A walk over the index from value to value (PostgreSQL has no skip scan for DISTINCT): as many steps
# as there are values, not as many as there are rows.
_DISTINCT = """
WITH RECURSIVE steps AS (
    (SELECT {column} AS value FROM reviewapp_interaction
     WHERE project_id = %(project)s AND replay_of_id IS NULL AND {column} IS NOT NULL
     ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM reviewapp_interaction
            WHERE project_id = %(project)s AND replay_of_id IS NULL AND {column} > steps.value
            ORDER BY {column} LIMIT 1)
    FROM steps WHERE steps.value IS NOT NULL
)
SELECT value FROM steps WHERE value IS NOT NULL LIMIT %(limit)s
"""
_WALKED = {"model": "model", "fingerprint": "fingerprint"}
# Columns of whose values no index gives one after the other: those of so many of the newest rows are told.
_RECENT = {"tag": "tags", "finish_reason": "finish_reason"}
_NEWEST = 2_000


# Fields whose values the fingerprint pools have counted already: one small table, whatever was recorded.
_COUNTED = {"model": "model", "fingerprint": "value", "provider": "provider__name"}


def value_counts(*, project: Project, name: str, limit: int = 200) -> dict[str, int]:
    """Values of a field with how many answers have them, the commonest first; empty where that is dear."""
    if name == "tag":
        tags = AddedTag.objects.filter(project=project).values_list("name").annotate(n=Count("pk"))
        return dict(tags.order_by("-n", "name")[:limit])
    column = _COUNTED.get(name)
    if column is None:
        return {}
    rows = Fingerprint.objects.filter(project=project).exclude(**{column: None}).values_list(column)
    return dict(rows.annotate(n=Sum("count")).order_by("-n", column)[:limit])


_MOST_VALUES: Final = 200
_SOURCES: Final = Composed(
    lambda project: Source.objects.filter(project=project).order_by("name").values_list("name")[:_MOST_VALUES]
)
_PROVIDERS: Final = Composed(
    lambda project: (
        Provider.objects.filter(project=project).order_by("name").values_list("name")[:_MOST_VALUES]
    )
)


def known_values(*, project: Project, name: str, limit: int = _MOST_VALUES) -> list[str]:
    """Values that interactions of the project have in a filter's field, at most 200; none for free fields."""
    if name == "source":
        return [name for (name,) in _SOURCES.rows(project=project.pk)[:limit]]
    if name == "provider":
        return [name for (name,) in _PROVIDERS.rows(project=project.pk)[:limit]]
    column = _WALKED.get(name)
    if column is None:
        return []
    with replica.connection().cursor() as cursor:
        cursor.execute(_DISTINCT.format(column=column), {"project": project.pk, "limit": limit})
        return [value for (value,) in cursor.fetchall()]


def recent_values(*, project: Project, name: str) -> list[str]:
    """Values that the newest interactions have in a field, the commonest first; none for other fields."""
    column = _RECENT.get(name)
    if column is None:
        return []
    newest = Interaction.objects.filter(project=project).originals().newest_first()
    found: Counter[str] = Counter()
    for value in newest.values_list(column, flat=True)[:_NEWEST]:
        found.update(value if isinstance(value, list) else [value] if value else [])
    return [value for value, _n in found.most_common()]
