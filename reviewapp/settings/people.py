"""Who signs in, by what, and for how long."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from reviewapp.pure.signon import WrongGroups, read_groups
from reviewapp.settings.place import PRODUCTION
from reviewapp.settings.reading import WrongSetting, number, text

AUTH_USER_MODEL = "reviewapp.Person"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "reviewapp.web.passwords.WordsOfThisPlace"},
]
# Words that no password may be made of, and the file of breached ones, sorted by SHA-1.
PASSWORD_WORDS = text("REVIEWAPP_PASSWORD_WORDS").replace(",", " ").split()
BREACHED_PASSWORDS = text("REVIEWAPP_BREACHED_PASSWORDS")
if BREACHED_PASSWORDS:
    if not (Path(BREACHED_PASSWORDS).is_file() and os.access(BREACHED_PASSWORDS, os.R_OK)):
        raise WrongSetting(
            "REVIEWAPP_BREACHED_PASSWORDS", f"names {BREACHED_PASSWORDS}, which is no file that can be read"
        )
    AUTH_PASSWORD_VALIDATORS.append({"NAME": "reviewapp.web.passwords.BreachedPasswords"})
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "reviewapp.web.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
# What one signs in by is changed only by who gave password or second factor within the last minutes.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_PREVENT_ENUMERATION = True
# Codes of a second factor are counted by person: only who knows the password comes so far. Passwords are
# axes' work, by name and address together, so that nobody locks out somebody else.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/15m/key", "login": None, "reset_password": "20/m/ip,5/m/key"}
USERSESSIONS_TRACK_ACTIVITY = True
# Passkeys, too: as a second factor, or instead of the password where the authenticator knows its owner.
MFA_ADAPTER = "reviewapp.web.accounts.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "reviewapp"
# Without TLS a browser lets passkeys be used on this machine alone.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION
# Who must have a second factor: until they have one, nothing else is open to them.
REQUIRE_SECOND_FACTOR = text("REVIEWAPP_REQUIRE_SECOND_FACTOR", "off").lower()
if REQUIRE_SECOND_FACTOR not in {"off", "admins", "everyone"}:
    raise WrongSetting(
        "REVIEWAPP_REQUIRE_SECOND_FACTOR", f"is {REQUIRE_SECOND_FACTOR!r}; write off, admins or everyone"
    )
# How long somebody stays signed in: without doing anything, and at all.
SESSION_IDLE_HOURS = number(
    "REVIEWAPP_SESSION_IDLE_HOURS", default=24 if PRODUCTION else 336, low=1, high=8760
)
SESSION_HOURS = number("REVIEWAPP_SESSION_HOURS", default=336, low=1, high=8760)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SESSION_ENGINE = "reviewapp.web.sessions"

# Single sign-on by OpenID Connect.
OIDC_URL = text("REVIEWAPP_OIDC_URL").rstrip("/")
OIDC_CLIENT_ID = text("REVIEWAPP_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = text("REVIEWAPP_OIDC_CLIENT_SECRET")
OIDC_NAME = text("REVIEWAPP_OIDC_NAME", "single sign-on")
OIDC_SCOPES = text("REVIEWAPP_OIDC_SCOPES", "openid profile email").split()
OIDC_ROLES_CLAIM = text("REVIEWAPP_OIDC_ROLES_CLAIM", "groups")
# Which words of the provider's `amr` claim say that it asked for a second factor.
OIDC_FACTORS = frozenset(text("REVIEWAPP_OIDC_SECOND_FACTOR").replace(",", " ").split())
if OIDC_URL and not re.fullmatch(r"https://[^?#\s]+" if PRODUCTION else r"https?://[^?#\s]+", OIDC_URL):
    raise WrongSetting(
        "REVIEWAPP_OIDC_URL",
        f"is {OIDC_URL!r}; write the issuer with https://, such as https://id.example.org",
    )
if bool(OIDC_URL) != bool(OIDC_CLIENT_ID):
    raise WrongSetting("REVIEWAPP_OIDC_CLIENT_ID", "set REVIEWAPP_OIDC_URL and it together, or neither")
try:
    OIDC_ROLES = read_groups(text("REVIEWAPP_OIDC_ROLES"))
except WrongGroups as _error:
    raise WrongSetting(
        "REVIEWAPP_OIDC_ROLES",
        f"holds {str(_error)!r}; write group=project:role, the role viewer, reviewer or admin",
    ) from None
SOCIALACCOUNT_ADAPTER = "reviewapp.web.signing_on.SignOnAdapter"
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
if OIDC_URL:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "SCOPE": OIDC_SCOPES,
        "APPS": [
            {
                "provider_id": "sso",
                "name": OIDC_NAME,
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
                "settings": {"server_url": OIDC_URL, "oauth_pkce_enabled": True},
            }
        ],
    }
# Tokens of the provider are of no use here, and what is not kept can't be stolen.
SOCIALACCOUNT_STORE_TOKENS = False
# A link: after a form the Content-Security-Policy would hold up the way through the provider's own hosts.
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "login"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "account/locked_out.html"
AXES_VERBOSE = False
# An admin to be made at the start, unless there is somebody of that address.
ADMIN_EMAIL = text("REVIEWAPP_ADMIN_EMAIL")
ADMIN_PASSWORD = text("REVIEWAPP_ADMIN_PASSWORD")
if ADMIN_EMAIL and not re.fullmatch(r"[^@\s]+@[^@\s]+", ADMIN_EMAIL):
    raise WrongSetting("REVIEWAPP_ADMIN_EMAIL", f"is {ADMIN_EMAIL!r}; write an e-mail address")
if bool(ADMIN_EMAIL) != bool(ADMIN_PASSWORD):
    raise WrongSetting("REVIEWAPP_ADMIN_PASSWORD", "set REVIEWAPP_ADMIN_EMAIL and it together, or neither")
