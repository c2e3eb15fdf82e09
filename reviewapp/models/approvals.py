"""Which answers people approved; see pure/approval.py for what that means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from reviewapp.models.review import Annotation, Rubric
from reviewapp.pure.approval import approves, is_approved


def approved(*, project: UUID, among: Q | None = None, interactions: Collection[UUID] = ()) -> set[UUID]:
    """Those whose authoritative judgement approves, or where there is none, all that have an opinion.

    Of these interactions, or of those that `among` (a condition on annotations) finds.
    """
    wanted = Q(interaction__in=list(interactions)) if among is None else among
    rows = (
        Annotation.objects.filter(wanted, project=project, removed_at__isnull=True, rubric__isnull=False)
        .values_list(
            "interaction",
            "rubric__questions" if among is None else "rubric",
            "scores",
            "correction",
            "authoritative_for",
        )
        .order_by("created_at")
    )
    # A project has a handful of rubrics and may have a hundred thousand judgements: each is read once.
    read = (
        {} if among is None else dict(Rubric.objects.filter(project=project).values_list("pk", "questions"))
    )
    opinions: dict[UUID, list[bool | None]] = defaultdict(list)
    settled: dict[UUID, bool | None] = {}
    for interaction, rubric, scores, correction, authoritative_for in rows.iterator(chunk_size=2000):
        opinion = approves(
            questions=rubric if among is None else read[rubric], scores=scores, correction=correction
        )
        opinions[interaction].append(opinion)
        if authoritative_for is not None:
            settled[interaction] = opinion
    return {
        interaction
        for interaction, told in opinions.items()
        if is_approved([settled[interaction]] if interaction in settled else told)
    }
