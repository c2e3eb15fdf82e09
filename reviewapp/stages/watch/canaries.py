"""What people do with canaries: make them, change their schedule, pause, capture, begin anew.

make_set(…)         a starter set for a provider's model
watch_with(…)       one interaction becomes a canary of its model
change_set(…)       schedule, repeats, budget, the day the model goes
pause, resume, remove_canary, remove_set
ask_now(…)          a check, or a session of the baseline, without waiting for the schedule

What becomes of the baseline is told in `renewing`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop

from reviewapp.models import (
    CANARY_TRANSITIONS,
    Actor,
    Canary,
    CanaryBaseline,
    CanarySession,
    CanarySet,
    CanaryState,
    Endpoint,
    Interaction,
    Permission,
    Provider,
    ReplayRun,
    SessionState,
    system_actor,
)
from reviewapp.pure import rawjson
from reviewapp.stages import replay
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.watch import asking
from reviewapp.stages.watch.schedules import remove_schedule, write_schedule

MOST_CANARIES: Final = 100
MOST_REPEATS: Final = 10
LONGEST_MINUTES: Final = 7 * 24 * 60
MOST_BUDGET: Final = 1_000_000
_NO_ADDRESS: Final = gettext_noop(
    "%(name)s has no base URL yet: an admin gives it one under Settings, Providers."
)


@dataclass(frozen=True, slots=True)
class CanaryValues:
    """What a person says of a canary set."""

    every_minutes: int = 60
    learn_every_minutes: int = 480
    repeats: int = 1
    daily_budget: int = 2_000
    retires_on: date | None = None


def _check_values(values: CanaryValues) -> None:
    for name, most in (("every_minutes", LONGEST_MINUTES), ("learn_every_minutes", LONGEST_MINUTES)):
        if not 1 <= getattr(values, name) <= most:
            raise Refused(gettext("Choose from one minute to seven days."), field=name)
    if not 1 <= values.repeats <= MOST_REPEATS:
        raise Refused(
            gettext("Choose from 1 to %(most_repeats)s repeats.") % {"most_repeats": MOST_REPEATS},
            field="repeats",
        )
    if not 1 <= values.daily_budget <= MOST_BUDGET:
        raise Refused(
            gettext("Choose from 1 to %(most_budget)s requests a day.")
            % {"most_budget": number_format(MOST_BUDGET, force_grouping=True)},
            field="daily_budget",
        )


@transaction.atomic
def make_set(
    *,
    actor: Actor,
    provider: Provider,
    model: str,
    values: CanaryValues,
    now: datetime,
    starter: bool = True,
) -> CanarySet:
    """Begin to watch a provider's model; a worker prepares it. Raises Refused."""
    actor.check(Permission.ADMIN)
    _check_values(values)
    model = model.strip()
    if not model or len(model) > 200:
        raise Refused(
            gettext("Name the model as the provider calls it, in at most 200 characters."), field="model"
        )
    if not provider.can_be_called:
        raise Refused(gettext(_NO_ADDRESS) % {"name": provider.name}, field="provider")
    try:
        with transaction.atomic():
            made: CanarySet = CanarySet.objects.create(
                project=actor.project,
                provider=provider,
                model=model,
                starter=starter,
                created_by=actor.person,
                created_by_key=actor.key,
                created_at=now,
                **asdict(values),
            )
    except IntegrityError:
        raise Refused(
            gettext("%(model)s at %(name)s has its canaries already.")
            % {"model": model, "name": provider.name},
            field="model",
        ) from None
    write_audit(actor=actor, action="canaries.create", target=made, now=now, model=model, **_plain(values))
    return made


def _plain(values: CanaryValues) -> dict[str, Any]:
    told = asdict(values)
    told["retires_on"] = values.retires_on.isoformat() if values.retires_on else None
    return told


def check_can_watch(interaction: Interaction) -> None:
    """Raise Refused, with the reason, unless this interaction can be a canary."""
    if interaction.replay_of_id is not None:
        raise Refused(gettext("This is the answer to a replay; its original can be a canary."))
    if interaction.is_error:
        raise Refused(gettext("It got no answer that another could be compared with."))
    if interaction.endpoint not in {Endpoint.CHAT, Endpoint.COMPLETIONS}:
        raise Refused(gettext("Only chat completions and completions can be canaries."))
    if not interaction.model:
        raise Refused(gettext("Its request names no model."))
    if not interaction.provider.can_be_called:
        raise Refused(gettext(_NO_ADDRESS) % {"name": interaction.provider.name})


@transaction.atomic
def watch_with(*, actor: Actor, interaction: Interaction, now: datetime) -> CanarySet:
    """Make the interaction a canary of its provider's model. Raises Refused."""
    actor.check(Permission.ADMIN)
    check_can_watch(interaction)
    found = (
        CanarySet.objects.select_for_update()
        .filter(project=actor.project, provider=interaction.provider_id, model=interaction.model)
        .first()
    )
    canaries = found or make_set(
        actor=actor,
        provider=interaction.provider,
        model=interaction.model,
        values=CanaryValues(),
        now=now,
        starter=False,
    )
    if Canary.objects.filter(set=canaries).count() >= MOST_CANARIES:
        raise Refused(
            gettext("A model has at most %(most_canaries)s canaries; remove one first.")
            % {"most_canaries": MOST_CANARIES}
        )
    _, created = Canary.objects.get_or_create(
        set=canaries,
        interaction=interaction,
        defaults={"kind": _kind_of(interaction), "created_at": now},
    )
    if created:
        write_audit(
            actor=actor, action="canary.add", target=canaries, now=now, interaction=str(interaction.pk)
        )
    return canaries


