"""Alert channels: what an admin sets up, switches off, deletes and takes back, and tries out."""

from __future__ import annotations

import asyncio
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    AlertChannel,
    AlertDelivery,
    AlertSeverity,
    ChannelKind,
    DeliveryState,
    Permission,
    UnreadableSecret,
)
from reviewapp.providers import messenger, webhooks
from reviewapp.providers.addresses import AddressRefused, check_written
from reviewapp.pure.ids import new_id
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.watch import messages

# So long a deletion can be taken back; then the address and the secret are forgotten.
UNDO_FOR: Final = timedelta(hours=1)
# Parameters of Apprise's services that name a file.
_OPENS_FILES: Final = frozenset(["template", "keyfile", "subfile", "pgpkey", "prv", "attach"])


@dataclass(frozen=True, slots=True)
class ChannelValues:
    """What an admin says of a channel. `url` and `secret` None keep what is stored."""

    name: str
    kind: str
    url: str | None = None
    secret: str | None = None
    least_severity: str = AlertSeverity.WARNING
    kinds: Sequence[str] = ()
    quiet_from: time | None = None
    quiet_until: time | None = None
    time_zone: str = "UTC"
    critical_passes: bool = True


def save_channel(
    *, actor: Actor, values: ChannelValues, now: datetime, channel: AlertChannel | None = None
) -> AlertChannel:
    """Add a channel, or change one. Raises Refused.

    What waits for it is looked at anew at once, since its quiet hours may be others now.
    """
    actor.check(Permission.ADMIN)
    _check_values(values, new=channel is None)
    fields: dict[str, Any] = {
        "name": values.name.strip(),
        "kind": values.kind,
        "least_severity": values.least_severity,
        "kinds": list(values.kinds),
        "quiet_from": values.quiet_from,
        "quiet_until": values.quiet_until,
        "time_zone": values.time_zone,
        "critical_passes": values.critical_passes,
    }
    if values.url:
        fields["url"] = values.url.strip()
    if values.kind == ChannelKind.APPRISE:
        fields["secret"] = None
    elif values.secret or channel is None or _lacks_secret(channel, anew=bool(values.url)):
        fields["secret"] = values.secret or webhooks.make_secret()
    try:
        with transaction.atomic():
            if channel is None:
                saved = AlertChannel.objects.create(project=actor.project, created_at=now, **fields)
            else:
                saved = channel
                for name, value in fields.items():
                    setattr(saved, name, value)
                saved.save(update_fields=list(fields))
                AlertDelivery.objects.filter(
                    channel=saved, state=DeliveryState.QUEUED, message__isnull=True, not_before__gt=now
                ).update(not_before=now)
            write_audit(
                actor=actor,
                action="alert_channel.create" if channel is None else "alert_channel.change",
                target=saved,
                now=now,
                name=saved.name,
                kind=saved.kind,
                url_changed=bool(values.url),
                secret_changed="secret" in fields,
            )
    except IntegrityError:
        raise Refused(
            gettext("There is a channel called %(name)s already.") % {"name": values.name.strip()},
            field="name",
        ) from None
    return saved


def _lacks_secret(channel: AlertChannel, *, anew: bool) -> bool:
    try:
        return channel.secret is None
    except UnreadableSecret:
        # It has one, which the earlier key may open again, unless the channel is being entered anew.
        return anew


def _check_values(values: ChannelValues, *, new: bool) -> None:
    if not values.name.strip() or len(values.name.strip()) > 100:
        raise Refused(gettext("Give the channel a name of at most 100 characters."), field="name")
    if values.kind not in ChannelKind.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(ChannelKind.values)}, field="kind"
        )
    if values.least_severity not in AlertSeverity.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(AlertSeverity.values)},
            field="least_severity",
        )
    if (values.quiet_from is None) != (values.quiet_until is None):
        raise Refused(gettext("Quiet hours need a beginning and an end, or neither."), field="quiet_until")
    if values.quiet_from is not None and values.quiet_from == values.quiet_until:
        raise Refused(gettext("Quiet hours must end at another time than they begin."), field="quiet_until")
    if values.time_zone not in zoneinfo.available_timezones():
        raise Refused(
            gettext("“%(time_zone)s” is no time zone, such as Europe/Berlin.")
            % {"time_zone": values.time_zone},
            field="time_zone",
        )
    if new and not values.url:
        raise Refused(gettext("Write the address that alerts are sent to."), field="url")
    if values.url:
        _check_url(values.kind, values.url.strip())
    if values.secret:
        try:
            webhooks.key_of(values.secret)
        except webhooks.WrongSecret as error:
            raise Refused(str(error), field="secret") from None


