"""Which sources hide what, asked once for a batch; and the pseudonyms that stand for it, kept.

What is hidden goes before anything is derived from it: request and response, a stream's chunks, log
probabilities, words, previews, the request hash, names of users and sessions. A message that can't be
recorded is set aside encrypted where its source hides something, and hidden when it is tried again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from reviewapp.models import ProjectPrivacy, Pseudonym, Source
from reviewapp.pure.redaction import Found, Hider, Policy, read_policy
from reviewapp.stages.record.arrival import Arrival
from reviewapp.stages.record.places import DEFAULT_SOURCE
from reviewapp.stages.record.reading import Reading


def hiders_of(arrivals: Sequence[Arrival]) -> list[Hider | None]:
    """What hides each arrival's values; None where its source hides none."""
    projects = {arrival.project_id for arrival in arrivals}
    rows = list(
        Source.objects.filter(project__in=projects, redaction__isnull=False).values_list(
            "project", "id", "name", "redaction"
        )
    )
    if not rows:
        return [None] * len(arrivals)
    keys = pseudonym_keys({project for project, _, _, _ in rows})
    hiders = {id_: hider_of(read_policy(kept), key=keys.get(project)) for project, id_, _, kept in rows}
    by_id = {(project, id_): id_ for project, id_, _, _ in rows}
    by_name = {(project, name): id_ for project, id_, name, _ in rows}
    # By name counts only where the id is none of the project's: as the interaction's place is found.
    named = {
        (arrival.project_id, arrival.source_id)
        for arrival in arrivals
        if arrival.source_id is not None and (arrival.project_id, arrival.source_id) not in by_id
    }
    there = (
        set(Source.objects.filter(pk__in=[id_ for _, id_ in named]).values_list("project", "id"))
        if named
        else set()
    )
    # A source that appears with this call hides what the one of unnamed calls does, see places.py.
    hidden_anew = {project for project, name in by_name if name == DEFAULT_SOURCE}
    older = (
        set(
            Source.objects.filter(
                project__in=hidden_anew, name__in={arrival.content.source or "" for arrival in arrivals}
            ).values_list("project", "name")
        )
        if hidden_anew
        else set()
    )
    found: list[Hider | None] = []
    for arrival in arrivals:
        known = (arrival.project_id, arrival.source_id)
        if arrival.source_id is not None and (known in by_id or known in there):
            at = by_id.get((arrival.project_id, arrival.source_id))
        else:
            name = (arrival.project_id, arrival.content.source or DEFAULT_SOURCE)
            at = by_name.get(name)
            if at is None and name not in older:
                at = by_name.get((arrival.project_id, DEFAULT_SOURCE))
        found.append(hiders.get(at) if at is not None else None)
    return found


def any_hides() -> bool:
    """Whether any source of any project hides values."""
    return Source.objects.filter(redaction__isnull=False).exists()


def hider_for(*, source: Source) -> Hider | None:
    """What hides the source's values; None where it hides none."""
    if source.redaction is None:
        return None
    return hider_of(
        read_policy(source.redaction), key=pseudonym_keys({source.project_id}).get(source.project_id)
    )


def hider_of(policy: Policy, *, key: bytes | None) -> Hider:
    """What hides by this policy, with the project's key where it has one."""
    return _hider(json.dumps(policy.as_json(), sort_keys=True), key)


@lru_cache(maxsize=256)
def _hider(policy: str, key: bytes | None) -> Hider:
    return Hider(read_policy(json.loads(policy)), key=key)


def pseudonym_keys(projects: set[UUID]) -> dict[UUID, bytes]:
    """The keys of the projects that chose pseudonyms."""
    rows = ProjectPrivacy.objects.filter(project__in=projects, pseudonym_key__isnull=False)
    return {row.project_id: bytes.fromhex(row.pseudonym_key) for row in rows}


def keep_pseudonyms(readings: Sequence[Reading], *, now: datetime) -> None:
    """What the readings' pseudonyms stand for. Call it within the transaction that records them."""
    found = [(reading.project_id, reading.found) for reading in readings if reading.found is not None]
    if any(one.pseudonyms for _, one in found):
        Pseudonym.objects.bulk_create(list(_rows(found, now)), ignore_conflicts=True)


def _rows(found: Sequence[tuple[UUID, Found]], now: datetime) -> list[Pseudonym]:
    wanted = {(project, token): said for project, one in found for token, said in one.pseudonyms.items()}
    # Sorted, so that two workers that keep the same ones wait for each other and don't deadlock.
    return [
        Pseudonym(project_id=project, token=token, detector=detector, value=value, created_at=now)
        for (project, token), (detector, value) in sorted(wanted.items())
    ]
