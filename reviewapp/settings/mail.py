"""The server that mail goes out by."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from reviewapp.settings.reading import WrongSetting, text

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
_mail = text("REVIEWAPP_EMAIL_URL")
if _mail:
    _parts = urlsplit(_mail)
    if _parts.scheme not in {"smtp", "smtps", "smtp+tls"} or not _parts.hostname:
        raise WrongSetting("REVIEWAPP_EMAIL_URL", "must look like smtp+tls://user:password@host:587")
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = _parts.hostname
    EMAIL_PORT = _parts.port or {"smtp": 25, "smtps": 465, "smtp+tls": 587}[_parts.scheme]
    EMAIL_HOST_USER = unquote(_parts.username or "")
    EMAIL_HOST_PASSWORD = unquote(_parts.password or "")
    EMAIL_USE_SSL = _parts.scheme == "smtps"
    EMAIL_USE_TLS = _parts.scheme == "smtp+tls"
DEFAULT_FROM_EMAIL = text("REVIEWAPP_EMAIL_FROM", "reviewapp@localhost")