def _kind_of(interaction: Interaction) -> str:
    """How its answers are compared: by what its request leaves to chance."""
    try:
        request = rawjson.parse(interaction.body.request_text)
    except rawjson.InvalidJson:
        request = None
    temperature = request.get("temperature") if isinstance(request, dict) else None
    if temperature == 0:
        return "greedy"
    return "seeded" if interaction.seed is not None else "free"


@transaction.atomic
def change_set(*, actor: Actor, canaries: CanarySet, values: CanaryValues, now: datetime) -> None:
    """Another schedule, budget or day of retirement. Raises Refused."""
    actor.check(Permission.ADMIN)
    _check_values(values)
    locked = lock(actor, canaries)
    before = {name: getattr(locked, name) for name in asdict(values)}
    for name, value in asdict(values).items():
        setattr(locked, name, value)
    locked.save(update_fields=list(before))
    if locked.state in {CanaryState.WATCHING, CanaryState.PAUSED}:
        write_schedule(locked)
    write_audit(
        actor=actor,
        action="canaries.change",
        target=locked,
        now=now,
        before=json.loads(json.dumps(before, default=str)),
        after=_plain(values),
    )


@transaction.atomic
def pause(*, actor: Actor, canaries: CanarySet, now: datetime) -> bool:
    """Ask nothing more; what is under way is stopped. False when somebody was first."""
    actor.check(Permission.ADMIN)
    locked = lock(actor, canaries)
    if not _move(locked, CanaryState.PAUSED):
        return False
    for session in CanarySession.objects.filter(set=locked, state=SessionState.ASKING).select_related("run"):
        replay.cancel_run(actor=system_actor(project=locked.project), run=session.run, now=now)
    if locked.schedule_id is not None:
        write_schedule(locked)
    write_audit(actor=actor, action="canaries.pause", target=locked, now=now)
    return True


@transaction.atomic
def resume(*, actor: Actor, canaries: CanarySet, now: datetime) -> bool:
    """Watch again, or try once more to prepare. False when somebody was first."""
    actor.check(Permission.ADMIN)
    locked = lock(actor, canaries)
    prepared = CanaryBaseline.objects.filter(set=locked).exists()
    if not _move(locked, CanaryState.WATCHING if prepared else CanaryState.PREPARING):
        return False
    CanarySet.objects.filter(pk=locked.pk).update(trouble="", said=None, tries=0, lease_until=None)
    if prepared:
        write_schedule(locked)
    write_audit(actor=actor, action="canaries.resume", target=locked, now=now)
    return True


@transaction.atomic
def remove_canary(*, actor: Actor, canary: Canary, now: datetime) -> None:
    """Ask this interaction no more. Its answers stay."""
    actor.check(Permission.ADMIN)
    locked = lock(actor, canary.set)
    Canary.objects.filter(pk=canary.pk, set=locked).delete()
    write_audit(
        actor=actor, action="canary.remove", target=locked, now=now, interaction=str(canary.interaction_id)
    )


@transaction.atomic
def remove_set(*, actor: Actor, canaries: CanarySet, now: datetime) -> None:
    """Stop to watch this model and forget its baselines and checks. The answers stay."""
    actor.check(Permission.ADMIN)
    locked = lock(actor, canaries)
    write_audit(actor=actor, action="canaries.remove", target=locked, now=now, model=locked.model)
    remove_schedule(locked)
    runs = ReplayRun.objects.filter(canary_session__set=locked, state__in=("queued", "running"))
    for run in runs:
        replay.cancel_run(actor=system_actor(project=locked.project), run=run, now=now)
    locked.delete()


@transaction.atomic
def ask_now(*, actor: Actor, canaries: CanarySet, capture: bool, now: datetime) -> UUID:
    """Begin a check now, or a session of the baseline; gives the run to nudge for. Raises Refused."""
    actor.check(Permission.ADMIN)
    locked = lock(actor, canaries)
    if locked.state != CanaryState.WATCHING:
        raise Refused(gettext("These canaries are not being asked now: resume them first."))
    run = asking.begin(set_id=locked.pk, now=now, capture=capture, forced=True)
    assert run is not None  # forced: it begins, or says why not
    write_audit(
        actor=actor,
        action="canaries.capture" if capture else "canaries.check",
        target=locked,
        now=now,
        run=str(run),
    )
    return run


def lock(actor: Actor, canaries: CanarySet) -> CanarySet:
    """The set, held until the end of the transaction."""
    found: CanarySet = (
        CanarySet.objects.select_for_update(of=("self",))
        .select_related("project", "provider")
        .defer("provider__api_key")
        .get(pk=canaries.pk, project=actor.project)
    )
    return found


def _move(canaries: CanarySet, to: CanaryState) -> bool:
    if to not in CANARY_TRANSITIONS[canaries.state]:
        return False
    moved = CanarySet.objects.filter(pk=canaries.pk, state=canaries.state).update(state=to)
    canaries.state = to
    return bool(moved)
