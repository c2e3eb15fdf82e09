"""Which passwords are refused beside short and common ones: words of this place, and breached ones."""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from reviewapp.models import Membership
from reviewapp.stages.administer import breached

log = logging.getLogger(__name__)

# What has to be left of a password without the words of this place, in letters and digits.
_LEFT: Final = 6
# Shorter ones stand in too much.
_WORD: Final = 4


class WordsOfThisPlace:
    """Refuses what is little more than names of the app, its hosts, its projects, or the operator's words."""

    def validate(self, password: str, user: Any = None) -> None:
        rest = password.casefold()
        first = None
        for word in sorted(words_of(user), key=lambda one: (-len(one), one)):
            if word in rest:
                first = first or word
                rest = rest.replace(word, " ")
        if first is not None and len(re.findall(r"\w", rest)) < _LEFT:
            raise ValidationError(
                _("“%(word)s” is tried first here. Add more to it, or leave it out."),
                code="password_of_this_place",
                params={"word": first},
            )

    def get_help_text(self) -> str:
        return _("Names of this app, its address or your projects are not enough.")


def words_of(user: Any) -> set[str]:
    """The words that whoever knows where somebody works would try first."""
    names = ["reviewapp", *settings.PASSWORD_WORDS, *settings.ALLOWED_HOSTS, settings.OIDC_NAME]
    if user is not None and user.pk is not None:
        names += Membership.objects.filter(person=user).values_list("project__name", flat=True)
    return {word for name in names for word in re.findall(r"\w+", name.casefold()) if len(word) >= _WORD}


class BreachedPasswords:
    """Refuses what stands in the operator's file; asks nobody outside."""

    def validate(self, password: str, user: Any = None) -> None:
        try:
            found = breached.is_breached(password, path=settings.BREACHED_PASSWORDS)
        except OSError:
            log.exception("The file of breached passwords can't be read")
            raise ValidationError(
                _("Whether this password is breached can't be checked now. Tell the operator."),
                code="password_unchecked",
            ) from None
        if found:
            raise ValidationError(
                _("This password is in a list of breached ones, which are tried first."),
                code="password_breached",
            )

    def get_help_text(self) -> str:
        return _("It is in no list of breached passwords.")
