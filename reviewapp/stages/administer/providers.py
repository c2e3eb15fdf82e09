"""Providers and sources: what an admin connects, and what recording makes by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from reviewapp.models import Actor, Permission, Project, Provider, ReusePolicy, SeedProbe, Source
from reviewapp.providers.addresses import AddressRefused, check_written
from reviewapp.pure.said import to_store
from reviewapp.pure.seeding import SeedTrials
from reviewapp.pure.words import storable
from reviewapp.stages.administer.audit import Refused, write_audit

PROBE_TASK: Final = "reviewapp.tasks.watch_probe_seeds"


@transaction.atomic
def ensure_provider(*, project: Project, name: str, now: datetime) -> Provider:
    """The provider of that name; made (without an address) when there is none."""
    provider, _ = Provider.objects.get_or_create(project=project, name=name, defaults={"created_at": now})
    return provider


@transaction.atomic
def ensure_source(*, project: Project, name: str, now: datetime) -> Source:
    """The source of that name; made when there is none."""
    # As one that appears with its first call: hiding what the source of unnamed calls hides.
    hidden = (
        Source.objects.filter(project=project, name="default").values_list("redaction", flat=True).first()
    )
    source, _ = Source.objects.get_or_create(
        project=project, name=name, defaults={"created_at": now, "redaction": hidden}
    )
    return source


@dataclass(frozen=True, slots=True)
class ProviderValues:
    """What an admin says of a provider. `api_key` None keeps the stored one, "" removes it.

    `prices` are US dollars for a million tokens, `{model: {"input", "output"}}`; None keeps what is known.
    """

    name: str
    base_url: str = ""
    api_key: str | None = None
    max_concurrency: int = 20
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_seconds: int = 120
    is_simulated: bool = False
    verifies_by_itself: bool = False
    probe_every_hours: int | None = None
    prices: dict[str, dict[str, float]] | None = None


def _check_values(values: ProviderValues) -> None:
    if not values.name.strip() or len(values.name) > 100:
        raise Refused(gettext("Give the provider a name of at most 100 characters."), field="name")
    if values.base_url:
        parts = urlsplit(values.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refused(
                gettext("Write the base URL with http:// or https://, such as https://api.openai.com/v1."),
                field="base_url",
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise Refused(
                gettext("The base URL holds an address only; the key has a field of its own."),
                field="base_url",
            )
        try:
            check_written(host=parts.hostname)
        except AddressRefused as error:
            raise Refused(error.words(), field="base_url") from None
    if not 1 <= values.max_concurrency <= 1000:
        raise Refused(gettext("Choose from 1 to 1,000 calls at once."), field="max_concurrency")
    if values.probe_every_hours is not None and not 1 <= values.probe_every_hours <= 8_760:
        raise Refused(gettext("Choose from 1 to 8,760 hours, or none."), field="probe_every_hours")
    if not 1 <= values.timeout_seconds <= 3600:
        raise Refused(gettext("Choose a time-out from 1 to 3,600 seconds."), field="timeout_seconds")


@transaction.atomic
def save_provider(
    *, actor: Actor, values: ProviderValues, now: datetime, provider: Provider | None = None
) -> Provider:
    """Connect a provider, or change one. Raises Refused."""
    actor.check(Permission.ADMIN)
    _check_values(values)
    fields = asdict(values)
    key = fields.pop("api_key")
    fields["name"] = values.name.strip()
    fields["base_url"] = values.base_url.rstrip("/")
    if key is not None:
        fields["api_key"] = key or None
    if values.prices is None:
        del fields["prices"]
    if not values.base_url:
        fields["probe_every_hours"] = None
    first = not Provider.objects.filter(project=actor.project, is_default=True).exists()
    try:
        with transaction.atomic():
            if provider is None:
                provider = Provider.objects.create(
                    project=actor.project,
                    created_at=now,
                    is_default=first and bool(values.base_url),
                    **fields,
                )
                action = "provider.create"
            else:
                for name, value in fields.items():
                    setattr(provider, name, value)
                provider.save(update_fields=list(fields))
                action = "provider.change"
    except IntegrityError:
        raise Refused(
            gettext("There is a provider called %(name)s already.") % {"name": values.name}, field="name"
        ) from None
    write_probe_schedule(provider)
    write_audit(
        actor=actor,
        action=action,
        target=provider,
        now=now,
        name=provider.name,
        base_url=provider.base_url,
        key_changed=key is not None,
    )
    return provider


@transaction.atomic
def make_default_provider(*, actor: Actor, provider: Provider, now: datetime) -> None:
    """The provider that calls go to when neither the request nor its source names one."""
    actor.check(Permission.ADMIN)
    if not provider.can_be_called:
        raise Refused(
            gettext("%(name)s has no base URL yet, so nothing can be sent to it.") % {"name": provider.name}
        )
    Provider.objects.filter(project=actor.project, is_default=True).update(is_default=False)
    Provider.objects.filter(pk=provider.pk, project=actor.project).update(is_default=True)
    write_audit(actor=actor, action="provider.default", target=provider, now=now)


@dataclass(frozen=True, slots=True)
class SeedSeen:
    """What a probe of a model's seed showed."""

    model: str
    trials: SeedTrials
    honoured: bool | None
    sentence: str