def _check_url(kind: str, url: str) -> None:
    if len(url) > 2000 or any(character.isspace() for character in url):
        raise Refused(gettext("An address has no spaces and at most 2,000 characters."), field="url")
    if kind == ChannelKind.APPRISE:
        names = {name.lstrip("+-:").lower() for name, _ in parse_qsl(url.partition("?")[2], True)}
        if named := sorted(names & _OPENS_FILES):
            raise Refused(
                gettext("%(named)s opens a file of the server; leave it out.") % {"named": named[0]},
                field="url",
            )
        if not messenger.is_understood(url=url):
            raise Refused(
                gettext(
                    "Apprise does not understand this address. For e-mail write "
                    "mailtos://user:password@example.org?to=team@example.org."
                ),
                field="url",
            )
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or parts.username or parts.fragment:
        raise Refused(
            gettext("Write the address with https://, such as https://example.org/hook."), field="url"
        )
    try:
        check_written(host=parts.hostname or "")
    except AddressRefused as error:
        raise Refused(error.words(), field="url") from None


@transaction.atomic
def set_enabled(*, actor: Actor, channel: AlertChannel, enabled: bool, now: datetime) -> bool:
    """Switch it on or off; what waits for one that is switched off is not sent. False: it was so already."""
    actor.check(Permission.ADMIN)
    moved = (
        AlertChannel.objects.standing()
        .filter(pk=channel.pk, project=actor.project, enabled=not enabled)
        .update(enabled=enabled)
    )
    if moved:
        if not enabled:
            _drop(channel, now, "The channel was switched off.")
        action = "alert_channel.enable" if enabled else "alert_channel.disable"
        write_audit(actor=actor, action=action, target=channel, now=now, name=channel.name)
    return bool(moved)


@transaction.atomic
def delete_channel(*, actor: Actor, channel: AlertChannel, now: datetime) -> bool:
    """Delete it; for an hour that can be taken back. False: it was deleted already."""
    actor.check(Permission.ADMIN)
    moved = (
        AlertChannel.objects.standing().filter(pk=channel.pk, project=actor.project).update(deleted_at=now)
    )
    if moved:
        _drop(channel, now, "The channel was deleted.")
        write_audit(actor=actor, action="alert_channel.delete", target=channel, now=now, name=channel.name)
    return bool(moved)


def restore_channel(*, actor: Actor, channel: AlertChannel, now: datetime) -> bool:
    """Undo a deletion. False: too late, or nothing to undo. Raises Refused for a taken name."""
    actor.check(Permission.ADMIN)
    try:
        with transaction.atomic():
            moved = AlertChannel.objects.filter(
                pk=channel.pk, project=actor.project, deleted_at__gt=now - UNDO_FOR, url__isnull=False
            ).update(deleted_at=None)
            if moved:
                write_audit(
                    actor=actor, action="alert_channel.restore", target=channel, now=now, name=channel.name
                )
    except IntegrityError:
        raise Refused(
            gettext("There is another channel called %(name)s by now.") % {"name": channel.name}, field="name"
        ) from None
    return bool(moved)


def forget_deleted(*, now: datetime) -> int:
    """Forget addresses and secrets of what was deleted and can't be taken back; gives how many."""
    return (
        AlertChannel.objects.filter(deleted_at__lte=now - UNDO_FOR)
        .exclude(url__isnull=True, secret__isnull=True)
        .update(url=None, secret=None)
    )


def _drop(channel: AlertChannel, now: datetime, reason: str) -> None:
    AlertDelivery.objects.filter(channel=channel, state=DeliveryState.QUEUED).update(
        state=DeliveryState.DROPPED, error=reason, finished_at=now
    )


def test_channel(*, actor: Actor, channel: AlertChannel, now: datetime) -> webhooks.Sending:
    """Send a message that says it is a test, now, whatever the quiet hours; gives what became of it."""
    actor.check(Permission.ADMIN)
    outcome = send(
        channel=channel, message=messages.test_message(channel=channel, id_=new_id(), now=now), now=now
    )
    write_audit(
        actor=actor,
        action="alert_channel.test",
        target=channel,
        now=now,
        name=channel.name,
        ok=outcome.ok,
        status=outcome.status,
    )
    return outcome


def shown_address(*, channel: AlertChannel) -> str:
    """As much of the address as gives no secret away: where a webhook is, which service Apprise speaks to."""
    try:
        url = channel.url or ""
    except UnreadableSecret as error:
        return str(error)
    parts = urlsplit(url)
    if channel.kind == ChannelKind.WEBHOOK:
        # The host as it was written, with its port; what stands before an @ is a secret.
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"
    return f"{parts.scheme}://…"


def send(*, channel: AlertChannel, message: messages.Message, now: datetime) -> webhooks.Sending:
    """Send one message once, by whatever the channel is."""
    if channel.secret_problem:
        return webhooks.Sending(ok=False, error=channel.secret_problem)
    if channel.url is None or channel.deleted_at is not None:
        return webhooks.Sending(ok=False, error="The channel was deleted.", may_pass=False)
    if channel.kind == ChannelKind.APPRISE:
        return messenger.send(
            url=channel.url, title=message.title, body=message.text, severity=message.severity
        )
    return asyncio.run(
        webhooks.send(
            url=channel.url, secret=channel.secret or "", message=message.id, body=message.body, now=now
        )
    )
