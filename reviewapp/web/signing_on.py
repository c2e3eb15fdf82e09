"""Single sign-on: who the operator's identity provider (OpenID Connect) says is there, with which roles.

Whoever signs in so is known by the provider's own id for them. The first time, an account of the same
address is theirs, if the provider says that it checked the address. An invitation proves no address, and
anybody may have opened the account before: what opened it until then opens it no more. Who has no account
gets one when a group of theirs has a role in some project; everybody else is told that one comes in by
invitation.

Roles are followed at each such sign-in, in the projects that a rule is about, and only there.
"""

from __future__ import annotations

from typing import Any, cast

import structlog
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.base.provider import Provider
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from reviewapp.models import Person, Project
from reviewapp.pure.signon import groups_of, roles_by_project
from reviewapp.stages import administer
from reviewapp.web.vouching import VouchingProvider, check_nonce

_log = structlog.get_logger(__name__)


class SignOnAdapter(DefaultSocialAccountAdapter):
    """Whom the identity provider brings."""

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Provider:
        """Ours in place of the library's: it asks with a nonce, and believes no answer unchecked."""
        found = super().get_provider(request, provider, client_id=client_id)
        return VouchingProvider(request, app=found.app) if isinstance(found, OpenIDConnectProvider) else found

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Provider,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Why somebody was not signed in is for the operator to know, and for nobody else."""
        _log.warning("sign_on.refused", code=error, reason=str(exception or "")[:300])

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Before somebody is signed in: an account that is theirs is joined, its roles follow."""
        check_nonce(sociallogin)
        signs_in = sociallogin.state.get("process") == AuthProcess.LOGIN
        if (
            signs_in
            and not sociallogin.is_existing
            and (person := _known_by_address(sociallogin)) is not None
        ):
            if not person.emailaddress_set.filter(email__iexact=person.email, verified=True).exists():
                administer.hand_over(person=person, now=timezone.now())
            sociallogin.connect(request, person)
        if sociallogin.is_existing:
            _follow(cast(Person, sociallogin.user), sociallogin)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """An account is made for whoever has a role by their groups, under an address that was checked."""
        return _checked_address(sociallogin) is not None and any(_roles(sociallogin).values())

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> Any:
        """The new account, with its name and its roles."""
        cast(Person, sociallogin.user).name = str(_claims(sociallogin).get("name") or "")[:120]
        person = super().save_user(request, sociallogin, form)
        _follow(person, sociallogin)
        return person


def _follow(person: Person, sociallogin: SocialLogin) -> None:
    administer.follow_groups(person=person, roles=_roles(sociallogin), now=timezone.now())


def _roles(sociallogin: SocialLogin) -> dict[str, str | None]:
    groups = groups_of(_claims(sociallogin).get(settings.OIDC_ROLES_CLAIM))
    projects = Project.objects.values_list("slug", flat=True) if settings.OIDC_ROLES else ()
    return roles_by_project(settings.OIDC_ROLES, groups=groups, projects=projects)


def _claims(sociallogin: SocialLogin) -> dict[str, Any]:
    """What the provider says of them, the id token's word last: it is meant for us alone."""
    told = sociallogin.account.extra_data
    return {**(told.get("userinfo") or {}), **(told.get("id_token") or {})}


def _checked_address(sociallogin: SocialLogin) -> str | None:
    claims = _claims(sociallogin)
    # True and nothing that merely looks like it: some providers write "false".
    return str(claims.get("email") or "") or None if claims.get("email_verified") is True else None


def _known_by_address(sociallogin: SocialLogin) -> Person | None:
    address = _checked_address(sociallogin)
    return None if address is None else Person.objects.filter(email__iexact=address).first()
