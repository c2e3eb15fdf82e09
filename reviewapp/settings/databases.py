"""The database, and the copy of it that lists and exports may be read from."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from reviewapp.embedded import paths
from reviewapp.settings.place import DATA_DIR, ROLE
from reviewapp.settings.reading import WrongSetting, number, text


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


DATABASE_URL = text("REVIEWAPP_DATABASE_URL") or paths.database_url(DATA_DIR)
DATABASES = {"default": _database(DATABASE_URL)}
if ROLE == "web":
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 20, "timeout": 10}
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
# A copy that follows the first, for lists and exports; who is asked when: reviewapp/replica.py.
DATABASE_ROUTERS = ["reviewapp.replica.Router"]
REPLICA_WAIT_SECONDS = number("REVIEWAPP_REPLICA_WAIT_MS", default=250, low=0, high=60_000) / 1000
_replica = text("REVIEWAPP_REPLICA_DATABASE_URL")
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
