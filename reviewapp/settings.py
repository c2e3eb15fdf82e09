"""Settings, all from the environment, read strictly: a wrong value stops the start with one line.

Every name is described in docs/configuration.md. Each has a default that is right for the
embedded product (`make run`); with `REVIEWAPP_ENV=production` the defaults that would be
unsafe there are refused.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import socket
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

import structlog
from cryptography.fernet import Fernet
from csp.constants import NONE, SELF

from reviewapp.embedded import paths
from reviewapp.pure.addresses import AddressRule, WrongNetwork
from reviewapp.pure.buckets import Bucket
from reviewapp.pure.signon import WrongGroups, read_groups

BASE_DIR = Path(__file__).resolve().parent.parent


class WrongSetting(SystemExit):
    """Ends the start: one line that names the variable, what is wrong with it and the mend."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


def _text(name: str, default: str = "") -> str:
    """The variable, or the content of the file that NAME_FILE names (for secrets kept as files)."""
    file = os.environ.get(f"{name}_FILE", "")
    if file:
        if os.environ.get(name):
            raise WrongSetting(name, f"set either {name} or {name}_FILE, not both")
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise WrongSetting(f"{name}_FILE", f"can't read {file}: {error.strerror}") from None
    return os.environ.get(name, "").strip() or default


def _flag(name: str, *, default: bool) -> bool:
    value = _text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise WrongSetting(name, f"is {value!r}; write 1 or 0")


def _number(name: str, *, default: int, low: int, high: int) -> int:
    value = _text(name)
    if not value:
        return default
    if not re.fullmatch(r"\d{1,12}", value) or not low <= int(value) <= high:
        raise WrongSetting(name, f"is {value!r}; write a whole number from {low} to {high}")
    return int(value)


