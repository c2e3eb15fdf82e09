"""What a notification says, in a sentence."""

from __future__ import annotations

from django.utils.translation import gettext as _

from reviewapp.models import Notification, NotificationKind


def sentence_of(told: Notification, *, subject: str | None = None) -> str:
    """For its reader, `subject` in their language; the words of a post stand in none."""
    who = told.by.short_name if told.by is not None else _("Somebody")
    values = {"who": who, "subject": told.subject if subject is None else subject}
    if told.kind == NotificationKind.MENTION:
        return _("%(who)s mentions you in a discussion") % values
    if told.kind == NotificationKind.REPLY:
        return _("%(who)s writes in a discussion you are in") % values
    if told.kind == NotificationKind.ADJUDICATED:
        if told.key.endswith(":counts"):
            return _("%(who)s decided in “%(subject)s”: your judgement counts") % values
        return _("%(who)s decided in “%(subject)s”: another judgement than yours counts") % values
    if told.kind == NotificationKind.RETURNED:
        return _("%(who)s sent an item of “%(subject)s” back that you had judged") % values
    if told.kind == NotificationKind.CHANGE:
        return _("A backend change waits for your decision: %(subject)s") % values
    if told.key.endswith(":review"):
        return _("%(who)s asks you to review in “%(subject)s”") % values
    if told.key.endswith(":decide"):
        return _("%(who)s asks you to decide where people disagree in “%(subject)s”") % values
    return _("People disagree in “%(subject)s”, and you decide") % values
