"""What the Fingerprints screen shows of each pool: its timeline, what happened, its values, its canaries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse

from reviewapp.models import CanaryCheck
from reviewapp.models.canarying import SetRow, checks_since
from reviewapp.models.happenings import Happening, Noted, happenings
from reviewapp.models.identity import NOTHING, Identity, identities_of
from reviewapp.models.pools import Pool, PoolValue, history_of
from reviewapp.models.project import Project
from reviewapp.models.traffic import traffic_of
from reviewapp.pure.pools import Life, overlap_length, shape_words
from reviewapp.pure.spans import Span
from reviewapp.templatetags.figures import percents
from reviewapp.templatetags.said import in_reader
from reviewapp.web.lanes import Timeline, draw_timeline
from reviewapp.web.spans import Chosen
from reviewapp.web.strips import Strip, draw_strip

EVENTS: Final = 5
# Values beside the first ones are folded away.
ROWS: Final = 12
# Checks in the table beside a strip.
CHECKS: Final = 30
# An overlap goes on after now: so much room, as a part of what lies before, shows that it does.
_AFTER_NOW: Final = 12
# The page is drawn anew when time has moved it by so much, in seconds and as a part of what it shows.
_LEAST_STEP: Final = 60
_STEPS: Final = 600


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a pool's table."""

    value: PoolValue
    shapes: list[str]
    interactions: str
    # Its share as it is written, so that the pool's shares add up.
    share: str


@dataclass(frozen=True, slots=True)
class Watched:
    """What the canaries of a model saw: the strip, and the same facts for a table, the latest first."""

    canaries: SetRow
    strip: Strip
    checks: list[CanaryCheck]


@dataclass(frozen=True, slots=True)
class Card:
    """One pool, drawn."""

    pool: Pool
    timeline: Timeline
    # In the time shown, the latest first; and those beyond the first few.
    events: list[Happening]
    more_events: list[Happening]
    identity: Identity
    rows: list[Row]
    more: list[Row]
    overlap_day: str
    watched: Watched | None = None


@dataclass(frozen=True, slots=True)
class Cards:
    """The pools of a page, all in one span of time."""

    cards: list[Card]
    span: Span
    is_coarse: bool


def freshness(
    *, pools: Sequence[Pool], canaries: Sequence[SetRow], noted: Noted, chosen: Chosen, now: datetime
) -> str:
    """A mark that changes when the page would: with every value, decision, event and check, and with time.

    It costs no query of its own. Answers with known values alone move it once a minute, however many.
    """
    told = [
        *(
            (value.id, value.state, value.overlap_until, value.decided_at)
            for pool in pools
            for value in pool.values
        ),
        *((pool.graded.sentence, int(pool.last_seen.timestamp() // 60)) for pool in pools),
        *(
            (
                row.set.pk,
                row.set.state,
                row.set.changed_at,
                row.set.trouble,
                row.baseline.sessions,
                row.last_check and (row.last_check.pk, row.last_check.state),
            )
            for row in canaries
        ),
        *((event.pk, event.change_id) for events in noted.values() for event in events),
        # What is drawn moves to the left by so much.
        int(now.timestamp() // max(_LEAST_STEP, (chosen.end - chosen.start).total_seconds() / _STEPS)),
    ]
    return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()


def draw_cards(
    *,
    project: Project,
    pools: Sequence[Pool],
    chosen: Chosen,
    canaries: Sequence[SetRow],
    noted: Noted,
    now: datetime,
) -> Cards:
    """Draw these pools of the project in the chosen time."""
    end = chosen.end if chosen.is_zoomed else _end(pools, chosen, now)
    traffic = traffic_of(project=project, pools=pools, start=chosen.start, end=end, now=now)
    identities = identities_of(project=project)
    cards = []
    for pool in pools:
        key = pool.provider.pk, pool.model
        happened = happenings(pool=pool, history=history_of(pool), noted=noted.get(key, []))
        events = [one for one in happened if traffic.span.start <= one.at <= traffic.span.end]
        own = next((row for row in canaries if (row.set.provider_id, row.set.model) == key), None)
        rows = _rows(pool)
        cards.append(
            Card(
                pool=pool,
                timeline=draw_timeline(
                    pool=pool, buckets=traffic.of(pool), happened=events, span=traffic.span, now=now
                ),
                events=events[:EVENTS],
                more_events=events[EVENTS:],
                identity=identities.get(key, NOTHING),
                rows=rows[:ROWS],
                more=rows[ROWS:],
                overlap_day=_overlap_day(pool, now),
                watched=None
                if own is None
                else draw_watched(own, start=traffic.span.start, end=traffic.span.end),
            )
        )
    return Cards(cards, traffic.span, traffic.is_coarse)


def draw_watched(row: SetRow, *, start: datetime, end: datetime) -> Watched:
    """The checks of a set between these moments."""
    checks = checks_since(sets=[row.set.pk], since=start).get(row.set.pk, [])
    checks = [check for check in checks if check.created_at <= end]
    return Watched(
        canaries=row,
        strip=draw_strip(checks=checks, start=start, end=end),
        checks=list(reversed(checks))[:CHECKS],
    )


def _end(pools: Sequence[Pool], chosen: Chosen, now: datetime) -> datetime:
    """Now, and a little room after it where an overlap goes on."""
    ends = [value.overlap_until for pool in pools for value in pool.values if value.overlap_until]
    return max([now, *(min(moment, now + (now - chosen.start) / _AFTER_NOW) for moment in ends)])


def _rows(pool: Pool) -> list[Row]:
    several = len({shape for value in pool.values for shape in value.shapes}) > 1
    shares = percents([value.share or 0.0 for value in pool.values])
    rows = [
        Row(
            value=value,
            shapes=[in_reader(shape_words(shape)) for shape in value.shapes] if several else [],
            interactions=f"{reverse('interactions')}?"
            + urlencode(
                {
                    "provider": pool.provider.name,
                    "model": pool.model,
                    "fingerprint": value.value or "none",
                }
            ),
            share=share,
        )
        for value, share in zip(pool.values, shares, strict=True)
    ]
    return sorted(rows, key=lambda row: row.value.state != "new")


def _overlap_day(pool: Pool, now: datetime) -> str:
    lives = [Life(value.value, value.first_seen, value.last_seen, value.count) for value in pool.values]
    return (now + overlap_length(lives)).date().isoformat()
