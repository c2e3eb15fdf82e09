"""Deleting interactions with all that hangs on them: bodies, words, judgements, threads, replays.

Where a text lives on in what was made of it, that goes too: what completion learnt, words that wait to be
indexed, variants of prompts that a study asked, measurements of a canary, pseudonyms. Files of exports are
taken away by `withdraw_exports`, which must be asked before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, Final
from uuid import UUID

import psycopg
from django.db import connection
from django.db.models import Exists, ManyToOneRel, OuterRef, Q
from django.utils.translation import gettext_noop

from reviewapp.models import (
    Attempt,
    CanarySession,
    Export,
    ExportState,
    Hold,
    Interaction,
    InteractionBody,
    InteractionText,
    Project,
    Pseudonym,
    ReplayRun,
    Study,
    Verification,
)
from reviewapp.models.filters import Filter, InvalidFilter, condition, read_filter
from reviewapp.stages.export import keeping
from reviewapp.stages.find import learning
from reviewapp.stages.record import wording

# Some tenths of a second, during which what is being deleted is locked.
BATCH: Final = 500
REMOVED: Final = gettext_noop("The file was removed, because it held what was deleted since.")
_HOT: Final = Interaction._meta.db_table
# What every interaction has.
_OWN: Final = (InteractionBody, InteractionText)
_token: Final = re.compile(rb"\[[a-z][a-z0-9_-]{0,29}:([a-z2-7]{12})\]").findall
# What people decided or said may have changed since the export was made; these never do.
_CHANGING: Final = {"flagged": "", "discussed": "", "tag": "", "q": "", "verdict": "", "regressions": ""}


def not_held(rows: Any) -> Any:
    """The interactions that no hold covers: on themselves, their source, or an answer of theirs."""
    holds = Hold.objects.filter(lifted_at__isnull=True)
    return rows.filter(
        ~Exists(holds.filter(interaction=OuterRef("pk"))),
        ~Exists(holds.filter(source=OuterRef("source"))),
        ~Exists(holds.filter(interaction__replay_of=OuterRef("pk"))),
    )


def clear(*, project: Project, interactions: Collection[UUID]) -> Counter[str]:
    """Delete these and their answers, in the caller's transaction; gives how many rows of which went."""
    ids = _with_answers(project, interactions)
    counts: Counter[str] = Counter()
    learning.forget(interactions=list(ids))
    wording.forget(interactions=ids)
    # Reads every text.
    if Pseudonym.objects.filter(project=project).exists():
        _delete(Pseudonym.objects.filter(project=project, token__in=_tokens(ids)), counts)
    # Of most there is nothing but what was recorded, and asking each table for them is what takes long.
    referred_to = _referred_to(ids)
    if referred_to:
        _delete_what_refers_to(referred_to, counts)
        _delete(Interaction.objects.filter(pk__in=referred_to), counts)
    _delete_bare(ids - referred_to, counts)
    return counts


def _delete_what_refers_to(ids: Collection[UUID], counts: Counter[str]) -> None:
    """What would not go with them by itself, or would keep them."""
    # Rows of a session are of all its canaries' answers together.
    _delete(CanarySession.objects.filter(set__canaries__interaction__in=ids), counts)
    # A study asks variants of its prompt, which stand with its run.
    _delete(ReplayRun.objects.filter(studies_of(ids)), counts)
    attempts = Attempt.objects.filter(Q(original__in=ids) | Q(answer__in=ids))
    runs = set(attempts.values_list("run", flat=True))
    _delete(attempts, counts)
    kept = Verification.objects.filter(run__in=runs).values("run")
    there = Attempt.objects.filter(run=OuterRef("pk"))
    _delete(ReplayRun.objects.filter(~Exists(there), pk__in=runs).exclude(pk__in=kept), counts)


def studies_of(ids: Collection[UUID]) -> Q:
    """The runs of the studies of these."""
    return Q(pk__in=Study.objects.filter(interaction__in=ids).values("run"))


