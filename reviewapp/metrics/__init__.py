"""What the app counts about itself, for Prometheus; named and measured as its conventions want it.

    metrics.RECORDED.inc(20)

Here stands what a process counts while it works. What can be looked up (queues, tables, the journal)
is asked when somebody scrapes: reviewapp/web/scraping.py.

A product is many processes. Each writes its counts into files of its own in the host's folder, and
whoever is scraped on that host adds them up, so that it does not matter which process answers. Where
metrics are off there is no folder, and a count is one addition in memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from django.conf import settings

if settings.METRICS_DIR:
    # Read by prometheus_client when it is imported: from then on values live in files.
    Path(settings.METRICS_DIR).mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = settings.METRICS_DIR

from prometheus_client import Counter, Gauge, Histogram

# From a health check to a model that thinks for minutes.
_REQUEST_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ADDED_SECONDS: Final = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)
_TASK_SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 150, 300)

REQUESTS: Final = Counter(
    "reviewapp_http_requests",
    "Requests answered, by route and status; 0 where the client left before the answer began.",
    ["method", "route", "status"],
)
REQUEST_SECONDS: Final = Histogram(
    "reviewapp_http_request_duration_seconds",
    "From a request's arrival to the last byte of its answer, streams and the model's own time included.",
    ["route"],
    buckets=_REQUEST_SECONDS,
)
GATEWAY_ADDED: Final = Histogram(
    "reviewapp_gateway_added_seconds",
    "What the gateway itself added to a call: before the provider is asked, and after its last byte.",
    buckets=_ADDED_SECONDS,
)
RECORDED: Final = Counter("reviewapp_interactions_recorded", "Interactions that are new in the tables.")
KNOWN: Final = Counter(
    "reviewapp_interactions_known", "Interactions that came again and were recorded before: deliveries twice."
)
SET_ASIDE: Final = Counter(
    "reviewapp_messages_set_aside", "Messages that could not be recorded and are kept with the reason."
)
ATTEMPTS: Final = Counter(
    "reviewapp_replay_attempts", "Attempts of replays that ended, by outcome.", ["outcome"]
)
LIST_READS: Final = Counter(
    "reviewapp_list_reads",
    "Lists and exports, by who answered them; counted where there is a replica.",
    ["answered_by"],
)
VERDICTS: Final = Counter("reviewapp_verdicts", "Comparisons made, by verdict.", ["verdict"])
ALERTS: Final = Counter(
    "reviewapp_alerts_raised", "Alerts raised, by kind and severity.", ["kind", "severity"]
)
TASKS: Final = Counter(
    "reviewapp_tasks", "Background tasks that ended, by name and outcome.", ["task", "outcome"]
)
TASK_SECONDS: Final = Histogram(
    "reviewapp_task_duration_seconds", "How long background tasks took.", ["task"], buckets=_TASK_SECONDS
)
BUSY: Final = Gauge(
    "reviewapp_worker_busy_processes",
    "Worker processes of this host that are at a task now.",
    multiprocess_mode="livesum",
)
SEEN: Final = Gauge(
    "reviewapp_worker_last_seen_timestamp_seconds",
    "When a worker of this host last showed that it lives.",
    ["worker"],
    multiprocess_mode="mostrecent",
)
