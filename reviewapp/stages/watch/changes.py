"""Backend changes: what was seen opens one, or joins the one that waits for a decision.

    open_or_join(…)   for what may mean another backend; gives the change
    note_event(…)     for what is worth keeping and is no change

Both store an event once, by its key. Who watches one model takes a lock on its provider's row
first (of the kind that lets recording go on), so that two watchers never open two changes;
the constraints hold the same if something else forgets the lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from reviewapp.models import (
    AlertKind,
    AlertSeverity,
    BackendChange,
    ChangeEvent,
    Project,
    Provider,
    SeenKind,
    system_actor,
)
from reviewapp.pure.said import Said, said, stored, to_store
from reviewapp.pure.said.templates import TEMPLATES
from reviewapp.pure.words import storable
from reviewapp.stages.administer import write_audit
from reviewapp.stages.watch.alerts import raise_alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One thing that was seen of a backend.

    `key` names it among its model's events: seeing the same thing again changes nothing. `evidence`
    is JSON that the page draws; `values` are the fingerprints (or other values) it is about.
    """

    kind: SeenKind
    key: str
    at: datetime
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    values: tuple[str, ...] = ()


@transaction.atomic
def open_or_join(
    *, project_id: UUID, provider_id: UUID, model: str, event: Seen, now: datetime
) -> BackendChange:
    """The undecided change of this model with the event in it; opened where there is none.

    An event that is known already gives the change it belongs to, decided or not.
    """
    _lock(provider_id)
    known = _known(project_id, provider_id, model, event.key)
    if known is not None and known.change is not None:
        return known.change
    change, opened = _undecided(project_id, provider_id, model, event, now)
    if known is not None:
        # It was kept for the record and turned out to matter.
        ChangeEvent.objects.filter(pk=known.pk).update(change=change, noticed_at=now)
    else:
        _store(project_id, provider_id, model, event, now, change)
    if not opened and event.at > change.last_event_at:
        BackendChange.objects.filter(pk=change.pk).update(last_event_at=event.at)
        change.last_event_at = event.at
    write_audit(
        actor=system_actor(project=change.project),
        action="change.open" if opened else "change.join",
        target=change,
        now=now,
        model=model,
        event=event.kind,
        sentence=storable(event.sentence),
    )
    raise_alert(
        project_id=project_id,
        kind=AlertKind.CHANGE,
        severity=AlertSeverity.WARNING,
        title=stored(change.title, (change.said or {}).get("title")),
        text=event.sentence,
        path=f"/changes/{change.pk}/",
        key=f"change:{change.pk}",
        now=now,
    )
    return change


@transaction.atomic
def note_event(
    *, project_id: UUID, provider_id: UUID, model: str, event: Seen, now: datetime, joins: bool = True
) -> bool:
    """Keep an event that is no change of the backend; a change that waits shows it. False: known already.

    Without `joins` it is only kept: history.
    """
    _lock(provider_id)
    if _known(project_id, provider_id, model, event.key) is not None:
        return False
    waiting = _waiting(project_id, provider_id, model).first() if joins else None
    _store(project_id, provider_id, model, event, now, waiting)
    if waiting is not None and event.at > waiting.last_event_at:
        BackendChange.objects.filter(pk=waiting.pk).update(last_event_at=event.at)
    return True


def _lock(provider_id: UUID) -> None:
    """One watcher of a provider at a time; rows that refer to it can be written meanwhile."""
    list(
        Provider.objects.filter(pk=provider_id)
        .order_by()
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )


def _known(project_id: UUID, provider_id: UUID, model: str, key: str) -> ChangeEvent | None:
    rows = ChangeEvent.objects.filter(project=project_id, provider=provider_id, model=model, key=key)
    found: ChangeEvent | None = rows.select_related("change").first()
    return found


def _waiting(project_id: UUID, provider_id: UUID, model: str) -> Any:
    """The change that waits for a decision, held until the end of the transaction."""
    rows = BackendChange.objects.filter(project=project_id, provider=provider_id, model=model).undecided()
    # Somebody may be deciding at this moment: wait for them, and then it is no longer undecided.
    return rows.select_for_update(of=("self",)).select_related("project")


def _undecided(
    project_id: UUID, provider_id: UUID, model: str, event: Seen, now: datetime
) -> tuple[BackendChange, bool]:
    """The change that the event belongs to, held, and whether the event opened it."""
    while (change := _waiting(project_id, provider_id, model).first()) is None:
        title = title_of(event.kind, model)
        fresh = BackendChange(
            project_id=project_id,
            provider_id=provider_id,
            model=model,
            title=title,
            said=to_store(title=title),
            opened_at=now,
            last_event_at=event.at,
        )
        BackendChange.objects.bulk_create([fresh], ignore_conflicts=True)
        if BackendChange.objects.filter(pk=fresh.pk).exists():
            fresh.project = Project.objects.get(pk=project_id)
            return fresh, True
    return change, False


def title_of(kind: str, model: str) -> Said:
    """What a change is called that begins with an event of this kind."""
    key = f"change_{kind}"
    return said(key if key in TEMPLATES else "change_other", model=model)


def _store(
    project_id: UUID,
    provider_id: UUID,
    model: str,
    event: Seen,
    now: datetime,
    change: BackendChange | None,
) -> None:
    ChangeEvent.objects.create(
        project_id=project_id,
        provider_id=provider_id,
        model=model,
        change=change,
        kind=event.kind,
        key=storable(event.key),
        at=event.at,
        noticed_at=now,
        sentence=storable(event.sentence),
        said=to_store(sentence=event.sentence),
        values=[storable(value) for value in event.values],
        evidence=dict(event.evidence),
    )
