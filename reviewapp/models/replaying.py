"""What the replay screens show: progress, verdicts and cost of runs, and their attempts page by page.

A run may have a hundred thousand attempts. Its counts come from two indexes, and a page of its
attempts from the indexes of the tiers that the page touches; nothing reads all of them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, Sum

from reviewapp.models.comparison import Comparison, VerdictName
from reviewapp.models.pages import InvalidCursor
from reviewapp.models.provider import Provider
from reviewapp.models.replay import Attempt, AttemptState, ReplayRun, RunState
from reviewapp.pure.prices import price_of

# Beyond so many attempts what a run has cost is told from its estimate, not added up each time.
MOST_ADDED_UP: Final = 20_000


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run with its counts. `total` is all attempts; `finished` those done, failed or cancelled."""

    run: ReplayRun
    states: dict[str, int] = field(default_factory=dict)
    # By verdict; an attempt that got no answer counts as failed.
    verdicts: dict[str, int] = field(default_factory=dict)
    compared: int = 0

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def done(self) -> int:
        return self.states.get(AttemptState.DONE, 0)

    @property
    def failed(self) -> int:
        return self.states.get(AttemptState.FAILED, 0)

    @property
    def cancelled(self) -> int:
        return self.states.get(AttemptState.CANCELLED, 0)

    @property
    def finished(self) -> int:
        return self.done + self.failed + self.cancelled

    @property
    def waiting(self) -> int:
        return self.total - self.finished

    @property
    def comparing(self) -> int:
        """Answers that came and are not compared yet."""
        return max(0, self.done - self.compared)

    @property
    def without_verdict(self) -> int:
        """What may still get a verdict."""
        return self.waiting + self.comparing

    @property
    def active(self) -> bool:
        """Whether its figures may still change by themselves."""
        return self.run.state in {RunState.QUEUED, RunState.RUNNING} or self.comparing > 0

    @property
    def worst(self) -> str | None:
        """The verdict that a person should look at first."""
        return next((str(name) for name in WORST_FIRST if self.verdicts.get(name)), None)

    @property
    def worst_count(self) -> int:
        return self.verdicts.get(self.worst, 0) if self.worst else 0

    def rate(self, now: datetime) -> float | None:
        """Attempts a second since the start; None before the first."""
        if self.run.started_at is None or not self.finished:
            return None
        seconds = ((self.run.finished_at or now) - self.run.started_at).total_seconds()
        return self.finished / seconds if seconds > 0 else None

    def seconds_left(self, now: datetime) -> float | None:
        rate = self.rate(now)
        return self.waiting / rate if rate else None


def run_rows(runs: Sequence[ReplayRun]) -> list[RunRow]:
    """The runs with their counts, in order, in two queries."""
    ids = [run.pk for run in runs]
    states: dict[UUID, dict[str, int]] = {}
    for run, state, n in (
        Attempt.objects.filter(run__in=ids).values_list("run", "state").annotate(n=Count("pk"))
    ):
        states.setdefault(run, {})[state] = n
    verdicts: dict[UUID, dict[str, int]] = {}
    for run, verdict, n in (
        Comparison.objects.filter(run__in=ids).values_list("run", "verdict").annotate(n=Count("attempt"))
    ):
        verdicts.setdefault(run, {})[verdict] = n
    return [_row(run, states.get(run.pk, {}), verdicts.get(run.pk, {})) for run in runs]


def _row(run: ReplayRun, states: dict[str, int], verdicts: dict[str, int]) -> RunRow:
    unanswered = states.get(AttemptState.FAILED, 0)
    counted = dict(verdicts)
    if unanswered:
        counted[VerdictName.FAILED] = counted.get(VerdictName.FAILED, 0) + unanswered
    return RunRow(run=run, states=states, verdicts=counted, compared=sum(verdicts.values()))


# ---- what it cost ----


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and US dollars so far. `cost` is None where a model has no price; `about` says that it is
    told from the estimate."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    about: bool = False

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


def spent(rows: Iterable[RunRow]) -> dict[UUID, Spent]:
    """What each of the runs has used so far, by the providers' present prices, in two queries."""
    rows = list(rows)
    found = {row.run.pk: _by_estimate(row) for row in rows if row.total > MOST_ADDED_UP}
    groups = list(
        Attempt.objects.filter(run__in=[row.run.pk for row in rows if row.run.pk not in found])
        .filter(state=AttemptState.DONE)
        .values("run", "provider", "answer__model")
        .annotate(i=Sum("answer__input_tokens"), o=Sum("answer__output_tokens"))
        .order_by()
    )
    prices = dict(
        Provider.objects.filter(pk__in={group["provider"] for group in groups}).values_list("pk", "prices")
    )
    for row in rows:
        if row.run.pk not in found:
            mine = [group for group in groups if group["run"] == row.run.pk]
            found[row.run.pk] = _added_up(mine, prices)
    return found


