"""Judgements and flags that a file brings along, kept as those of the people who gave them.

Nothing that is there is overwritten: what was brought before is known by its id and stays as it is, also
when the file says otherwise by now. People are matched by their address; who has no account becomes an
outside reviewer, somebody with a name who can't sign in until an admin invites them. What does not fit (a
mark outside of the answer, an answer that the rubric does not know) is told and the rest is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from reviewapp.formats.said import Said, SaidFlag, SaidJudgement
from reviewapp.models import Actor, Annotation, Flag, Interaction, Permission, Project, Rubric
from reviewapp.models.bodies import answer_text
from reviewapp.pure.rubrics import InvalidAnswer, check_scores, check_spans
from reviewapp.stages.administer import write_audit
from reviewapp.stages.review.bringing.counts import Brought
from reviewapp.stages.review.bringing.items import keep_items
from reviewapp.stages.review.bringing.naming import Ids, present
from reviewapp.stages.review.bringing.people import People
from reviewapp.stages.review.bringing.rubrics import Rubrics

__all__ = ["Brought", "bring", "foresee"]

# An interaction, and what is said of it; None where only the file's own words tell which one is meant.
Pair = tuple[UUID | None, Said]


def foresee(*, project: Project, said: Sequence[Pair], coming: Sequence[UUID] = ()) -> Brought:
    """What `bring` would bring; `coming` are interactions that the same file would bring before."""
    pairs, absent = present(project, said, coming=frozenset(coming))
    known = Ids(project, pairs)
    people = People(project)
    found = Brought(absent=absent)
    for _pk, one in pairs:
        found.wrong += one.wrong
    for judgement, id_ in known.judgements:
        found.count("judgements", known=id_ in known.there)
        found.people.add(people.look_up(judgement.who))
    for flag, id_ in known.flags:
        found.count("flags", known=id_ in known.there)
        found.people.add(people.look_up(flag.who))
    return found


@transaction.atomic
def bring(*, actor: Actor, said: Sequence[Pair], now: datetime) -> Brought:
    """Keep what is said of interactions that the project has."""
    actor.check(Permission.ADMIN)
    # One after the other: two files may bring the same person, rubric or queue.
    project = Project.objects.select_for_update(no_key=True).get(pk=actor.project.pk)
    pairs, absent = present(project, said)
    found = Brought(absent=absent)
    ids = Ids(project, pairs)
    people, rubrics = People(project), Rubrics(project, now=now)
    answers = _answers([pk for pk, one in pairs if any(j.spans for j in one.judgements)])
    for pk, one in pairs:
        found.wrong += one.wrong
        made = [
            _annotation(pk, one, said, ids, people, rubrics, answers, now, found) for said in one.judgements
        ]
        kept = [annotation for annotation in made if annotation is not None]
        Annotation.objects.bulk_create(kept, ignore_conflicts=True)
        flags = [_flag(pk, flag, ids, people, now, found) for flag in one.flags]
        Flag.objects.bulk_create([flag for flag in flags if flag is not None], ignore_conflicts=True)
        found.items += keep_items(
            project=project, interaction=pk, said=one, ids=ids, people=people, rubrics=rubrics, now=now
        )
    found.people |= people.met
    if found.is_something:
        write_audit(
            actor=actor,
            action="judgements.bring",
            target=project,
            now=now,
            judgements=found.new["judgements"],
            flags=found.new["flags"],
            queue_items=found.items,
            outside_reviewers=sorted(people.made),
        )
    return found


def _annotation(
    interaction: UUID,
    one: Said,
    said: SaidJudgement,
    ids: Ids,
    people: People,
    rubrics: Rubrics,
    answers: Mapping[UUID, str],
    now: datetime,
    found: Brought,
) -> Annotation | None:
    id_ = ids.of_judgement(said, interaction=interaction)
    if id_ in ids.there:
        found.count("judgements", known=True)
        return None
    rubric = rubrics.of(said, one.rubrics)
    try:
        scores = _scores(said, rubric)
        spans = check_spans(spans=said.spans, length=len(answers.get(interaction, ""))) if said.spans else []
    except InvalidAnswer as error:
        found.wrong.append(f"{said.who.name} of {interaction}: {error}")
        return None
    found.count("judgements", known=False)
    ids.there.add(id_)
    at = said.at or now
    return Annotation(
        id=id_,
        project_id=ids.project.pk,
        interaction_id=interaction,
        rubric=rubric,
        scores=scores,
        spans=spans,
        correction=said.correction,
        comment=said.comment,
        preference=said.preference,
        version=said.version,
        created_by=people.of(said.who),
        created_at=at,
        updated_at=said.edited_at or at,
    )


def _scores(said: SaidJudgement, rubric: Rubric | None) -> dict[str, Any]:
    if rubric is None:
        return dict(said.scores)
    return check_scores(questions=rubric.questions, scores=said.scores, partial=True)


def _flag(
    interaction: UUID, said: SaidFlag, ids: Ids, people: People, now: datetime, found: Brought
) -> Flag | None:
    id_ = ids.of_flag(said, interaction=interaction)
    known = id_ in ids.there
    found.count("flags", known=known)
    if known:
        return None
    ids.there.add(id_)
    return Flag(
        id=id_,
        project_id=ids.project.pk,
        interaction_id=interaction,
        reason=said.reason,
        severity=said.severity,
        note=said.note,
        state=said.state,
        created_by=people.of(said.who),
        created_at=said.at or now,
    )


def _answers(ids: Sequence[UUID]) -> dict[UUID, str]:
    """The texts that marks speak of."""
    rows = Interaction.objects.filter(pk__in=ids).select_related("body")
    return {row.pk: answer_text(row) for row in rows}
