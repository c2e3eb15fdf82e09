"""The rubrics that brought judgements answer: the project's own where they ask the same, else new ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reviewapp.formats.said import NAME_LIMIT, SaidJudgement, SaidRubric
from reviewapp.models import Project, Rubric
from reviewapp.pure.rubrics import InvalidAnswer, check_labels, check_questions, check_scores


class Rubrics:
    """A project's rubrics."""

    def __init__(self, project: Project, *, now: datetime) -> None:
        self._project = project
        self._now = now
        self._all: list[Rubric] = list(
            Rubric.objects.filter(project=project).order_by("-is_default", "created_at")
        )

    def of(self, said: SaidJudgement, brought: Sequence[SaidRubric]) -> Rubric | None:
        """The rubric that a judgement answers.

        One that names none answers the project's own where its answers fit there; else it has none and
        is kept as it was said.
        """
        if said.rubric is not None:
            for one in brought:
                if one.key == said.rubric:
                    return self._same(one)
            named = [row for row in self._all if (row.name, row.version) == said.rubric]
            if named:
                return named[0]
        default = next((row for row in self._all if row.is_default), None)
        if default is None:
            return None
        try:
            check_scores(questions=default.questions, scores=said.scores, partial=True)
        except InvalidAnswer:
            return None
        return default

    def _same(self, said: SaidRubric) -> Rubric:
        key = (said.name, said.version)
        asked = (list(said.questions), list(said.labels))
        same = [
            row for row in self._all if (check_questions(row.questions), check_labels(row.labels)) == asked
        ]
        for row in sorted(same, key=lambda row: (row.name, row.version) != key):
            return row
        name, taken = said.name, {(row.name, row.version) for row in self._all}
        while (name, said.version) in taken:
            # Another rubric of the project is called so.
            name = (
                f"{name[: NAME_LIMIT - 11]} (imported)" if name == said.name else f"{name[: NAME_LIMIT - 1]}+"
            )
        made: Rubric = Rubric.objects.create(
            project=self._project,
            name=name,
            version=said.version,
            instructions=said.instructions,
            questions=asked[0],
            labels=asked[1],
            is_current=False,
            created_at=self._now,
        )
        self._all.append(made)
        return made
