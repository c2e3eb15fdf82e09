"""The Celery application: the broker from the settings, the tasks from reviewapp/tasks.py."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")

app = Celery("reviewapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["reviewapp"])


@setup_logging.connect
def use_django_logging(**_: Any) -> None:
    """Worker lines look like everybody's: Django has configured logging already."""


@worker_process_init.connect
def forget_inherited_connections(**_: Any) -> None:
    """A forked worker must not speak on its parent's database connection."""
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        connection.connection = None


@worker_ready.connect
def leave_ready_file(**_: Any) -> None:
    """Who started this worker (a supervisor, a container's health check) sees that it takes tasks."""
    file = os.environ.get("REVIEWAPP_READY_FILE", "")
    if file:
        Path(file).touch()


@worker_ready.connect
def end_with_the_scheduler(sender: Any, **_: Any) -> None:
    """With `--beat` the scheduler is a child that Celery does not start again when it dies.

    Then the worker ends too, and whoever supervises it starts both.
    """
    scheduler = sender.controller.beat
    if scheduler is not None:
        threading.Thread(target=_outlive, args=[scheduler], name="scheduler-watch", daemon=True).start()


def _outlive(scheduler: Any) -> None:
    # Only a worker needs it, and the web process imports this module too.
    from celery.worker import state

    scheduler.join()
    asked_to_stop: list[Any] = [state.should_stop, state.should_terminate]
    if asked_to_stop == [None, None]:
        logging.getLogger(__name__).error("the scheduler died; this worker ends, to be started again with it")
        os.kill(os.getpid(), signal.SIGTERM)
