"""Things read from a file, as frames of the journal.

Each always gets the same id, so an import that was cut off, or is done twice, records nothing twice. The
id comes from what the thing is called elsewhere (a span, a run), else from its text and number: two equal
lines are two interactions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from reviewapp.formats.imports import Line
from reviewapp.models import Interaction
from reviewapp.pure.ids import derived_id, named_id, renamed_id
from reviewapp.stages.record.arrival import Arrival, encode

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class FileFrames:
    """Frames with their ids; `renamed` counts those whose own id stands in another project."""

    frames: list[bytes] = field(default_factory=list)
    ids: list[UUID] = field(default_factory=list)
    renamed: int = 0


def frames_of(
    *,
    lines: Sequence[Line],
    project: UUID,
    scope: str,
    now: datetime,
    source: str | None = None,
    provider: str | None = None,
) -> FileFrames:
    """The frames of these lines, which all hold an interaction.

    `source` and `provider` are taken where a line names none; `scope` tells this import's lines from
    equal ones that were imported otherwise.
    """
    found = FileFrames()
    for line, id_ in zip(lines, ids_of(lines, project=project, scope=scope), strict=True):
        recorded = line.recorded
        assert recorded is not None
        found.renamed += recorded.id is not None and recorded.id != id_
        content = replace(
            recorded, id=id_, source=recorded.source or source, provider=recorded.provider or provider
        )
        found.ids.append(id_)
        found.frames.append(encode(Arrival(id=id_, project_id=project, received_at=now, content=content)))
    return found


def known_among(*, lines: Sequence[Line], project: UUID, scope: str) -> int:
    """How many of these lines, which all hold an interaction, the project has already."""
    ids = ids_of(lines, project=project, scope=scope)
    there = set(Interaction.objects.filter(id__in=ids, project=project).values_list("id", flat=True))
    return sum(id_ in there for id_ in ids)


def scope_of(*, project: UUID, format: str, source: str | None, provider: str | None) -> str:  # noqa: A002
    """What tells an import's lines from equal ones that were imported otherwise."""
    return f"{project}\n{format}\n{source or None}\n{provider or None}"


def ids_of(lines: Sequence[Line], *, project: UUID, scope: str) -> list[UUID]:
    """The id of each: its own, unless another project holds another interaction under that."""
    stated = [
        line.recorded.id for line in lines if line.recorded is not None and line.recorded.id is not None
    ]
    elsewhere = set(
        Interaction.objects.filter(id__in=stated).exclude(project=project).values_list("id", flat=True)
    )
    found = []
    for line in lines:
        own = line.recorded.id if line.recorded is not None else None
        if own is None:
            found.append(made_id(line, project=project, scope=scope))
        else:
            # Known from its own id alone, so that another file can speak of it.
            found.append(renamed_id(own, project=project) if own in elsewhere else own)
    return found


def made_id(line: Line, *, project: UUID, scope: str) -> UUID:
    """An id that the line always gets within `scope`; time-ordered.

    What has a name of its own gets the id that it gets by every other way into the project.
    """
    started_at = line.recorded.started_at if line.recorded is not None else None
    at_ms = 0 if started_at is None else (started_at - _EPOCH) // timedelta(milliseconds=1)
    if line.name:
        return named_id(line.name, project=project, at_ms=at_ms)
    return derived_id(hashlib.sha256(scope.encode() + line.digest).digest(), at_ms=at_ms)
