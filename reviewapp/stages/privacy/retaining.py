"""Retention: what is older than a rule's days is deleted, a batch at a time, every day. A hold wins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop

from reviewapp.models import (
    Actor,
    Canary,
    Export,
    ExportState,
    FailedMessage,
    Interaction,
    Permission,
    RetentionRule,
    Source,
    VerdictName,
    system_actor,
)
from reviewapp.models.counting import About, about
from reviewapp.models.filters import Filter, apply
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.export import keeping
from reviewapp.stages.privacy.clearing import BATCH, clear, not_held, withdraw_exports

RULES_LIMIT: Final = 20
LONGEST: Final = 36_500


@dataclass(frozen=True, slots=True)
class RuleValues:
    """What an admin says of a rule."""

    days: int
    source: Source | None = None
    verdict: str = ""
    flagged: str = ""

    def check(self, actor: Actor) -> None:
        """Raise Refused for what can't be."""
        if not 1 <= self.days <= LONGEST:
            raise Refused(
                gettext("Choose from 1 to %(longest)s days.")
                % {"longest": number_format(LONGEST, force_grouping=True)},
                field="days",
            )
        if self.source is not None and self.source.project_id != actor.project.pk:
            raise Refused(gettext("That source belongs to another project."), field="source")
        if self.verdict and self.verdict not in VerdictName.values:
            raise Refused(
                gettext("Choose one of %(choices)s.") % {"choices": ", ".join(VerdictName.values)},
                field="verdict",
            )
        if self.flagged not in {"", "yes", "no"}:
            raise Refused(gettext("Choose yes or no."), field="flagged")


@dataclass(frozen=True, slots=True)
class WouldGo:
    """What a rule would delete now, and the oldest of it; `held`: what only a hold keeps."""

    count: About
    held: About
    oldest: datetime | None


def would_go(*, actor: Actor, values: RuleValues, now: datetime) -> WouldGo:
    """What a rule would delete. Raises Refused."""
    actor.check(Permission.ADMIN)
    values.check(actor)
    rule = RetentionRule(
        project=actor.project,
        days=values.days,
        source=values.source,
        verdict=values.verdict,
        flagged=values.flagged,
    )
    matching = _matching(rule, now)
    free = not_held(matching)
    oldest = free.order_by("started_at").values_list("started_at", flat=True).first()
    return WouldGo(about(free), about(matching.exclude(pk__in=free.values("pk"))), oldest)


@transaction.atomic
def add_rule(*, actor: Actor, values: RuleValues, now: datetime) -> RetentionRule:
    """Have it deleted from the next night on. Raises Refused."""
    actor.check(Permission.ADMIN)
    values.check(actor)
    if RetentionRule.objects.filter(project=actor.project).count() >= RULES_LIMIT:
        raise Refused(gettext("There are %(rules_limit)s rules already.") % {"rules_limit": RULES_LIMIT})
    made: RetentionRule = RetentionRule.objects.create(
        project=actor.project,
        days=values.days,
        source=values.source,
        verdict=values.verdict,
        flagged=values.flagged,
        created_by=actor.person,
        created_at=now,
    )
    write_audit(actor=actor, action="retention.add", target=made, now=now, **_told(made))
    return made


@transaction.atomic
def remove_rule(*, actor: Actor, rule: RetentionRule, now: datetime) -> None:
    """Delete nothing by it any more."""
    actor.check(Permission.ADMIN)
    write_audit(actor=actor, action="retention.remove", target=rule, now=now, **_told(rule))
    RetentionRule.objects.filter(pk=rule.pk, project=actor.project).delete()


def _told(rule: RetentionRule) -> dict[str, Any]:
    return {
        "days": rule.days,
        "source": rule.source.name if rule.source else None,
        "verdict": rule.verdict,
        "flagged": rule.flagged,
    }


def _matching(rule: RetentionRule, now: datetime) -> Any:
    """What is old enough, holds aside. What a canary asks stays: the watch would lose its question."""
    wanted = Filter(verdict=rule.verdict, flagged=rule.flagged, replays="no")
    rows = apply(Interaction.objects.filter(project=rule.project), wanted, project=rule.project)
    rows = rows.filter(started_at__lt=now - timedelta(days=rule.days))
    if rule.source_id is not None:
        rows = rows.filter(source=rule.source_id)
    return rows.filter(~Exists(Canary.objects.filter(interaction=OuterRef("pk"))))


def retain(*, rule_id: UUID, now: datetime, batch: int = BATCH) -> bool:
    """One batch of a rule; whether there may be more."""
    rule = RetentionRule.objects.select_related("project", "source").filter(pk=rule_id).first()
    if rule is None:
        return False
    ids = list(not_held(_matching(rule, now)).order_by("started_at").values_list("pk", flat=True)[:batch])
    counts: Counter[str] = Counter()
    with transaction.atomic():
        files = withdraw_exports(project=rule.project, interactions=ids)
        if ids:
            counts += clear(project=rule.project, interactions=ids)
        if rule.takes_everything:
            counts += _others(rule, now)
        if counts or files:
            write_audit(
                actor=system_actor(project=rule.project),
                action="retention.run",
                target=rule,
                now=now,
                deleted=dict(counts),
                exports=len(files),
                **_told(rule),
            )
    return len(ids) == batch


def _others(rule: RetentionRule, now: datetime) -> Counter[str]:
    """What is no interaction and just as old: messages set aside, files of exports."""
    before = now - timedelta(days=rule.days)
    gone, _ = FailedMessage.objects.filter(project=rule.project, created_at__lt=before).delete()
    removed = 0
    for export in Export.objects.filter(project=rule.project, state=ExportState.DONE, created_at__lt=before):
        keeping.remove(export=export)
        removed += Export.objects.filter(pk=export.pk, state=ExportState.DONE).update(
            state=ExportState.FAILED,
            error=gettext_noop("The file was removed: it was older than the project keeps data."),
        )
    return Counter({name: n for name, n in (("failedmessage", gone), ("export file", removed)) if n})
