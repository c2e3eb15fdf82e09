"""Seeing inside: figures for Prometheus, traces of the app itself, and its logs."""

from __future__ import annotations

import re
import socket
from typing import Any

import structlog

from reviewapp.settings.place import DATA_DIR, PRODUCTION, ROLE
from reviewapp.settings.reading import WrongSetting, number, text

# Who may read /metrics. Without a token: whoever is on this machine, and in production nobody.
METRICS_TOKEN = text("REVIEWAPP_METRICS_TOKEN")
if METRICS_TOKEN and len(METRICS_TOKEN) < 16:
    raise WrongSetting("REVIEWAPP_METRICS_TOKEN", f"has {len(METRICS_TOKEN)} characters; write 16 or more")
METRICS = bool(METRICS_TOKEN) or not PRODUCTION
# Where a worker serves its host's figures; 0: nowhere, the host has a web process that does.
METRICS_PORT = number("REVIEWAPP_METRICS_PORT", default=0, low=0, high=65535)
# The processes of a host meet here. Containers share the data folder and count their processes each from
# one, so each host has a folder of its own.
METRICS_DIR = (
    str(DATA_DIR / "metrics" / socket.gethostname()) if METRICS and ROLE in {"web", "worker", "beat"} else ""
)
# Where traces of the app itself go (OTLP over HTTP); unset: nothing of it is even imported.
TRACES_URL = text("REVIEWAPP_TRACES_URL")
if TRACES_URL and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", TRACES_URL):
    raise WrongSetting(
        "REVIEWAPP_TRACES_URL", f"is {TRACES_URL!r}; write such as http://collector:4318/v1/traces"
    )
TRACES_SHARE = number("REVIEWAPP_TRACES_PERCENT", default=10, low=1, high=100) / 100

# A request's id goes along with the tasks that it sets off, so that one search finds all that came of it.
DJANGO_STRUCTLOG_CELERY_ENABLED = True

LOG_LEVEL = text("REVIEWAPP_LOG_LEVEL", "INFO").upper()
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
