"""What screens show of canaries, and what a comparison may ask of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Max, Min, Sum

from reviewapp.models.canary import (
    Canary,
    CanaryBaseline,
    CanaryCheck,
    CanarySession,
    CanarySet,
    CanaryState,
    CheckState,
    SessionState,
)
from reviewapp.models.comparison import VerdictName
from reviewapp.models.project import Project
from reviewapp.pure.drift.decision import LEAST_REPLIES
from reviewapp.pure.drift.sequential import discoveries
from reviewapp.pure.drift.watching import SESSIONS_TO_LEARN
from reviewapp.pure.verdicts.values import CanaryState as StateAtATime

# A strip draws so many checks at most; the table under it has as many.
MOST_DRAWN = 400
SHORT_BASELINE = timedelta(hours=24)
SOON_RETIRED = timedelta(days=30)
_SAME = (VerdictName.IDENTICAL, VerdictName.NONDETERMINISTIC)


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """What a set is compared with, in figures."""

    baseline: CanaryBaseline | None
    sessions: int = 0
    answers: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def learning(self) -> bool:
        """Whether sessions are still missing before checks can begin."""
        return self.sessions < SESSIONS_TO_LEARN

    @property
    def missing(self) -> int:
        return max(0, SESSIONS_TO_LEARN - self.sessions)

    @property
    def minutes(self) -> int:
        """From the first session to the last, one at least."""
        return max(1, round((self.last - self.first).total_seconds() / 60)) if self.first and self.last else 0

    @property
    def is_short(self) -> bool:
        """Whether it knows no other hours of the day yet."""
        return self.first is not None and self.last is not None and self.last - self.first < SHORT_BASELINE


@dataclass(frozen=True, slots=True)
class SetRow:
    """A canary set as lists show it."""

    set: CanarySet
    canaries: int
    baseline: BaselineRow
    last_check: CanaryCheck | None
    spent: int
    # Benjamini and Hochberg over the last checks of all sets: differs, at a false discovery rate of 5 %.
    differs: bool
    asking: bool
    due: datetime | None

    @property
    def requests_a_day(self) -> int:
        """What the schedule asks in a day when nothing is found."""
        repeats = max(self.set.repeats, -(-LEAST_REPLIES // max(self.canaries, 1)))
        return round(self.canaries * repeats * 1440 / self.set.every_minutes)

    @property
    def outspends(self) -> bool:
        """Whether a day of checks asks more than the budget allows."""
        return self.requests_a_day > self.set.daily_budget

    def days_left(self, now: datetime) -> int | None:
        """Days until the model goes; negative when it is gone."""
        return (self.set.retires_on - now.date()).days if self.set.retires_on else None


def set_rows(*, project: Project, now: datetime, provider: UUID | None = None) -> list[SetRow]:
    """The project's canary sets, those with a standing change first. A handful of queries for all."""
    sets = list(
        CanarySet.objects.filter(project=project)
        .select_related("provider", "created_by", "created_by_key")
        .defer("provider__api_key")
        .order_by("model", "provider__name")
    )
    if provider is not None:
        sets = [one for one in sets if one.provider_id == provider]
    ids = [one.pk for one in sets]
    counts = dict(Canary.objects.filter(set__in=ids).order_by().values_list("set").annotate(n=Count("pk")))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = dict(
        CanarySession.objects.filter(set__in=ids, created_at__gte=midnight)
        .order_by()
        .values_list("set")
        .annotate(n=Sum("requests"))
    )
    asking = set(
        CanarySession.objects.filter(set__in=ids, state=SessionState.ASKING).values_list("set", flat=True)
    )
    asked = dict(
        CanarySession.objects.filter(set__in=ids).order_by().values_list("set").annotate(at=Max("created_at"))
    )
    baselines = baseline_rows(sets)
    latest = latest_checks(ids)
    found = discoveries([_p(latest.get(one.pk)) for one in sets])
    today = now.date().isoformat()
    rows = [
        SetRow(
            set=one,
            canaries=counts.get(one.pk, 0),
            baseline=baselines[one.pk],
            last_check=latest.get(one.pk),
            spent=spent.get(one.pk, 0) + one.prepared.get(today, 0),
            differs=differs,
            asking=one.pk in asking,
            due=_due(one, baselines[one.pk], asked.get(one.pk)),
        )
        for one, differs in zip(sets, found, strict=True)
    ]
    return sorted(rows, key=lambda row: row.set.changed_at is None)


def _p(check: CanaryCheck | None) -> float:
    """The p of a check's first look; 1 where nothing was measured."""
    if check is None or check.p is None or check.verdict in _SAME:
        return 1.0
    return check.p


