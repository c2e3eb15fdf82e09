"""What callers and browsers are held to: how often, over what, and what a page may do."""

from __future__ import annotations

from csp.constants import NONE, SELF

from reviewapp.settings.application import ALLOWED_HOSTS
from reviewapp.settings.place import PRODUCTION
from reviewapp.settings.reading import flag, number

# Calls a minute: of each key, and of each address with good keys; 0: as many as they like.
KEY_RATE = number("REVIEWAPP_KEY_RATE", default=60_000 if PRODUCTION else 0, low=0, high=100_000_000)
ADDRESS_RATE = number("REVIEWAPP_ADDRESS_RATE", default=0, low=0, high=100_000_000)
# Whether a proxy in front is believed: what it says of the scheme, and whom it got a request from.
TRUST_PROXY = flag("REVIEWAPP_TRUST_PROXY", default=False)
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if TRUST_PROXY else 0
AXES_CLIENT_IP_CALLABLE = "reviewapp.web.limiting.address_of"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Whether a browser may keep no page of somebody who is signed in.
NO_STORE = not flag("REVIEWAPP_STORE_PAGES", default=not PRODUCTION)
# Whether a key of the API that comes by http is refused.
HTTPS_KEYS_ONLY = not flag("REVIEWAPP_ALLOW_HTTP_KEYS", default=not PRODUCTION)
# People are led to https. A program is not, so that it is told (web/encrypted.py).
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^api/(?!v1/docs)"]
if PRODUCTION:
    # A browser takes cookies of this name from this host alone, over TLS, for all paths.
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    LANGUAGE_COOKIE_NAME = "__Host-language"
    SESSION_COOKIE_SECURE = True
    LANGUAGE_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    if TRUST_PROXY:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    CSRF_TRUSTED_ORIGINS = [f"https://{host.lstrip('.')}" for host in ALLOWED_HOSTS]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        # Images that a conversation carries itself (data:) are shown; nothing is fetched from elsewhere.
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
