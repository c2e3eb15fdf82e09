"""The one retry policy: what may pass is asked again, later each time; the rest fails with its sentence."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reviewapp.providers.errors import CallFailed, RateLimited
from reviewapp.pure.said import figure, say, text_of, together
from reviewapp.pure.words import storable

MOST_TRIES = 6
# Being asked to slow down is no failure, so it is borne longer.
MOST_RATE_TRIES = 20
LONGEST_BACKOFF = 60.0
# A provider that wants a longer pause than this is not waited for: its limit is of the day.
LONGEST_WAIT = 900.0
_BODY_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Failure:
    """What is kept of a failed call. `again_at` is None where it is final.

    `pause_until` is when the provider wants to be asked again at all, by anybody.
    """

    sentence: str
    detail: dict[str, Any]
    again_at: datetime | None = None
    pause_until: datetime | None = None


def weigh(*, error: CallFailed, tries: int, now: datetime) -> Failure:
    """What follows from this error at this try (from 1)."""
    detail = {
        "kind": error.kind,
        "status": error.status,
        "body": storable(error.body[:_BODY_KEPT].decode("utf-8", "replace")),
    }
    sentence = text_of(error)
    asked_to_wait: float | None = getattr(error, "retry_after", None)
    if asked_to_wait is not None and asked_to_wait > LONGEST_WAIT:
        wait_told = say("call_long_wait", minutes=figure(asked_to_wait / 60, ",.0f"))
        return Failure(together(sentence, wait_told), detail)
    if not error.may_pass or tries >= (MOST_RATE_TRIES if isinstance(error, RateLimited) else MOST_TRIES):
        if error.may_pass:
            sentence = together(sentence, say("call_asked_times", tries=tries))
        return Failure(sentence, detail)
    pause_until = None
    if asked_to_wait is not None:
        pause_until = now + timedelta(seconds=asked_to_wait)
    elif isinstance(error, RateLimited):
        pause_until = now + timedelta(seconds=1)
    # Not all at the same moment again, hence the chance in it.
    wait = min(LONGEST_BACKOFF, 2.0 ** (tries - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
    again_at = now + timedelta(seconds=wait)
    return Failure(sentence, detail, max(again_at, pause_until or again_at), pause_until)