def _with_answers(project: Project, interactions: Collection[UUID]) -> set[UUID]:
    """These of the project and all answers to them, locked: nothing is added to them from now on."""
    # In one order for all, so that nobody waits in a circle.
    own = f"SELECT id FROM {_HOT} WHERE id = ANY(%(ids)b) AND project_id = %(project)b ORDER BY id FOR UPDATE"  # noqa: S608
    answers = f"SELECT id FROM {_HOT} WHERE replay_of_id = ANY(%(ids)b) ORDER BY id FOR UPDATE"  # noqa: S608
    new = _ids(own, interactions, project=project.pk)
    ids = new
    while new:
        new = _ids(answers, new) - ids
        ids = ids | new
    return ids


def _referred_to(ids: Collection[UUID]) -> set[UUID]:
    """Those to which more belongs than their bodies and words: judgements, replays, holds, queues."""
    return _ids(_referring(), ids)


@cache
def _referring() -> str:
    """The statement for it, over whatever tables refer to interactions."""
    fields: list[Any] = [
        relation.field
        for relation in Interaction._meta.get_fields(include_hidden=True)
        if isinstance(relation, ManyToOneRel) and relation.related_model not in _OWN
    ]
    return " UNION ".join(
        f"SELECT {field.column} FROM {field.model._meta.db_table} WHERE {field.column} = ANY(%(ids)b)"  # noqa: S608
        for field in fields
    )


def _delete_bare(ids: Collection[UUID], counts: Counter[str]) -> None:
    """Delete interactions to which nothing else refers. The database would refuse if something did."""
    for model, column in (
        (InteractionText, "interaction_id"),
        (InteractionBody, "interaction_id"),
        (Interaction, "id"),
    ):
        with _binary_cursor() as cursor:
            cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE {column} = ANY(%b)", [list(ids)])  # noqa: S608
            if cursor.rowcount:
                counts[model.__name__.lower()] += cursor.rowcount


def _ids(statement: str, ids: Collection[UUID], **given: UUID) -> set[UUID]:
    with _binary_cursor() as cursor:
        return {id_ for (id_,) in cursor.execute(statement, {"ids": list(ids), **given})}


@contextmanager
def _binary_cursor() -> Iterator[psycopg.Cursor[Any]]:
    """Django's would write each id into the statement, of which there are hundreds for each table."""
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def _tokens(ids: Collection[UUID]) -> set[str]:
    """The pseudonyms that stand in these: nobody shall look up what they stood for."""
    found: set[bytes] = set()
    for body in InteractionBody.objects.filter(interaction__in=ids).iterator(chunk_size=50):
        texts = (body.request_text, body.response_text, body.chunks_text, body.metadata_text)
        for text in texts:
            found.update(_token(text or b""))
    for names in Interaction.objects.filter(pk__in=ids).values_list("end_user", "session", "trace", "error"):
        for name in names:
            found.update(_token((name or "").encode()))
    return {token.decode() for token in found}


def _delete(rows: Any, counts: Counter[str]) -> None:
    _, by_model = rows.delete()
    counts.update({label.rpartition(".")[2].lower(): n for label, n in by_model.items() if n})


def withdraw_exports(*, project: Project, interactions: Collection[UUID]) -> list[dict[str, str]]:
    """Take away the files that may hold any of these; gives their ids and digests.

    What people decide changes, so a file is judged by what its filter says of the interactions themselves.
    One that is being written begins anew.
    """
    if not Export.objects.filter(project=project).exists():
        return []
    rows = Interaction.objects.filter(project=project, pk__in=interactions)
    first = rows.order_by("created_at").values_list("created_at", flat=True).first()
    if first is None:
        return []
    removed = []
    made = Export.objects.filter(project=project, created_at__gte=first)
    Export.objects.filter(pk__in=made, state=ExportState.RUNNING).update(state=ExportState.QUEUED, rows=None)
    for export in made.filter(state=ExportState.DONE):
        try:
            wanted = replace(read_filter(export.filter), **_CHANGING)
            if wanted.selection:
                wanted = replace(wanted, selection="")
            may_hold = rows.filter(condition(_whole(wanted)), created_at__lte=export.created_at).exists()
        except InvalidFilter:
            may_hold = True
        if may_hold:
            keeping.remove(export=export)
            Export.objects.filter(pk=export.pk, state=ExportState.DONE).update(
                state=ExportState.FAILED, error=REMOVED, manifest={}
            )
            removed.append({"export": str(export.pk), "sha256": export.sha256})
    return removed


def _whole(wanted: Filter) -> Filter:
    """With the answers of replays, which files may hold beside their originals."""
    return replace(wanted, replays="all")
