"""What workers count of their tasks; connected by reviewapp/celery.py, where metrics are on."""

from __future__ import annotations

import time
from typing import Any

from celery import signals
from django.conf import settings

from reviewapp import metrics
from reviewapp.metrics import exposing

_began: dict[str, float] = {}
_OUTCOMES = {"SUCCESS": "done", "FAILURE": "failed", "REJECTED": "returned", "RETRY": "returned"}


def connect() -> None:
    """Count from now on."""
    signals.task_prerun.connect(_begin, weak=False)
    signals.task_postrun.connect(_end, weak=False)
    signals.heartbeat_sent.connect(_beat, weak=False)
    signals.worker_ready.connect(_open, weak=False)


def _begin(task_id: str, **_: Any) -> None:
    _began[task_id] = time.perf_counter()
    metrics.BUSY.set(1)


def _end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    metrics.BUSY.set(0)
    began = _began.pop(task_id, None)
    name = task.name.rpartition(".")[2]
    metrics.TASKS.labels(name, _OUTCOMES.get(state or "", "other")).inc()
    if began is not None:
        metrics.TASK_SECONDS.labels(name).observe(time.perf_counter() - began)


def _beat(sender: Any, **_: Any) -> None:
    metrics.SEEN.labels(sender.eventer.hostname).set(time.time())


def _open(**_: Any) -> None:
    exposing.started(host=settings.HOST, port=settings.METRICS_PORT)
