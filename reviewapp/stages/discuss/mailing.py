"""Mailing notifications to those who want them so: at least once, though any process dies.

Like an alert's delivery: the row is leased by compare-and-swap, sent, and its outcome stored under the
lease; a lease that runs out is sent again under the same Message-ID, by which a mailbox knows what comes
twice. What may pass is tried again for a day. What was read in the app meanwhile is not sent.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import F
from django.utils import translation
from django.utils.translation import gettext as _

from reviewapp.models import (
    DeliveryState,
    Membership,
    Notification,
    NotificationMail,
    Post,
    actor_for_person,
)
from reviewapp.models.discussing import readable
from reviewapp.stages.discuss.wording import sentence_of
from reviewapp.stages.watch.delivering import GIVES_UP_AFTER, LEASE, wait_after
from reviewapp.stages.watch.messages import link

# A task sends so many, so that others have their turn.
MOST: Final = 50
_SECONDS: Final = 30
_SHOWN: Final = 2_000


def sweep(*, now: datetime) -> bool:
    """Free leases that ran out; gives whether something is due."""
    lost = NotificationMail.objects.filter(state=DeliveryState.LEASED, lease_until__lt=now)
    lost.filter(first_tried_at__lte=now - GIVES_UP_AFTER).update(
        state=DeliveryState.FAILED,
        error="Each process that sent this stopped before it was done.",
        finished_at=now,
        lease_until=None,
    )
    lost.update(state=DeliveryState.QUEUED, lease_until=None, leased_by=None)
    return bool(NotificationMail.objects.filter(state=DeliveryState.QUEUED, not_before__lte=now).exists())


def send_due(*, worker: str, clock: Callable[[], datetime]) -> int:
    """Send what is due; gives how many were tried."""
    tried = 0
    while tried < MOST and (mail := lease(worker=worker, now=clock())):
        tried += 1
        error, may_pass = _send(mail.notification)
        store(mail=mail, worker=worker, error=error, may_pass=may_pass, now=clock())
    return tried


@transaction.atomic
def lease(*, worker: str, now: datetime) -> NotificationMail | None:
    """Take the next one that is due; what need not be sent any more is dropped on the way."""
    due = NotificationMail.objects.filter(state=DeliveryState.QUEUED, not_before__lte=now)
    while True:
        row = (
            due.select_for_update(skip_locked=True, of=("self",))
            .select_related("notification__project", "notification__person", "notification__by")
            .order_by("not_before", "id")
            .first()
        )
        if row is None:
            return None
        reason = _why_not(row.notification)
        if not reason:
            break
        NotificationMail.objects.filter(pk=row.pk).update(
            state=DeliveryState.DROPPED, error=reason, finished_at=now
        )
    NotificationMail.objects.filter(pk=row.pk).update(
        state=DeliveryState.LEASED,
        leased_by=worker,
        lease_until=now + LEASE,
        tries=F("tries") + 1,
        first_tried_at=row.first_tried_at or now,
    )
    found: NotificationMail = NotificationMail.objects.select_related(
        "notification__project", "notification__person", "notification__by", "notification__post"
    ).get(pk=row.pk)
    return found


def _why_not(told: Notification) -> str:
    if told.read_at is not None:
        return "It was read in the app before it was sent."
    if not told.person.is_active or not _belongs(told):
        return "The person belongs to the project no more."
    if told.post_id and Post.objects.filter(pk=told.post_id, removed_at__isnull=False).exists():
        return "What it tells of was removed before it was sent."
    return ""


def _belongs(told: Notification) -> bool:
    return Membership.objects.filter(project=told.project_id, person=told.person_id).exists()


def message_of(told: Notification) -> EmailMessage:
    """The mail, in the language of its reader; what they may not read yet does not stand in it."""
    person = told.person
    with translation.override(person.language or settings.LANGUAGE_CODE):
        sentence = sentence_of(told)
        parts = [sentence]
        post = told.post
        if post is not None:
            actor = actor_for_person(person=person, project=told.project)
            assert actor is not None  # who belongs to the project no more is not written to
            if readable(Post.objects.filter(pk=post.pk), actor).exists():
                parts.append(post.text[:_SHOWN] + ("…" if len(post.text) > _SHOWN else ""))
            else:
                parts.append(_("You can read it once you have given your own judgement."))
        parts.append(link(told.path, told.project))
        parts.append(
            _("Which notifications come by e-mail:") + " " + link("/notifications/mail/", told.project)
        )
    host = urlsplit(settings.APP_ADDRESS).hostname or "localhost"
    return EmailMessage(
        subject=" ".join(f"[{told.project.name}] {sentence}".split())[:200],
        body="\n\n".join(parts),
        to=[person.email],
        headers={"Message-ID": f"<notification-{told.pk}@{host}>", "Auto-Submitted": "auto-generated"},
    )


def _send(told: Notification) -> tuple[str, bool]:
    """What went wrong, empty if nothing did, and whether it may pass."""
    try:
        message = message_of(told)
        message.connection = get_connection(timeout=_SECONDS)
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _text in error.recipients.values()]
        return f"The mail server refuses the address: {codes[0]}.", all(code < 500 for code in codes)
    except (OSError, smtplib.SMTPException) as error:
        return f"The mail server did not take it: {error}"[:1000], True
    return "", True


@transaction.atomic
def store(*, mail: NotificationMail, worker: str, error: str, may_pass: bool, now: datetime) -> None:
    """Keep what became of it. A lease that was lost meanwhile changes nothing."""
    held = NotificationMail.objects.filter(pk=mail.pk, state=DeliveryState.LEASED, leased_by=worker)
    if not error:
        held.update(state=DeliveryState.SENT, error="", finished_at=now, lease_until=None)
        return
    began = mail.first_tried_at or now
    if may_pass and now - began < GIVES_UP_AFTER:
        held.update(
            state=DeliveryState.QUEUED,
            error=error,
            lease_until=None,
            leased_by=None,
            not_before=now + wait_after(tries=mail.tries),
        )
        return
    held.update(state=DeliveryState.FAILED, error=error, finished_at=now, lease_until=None)


def is_set_up() -> bool:
    """Whether mail leaves this installation at all."""
    return not settings.EMAIL_BACKEND.endswith("console.EmailBackend")
