"""Routing rules: which of what was recorded goes to which queue.

Rules pull: nothing that records calls them. A mark says up to when everything was looked at; it
stays behind the clock, and once a minute everything up to `LOOK_BACK` behind it is looked at again,
for rows are not committed in the order of their times. Looking twice costs nothing but time: what
is in a queue is not put in again, and whether a rule's sample takes an interaction hangs on the two
of them alone.

A rule that asks for a verdict is about replays: it looks at comparisons as they are made, and what
it sends is the replay's answer beside its original.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    Comparison,
    Fingerprint,
    FingerprintState,
    Interaction,
    Permission,
    Queue,
    QueueItem,
    QueueState,
    RoutingRule,
    Watermark,
    unsearchable,
)
from reviewapp.models.filters import apply, read_filter
from reviewapp.models.sweeping import each
from reviewapp.pure.words import storable
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.review.items import Entry, enqueue

LAG: Final = timedelta(seconds=5)
LOOK_BACK: Final = timedelta(minutes=15)
SWEEP_EVERY: Final = timedelta(minutes=1)
BATCH: Final = 2000
# What a preview counts to, and what one back-fill brings.
PREVIEW_MOST: Final = 10_000
BACKFILL_MOST: Final = 10_000
_MARK: Final = "routing"
_LEFT: Final = "rule "


@dataclass(frozen=True, slots=True)
class RuleValues:
    """What a rule's form says. Probabilities are shares of one, as screens show them."""

    name: str
    filter: Mapping[str, Any] = field(default_factory=dict)
    sample: float = 1.0
    certainty_below: float | None = None
    token_below: float | None = None
    refused: bool = False
    new_fingerprint: bool = False
    daily_cap: int | None = None


@transaction.atomic
def save_rule(
    *, actor: Actor, queue: Queue, values: RuleValues, now: datetime, rule: RoutingRule | None = None
) -> RoutingRule:
    """Make a rule, or change one. It looks at what is recorded from now on. Raises Refused, InvalidFilter."""
    actor.check(Permission.ADMIN)
    kept = _checked(values)
    if rule is None:
        place = RoutingRule.objects.filter(queue=queue).count()
        saved: RoutingRule = RoutingRule.objects.create(
            project=actor.project,
            queue=queue,
            place=place,
            since=now,
            created_by=actor.person,
            created_at=now,
            **kept,
        )
    else:
        RoutingRule.objects.filter(pk=rule.pk, project=actor.project).update(**kept)
        saved = RoutingRule.objects.get(pk=rule.pk)
    write_audit(actor=actor, action="rule.save", target=saved, now=now, name=saved.name, queue=queue.name)
    return saved


def _checked(values: RuleValues) -> dict[str, Any]:
    name = storable(values.name).strip()
    if not name or len(name) > 120:
        raise Refused(gettext("Give the rule a name of at most 120 characters."), field="name")
    if not 0 < values.sample <= 1:
        raise Refused(gettext("The sample is a share above 0 and up to 100 %."), field="sample")
    for which in ("certainty_below", "token_below"):
        share = getattr(values, which)
        if share is not None and not 0 < share <= 1:
            raise Refused(gettext("A probability lies above 0 and up to 100 %."), field=which)
    if values.daily_cap is not None and values.daily_cap < 1:
        raise Refused(gettext("At least one a day, or no limit."), field="daily_cap")
    wanted = read_filter(values.filter)
    if wanted.replays:
        raise Refused(
            gettext("Rules look at what sources asked; for replays ask for a verdict."), field="filter"
        )
    return {
        "name": name,
        "filter": wanted.values(),
        "sample": values.sample,
        "mean_logprob_below": _log(values.certainty_below),
        "min_logprob_below": _log(values.token_below),
        "refused": values.refused,
        "new_fingerprint": values.new_fingerprint,
        "daily_cap": values.daily_cap,
    }


def _log(share: float | None) -> float | None:
    return None if share is None else math.log(share)


@transaction.atomic
def move_rule(*, actor: Actor, rule_id: UUID, is_active: bool, now: datetime) -> bool:
    """Turn a rule on or off. Turned on, it looks at what is recorded from then on."""
    actor.check(Permission.ADMIN)
    rules = RoutingRule.objects.visible_to(actor).filter(pk=rule_id, is_active=not is_active)
    moved = rules.update(is_active=is_active, **({"since": now} if is_active else {}))
    if moved:
        rule = RoutingRule.objects.get(pk=rule_id)
        write_audit(actor=actor, action="rule.on" if is_active else "rule.off", target=rule, now=now)
    return bool(moved)


