"""Starting, cancelling and retrying replay runs, and what one will cost.

A run's attempts are rows, written by one INSERT … SELECT: a hundred thousand queued replays cost no
more than their rows. Whoever starts a run nudges the workers; this stage enqueues nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, Sum
from django.utils.formats import number_format
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    Attempt,
    AttemptState,
    Interaction,
    Permission,
    Project,
    Provider,
    ReplayRun,
    RunKind,
    RunState,
)
from reviewapp.models.filters import apply, read_filter
from reviewapp.pure.prices import price_of
from reviewapp.pure.said import to_store
from reviewapp.pure.words import storable
from reviewapp.stages.administer import Refused, write_audit

MOST_ATTEMPTS = 50
# What a run may ask altogether; a larger selection is refused with the figure.
MOST_CALLS = 1_000_000
OVERRIDES_LIMIT = 100_000
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will ask: calls, tokens (as the originals used), US dollars where prices are known.

    `unseeded` of the interactions brought no seed, `errors` got no answer that a replay's could be
    compared with, `uncallable` have a provider without an address.
    """

    interactions: int
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    unseeded: int
    uncallable: int
    errors: int = 0
    providers: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "providers": list(self.providers)}


def selected(*, actor: Actor, selection: Mapping[str, Any]) -> Any:
    """The interactions that a selection names: `{"interactions": [id…]}` or `{"filter": {…}}`.

    Raises Refused, InvalidFilter.
    """
    rows = Interaction.objects.filter(project=actor.project)
    if "interactions" in selection:
        ids = _ids(selection["interactions"])
        found = dict(rows.filter(pk__in=ids).values_list("pk", "replay_of"))
        missing = set(ids) - set(found)
        if missing:
            raise Refused(
                gettext("There is no interaction %(missing)s in this project.") % {"missing": min(missing)},
                field="interactions",
            )
        # Asking the answer of a replay again means asking its original again.
        return rows.filter(pk__in={original or pk for pk, original in found.items()})
    wanted = selection.get("filter")
    if not isinstance(wanted, Mapping):
        raise Refused(gettext("Say which interactions: a list of ids, or a filter."), field="interactions")
    return apply(rows, read_filter(wanted), project=actor.project).originals()


def _ids(values: Any) -> list[UUID]:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise Refused(gettext("Give at least one interaction id."), field="interactions")
    if len(values) > 10_000:
        raise Refused(gettext("Give at most 10,000 ids; choose more by a filter."), field="interactions")
    ids = []
    for value in values:
        try:
            ids.append(value if isinstance(value, UUID) else UUID(str(value)))
        except ValueError:
            raise Refused(
                gettext("“%(value)s” is no interaction id.") % {"value": value}, field="interactions"
            ) from None
    return list(dict.fromkeys(ids))


def check_overrides(*, actor: Actor, overrides: Mapping[str, Any]) -> Provider | None:
    """The other provider that the overrides name, if any. Raises Refused for what can't be."""
    check_storable(overrides)
    for name in ("messages", "prompt", "input"):
        if name in overrides:
            raise Refused(
                gettext("“%(name)s” is the question itself; a replay asks the same one.") % {"name": name},
                field=f"overrides.{name}",
            )
    seed = overrides.get("seed")
    if seed is not None and (
        isinstance(seed, bool) or not isinstance(seed, int) or not -_INT64 <= seed < _INT64
    ):
        raise Refused(gettext("The seed must be a whole number of at most 64 bits."), field="overrides.seed")
    model = overrides.get("model")
    if "model" in overrides and (not isinstance(model, str) or not model):
        raise Refused(gettext("The model must be a name."), field="overrides.model")
    if "provider" not in overrides:
        return None
    # Without the key, which only who calls needs, and which may be unreadable.
    providers = Provider.objects.filter(project=actor.project).defer("api_key")
    provider: Provider | None = providers.filter(name=str(overrides["provider"])).first()
    if provider is None:
        raise Refused(
            gettext("There is no provider “%(name)s”.") % {"name": overrides["provider"]},
            field="overrides.provider",
        )
    if not provider.can_be_called:
        raise Refused(
            gettext("%(name)s has no base URL yet: an admin gives it one under Settings, Providers.")
            % {"name": provider.name},
            field="overrides.provider",
        )
    return provider