def _added_up(groups: Sequence[Mapping[str, Any]], prices: Mapping[UUID, Any]) -> Spent:
    cost: float | None = 0.0 if groups else None
    for group in groups:
        price = price_of(prices.get(group["provider"]), group["answer__model"])
        if price is None or cost is None:
            cost = None
            break
        cost += price.of(group["i"], group["o"])
    return Spent(
        input_tokens=sum(group["i"] or 0 for group in groups),
        output_tokens=sum(group["o"] or 0 for group in groups),
        cost=cost,
    )


def _by_estimate(row: RunRow) -> Spent:
    share = row.done / row.total if row.total else 0.0
    expected = row.run.estimate
    cost = expected.get("cost")
    return Spent(
        input_tokens=round((expected.get("input_tokens") or 0) * share),
        output_tokens=round((expected.get("output_tokens") or 0) * share),
        cost=None if cost is None else cost * share,
        about=True,
    )


# ---- the attempts, the worst first ----

# What a person should look at before the rest.
WORST_FIRST: Final = (
    VerdictName.BACKEND_CHANGED,
    VerdictName.INCONCLUSIVE,
    VerdictName.FAILED,
    VerdictName.NONDETERMINISTIC,
    VerdictName.EQUIVALENT,
    VerdictName.IDENTICAL,
)
WAITING: Final = "waiting"
CANCELLED: Final = "cancelled"
_UNCOMPARED: Final = "uncompared"

