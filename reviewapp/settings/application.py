"""Django's own: the hosts that it answers for, its applications, middleware, templates and languages."""

from __future__ import annotations

import ipaddress
import re

from reviewapp.settings.place import BASE_DIR, DATA_DIR, HOST, PORT, PRODUCTION, ROLE
from reviewapp.settings.reading import WrongSetting, text

_hosts = [host.strip() for host in text("REVIEWAPP_ALLOWED_HOSTS").split(",") if host.strip()]
if PRODUCTION and not _hosts:
    raise WrongSetting(
        "REVIEWAPP_ALLOWED_HOSTS", "is not set; name the hosts people use, separated by commas"
    )
if PRODUCTION and "*" in _hosts:
    raise WrongSetting("REVIEWAPP_ALLOWED_HOSTS", "is *; production must name its hosts")
for _host in _hosts:
    if re.fullmatch(r"\*|\.?[\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]", _host) is None:
        raise WrongSetting(
            "REVIEWAPP_ALLOWED_HOSTS",
            f"names {_host!r}; write host names without scheme, port or path, such as review.example",
        )
ALLOWED_HOSTS = _hosts or ["localhost", "127.0.0.1", "[::1]", HOST]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


# Where people reach the app, for links in messages: what a proxy shows can't be known from here.
APP_ADDRESS = text("REVIEWAPP_ADDRESS").rstrip("/")
if APP_ADDRESS and not re.fullmatch(r"https?://[^/?#\s]+", APP_ADDRESS):
    raise WrongSetting(
        "REVIEWAPP_ADDRESS", f"is {APP_ADDRESS!r}; write it with https://, such as https://review.example.org"
    )
if not APP_ADDRESS and PRODUCTION:
    APP_ADDRESS = f"https://{ALLOWED_HOSTS[0].lstrip('.')}"
elif not APP_ADDRESS:
    _name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(HOST, HOST)  # noqa: S104
    APP_ADDRESS = f"http://{f'[{_name}]' if ':' in _name else _name}:{PORT}"

if not PRODUCTION and not _hosts and not _is_loopback(HOST):
    # Somebody opened it to a network on purpose; the embedded product has no TLS of its own.
    ALLOWED_HOSTS = ["*"] if HOST in {"0.0.0.0", "::"} else ALLOWED_HOSTS  # noqa: S104

INSTALLED_APPS = [
    "reviewapp.apps.ReviewappConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_htmx",
    "template_partials",
    "django_filters",
    "ninja",
    "django_celery_beat",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "csp",
    "django_structlog",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "reviewapp.web.packing.PageCompressionMiddleware",
    "reviewapp.web.revealing.RevealingMiddleware",
    "csp.middleware.CSPMiddleware",
    "reviewapp.web.sessions.SessionMiddleware",
    "reviewapp.web.languages.PageLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "reviewapp.web.activity.ActivityMiddleware",
    "reviewapp.web.frame.ProjectMiddleware",
    "reviewapp.web.second_factors.SecondFactorMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "reviewapp.urls"
ASGI_APPLICATION = "reviewapp.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "reviewapp.web.frame.frame",
            ],
        },
    }
]
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if ROLE in {"web", "prepare"} or PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
LANGUAGE_CODE = "en"
# What has no catalogue here is not offered: the texts of the packages alone would make a mixture.
LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("ja", "日本語"),
    ("ar", "العربية"),
]
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "reviewapp" / "locale"]
# What signing in counts; it has to hold over all web processes.
CACHES = {"default": {"BACKEND": "reviewapp.web.keeping.KeptCache"}}
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