def note_seed(*, provider: Provider, seed: SeedSeen, now: datetime, scheduled: bool = False) -> None:
    """Keep it beside the earlier ones."""
    SeedProbe.objects.create(
        project_id=provider.project_id,
        provider=provider,
        model=seed.model,
        at=now,
        honoured=seed.honoured,
        same=seed.trials.same,
        asked=seed.trials.asked,
        chance=seed.trials.chance,
        others=seed.trials.others,
        echoed=seed.trials.echoed,
        sentence=storable(seed.sentence),
        said=to_store(sentence=seed.sentence),
        scheduled=scheduled,
    )


def write_probe_schedule(provider: Provider) -> None:
    """Make beat's row say what the provider says. Call it within the transaction of the deed."""
    name = f"seed probe {provider.pk}"
    if provider.probe_every_hours is None:
        PeriodicTask.objects.filter(name=name).delete()
        return
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=provider.probe_every_hours, period=IntervalSchedule.HOURS
    )
    PeriodicTask.objects.update_or_create(
        name=name,
        defaults={
            "task": PROBE_TASK,
            "interval": interval,
            "crontab": None,
            "kwargs": json.dumps({"provider_id": str(provider.pk)}),
            "enabled": True,
            "expire_seconds": 3600 * provider.probe_every_hours,
            "description": f"Does {provider.name} heed seeds?",
        },
    )


@transaction.atomic
def note_test(
    *,
    actor: Actor,
    provider: Provider,
    findings: Sequence[Mapping[str, Any]],
    now: datetime,
    seed: SeedSeen | None = None,
) -> None:
    """Keep what the Test button found, with when it was."""
    actor.check(Permission.ADMIN)
    if seed is not None:
        note_seed(provider=provider, seed=seed, now=now)
    tested = {"at": now.isoformat(), "findings": [dict(finding) for finding in findings]}
    Provider.objects.filter(pk=provider.pk, project=actor.project).update(tested=tested)
    write_audit(actor=actor, action="provider.test", target=provider, now=now)


@dataclass(frozen=True, slots=True)
class SourceValues:
    """What an admin says of a source."""

    name: str
    provider: Provider | None = None
    add_seed: bool = False
    add_logprobs: bool = False
    reuse: str = ReusePolicy.OFF.value
    reuse_days: int | None = None


@transaction.atomic
def save_source(*, actor: Actor, values: SourceValues, now: datetime, source: Source | None = None) -> Source:
    """Add a source, or change one. Raises Refused."""
    actor.check(Permission.ADMIN)
    if not values.name.strip() or len(values.name) > 100:
        raise Refused(gettext("Give the source a name of at most 100 characters."), field="name")
    if values.provider is not None and values.provider.project_id != actor.project.pk:
        raise Refused(gettext("That provider belongs to another project."), field="provider")
    if values.reuse not in ReusePolicy.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(ReusePolicy.values)}, field="reuse"
        )
    if values.reuse_days is not None and not 1 <= values.reuse_days <= 36_500:
        raise Refused(gettext("Choose from 1 to 36,500 days, or none."), field="reuse_days")
    try:
        with transaction.atomic():
            if source is None:
                source = Source(project=actor.project, created_at=now)
            source.name = values.name.strip()
            source.provider = values.provider
            source.add_seed = values.add_seed
            source.add_logprobs = values.add_logprobs
            source.reuse = values.reuse
            source.reuse_days = values.reuse_days
            source.save()
    except IntegrityError:
        raise Refused(
            gettext("There is a source called %(name)s already.") % {"name": values.name}, field="name"
        ) from None
    write_audit(
        actor=actor, action="source.save", target=source, now=now, name=source.name, reuse=source.reuse
    )
    return source
