"""Servings: that a stored answer was served again, on its way through the journal like what is recorded.

A serving is an event of the interaction whose answer it was. It has an id from the moment it happens, so a
frame that comes twice notes it once. Of an interaction that is gone by then nothing is noted.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction

from reviewapp.models import Interaction, Reuse, Source
from reviewapp.pure.redaction import Found
from reviewapp.pure.words import storable
from reviewapp.stages.record.arrival import PREFIX, UnreadableFrame
from reviewapp.stages.record.hiding import hider_for
from reviewapp.stages.record.places import DEFAULT_SOURCE

# The first byte of its frames; arrivals have 1 and 2.
VERSION: Final = 3


@dataclass(frozen=True, slots=True)
class Serving:
    """A stored answer served once more: whose, when, and who asked."""

    id: UUID
    project: UUID
    interaction: UUID
    source: UUID | None
    policy: str
    at: datetime
    trace: str | None = None
    session: str | None = None
    end_user: str | None = None


def encode_serving(serving: Serving) -> bytes:
    """The serving as a journal frame's payload."""
    head = orjson.dumps(
        [
            serving.project,
            serving.interaction,
            serving.source,
            serving.policy,
            serving.at.isoformat(),
            serving.trace,
            serving.session,
            serving.end_user,
        ]
    )
    return PREFIX.pack(VERSION, len(head), serving.id.bytes) + head


def is_serving(frame: bytes) -> bool:
    """Whether the frame holds a serving, not an arrival."""
    return frame[:1] == bytes([VERSION])


def decode_serving(frame: bytes) -> Serving:
    """The serving that `encode_serving` wrote. Raises UnreadableFrame."""
    try:
        _, length, id_ = PREFIX.unpack_from(frame)
        if PREFIX.size + length != len(frame):
            raise UnreadableFrame("The frame's parts don't add up to its length.")
        project, interaction, source, policy, at, *who = json.loads(frame[PREFIX.size :])
        trace, session, end_user = who
        return Serving(
            id=UUID(bytes=id_),
            project=UUID(project),
            interaction=UUID(interaction),
            source=UUID(source) if source else None,
            policy=policy,
            at=datetime.fromisoformat(at),
            trace=trace,
            session=session,
            end_user=end_user,
        )
    except (TypeError, ValueError, struct.error) as error:
        raise UnreadableFrame(f"The frame can't be read: {error!r}") from None


def note_servings(servings: Sequence[Serving]) -> set[UUID]:
    """Note them at their interactions, each once; gives the interactions that are not there."""
    for last_try in (False, True):
        try:
            with transaction.atomic():
                return _note(servings)
        except IntegrityError:
            # An interaction or a source went between the look and the insert; now it is seen to be gone.
            if last_try:
                raise
    raise AssertionError


def _note(servings: Sequence[Serving]) -> set[UUID]:
    of = {serving.interaction for serving in servings}
    known = dict(Interaction.objects.filter(pk__in=of).values_list("pk", "project"))
    sources = Source.objects.filter(pk__in={serving.source for serving in servings if serving.source})
    # Who asked is hidden where the source hides it.
    hiders = {source.pk: hider_for(source=source) for source in sources}
    # Calls without a source, or of one that is gone, hide what the one of unnamed calls does, see hiding.py.
    unnamed = {
        source.project_id: hider_for(source=source)
        for source in Source.objects.filter(
            project__in={serving.project for serving in servings}, name=DEFAULT_SOURCE
        )
    }

    def plain(serving: Serving, text: str | None) -> str | None:
        if text is None:
            return None
        known = serving.source in hiders
        hider = hiders[serving.source] if known else unnamed.get(serving.project)
        return storable(text if hider is None else hider.text(text, Found()))

    Reuse.objects.bulk_create(
        [
            Reuse(
                id=serving.id,
                project_id=serving.project,
                interaction_id=serving.interaction,
                # A source that was removed meanwhile is none.
                source_id=serving.source if serving.source in hiders else None,
                policy=serving.policy,
                at=serving.at,
                trace=plain(serving, serving.trace),
                session=plain(serving, serving.session),
                end_user=plain(serving, serving.end_user),
            )
            for serving in servings
            if known.get(serving.interaction) == serving.project
        ],
        ignore_conflicts=True,
    )
    return of - known.keys()


def are_noted(servings: Sequence[Serving]) -> bool:
    """Whether each is noted, or its interaction is gone."""
    ids = [serving.id for serving in servings]
    noted = set(Reuse.objects.filter(pk__in=ids).values_list("pk", flat=True))
    missing = {(one.interaction, one.project) for one in servings if one.id not in noted}
    if not missing:
        return True
    there = Interaction.objects.filter(pk__in=[interaction for interaction, _ in missing])
    return missing.isdisjoint(there.values_list("pk", "project"))