@transaction.atomic
def raise_rule(*, actor: Actor, rule_id: UUID, now: datetime) -> bool:
    """Have a rule asked before the one that is asked before it: the first that takes an answer brings it."""
    actor.check(Permission.ADMIN)
    rule = RoutingRule.objects.visible_to(actor).filter(pk=rule_id).first()
    if rule is None:
        return False
    # Two who move at once move one after the other.
    rules = list(
        RoutingRule.objects.select_for_update().filter(queue=rule.queue_id).order_by("place", "created_at")
    )
    at = rules.index(rule) if rule in rules else 0
    if at == 0:
        return False
    rules[at - 1], rules[at] = rules[at], rules[at - 1]
    for place, one in enumerate(rules):
        one.place = place
    RoutingRule.objects.bulk_update(rules, ["place"])
    write_audit(actor=actor, action="rule.raise", target=rule, now=now, name=rule.name, place=at)
    return True


@transaction.atomic
def remove_rule(*, actor: Actor, rule_id: UUID, now: datetime) -> bool:
    """Remove a rule; what it brought stays, and still says so."""
    actor.check(Permission.ADMIN)
    rule = RoutingRule.objects.visible_to(actor).filter(pk=rule_id).first()
    if rule is None:
        return False
    write_audit(actor=actor, action="rule.remove", target=rule, now=now, name=rule.name)
    Watermark.objects.filter(pk=_left(rule)).delete()
    rule.delete()
    return True


# ---- what matches ----


def matching(rule: RoutingRule) -> QuerySet[Any]:
    """The interactions that the rule is about, whenever recorded, the sample not yet drawn.

    A sample of everything is of what people's assistants asked: the app's own canary questions are
    brought only where the filter asks for them.
    """
    wanted = read_filter({k: v for k, v in rule.filter.items() if k != "verdict"}).browsed
    rows = apply(Interaction.objects.filter(project=rule.project_id), wanted, project=rule.project_id)
    if rule.mean_logprob_below is not None:
        rows = rows.filter(mean_logprob__lt=rule.mean_logprob_below)
    if rule.min_logprob_below is not None:
        rows = rows.filter(min_logprob__lt=rule.min_logprob_below)
    if rule.refused:
        rows = rows.filter(refused=True)
    if rule.new_fingerprint:
        new = Fingerprint.objects.filter(
            project=OuterRef("project"),
            provider=OuterRef("provider"),
            value=OuterRef("fingerprint"),
            state=FingerprintState.NEW,
        )
        rows = rows.filter(Exists(new))
    found: QuerySet[Any] = rows
    return found


def _compared(rule: RoutingRule) -> QuerySet[Any]:
    """For a rule about replays: the comparisons with its verdict, of interactions that match."""
    return Comparison.objects.of_replays().filter(
        project=rule.project_id,
        verdict=rule.filter["verdict"],
        original__in=matching(rule).order_by().values("pk"),
    )


def is_about_replays(rule: RoutingRule) -> bool:
    """Whether it sends replays' answers."""
    return "verdict" in rule.filter


def takes(rule: RoutingRule, interaction_id: UUID) -> bool:
    """Whether the rule's sample has this one: the same answer at every look."""
    if rule.sample >= 1:
        return True
    digest = hashlib.sha256(rule.pk.bytes + interaction_id.bytes).digest()
    return int.from_bytes(digest[:8]) / 2**64 < rule.sample


@dataclass(frozen=True, slots=True)
class Preview:
    """How many there are that a rule would have brought; `or_more` where counting stopped."""

    matching: int
    sampled: int
    or_more: bool


def preview(*, rule: RoutingRule) -> Preview:
    """What the rule would bring of what is recorded already. The rule may not be saved yet."""
    rows = _compared(rule) if is_about_replays(rule) else matching(rule)
    count = len(rows.order_by().values_list("pk")[: PREVIEW_MOST + 1])
    or_more = count > PREVIEW_MOST
    count = min(count, PREVIEW_MOST)
    return Preview(matching=count, sampled=round(count * rule.sample), or_more=or_more)


def draft_rule(*, actor: Actor, queue: Queue, values: RuleValues, now: datetime) -> RoutingRule:
    """The rule as it would be, not saved. Raises Refused, InvalidFilter."""
    return RoutingRule(project=actor.project, queue=queue, since=now, created_at=now, **_checked(values))


# ---- bringing ----