def check_storable(overrides: Mapping[str, Any]) -> None:
    """Names, and values that can be kept and sent. A null leaves the parameter out."""
    if "" in overrides:
        raise Refused(gettext("An override must have a name."), field="overrides")
    try:
        text = json.dumps(dict(overrides), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise Refused(gettext("An override is no JSON value."), field="overrides") from None
    if len(text) > OVERRIDES_LIMIT:
        raise Refused(
            gettext("The overrides have %(count)s characters, at most %(overrides_limit)s fit.")
            % {
                "count": number_format(len(text), force_grouping=True),
                "overrides_limit": number_format(OVERRIDES_LIMIT, force_grouping=True),
            },
            field="overrides",
        )
    if storable(text) != text or "\\u0000" in text:
        raise Refused(gettext("An override holds a NUL or half a surrogate pair."), field="overrides")


def estimate(
    *, actor: Actor, selection: Mapping[str, Any], attempts: int, overrides: Mapping[str, Any]
) -> Estimate:
    """What the run would ask. Raises Refused, InvalidFilter."""
    actor.check(Permission.REPLAY)
    _check_attempts(attempts)
    provider = check_overrides(actor=actor, overrides=overrides)
    rows = selected(actor=actor, selection=selection)
    sums = rows.aggregate(
        n=Count("pk"),
        unseeded=Count("pk", filter=Q(seed__isnull=True)),
        input=Sum("input_tokens"),
        output=Sum("output_tokens"),
        uncallable=Count("pk", filter=Q(provider__base_url="")),
        errors=Count("pk", filter=Q(status__isnull=True) | Q(status__gte=300)),
    )
    by_provider = rows.order_by().values_list("provider__name", flat=True).distinct()
    return Estimate(
        interactions=sums["n"],
        calls=sums["n"] * attempts,
        input_tokens=(sums["input"] or 0) * attempts,
        output_tokens=(sums["output"] or 0) * attempts,
        cost=_cost(rows, attempts, provider, overrides.get("model")),
        unseeded=0 if overrides.get("seed") is not None else sums["unseeded"],
        uncallable=0 if provider is not None else sums["uncallable"],
        errors=sums["errors"],
        providers=(provider.name,) if provider is not None else tuple(sorted(by_provider)),
    )


def _cost(rows: Any, attempts: int, provider: Provider | None, model: str | None) -> float | None:
    """US dollars by the providers' prices; None where one of the models has none."""
    total = 0.0
    groups = (
        rows.order_by().values("provider", "model").annotate(i=Sum("input_tokens"), o=Sum("output_tokens"))
    )
    asked = Provider.objects.filter(pk__in={group["provider"] for group in groups})
    prices = dict(asked.values_list("pk", "prices"))
    for group in groups:
        known = provider.prices if provider is not None else prices[group["provider"]]
        price = price_of(known, model or group["model"])
        if price is None:
            return None
        total += price.of(group["i"], group["o"])
    return total * attempts


def _check_attempts(attempts: Any) -> None:
    if isinstance(attempts, bool) or not isinstance(attempts, int) or not 1 <= attempts <= MOST_ATTEMPTS:
        raise Refused(
            gettext("Attempts must be a whole number from 1 to %(most_attempts)s.")
            % {"most_attempts": MOST_ATTEMPTS},
            field="attempts",
        )


@transaction.atomic
def start_run(
    *,
    actor: Actor,
    selection: Mapping[str, Any],
    now: datetime,
    attempts: int = 1,
    overrides: Mapping[str, Any] | None = None,
    note: str = "",
    kind: str = RunKind.PERSON,
) -> ReplayRun:
    """Queue a run; the caller nudges the workers on commit. Raises Refused, InvalidFilter."""
    overrides = dict(overrides or {})
    expected = estimate(actor=actor, selection=selection, attempts=attempts, overrides=overrides)
    if expected.interactions == 0:
        raise Refused(gettext("Nothing matches: there is nothing to replay."), field="filter")
    if expected.calls > MOST_CALLS:
        raise Refused(
            gettext("That would be %(calls)s calls; at most %(most_calls)s fit into one run.")
            % {
                "calls": number_format(expected.calls, force_grouping=True),
                "most_calls": number_format(MOST_CALLS, force_grouping=True),
            },
            field="attempts",
        )
    if expected.uncallable == expected.interactions:
        raise Refused(
            gettext(
                "None of the providers can be called: an admin gives them a base URL under "
                "Settings, Providers, or the replay goes to another provider."
            ),
            field="overrides.provider",
        )
    if len(note) > 2_000:
        raise Refused(gettext("The note is longer than 2,000 characters."), field="note")
    provider = check_overrides(actor=actor, overrides=overrides)
    kept = (
        {"interactions": len(selection["interactions"])}
        if "interactions" in selection
        else {"filter": dict(selection["filter"])}
    )
    run: ReplayRun = ReplayRun.objects.create(
        project=actor.project,
        kind=kind,
        note=note.replace("\x00", ""),
        said=to_store(note=note),
        selection=kept,
        attempts=attempts,
        overrides=overrides,
        estimate=expected.as_json(),
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
    )
    insert_attempts(run=run, rows=selected(actor=actor, selection=selection), provider=provider, now=now)
    write_audit(
        actor=actor,
        action="replay.start",
        target=run,
        now=now,
        calls=expected.calls,
        overrides=overrides,
        selection=kept,
    )
    return run


def start_scheduled_run(
    *,
    project: Project,
    interactions: Sequence[UUID],
    attempts: int,
    overrides: Mapping[str, Any],
    note: str,
    now: datetime,
) -> ReplayRun:
    """Queue a run of canaries within the caller's transaction; whoever commits nudges the workers.

    No audit entry: what a schedule asks was decided by whoever made the schedule.
    """
    run: ReplayRun = ReplayRun.objects.create(
        project=project,
        kind=RunKind.CANARY,
        note=note,
        said=to_store(note=note),
        selection={"interactions": len(interactions)},
        attempts=attempts,
        overrides=dict(overrides),
        created_at=now,
    )
    rows = Interaction.objects.filter(project=project, pk__in=interactions)
    insert_attempts(run=run, rows=rows, provider=None, now=now)
    return run


# A UUID of version 7 as in pure/ids.py: 48 bits of milliseconds, twelve of a counter, then chance. set_bit
# writes the version before the counter. Each thousand rows carry the next millisecond, so that they are asked
# and listed in their order.
_INSERT = """
INSERT INTO reviewapp_attempt
    (id, project_id, run_id, original_id, provider_id, variant_id, number, state, tries, created_at)
SELECT
    encode(
        set_bit(set_bit(set_bit(overlay(
            overlay(
                uuid_send(gen_random_uuid())
                PLACING int2send((place %% 1000)::int2)
                FROM 7 FOR 2
            )
            PLACING substring(int8send(%s + place / 1000) FROM 3)
            FROM 1 FOR 6
        ), 52, 1), 53, 1), 54, 1),
        'hex'
    )::uuid,
    %s, %s, original, coalesce(way, %s, own), variant, position * %s + number, 'queued', 0, %s
FROM (
    SELECT chosen.id AS original, chosen.provider_id AS own,
        variant.provider_id AS way, variant.id AS variant,
        coalesce(variant.position, 0) AS position, number,
        row_number() OVER (ORDER BY number, variant.position, chosen.started_at, chosen.id) AS place
    FROM ({chosen}) AS chosen (id, provider_id, started_at)
        CROSS JOIN generate_series(1, %s) AS number
        LEFT JOIN reviewapp_replayvariant AS variant ON variant.run_id = %s
) AS asked
"""


def insert_attempts(*, run: ReplayRun, rows: Any, provider: Provider | None, now: datetime) -> int:
    """Queue the run's attempts in each of its ways, all once before any twice; gives how many."""
    chosen, parameters = (
        rows.order_by().values_list("pk", "provider_id", "started_at").query.sql_with_params()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT.format(chosen=chosen),
            [
                int(now.timestamp() * 1000),
                run.project_id,
                run.pk,
                provider.pk if provider is not None else None,
                run.attempts,
                now,
                *parameters,
                run.attempts,
                run.pk,
            ],
        )
        return int(cursor.rowcount)


@transaction.atomic
def cancel_run(*, actor: Actor, run: ReplayRun, now: datetime) -> bool:
    """Stop a run: what waits is cancelled, calls under way are broken off within a second or two.

    False when it had ended already, which is no error.
    """
    actor.check(Permission.REPLAY)
    moved = ReplayRun.objects.filter(
        pk=run.pk, project=actor.project, state__in=[RunState.QUEUED, RunState.RUNNING]
    ).update(state=RunState.CANCELLED, finished_at=now)
    if moved:
        open_ = Attempt.objects.filter(run=run, state__in=[AttemptState.QUEUED, AttemptState.LEASED])
        _in_order(open_).update(state=AttemptState.CANCELLED, finished_at=now, lease_until=None)
        write_audit(actor=actor, action="replay.cancel", target=run, now=now)
    return bool(moved)


@transaction.atomic
def retry_failed(*, actor: Actor, run: ReplayRun, now: datetime) -> int:
    """Queue what failed once more; gives how many. The caller nudges the workers."""
    actor.check(Permission.REPLAY)
    if not ReplayRun.objects.filter(
        pk=run.pk, project=actor.project, state__in=[RunState.DONE, RunState.RUNNING]
    ).exists():
        return 0
    queued: int = _in_order(Attempt.objects.filter(run=run, state=AttemptState.FAILED)).update(
        state=AttemptState.QUEUED,
        tries=0,
        not_before=None,
        error=None,
        said=None,
        failure=None,
        finished_at=None,
    )
    if queued:
        ReplayRun.objects.filter(pk=run.pk, state=RunState.DONE).update(
            state=RunState.RUNNING, finished_at=None, nudged_at=None
        )
        write_audit(actor=actor, action="replay.retry", target=run, now=now, attempts=queued)
    return queued


def _in_order(attempts: Any) -> Any:
    """The attempts, locked in the order of their ids as everywhere, so that nobody waits in a circle."""
    return Attempt.objects.filter(pk__in=attempts.order_by("id").select_for_update().values("pk"))
