"""The broker, the queues that tasks go to, and what is done again and again."""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import urlsplit

from reviewapp.embedded import paths
from reviewapp.settings.place import DATA_DIR
from reviewapp.settings.reading import WrongSetting, flag, number, text

BROKER_URL = text("REVIEWAPP_BROKER_URL") or paths.broker_url(DATA_DIR)
if urlsplit(BROKER_URL).scheme not in {"redis", "rediss", "redis+socket", "amqp", "amqps"}:
    raise WrongSetting(
        "REVIEWAPP_BROKER_URL", "must start with redis://, rediss://, redis+socket://, amqp:// or amqps://"
    )
CELERY_BROKER_URL = BROKER_URL
# Whether the workers that record have the disk of this process's journal: then a message says where the
# frames stand, and carries none of them. Nobody on another machine reaches the embedded broker.
JOURNAL_SHARED = flag("REVIEWAPP_JOURNAL_SHARED", default=not text("REVIEWAPP_BROKER_URL"))
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
REPLAY_WORKERS = number(
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
            option: value for name, value in _LIVE if (option := getattr(socket, name, None)) is not None
        },
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