@transaction.atomic
def backfill(*, actor: Actor, rule: RoutingRule, now: datetime) -> int:
    """Bring what was recorded before the rule was, the newest first; gives how many were put in."""
    actor.check(Permission.ADMIN)
    if is_about_replays(rule):
        return _send_replays(rule, _compared(rule).order_by("-created_at")[:BACKFILL_MOST], now, actor=actor)
    rows = matching(rule).order_by("-started_at", "-id").values_list("pk", flat=True)[:BACKFILL_MOST]
    return _send(rule, [Entry(pk, None, 0.0) for pk in rows], now, actor=actor)


def route(*, now: datetime) -> int:
    """Look at what was recorded and compared since the last time; gives how many items were put in."""
    rules = list(
        RoutingRule.objects.filter(is_active=True, queue__state=QueueState.OPEN)
        .select_related("queue__project")
        .order_by("project", "place", "created_at")
    )
    with transaction.atomic():
        Watermark.objects.get_or_create(pk=_MARK)
        mark = Watermark.objects.select_for_update(skip_locked=True).filter(pk=_MARK).first()
        if mark is None:
            return 0
        until = _until(rules, now)
        since = mark.created_at or until
        if mark.swept_at is None or now - mark.swept_at >= SWEEP_EVERY:
            since -= LOOK_BACK
            mark.swept_at = now
        left = dict(Watermark.objects.filter(name__startswith=_LEFT).values_list("name", "created_at"))
        added = each(
            rules,
            lambda rule: _route(rule, since=left.get(_left(rule)) or since, until=until, now=now),
            what="A routing rule",
            # The mark goes on for the others; this rule looks again from here.
            stumbled=lambda rule: Watermark.objects.get_or_create(
                pk=_left(rule), defaults={"created_at": since}
            ),
        )
        mark.created_at = until
        mark.save()
    return sum(added)


def _until(rules: Iterable[RoutingRule], now: datetime) -> datetime:
    """Up to when everything is recorded, and searchable where a rule looks for words."""
    until = now - LAG
    if any("q" in rule.filter for rule in rules):
        since = unsearchable().since
        if since is not None:
            return min(until, since - timedelta(microseconds=1))
    return until


def _left(rule: RoutingRule) -> str:
    """The name of the mark from which a rule looks that could not look when the others did."""
    return f"{_LEFT}{rule.pk.hex}"


def _route(rule: RoutingRule, *, since: datetime, until: datetime, now: datetime) -> int:
    added = _look(rule, since=since, until=until, now=now)
    Watermark.objects.filter(pk=_left(rule)).delete()
    return added


def _look(rule: RoutingRule, *, since: datetime, until: datetime, now: datetime) -> int:
    window = {"created_at__gt": max(since, rule.since), "created_at__lte": until}
    if is_about_replays(rule):
        return _send_replays(rule, _compared(rule).filter(**window).order_by("created_at"), now)
    waiting = QueueItem.objects.filter(queue=rule.queue_id, interaction=OuterRef("pk"), attempt=None)
    rows = matching(rule).filter(~Exists(waiting), **window).order_by("created_at", "id")
    added = 0
    chosen: list[Entry] = []
    for pk in rows.values_list("pk", flat=True).iterator(chunk_size=BATCH):
        chosen.append(Entry(pk, None, 0.0))
        if len(chosen) == BATCH:
            added += _send(rule, chosen, now)
            chosen = []
    added += _send(rule, chosen, now)
    return added


def _send_replays(
    rule: RoutingRule, comparisons: Iterable[Comparison], now: datetime, *, actor: Actor | None = None
) -> int:
    # The surer the verdict, the more it matters.
    entries = [Entry(one.original_id, one.attempt_id, one.confidence or 0.0) for one in comparisons]
    return _send(rule, entries, now, actor=actor)


def _send(rule: RoutingRule, entries: Sequence[Entry], now: datetime, *, actor: Actor | None = None) -> int:
    taken = [entry for entry in entries if takes(rule, entry.interaction_id)]
    if rule.daily_cap is not None:
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        today = QueueItem.objects.filter(rule=rule, created_at__gte=day).count()
        there = set(
            QueueItem.objects.filter(
                queue=rule.queue_id, interaction__in=[entry.interaction_id for entry in taken]
            ).values_list("interaction", "attempt")
        )
        taken = [entry for entry in taken if (entry.interaction_id, entry.attempt_id) not in there]
        taken = taken[: max(0, rule.daily_cap - today)]
    if not taken:
        return 0
    return enqueue(queue=rule.queue, entries=taken, reason=rule.name, now=now, rule=rule, actor=actor)
