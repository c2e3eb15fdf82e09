"""What the identity provider answers is taken for somebody's word only once it is checked.

The accounts library sends a state and a PKCE challenge and looks at an id token's issuer, audience and time.
Here is what it leaves out: the signature (by the keys that the provider publishes), the nonce that binds the
token to this browser's question, claims that are missing altogether, a token made out to another client
(`azp`), an issuer that is not the configured one, an answer without an id token, and a userinfo that is
about somebody else.
"""

from __future__ import annotations

import secrets
from typing import Any, Final, cast

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from jwt.exceptions import PyJWTError
from requests import RequestException

# Signatures that only the provider can make. Those by a shared secret (HS256) and none at all are refused.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
# What a provider has to say of itself.
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# How far two clocks may be apart, in seconds.
LEEWAY: Final = 60


class NotVouched(OAuth2Error):
    """The provider's answer does not prove who is there. The message says why, for the log."""


class VouchingAdapter(OpenIDConnectOAuth2Adapter):
    """Asks the provider, and believes no answer unchecked."""

    def get_provider(self) -> VouchingProvider:
        """The one provider, as it is configured."""
        return cast(VouchingProvider, super().get_provider())  # type: ignore[no-untyped-call]

    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's description of itself, which has to be of the issuer that is configured.

        Raises NotVouched when it is another's.
        """
        described: dict[str, Any] = super().openid_config
        expected = str(self.get_provider().app.settings["server_url"]).partition("/.well-known/")[0]
        if any(not isinstance(described.get(name), str) for name in ENDPOINTS):
            raise NotVouched(f"{expected} does not say {', '.join(ENDPOINTS)}")
        issuer = described.get("issuer")
        if not isinstance(issuer, str) or issuer.rstrip("/") != expected.rstrip("/"):
            raise NotVouched(f"{expected} describes itself as the issuer {issuer!r}")
        return described

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """Whom the checked id token names, with what userinfo adds. Raises NotVouched."""
        described = self.openid_config
        # RFC 9207: a provider that tells in its answer who it is has to tell the truth.
        told = request.GET.get("iss")
        if told != described["issuer"] and (
            told is not None or described.get("authorization_response_iss_parameter_supported") is True
        ):
            raise NotVouched(f"the answer says that it comes from {told!r}")
        credential = kwargs["response"].get("id_token")
        if not isinstance(credential, str):
            raise NotVouched("the answer has no id token")
        claims = self._checked(credential, client_id=app.client_id)
        data = {"id_token": claims}
        if described.get("userinfo_endpoint"):
            data["userinfo"] = self._fetch_user_info(token.token)
            if data["userinfo"].get("sub") != claims["sub"]:
                raise NotVouched("userinfo is about somebody else than the id token")
        known: SocialLogin = self.get_provider().sociallogin_from_response(request, data)
        return known

    def _checked(self, credential: str, *, client_id: str) -> dict[str, Any]:
        """The claims of an id token, all of whose promises hold. Raises NotVouched."""
        try:
            header = jwt.get_unverified_header(credential)
            claims: dict[str, Any] = jwt.decode(
                credential,
                key=self._key(header),
                algorithms=list(ALGORITHMS),
                issuer=self.openid_config["issuer"],
                audience=client_id,
                leeway=LEEWAY,
                options={"require": ["iss", "aud", "exp", "iat", "sub"]},
            )
        except PyJWTError as error:
            raise NotVouched(f"the id token does not hold: {error}") from error
        authorized = claims.get("azp")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if authorized != client_id and (authorized is not None or several):
            raise NotVouched(f"the id token is made out to {authorized!r}")
        return claims

    def _key(self, header: dict[str, Any]) -> Any:
        """The published key that the token's header names: of RSA or a curve, so no shared secret fits it."""
        with get_adapter().get_requests_session() as session:  # type: ignore[no-untyped-call]
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
            published = jwt.PyJWKSet.from_dict(answer.json()).keys
        usable = [key for key in published if key.public_key_use in {None, "sig"}]
        if "kid" in header:
            usable = [key for key in usable if key.key_id == header["kid"]]
        if len(usable) != 1:
            raise NotVouched(f"{len(usable)} published keys could have signed the id token")
        return usable[0].key


class VouchingProvider(OpenIDConnectProvider):
    """The provider as it is asked: with a nonce, and with nothing that the page's address adds."""

    oauth2_adapter_class = VouchingAdapter

    def get_auth_params(self) -> dict[str, Any]:
        """What is asked beside the standard's parameters: nothing, unless the settings say so."""
        return dict(super().get_auth_params())  # type: ignore[no-untyped-call]

    def get_scope(self) -> list[str]:
        """What is asked for is the operator's choice."""
        return list(super().get_scope())  # type: ignore[no-untyped-call]

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, Any]:
        """By a link somebody else could choose where the answer goes, or leave the checks out."""
        return self.get_auth_params()

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        """The same, whatever the link says."""
        return self.get_scope()

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """To the provider; the nonce waits in the session, beside the state that it belongs to."""
        nonce = secrets.token_urlsafe(32)
        asked = {**kwargs.pop("auth_params", self.get_auth_params()), "nonce": nonce}
        try:
            answer: HttpResponse = super().redirect(
                request, process, next_url, data, auth_params=asked, nonce=nonce, **kwargs
            )
        except (OAuth2Error, RequestException) as error:
            answer = render_authentication_error(request, self, exception=error)
        return answer


def check_nonce(sociallogin: SocialLogin) -> None:
    """The id token answers the question that this browser was sent with. Raises NotVouched."""
    asked = sociallogin.state.get("nonce")
    told = (sociallogin.account.extra_data.get("id_token") or {}).get("nonce")
    if not isinstance(asked, str) or not isinstance(told, str) or not constant_time_compare(told, asked):
        raise NotVouched("the id token does not have the nonce that was asked for")


@login_not_required
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Where the provider sends people back to: the library's page, with our checks in it."""
    adapter = VouchingAdapter(request, provider_id)
    try:
        provider = adapter.get_provider()
    except SocialApp.DoesNotExist:
        raise Http404 from None
    try:
        answer: HttpResponse = OAuth2CallbackView.adapter_view(adapter)(request)  # type: ignore[no-untyped-call]
    except (OAuth2Error, RequestException) as error:
        answer = render_authentication_error(request, provider, exception=error)
    return answer
