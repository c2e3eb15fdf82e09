"""What alerts tell that no other room composes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates.marking import Template, gettext_noop, ngettext

TEMPLATES: Final[Mapping[str, Template]] = {
    "alert_discussion": gettext_noop("%(name)s wrote in a discussion"),
    "alert_discussion_about": gettext_noop("About: %(about)s"),
    "alert_set_aside": ngettext(
        "A message could not be recorded and was set aside",
        "%(count)d messages could not be recorded and were set aside",
        by="count",
    ),
    "alert_set_aside_reason": gettext_noop("Nothing is lost. The reason of the last one: %(reason)s"),
    "alert_homeless": gettext_noop(
        "It names no project that exists: look at it with manage.py retry_failed_messages."
    ),
    "alert_seeds_left": ngettext(
        "%(source)s has %(left)s of its %(size)s seeds left",
        "%(source)s has %(left)s of its %(size)s seeds left",
        by="n",
    ),
    "alert_seeds_given": ngettext(
        "All %(size)s seeds of %(source)s are given", "All %(size)s seeds of %(source)s are given", by="n"
    ),
    "alert_seeds_mend": gettext_noop(
        "Reserve more: with all given, the API refuses further ones, and the gateway gives them again."
    ),
    "alert_unreached": gettext_noop("Alerts do not reach %(channel)s"),
    "alert_undelivered_day": ngettext(
        "1 alert was not delivered. A day of tries did not help: %(error)s",
        "%(count)d alerts were not delivered. A day of tries did not help: %(error)s",
        by="count",
    ),
    "alert_undelivered": ngettext(
        "1 alert was not delivered. Trying again would not help: %(error)s",
        "%(count)d alerts were not delivered. Trying again would not help: %(error)s",
        by="count",
    ),
    "compare_stumbled": gettext_noop("The answers could not be compared: %(error)s. The log has more."),
}
