"""Rows of evidence out of stored answers, and the baseline they stand in.

The answers are the truth; a session keeps its rows only so that a check need not read two thousand
bodies. Rows that were read in an earlier way are read again. They are kept compressed, not as JSON in
the table: texts may hold what JSON columns can't.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from reviewapp.models import (
    Attempt,
    AttemptState,
    Canary,
    CanaryBaseline,
    CanarySession,
    CanarySet,
    Interaction,
    SessionPurpose,
)
from reviewapp.models.bodies import exchange_of
from reviewapp.models.interaction import compress, decompress
from reviewapp.pure.drift import watching
from reviewapp.pure.drift.members import Archived
from reviewapp.pure.drift.rows import Key, Row, row_from_reply
from reviewapp.pure.said import Day, said, stored

# Raise it when the same answers may give other rows.
ROWS_VERSION: Final = 1
# Longer texts are kept by their beginning and their digest: equal stays equal.
_TEXT_KEPT: Final = 400
_EARLIER_BASELINES: Final = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a session's requests."""

    rows: tuple[Row, ...]
    answered: int
    failed: int
    error: str = ""


def read_session(session: CanarySession) -> Asked:
    """The rows of a session, from its stored answers."""
    attempts = list(
        Attempt.objects.filter(run=session.run_id).values_list("pk", "original", "state", "error", "said")
    )
    kinds = dict(Canary.objects.filter(set=session.set_id).values_list("interaction", "kind"))
    done = {pk: original for pk, original, state, *_ in attempts if state == AttemptState.DONE}
    answers = (
        Interaction.objects.filter(pk__in=list(done))
        .select_related("source", "provider", "body")
        .defer("provider__api_key")
        .order_by("pk")
    )
    requested = session.set.alternatives or None
    rows = []
    for answer in answers:
        original = done[answer.pk]
        kind = kinds.get(original)
        if kind is None:
            # No longer a canary.
            continue
        reply = exchange_of(answer).reply
        if reply.choices:
            rows.append(
                row_from_reply(
                    prompt=f"{kind}:{original}",
                    session=session.created_at.isoformat(),
                    kind=kind,
                    reply=reply,
                    requested=requested,
                    at=answer.started_at,
                )
            )
    errors = [
        stored(error, (said_ or {}).get("error"))
        for _, _, state, error, said_ in attempts
        if state != AttemptState.DONE and error
    ]
    return Asked(
        rows=tuple(rows),
        answered=len(rows),
        failed=len(attempts) - len(rows),
        error=errors[0] if errors else "",
    )


def rows_of(session: CanarySession) -> tuple[Row, ...]:
    """The rows of a session, as kept where they were read in the present way."""
    if session.rows is not None and session.rows_version == ROWS_VERSION:
        return unpack(session.rows)
    return read_session(session).rows


@dataclass(frozen=True, slots=True)
class Known:
    """What a check is compared with: the rows, and the sessions they are from."""

    rows: tuple[Row, ...]
    sessions: tuple[UUID, ...]


def fit_sessions(baseline: CanaryBaseline, *, now: datetime) -> list[UUID]:
    """The sessions that stand in this baseline now, oldest first."""
    found = CanarySession.objects.filter(baseline=baseline, fit=True, created_at__lte=now)
    return watching.rolling(
        (
            watching.Kept(id=id_, at=at, captured=purpose != SessionPurpose.LOOK)
            for id_, at, purpose in found.values_list("id", "created_at", "purpose")
        ),
        now=now,
    )


def known_rows(sessions: Sequence[UUID]) -> Known:
    """The rows of these sessions, told apart by session or, where there are enough, by day."""
    found = CanarySession.objects.filter(pk__in=sessions).select_related("set").order_by("created_at")
    rows = [row for session in found for row in rows_of(session)]
    return Known(rows=tuple(watching.in_sessions(rows)), sessions=tuple(sessions))


def archive_of(canaries: CanarySet) -> list[Archived]:
    """The baselines that ended: what answered before the last confirmed changes."""
    ended = CanaryBaseline.objects.filter(set=canaries, ended_at__isnull=False).order_by("-ended_at")
    found = []
    for baseline in ended[:_EARLIER_BASELINES]:
        assert baseline.ended_at is not None
        rows = known_rows(fit_sessions(baseline, now=baseline.ended_at)).rows
        if rows:
            began = baseline.started_at
            name = said("baseline_of", day=Day(began.date()), time=f"{began:%H:%M}")
            found.append(Archived(name=name, until=baseline.ended_at, rows=rows))
    return found


def pack(rows: Iterable[Row]) -> bytes:
    """Rows as a session keeps them."""
    return compress(json.dumps([_packed(row) for row in rows], ensure_ascii=True).encode())


def _packed(row: Row) -> list[Any]:
    text = row.text
    if text is not None and len(text) > _TEXT_KEPT:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        text = f"{text[:_TEXT_KEPT]}…sha256:{digest}"
    top = None if row.top is None else [[_key(key), value] for key, value in row.top]
    at = row.at.isoformat() if row.at else None
    return [row.prompt, row.session, row.kind, text, top, row.fingerprint, row.model, at]


def _key(key: Key) -> str:
    """Bytes as hexadecimal digits after a b, a text after a t."""
    return f"b{key.hex()}" if isinstance(key, bytes) else f"t{key}"


def unpack(packed: bytes | memoryview) -> tuple[Row, ...]:
    """The rows that `pack` packed."""
    return tuple(
        Row(
            prompt=prompt,
            session=session,
            kind=kind,
            text=text,
            top=None if top is None else tuple((_unkeyed(key), value) for key, value in top),
            fingerprint=fingerprint,
            model=model,
            at=datetime.fromisoformat(at) if at else None,
        )
        for prompt, session, kind, text, top, fingerprint, model, at in json.loads(decompress(packed))
    )


def _unkeyed(key: str) -> Key:
    return bytes.fromhex(key[1:]) if key[0] == "b" else key[1:]