def _due(one: CanarySet, baseline: BaselineRow, asked: datetime | None) -> datetime | None:
    if one.state != CanaryState.WATCHING or asked is None:
        return None
    return asked + (timedelta(minutes=one.learn_every_minutes) if baseline.learning else one.every)


def baseline_rows(sets: Iterable[CanarySet]) -> dict[UUID, BaselineRow]:
    """The standing baseline of each set."""
    ids = [one.pk for one in sets]
    standing = {
        baseline.set_id: baseline
        for baseline in CanaryBaseline.objects.filter(set__in=ids, ended_at__isnull=True)
    }
    figures = {
        baseline: (sessions, answers, first, last)
        for baseline, sessions, answers, first, last in CanarySession.objects.filter(
            baseline__in=[one.pk for one in standing.values()], fit=True
        )
        .order_by()
        .values_list("baseline")
        .annotate(n=Count("pk"), answers=Sum("answered"), first=Min("created_at"), last=Max("created_at"))
    }
    return {
        id_: BaselineRow(standing.get(id_), *figures.get(standing[id_].pk, ()))
        if id_ in standing
        else BaselineRow(None)
        for id_ in ids
    }


def latest_checks(sets: Sequence[UUID]) -> dict[UUID, CanaryCheck]:
    """The last finished check of each set."""
    found = (
        CanaryCheck.objects.filter(set__in=sets, state=CheckState.DONE)
        .order_by("set", "-created_at")
        .distinct("set")
    )
    return {check.set_id: check for check in found}


def checks_since(*, sets: Sequence[UUID], since: datetime | None) -> dict[UUID, list[CanaryCheck]]:
    """The finished checks of each set since then, oldest first, the latest few hundred of each."""
    rows = CanaryCheck.objects.filter(set__in=sets, state=CheckState.DONE).defer("figures", "compared_with")
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    found: dict[UUID, list[CanaryCheck]] = defaultdict(list)
    for check in rows.order_by("-created_at")[: MOST_DRAWN * max(1, len(sets))]:
        if len(found[check.set_id]) < MOST_DRAWN:
            found[check.set_id].append(check)
    return {id_: list(reversed(checks)) for id_, checks in found.items()}


@dataclass(frozen=True, slots=True)
class History:
    """What a model's canaries saw, oldest first: enough to say how it stood at any time."""

    every: timedelta
    # Confirmed changes, and checks that found the backend the same.
    changed: tuple[datetime, ...]
    same: tuple[datetime, ...]
    known_since: datetime | None

    def between(self, since: datetime, until: datetime) -> StateAtATime:
        """How the backend stood from `since` to `until`.

        *Changed* where a check in that time confirmed a change; *steady* where the baseline knew it at the
        beginning and the first check after the end, soon, found it the same; *steady so far* where there was
        none since and the last one, shortly before, did; *unknown* where nobody watched all of it.
        """
        if any(since < at <= until for at in self.changed):
            return "changed"
        slack = 2 * self.every
        known = self.known_since is not None and self.known_since <= since + slack
        if not known:
            return "unknown"
        after = min((at for at in (*self.changed, *self.same) if at >= until), default=None)
        if after is not None:
            return "steady" if after in self.same and after <= until + slack else "unknown"
        return "steady_so_far" if any(until - slack <= at for at in self.same) else "unknown"


class Histories:
    """The histories met while a batch is judged, each read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, str], History | None] = {}

    def between(self, *, provider: UUID, model: str, since: datetime, until: datetime) -> StateAtATime:
        """How this provider's model stood in that time; *unknown* where it has no canaries."""
        key = provider, model
        if key not in self._known:
            self._known[key] = _history(provider, model)
        found = self._known[key]
        return "unknown" if found is None else found.between(since, until)


def _history(provider: UUID, model: str) -> History | None:
    canaries = CanarySet.objects.filter(provider=provider, model=model).first()
    if canaries is None:
        return None
    checks = (
        CanaryCheck.objects.filter(set=canaries, state=CheckState.DONE)
        .exclude(verdict=VerdictName.INCONCLUSIVE)
        .order_by("created_at")
        .values_list("created_at", "verdict")
    )
    found = list(checks)
    standing = CanarySession.objects.filter(set=canaries, fit=True, baseline__ended_at__isnull=True)
    return History(
        every=canaries.every,
        changed=tuple(at for at, verdict in found if verdict == VerdictName.BACKEND_CHANGED),
        same=tuple(at for at, verdict in found if verdict in _SAME),
        known_since=standing.aggregate(first=Min("created_at"))["first"],
    )
