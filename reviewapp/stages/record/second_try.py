"""What was set aside, looked into and tried again: after a newer version, or once what it missed is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from reviewapp.formats.interchange import Recorded
from reviewapp.models import Actor, FailedMessage
from reviewapp.models.privacy import Unopenable, is_sealed, opened
from reviewapp.stages.administer import write_audit
from reviewapp.stages.record import Outcome, record_frames
from reviewapp.stages.record.arrival import UnreadableFrame, decode
from reviewapp.stages.record.message import UnreadableMessage, unpack

_SHOWN: Final = 4000


@dataclass(frozen=True, slots=True)
class SecondTry:
    """How many of what was set aside are recorded now, and how many still are not."""

    recorded: int = 0
    still: int = 0


def try_again(*, messages: Collection[UUID], now: datetime, actor: Actor | None = None) -> SecondTry:
    """Try these again, each on its own. Raises DatabaseAway."""
    recorded = still = 0
    for id_ in messages:
        done = _try_one(id_, now, actor)
        if done is not None:
            recorded, still = recorded + done, still + (not done)
    return SecondTry(recorded, still)


@transaction.atomic
def _try_one(id_: UUID, now: datetime, actor: Actor | None) -> bool | None:
    """Whether it is recorded now; None when it was before, or somebody is at it."""
    row = FailedMessage.objects.select_for_update(skip_locked=True).filter(pk=id_, recorded_at=None).first()
    if row is None:
        return None
    try:
        payload = opened(bytes(row.payload))
    except Unopenable as error:
        FailedMessage.objects.filter(pk=id_).update(retried_at=now, error=str(error))
        return False
    frames = _frames(payload)
    outcome: Outcome = record_frames(frames=frames, now=now)
    # A whole message is dealt with once it can be taken apart: what fails of it is set aside by itself.
    done = not outcome.set_aside or frames != [payload]
    FailedMessage.objects.filter(pk=id_).update(
        retried_at=now,
        recorded_at=now if done else None,
        error=row.error if done else "; ".join(outcome.set_aside)[:4000].replace("\x00", "\ufffd"),
    )
    write_audit(
        actor=actor,
        action="failed_message.retry",
        target=row,
        now=now,
        project=row.project,
        recorded=done,
    )
    return done


def _frames(payload: bytes) -> list[bytes]:
    """A payload is one frame, or a whole message of the broker that could not be taken apart."""
    try:
        return unpack(payload.decode("ascii")) or [payload]
    except (UnicodeDecodeError, UnreadableMessage):
        return [payload]


def content_of(*, message: FailedMessage) -> str:
    """What of it can be read, for people: the request, else the bytes as they are."""
    payload = bytes(message.payload)
    if is_sealed(payload):
        return _("Kept encrypted: its source hides values before they are stored.")
    try:
        content = decode(payload).content
    except UnreadableFrame:
        return repr(payload[:_SHOWN])[2:-1]
    request = content.request_text if isinstance(content, Recorded) else content.request
    text = request if isinstance(request, str) else request.decode(errors="replace")
    return text[:_SHOWN]
