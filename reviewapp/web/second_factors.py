"""Who must have a second factor and has none sets one up first, and reaches nothing else until then.

All pages are closed to them but those by which one is set up: what is added later is closed too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog
from allauth.account.signals import authentication_step_completed, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_used,
)
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from reviewapp.models import Person
from reviewapp.stages import administer

_log = structlog.get_logger(__name__)

# What is needed to set one up, to read the page, and to go away.
OPEN: Final = frozenset(
    {
        *("mfa_index", "mfa_activate_totp", "mfa_list_webauthn", "mfa_add_webauthn"),
        *("mfa_reauthenticate", "mfa_reauthenticate_webauthn", "account_reauthenticate"),
        *("account_set_password", "account_change_password", "account_logout"),
        *("language", "sign-in-link"),
    }
)
# In a session that began with a second factor at the identity provider.
VOUCHED: Final = "second_factor_vouched"


class SecondFactorMiddleware:
    """Sets `request.must_enrol`, and leads whom it is true of to where a second factor is set up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        must_enrol = (
            request.user.is_authenticated
            and VOUCHED not in request.session
            and administer.lacks_factor(person=request.user)
        )
        request.must_enrol = must_enrol  # type: ignore[attr-defined]
        if must_enrol:
            # The frame around the open pages, and of errors, tells nothing of any project.
            request.actor = None  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: object
    ) -> HttpResponseBase | None:
        """Nothing for who may go on; where to set one up for who may not."""
        match = request.resolver_match
        if not request.must_enrol or (match is not None and match.url_name in OPEN):  # type: ignore[attr-defined]
            return None
        told = _("Set up a second factor first: until then everything else is closed to you.")
        if request.path.startswith("/api/"):
            return JsonResponse(
                {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": told},
                status=403,
                content_type="application/problem+json",
            )
        if request.headers.get("HX-Request"):
            return HttpResponse(status=403, headers={"HX-Redirect": reverse("mfa_index")})
        if request.method in {"GET", "HEAD"}:
            return redirect("mfa_index")
        raise PermissionDenied(told)


@receiver(user_logged_in)
def note_the_providers_factor(request: HttpRequest, **kwargs: Any) -> None:
    """A single sign-on counts as a second factor where the operator says which of the provider's do."""
    sociallogin = kwargs.get("sociallogin")
    if sociallogin is not None:
        told = (sociallogin.account.extra_data.get("id_token") or {}).get("amr")
        if isinstance(told, list) and settings.OIDC_FACTORS & {one for one in told if isinstance(one, str)}:
            request.session[VOUCHED] = True


@receiver(authentication_step_completed)
def begin_another_session(request: HttpRequest, **kwargs: Any) -> None:
    """Who showed once more who they are goes on in a session whose key nobody had before.

    It stays the one that began when it began: how long it lasts in all, counts from then.
    """
    if kwargs.get("reauthenticated"):
        before = request.session.session_key
        request.session.cycle_key()
        UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


@receiver(authenticator_used)
def note_use(request: HttpRequest, user: Person, authenticator: Authenticator, **kwargs: Any) -> None:
    """Which second factor was given, when and by whom, stands in the log."""
    _log.info("second_factor.given", person=str(user.pk), kind=authenticator.type)


@receiver(authentication_failed)
def note_failure(request: HttpRequest, user: Person, **kwargs: Any) -> None:
    """So does each that was wrong."""
    _log.warning("second_factor.wrong", person=str(user.pk))


@receiver([authenticator_added, authenticator_removed])
def end_other_sessions(request: HttpRequest, user: Person, **kwargs: Any) -> None:
    """A session that began before the second factor was there, or with one that is gone, is over."""
    administer.sign_out_everywhere(person=user, now=timezone.now(), keep=request.session.session_key)