# Each tier is one stretch of one index: a verdict's comparisons, or a state's attempts.
_TIERS: Final[tuple[tuple[str, str], ...]] = (
    ("verdict", VerdictName.BACKEND_CHANGED),
    ("verdict", VerdictName.INCONCLUSIVE),
    ("verdict", VerdictName.FAILED),
    ("state", AttemptState.FAILED),
    ("verdict", VerdictName.NONDETERMINISTIC),
    ("verdict", VerdictName.EQUIVALENT),
    ("verdict", VerdictName.IDENTICAL),
    ("state", _UNCOMPARED),
    ("state", AttemptState.LEASED),
    ("state", AttemptState.QUEUED),
    ("state", AttemptState.CANCELLED),
)
_WAITING_STATES: Final = frozenset({_UNCOMPARED, AttemptState.LEASED, AttemptState.QUEUED})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an attempt stands in the list."""

    tier: int
    original: UUID
    attempt: UUID


@dataclass(frozen=True, slots=True)
class AttemptPage:
    """Some attempts of a run, the worst first; the cursors of the pages around it, or None."""

    items: list[Attempt]
    before: str | None
    after: str | None


def attempts_page(
    *, run: ReplayRun, show: str = "", limit: int, cursor: str = "", counted: RunRow | None = None
) -> AttemptPage:
    """One page of the run's attempts. `show` narrows to a verdict, to `waiting` or to `cancelled`.

    What the run's counts, where they are `counted` already, say is empty is not looked for.
    Raises InvalidCursor.
    """
    tiers = [
        number
        for number, tier in enumerate(_TIERS)
        if _shows(show, tier) and (counted is None or _size(counted, tier))
    ]
    backwards, start = _read(cursor) if cursor else (False, None)
    found: list[_Place] = []
    for number in reversed(tiers) if backwards else tiers:
        if start is not None and (number > start.tier if backwards else number < start.tier):
            continue
        if len(found) > limit:
            break
        beyond = start if start is not None and start.tier == number else None
        found += _places(run, number, beyond, backwards, limit + 1 - len(found))
    more, found = len(found) > limit, found[:limit]
    if backwards:
        found.reverse()
    attempts: dict[UUID, Attempt] = (
        Attempt.objects.filter(run=run)
        .select_related("original", "answer", "comparison", "comparison__decided_by")
        .in_bulk([place.attempt for place in found])
    )
    return AttemptPage(
        items=[attempts[place.attempt] for place in found if place.attempt in attempts],
        before=_write("b", found[0]) if found and (more if backwards else bool(cursor)) else None,
        after=_write("a", found[-1]) if found and (backwards or more) else None,
    )


def _size(row: RunRow, tier: tuple[str, str]) -> int:
    """How many attempts the tier has, or more."""
    kind, name = tier
    if kind == "verdict":
        return row.verdicts.get(name, 0)
    return row.comparing if name == _UNCOMPARED else row.states.get(name, 0)


def _shows(show: str, tier: tuple[str, str]) -> bool:
    kind, name = tier
    if show == WAITING:
        return kind == "state" and name in _WAITING_STATES
    if show == VerdictName.FAILED:
        return name == show
    return not show or (show == name and (kind == "verdict" or show == CANCELLED))


def _places(run: ReplayRun, number: int, beyond: _Place | None, backwards: bool, limit: int) -> list[_Place]:
    kind, name = _TIERS[number]
    columns = ("original", "attempt") if kind == "verdict" else ("original", "id")
    rows: Any
    if kind == "verdict":
        rows = Comparison.objects.filter(run=run, verdict=name)
    elif name == _UNCOMPARED:
        rows = Attempt.objects.filter(run=run, state=AttemptState.DONE, compared_at__isnull=True)
    else:
        rows = Attempt.objects.filter(run=run, state=name)
        # The index of states has the ids alone; in the order of asking is as good here.
        columns = ("id", "id")
    if beyond is not None:
        first, second = columns
        than = "lt" if backwards else "gt"
        bound = beyond.original if first == "original" else beyond.attempt
        rows = rows.filter(
            # The first term is what the index can use; the others sort out the ties.
            Q(**{f"{first}__{than}e": bound})
            & (Q(**{f"{first}__{than}": bound}) | Q(**{f"{second}__{than}": beyond.attempt}))
        )
    sign = "-" if backwards else ""
    found = rows.order_by(*(f"{sign}{column}" for column in dict.fromkeys(columns)))
    return [
        _Place(number, original, attempt)
        for original, attempt in found.values_list("original", columns[1])[:limit]
    ]


def _write(direction: str, place: _Place) -> str:
    text = f"{direction}{place.tier}/{place.original}/{place.attempt}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[bool, _Place]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        tier, original, attempt = text[1:].split("/")
        if text[0] not in "ab" or not 0 <= int(tier) < len(_TIERS):
            raise InvalidCursor
        return text[0] == "b", _Place(int(tier), UUID(original), UUID(attempt))
    except (ValueError, binascii.Error, IndexError):
        raise InvalidCursor from None


def attempts_in_order(*, run: ReplayRun, limit: int, cursor: str = "") -> tuple[list[Attempt], str | None]:
    """Some of the run's attempts by original and number, an order that stays while the run works; and the
    cursor of the next ones, or None. With their answers' bodies.

    Raises InvalidCursor.
    """
    rows = Attempt.objects.filter(run=run)
    if cursor:
        original, number = _read_order(cursor)
        rows = rows.filter(original__gte=original).filter(Q(original__gt=original) | Q(number__gt=number))
    found = list(
        rows.select_related("provider", "comparison", "comparison__decided_by", "answer", "answer__body")
        .defer("provider__api_key")
        .order_by("original", "number")[: limit + 1]
    )
    last = found[limit - 1] if len(found) > limit else None
    after = None if last is None else f"i{last.original_id}/{last.number}".encode()
    return found[:limit], None if after is None else base64.urlsafe_b64encode(after).decode().rstrip("=")


def _read_order(cursor: str) -> tuple[UUID, int]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        original, _, number = text.removeprefix("i").partition("/")
        if text[:1] != "i" or not 0 <= int(number) < 2**15:
            raise InvalidCursor
        return UUID(original), int(number)
    except (ValueError, binascii.Error):
        raise InvalidCursor from None


def neighbours(*, run: ReplayRun, attempt: Attempt) -> tuple[UUID | None, UUID | None]:
    """The attempts before and after this one in the run's list, for who goes through it."""
    comparison = getattr(attempt, "comparison", None)
    if comparison is not None:
        tier = ("verdict", comparison.verdict)
    else:
        tier = ("state", _UNCOMPARED if attempt.state == AttemptState.DONE else attempt.state)
    place = _Place(_TIERS.index(tier), attempt.original_id, attempt.pk)
    before = attempts_page(run=run, limit=1, cursor=_write("b", place)).items
    after = attempts_page(run=run, limit=1, cursor=_write("a", place)).items
    return (before[0].pk if before else None), (after[0].pk if after else None)
