"""Which interaction is meant, and under which id a judgement is kept: the same whenever it is brought.

An id from a file is kept where it is free. Where another project of this app has it, the id is made of it
and of the project, as it is for interactions, so that bringing a file again finds what it brought.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from reviewapp.formats.said import About, Said, SaidFlag, SaidJudgement
from reviewapp.models import Annotation, Flag, Interaction, Project, QueueItem
from reviewapp.pure.ids import named_id, renamed_id

Pairs = list[tuple[UUID, Said]]


def present(
    project: Project, said: Sequence[tuple[UUID | None, Said]], *, coming: frozenset[UUID] = frozenset()
) -> tuple[Pairs, int]:
    """What is said of interactions that the project has, and how much is said of others."""
    meant = [(pk if pk is not None else _meant(project, one.about), one) for pk, one in said if one]
    ids = {pk for pk, _ in meant if pk is not None}
    there = set(Interaction.objects.filter(project=project, pk__in=ids).values_list("pk", flat=True)) | coming
    found = [(pk, one) for pk, one in meant if pk is not None and pk in there]
    absent = sum(len(one.judgements) + len(one.flags) for pk, one in meant if pk is None or pk not in there)
    return found, absent


def _meant(project: Project, about: About | None) -> UUID | None:
    """The interaction that a file tells of without holding it; None where it could be none, or several."""
    if about is None:
        return None
    mine = Interaction.objects.filter(project=project)
    if about.interaction is not None:
        stated = [about.interaction, renamed_id(about.interaction, project=project.pk)]
        found = mine.filter(pk__in=stated).values_list("pk", flat=True).first()
        if found is not None:
            return UUID(str(found))
    if about.trace is None:
        return None
    rows = list(mine.filter(trace=about.trace).values_list("pk", "started_at")[:100])
    if about.span is not None:
        for pk, started_at in rows:
            at_ms = (started_at - _EPOCH).total_seconds() * 1000
            if pk == named_id(f"otlp {about.trace} {about.span}", project=project.pk, at_ms=int(at_ms)):
                return UUID(str(pk))
    return UUID(str(rows[0][0])) if len(rows) == 1 else None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ids:
    """The ids of what is said, and which of them are there already."""

    def __init__(self, project: Project, pairs: Pairs) -> None:
        self.project = project
        stated = {
            id_
            for _, said in pairs
            for id_ in (
                *(one.id for one in said.judgements),
                *(one.id for one in said.flags),
                *(one.id for one in said.items),
            )
            if id_ is not None
        }
        self._elsewhere: set[UUID] = set()
        for model in (Annotation, Flag, QueueItem):
            rows = model.objects.filter(pk__in=stated).exclude(project=project)
            self._elsewhere |= set(rows.values_list("pk", flat=True))
        self.judgements = [
            (one, self.of_judgement(one, interaction=pk)) for pk, said in pairs for one in said.judgements
        ]
        self.flags = [(one, self.of_flag(one, interaction=pk)) for pk, said in pairs for one in said.flags]
        self.there: set[UUID] = set()
        for model, wanted in ((Annotation, self.judgements), (Flag, self.flags)):
            ids = [id_ for _, id_ in wanted]
            self.there |= set(model.objects.filter(pk__in=ids, project=project).values_list("pk", flat=True))

    def of_judgement(self, said: SaidJudgement, *, interaction: UUID) -> UUID:
        """Its own id, or one that it always gets."""
        if said.id is not None:
            return self.own(said.id)
        return named_id(f"judgement {interaction} {said.digest}", project=self.project.pk, at_ms=_ms(said.at))

    def of_flag(self, said: SaidFlag, *, interaction: UUID) -> UUID:
        """Its own id, or one that it always gets."""
        if said.id is not None:
            return self.own(said.id)
        told = f"flag {interaction} {said.who.key} {said.reason} {said.note}"
        return named_id(told, project=self.project.pk, at_ms=_ms(said.at))

    def own(self, stated: UUID) -> UUID:
        """The id that is stated, unless another project has it."""
        return renamed_id(stated, project=self.project.pk) if stated in self._elsewhere else stated


def _ms(at: datetime | None) -> int:
    return 0 if at is None else int(at.timestamp() * 1000)