def _kept(path: Path, make: str) -> str:
    """The secret kept in `path`; written once, readable by this user only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make)
            file.flush()
            os.fsync(file.fileno())
        # Two processes of a first start may race: link() lets exactly one of them win.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    value = path.read_text(encoding="utf-8").strip()
    if not value:
        _stop(path)
    return value


def _stop(path: Path) -> NoReturn:
    raise WrongSetting(str(path), "is empty; restore it from a backup, or delete it to start afresh")


# --- What kind of start this is -------------------------------------------------------------

ENVIRONMENT = _text("REVIEWAPP_ENV", "local")
if ENVIRONMENT not in {"local", "production"}:
    raise WrongSetting("REVIEWAPP_ENV", f"is {ENVIRONMENT!r}; write local or production")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = False
DEMO = _flag("REVIEWAPP_DEMO", default=False)
if PRODUCTION and DEMO:
    raise WrongSetting("REVIEWAPP_DEMO", "is 1 in production; the demo project is for trying out, unset it")

HOST = _text("REVIEWAPP_HOST", "127.0.0.1")
if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", HOST):
    raise WrongSetting("REVIEWAPP_HOST", f"is {HOST!r}; write a host name or an address")
PORT = _number("REVIEWAPP_PORT", default=8000, low=1, high=65535)
DATA_DIR = Path(_text("REVIEWAPP_DATA", str(BASE_DIR / "var"))).expanduser().absolute()
if DATA_DIR.exists() and not DATA_DIR.is_dir():
    raise WrongSetting("REVIEWAPP_DATA", f"{DATA_DIR} is a file; name a folder")
# What was received and is not with the broker yet; see reviewapp/journal.
JOURNAL_DIR = str(DATA_DIR / "journal")
# Who this process is: the web process pools its connections, the others do not.
ROLE = os.environ.get("REVIEWAPP_ROLE", "")

# --- Secrets --------------------------------------------------------------------------------

SECRET_KEY = _text("REVIEWAPP_SECRET_KEY")
if not SECRET_KEY:
    if PRODUCTION:
        raise WrongSetting(
            "REVIEWAPP_SECRET_KEY", "is not set; production needs one of 50 characters or more"
        )
    try:
        SECRET_KEY = _kept(DATA_DIR / "secret_key", secrets.token_urlsafe(64))
    except OSError as error:
        raise WrongSetting("REVIEWAPP_DATA", f"can't write to {DATA_DIR}: {error.strerror}") from None
if PRODUCTION and len(SECRET_KEY) < 50:
    raise WrongSetting(
        "REVIEWAPP_SECRET_KEY", f"has {len(SECRET_KEY)} characters; production needs 50 or more"
    )

# Provider keys are encrypted with the first; the others still decrypt, so that keys can be rotated.
_encryption = _text("REVIEWAPP_ENCRYPTION_KEYS")
if not _encryption:
    if PRODUCTION:
        raise WrongSetting(
            "REVIEWAPP_ENCRYPTION_KEYS", "is not set; make one: openssl rand -base64 32 | tr +/ -_"
        )
    _encryption = _kept(DATA_DIR / "encryption_keys", Fernet.generate_key().decode())
ENCRYPTION_KEYS = [key.strip() for key in _encryption.replace("\n", ",").split(",") if key.strip()]
try:
    for _key in ENCRYPTION_KEYS:
        Fernet(_key)
except ValueError:
    raise WrongSetting(
        "REVIEWAPP_ENCRYPTION_KEYS", "holds a key that is not 32 url-safe base64-encoded bytes"
    ) from None

# Where providers, webhooks and other alert channels may be beyond public addresses. On one's own machine
# they are often local (the simulated provider is); in production an admin of a project must not reach
# into the operator's network.
try:
    ADDRESS_RULE = AddressRule.of(_text("REVIEWAPP_ALLOW_PRIVATE_ADDRESSES", "0" if PRODUCTION else "1"))
except WrongNetwork as error:
    raise WrongSetting(
        "REVIEWAPP_ALLOW_PRIVATE_ADDRESSES",
        f"holds {str(error)!r}; write 1, 0, or networks separated by commas, such as 10.20.0.0/16",
    ) from None

# --- Files of exports -----------------------------------------------------------------------

# Unset: the data folder. On several hosts a bucket that all of them reach.
_exports = _text("REVIEWAPP_EXPORTS_URL")
try:
    EXPORTS_BUCKET = Bucket.of(_exports) if _exports else None
except ValueError as error:
    raise WrongSetting("REVIEWAPP_EXPORTS_URL", str(error)) from None

# --- Seeing inside --------------------------------------------------------------------------

# Who may read /metrics. Without a token: whoever is on this machine, and in production nobody.
METRICS_TOKEN = _text("REVIEWAPP_METRICS_TOKEN")
if METRICS_TOKEN and len(METRICS_TOKEN) < 16:
    raise WrongSetting("REVIEWAPP_METRICS_TOKEN", f"has {len(METRICS_TOKEN)} characters; write 16 or more")
METRICS = bool(METRICS_TOKEN) or not PRODUCTION
# Where a worker serves its host's figures; 0: nowhere, the host has a web process that does.
METRICS_PORT = _number("REVIEWAPP_METRICS_PORT", default=0, low=0, high=65535)
# The processes of a host meet here. Containers share the data folder and count their processes each from
# one, so each host has a folder of its own.
METRICS_DIR = (
    str(DATA_DIR / "metrics" / socket.gethostname()) if METRICS and ROLE in {"web", "worker", "beat"} else ""
)
# Where traces of the app itself go (OTLP over HTTP); unset: nothing of it is even imported.
TRACES_URL = _text("REVIEWAPP_TRACES_URL")
if TRACES_URL and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", TRACES_URL):
    raise WrongSetting(
        "REVIEWAPP_TRACES_URL", f"is {TRACES_URL!r}; write such as http://collector:4318/v1/traces"
    )
TRACES_SHARE = _number("REVIEWAPP_TRACES_PERCENT", default=10, low=1, high=100) / 100

# --- Database -------------------------------------------------------------------------------


def _database(url: str, *, named_by: str = "REVIEWAPP_DATABASE_URL") -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WrongSetting(named_by, "is no URL; write postgresql://user:password@host/name") from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise WrongSetting(
            named_by,
            f"starts with {parts.scheme or 'nothing'}://; only PostgreSQL is supported: postgresql://user:password@host/name",
        )
    options = dict(parse_qsl(parts.query))
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise WrongSetting(named_by, "names no database; end it with /name")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": str(port or options.pop("port", "") or ""),
        "OPTIONS": {
            **options,
            # A worker or a page never waits for ever for a database that went away.
            "connect_timeout": 10,
            # Nor for one behind a cut cable, which says nothing: after a minute the connection is given up.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
        },
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 0 if ROLE == "web" else 60,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }


DATABASE_URL = _text("REVIEWAPP_DATABASE_URL") or paths.database_url(DATA_DIR)
DATABASES = {"default": _database(DATABASE_URL)}
if ROLE == "web":
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 20, "timeout": 10}
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
# A copy that follows the first, for lists and exports; who is asked when: reviewapp/replica.py.
DATABASE_ROUTERS = ["reviewapp.replica.Router"]
REPLICA_WAIT_SECONDS = _number("REVIEWAPP_REPLICA_WAIT_MS", default=250, low=0, high=60_000) / 1000
_replica = _text("REVIEWAPP_REPLICA_DATABASE_URL")
if _replica:
    DATABASES["replica"] = _database(_replica, named_by="REVIEWAPP_REPLICA_DATABASE_URL")
    # One that is away is done without, so nobody waits long for it; and it can't be written, so a run of
    # tests makes nothing there.
    DATABASES["replica"]["OPTIONS"] |= {
        "connect_timeout": 2,
        # The same behind a cut cable. Long statements don't mind: the other host's kernel answers for them.
        "keepalives_idle": 3,
        "keepalives_interval": 1,
        "tcp_user_timeout": 5_000,
    }
    DATABASES["replica"]["TEST"] = {"MIRROR": "default"}
    if ROLE == "web":
        # While it is away one list of each process waits so long every few seconds, to see if it is back.
        DATABASES["replica"]["OPTIONS"]["pool"] = {
            "min_size": 0,
            "max_size": 20,
            "timeout": 0.5,
            "reconnect_timeout": 1,
        }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Broker and background work ---------------------------------------------------------------

BROKER_URL = _text("REVIEWAPP_BROKER_URL") or paths.broker_url(DATA_DIR)
if urlsplit(BROKER_URL).scheme not in {"redis", "rediss", "redis+socket", "amqp", "amqps"}:
    raise WrongSetting(
        "REVIEWAPP_BROKER_URL", "must start with redis://, rediss://, redis+socket://, amqp:// or amqps://"
    )
CELERY_BROKER_URL = BROKER_URL
# Whether the workers that record have the disk of this process's journal: then a message says where the
# frames stand, and carries none of them. Nobody on another machine reaches the embedded broker.
JOURNAL_SHARED = _flag("REVIEWAPP_JOURNAL_SHARED", default=not _text("REVIEWAPP_BROKER_URL"))
CELERY_TASK_SERIALIZER = "json"
# Nothing that could run: frames of the journal come as MessagePack, which has bytes.
CELERY_ACCEPT_CONTENT = ["json", "application/x-msgpack"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    # A whole file takes minutes, and goes where files are made.
    "reviewapp.tasks.record_file": {"queue": "export"},
    "reviewapp.tasks.record_*": {"queue": "record"},
    # Short and light: the one lane that nothing long ever fills.
    "reviewapp.tasks.review_*": {"queue": "default"},
    "reviewapp.tasks.discuss_sweep": {"queue": "default"},
    # Waits for a mail server, like alerts for theirs.
    "reviewapp.tasks.discuss_mail": {"queue": "watch"},
    "reviewapp.tasks.replay_*": {"queue": "replay"},
    "reviewapp.tasks.watch_*": {"queue": "watch"},
    "reviewapp.tasks.export_*": {"queue": "export"},
    "reviewapp.tasks.find_*": {"queue": "export"},
    "reviewapp.tasks.privacy_*": {"queue": "export"},
}
# How many workers may be busy with replays at once: each keeps a process for minutes, and one must be
# left for recording. The embedded worker has a process for each core, from two to four.
REPLAY_WORKERS = _number(
    "REVIEWAPP_REPLAY_WORKERS", default=max(1, min(os.cpu_count() or 1, 4) - 1), low=1, high=1000
)
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# Noted at once, so that whether the scheduler lives can be seen from the database.
CELERY_BEAT_SYNC_EVERY = 1
CELERY_TIMEZONE = "UTC"
# Written into the database's schedule at the start, where a person may change them.
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "record-words": {"task": "reviewapp.tasks.record_words", "schedule": 2.0, "options": {"expires": 2}},
    "review-route": {"task": "reviewapp.tasks.review_route", "schedule": 5.0, "options": {"expires": 5}},
    "audit-seal": {"task": "reviewapp.tasks.review_seal_audit", "schedule": 10.0, "options": {"expires": 10}},
    "make-room": {
        "task": "reviewapp.tasks.review_make_room",
        "schedule": 300.0,
        "options": {"expires": 250},
    },
    "review-sweep": {"task": "reviewapp.tasks.review_sweep", "schedule": 60.0, "options": {"expires": 50}},
    "replay-sweep": {"task": "reviewapp.tasks.replay_sweep", "schedule": 5.0, "options": {"expires": 5}},
    "watch-pull": {"task": "reviewapp.tasks.watch_pull", "schedule": 5.0, "options": {"expires": 5}},
    "watch-canaries": {
        "task": "reviewapp.tasks.watch_sweep_canaries",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "watch-verify": {"task": "reviewapp.tasks.watch_verify", "schedule": 5.0, "options": {"expires": 5}},
    "alert-sweep": {
        "task": "reviewapp.tasks.watch_sweep_alerts",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "discuss-sweep": {
        "task": "reviewapp.tasks.discuss_sweep",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "file-sweep": {
        "task": "reviewapp.tasks.record_sweep_files",
        "schedule": 30.0,
        "options": {"expires": 25},
    },
    "bulk-sweep": {"task": "reviewapp.tasks.find_sweep", "schedule": 30.0, "options": {"expires": 25}},
    "find-learn": {"task": "reviewapp.tasks.find_learn", "schedule": 60.0, "options": {"expires": 50}},
    "privacy-retain": {
        "task": "reviewapp.tasks.privacy_retain",
        "schedule": 86_400.0,
        "options": {"expires": 3_600},
    },
    "partitions-keep": {
        "task": "reviewapp.tasks.privacy_keep_months",
        "schedule": 86_400.0,
        "options": {"expires": 3_600},
    },
    "privacy-sweep": {"task": "reviewapp.tasks.privacy_sweep", "schedule": 30.0, "options": {"expires": 25}},
    "export-sweep": {"task": "reviewapp.tasks.export_sweep", "schedule": 30.0, "options": {"expires": 25}},
}
_LIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60_000))
if urlsplit(BROKER_URL).scheme.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # Above the longest batch: a message is given to another worker only when its worker is surely gone.
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 5,
        "socket_keepalive": True,
        # A worker waits for messages and says nothing of itself: behind a cut cable it would wait for the two
        # hours of the system's own keepalive.
        "socket_keepalive_options": {
            number: value for name, value in _LIVE if (number := getattr(socket, name, None)) is not None
        },
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}

# --- Django -----------------------------------------------------------------------------------

_hosts = [host.strip() for host in _text("REVIEWAPP_ALLOWED_HOSTS").split(",") if host.strip()]
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
APP_ADDRESS = _text("REVIEWAPP_ADDRESS").rstrip("/")
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
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "reviewapp" / "locale"]
# What signing in counts; it has to hold over all web processes.
CACHES = {"default": {"BACKEND": "reviewapp.web.keeping.KeptCache"}}
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024

# --- People -----------------------------------------------------------------------------------

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
PASSWORD_WORDS = _text("REVIEWAPP_PASSWORD_WORDS").replace(",", " ").split()
BREACHED_PASSWORDS = _text("REVIEWAPP_BREACHED_PASSWORDS")
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
REQUIRE_SECOND_FACTOR = _text("REVIEWAPP_REQUIRE_SECOND_FACTOR", "off").lower()
if REQUIRE_SECOND_FACTOR not in {"off", "admins", "everyone"}:
    raise WrongSetting(
        "REVIEWAPP_REQUIRE_SECOND_FACTOR", f"is {REQUIRE_SECOND_FACTOR!r}; write off, admins or everyone"
    )
# How long somebody stays signed in: without doing anything, and at all.
SESSION_IDLE_HOURS = _number(
    "REVIEWAPP_SESSION_IDLE_HOURS", default=24 if PRODUCTION else 336, low=1, high=8760
)
SESSION_HOURS = _number("REVIEWAPP_SESSION_HOURS", default=336, low=1, high=8760)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SESSION_ENGINE = "reviewapp.web.sessions"
# --- Single sign-on ---
OIDC_URL = _text("REVIEWAPP_OIDC_URL").rstrip("/")
OIDC_CLIENT_ID = _text("REVIEWAPP_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = _text("REVIEWAPP_OIDC_CLIENT_SECRET")
OIDC_NAME = _text("REVIEWAPP_OIDC_NAME", "single sign-on")
OIDC_SCOPES = _text("REVIEWAPP_OIDC_SCOPES", "openid profile email").split()
OIDC_ROLES_CLAIM = _text("REVIEWAPP_OIDC_ROLES_CLAIM", "groups")
# Which words of the provider's `amr` claim say that it asked for a second factor.
OIDC_FACTORS = frozenset(_text("REVIEWAPP_OIDC_SECOND_FACTOR").replace(",", " ").split())
if OIDC_URL and not re.fullmatch(r"https://[^?#\s]+" if PRODUCTION else r"https?://[^?#\s]+", OIDC_URL):
    raise WrongSetting(
        "REVIEWAPP_OIDC_URL",
        f"is {OIDC_URL!r}; write the issuer with https://, such as https://id.example.org",
    )
if bool(OIDC_URL) != bool(OIDC_CLIENT_ID):
    raise WrongSetting("REVIEWAPP_OIDC_CLIENT_ID", "set REVIEWAPP_OIDC_URL and it together, or neither")
try:
    OIDC_ROLES = read_groups(_text("REVIEWAPP_OIDC_ROLES"))
except WrongGroups as error:
    raise WrongSetting(
        "REVIEWAPP_OIDC_ROLES",
        f"holds {str(error)!r}; write group=project:role, the role viewer, reviewer or admin",
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
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
_mail = _text("REVIEWAPP_EMAIL_URL")
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
# An admin to be made at the start, unless there is somebody of that address.
ADMIN_EMAIL = _text("REVIEWAPP_ADMIN_EMAIL")
ADMIN_PASSWORD = _text("REVIEWAPP_ADMIN_PASSWORD")
if ADMIN_EMAIL and not re.fullmatch(r"[^@\s]+@[^@\s]+", ADMIN_EMAIL):
    raise WrongSetting("REVIEWAPP_ADMIN_EMAIL", f"is {ADMIN_EMAIL!r}; write an e-mail address")
if bool(ADMIN_EMAIL) != bool(ADMIN_PASSWORD):
    raise WrongSetting("REVIEWAPP_ADMIN_PASSWORD", "set REVIEWAPP_ADMIN_EMAIL and it together, or neither")
DEFAULT_FROM_EMAIL = _text("REVIEWAPP_EMAIL_FROM", "reviewapp@localhost")

# --- How often -----------------------------------------------------------------------------------

# Calls a minute: of each key, and of each address with good keys; 0: as many as they like.
KEY_RATE = _number("REVIEWAPP_KEY_RATE", default=60_000 if PRODUCTION else 0, low=0, high=100_000_000)
ADDRESS_RATE = _number("REVIEWAPP_ADDRESS_RATE", default=0, low=0, high=100_000_000)
# Whether a proxy in front is believed: what it says of the scheme, and whom it got a request from.
TRUST_PROXY = _flag("REVIEWAPP_TRUST_PROXY", default=False)
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if TRUST_PROXY else 0
AXES_CLIENT_IP_CALLABLE = "reviewapp.web.limiting.address_of"

# --- Browser security ---------------------------------------------------------------------------

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Whether a browser may keep no page of somebody who is signed in.
NO_STORE = not _flag("REVIEWAPP_STORE_PAGES", default=not PRODUCTION)
# Whether a key of the API that comes by http is refused.
HTTPS_KEYS_ONLY = not _flag("REVIEWAPP_ALLOW_HTTP_KEYS", default=not PRODUCTION)
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

# --- Logs ---------------------------------------------------------------------------------------

# A request's id goes along with the tasks that it sets off, so that one search finds all that came of it.
DJANGO_STRUCTLOG_CELERY_ENABLED = True

LOG_LEVEL = _text("REVIEWAPP_LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise WrongSetting("REVIEWAPP_LOG_LEVEL", f"is {LOG_LEVEL!r}; write DEBUG, INFO, WARNING or ERROR")
# Lines for people on a terminal, JSON for machines in production.
_renderer: Any = (
    structlog.processors.JSONRenderer()
    if PRODUCTION
    # Where rich happens to be installed, it would print each frame's variables too, and take its time.
    else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
)
_shared: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
]
structlog.configure(
    processors=[*_shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer],
            "foreign_pre_chain": _shared,
        }
    },
    "handlers": {"stream": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["stream"], "level": LOG_LEVEL},
    "loggers": {
        "axes": {"level": "WARNING"},
        # Sweeps run every few seconds for ever; three lines for each of them would bury everything else.
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        # Nudges that expired before a busy worker came to them are no news.
        "celery.worker.request": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "django_structlog": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
    },
}
