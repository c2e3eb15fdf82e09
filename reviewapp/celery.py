"""The Celery application: the broker from the settings, the tasks from reviewapp/tasks.py."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
from celery import Celery
from celery.signals import (
    after_task_publish,
    beat_init,
    celeryd_init,
    heartbeat_sent,
    setup_logging,
    task_prerun,
    worker_before_create_process,
    worker_init,
    worker_process_init,
    worker_ready,
)
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.pidbox import Mailbox
from kombu.serialization import registry  # type: ignore[attr-defined]  # the stubs lack it

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")

# Messages that carry frames of the journal: bytes, which JSON would hold as a longer text.
_to_binary: Any = msgspec.msgpack.encode
_from_binary: Any = msgspec.msgpack.decode
registry.register("binary", _to_binary, _from_binary, "application/x-msgpack", "binary")
# Kombu's list of what could run code has this type, since others put more into it than values.
registry.enable("binary")


class App(Celery):
    def connection_or_acquire(self, connection: Any = None, pool: bool = True, *_: Any, **__: Any) -> Any:
        """A connection of its own for each look at the broker, never one of the pool.

        Kombu 5.7 puts a pooled connection that it closed after an error back among the good ones, and
        who takes it next can open no channel: one outage of the broker would be the last thing this
        process hears of it. Publishing has a pool that revives its connections, and keeps it.
        """
        return super().connection_or_acquire(connection, pool=False)


app = App("reviewapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Celery would close the database's connections before and after each task, and a new one costs PostgreSQL
# more than many tasks do. `renew_connections` closes what is old or broken.
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize
app.autodiscover_tasks(["reviewapp"])
# The id of the request that set a task off stands in the worker's lines too.
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def use_django_logging(**_: Any) -> None:
    """Worker lines look like everybody's: Django has configured logging already."""


@celeryd_init.connect
def see_inside(**_: Any) -> None:
    """Count what the worker does, and trace it, where the settings want that."""
    from django.conf import settings

    if settings.METRICS:
        importlib.import_module("reviewapp.metrics.working").connect()


@worker_process_init.connect
def trace_this_process(**_: Any) -> None:
    """Each fork sends its own spans: the thread that sends them does not survive a fork."""
    from django.conf import settings

    if settings.TRACES_URL:
        importlib.import_module("reviewapp.tracing").start(service="reviewapp-worker")


@worker_process_init.connect
def forget_inherited_connections(**_: Any) -> None:
    """A forked worker must not speak on its parent's database connection."""
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        connection.connection = None


@task_prerun.connect
def renew_connections(task: Any, **_: Any) -> None:
    """A task begins as a request does: what is older than CONN_MAX_AGE or out of order is closed, and what is
    kept is tried before it is used, since the database may have been away meanwhile."""
    from django.db import close_old_connections

    if not task.request.is_eager:
        close_old_connections()


@worker_init.connect
def take_back_what_the_dead_left(**_: Any) -> None:
    """Messages that a killed worker was at go back to their queues now, if it was the only one.

    Redis and Valkey themselves give them back when the visibility timeout is over, minutes later.
    Should another worker be alive after all, it and we do the same work: which is harmless, only dear.
    """
    try:
        with app.connection_for_write() as connection:
            # Both may have died at once. The worker can do nothing without the broker either.
            connection.ensure_connection(max_retries=60, interval_start=1, interval_step=0, interval_max=1)
            # Of whichever transport: only that of Redis has what is asked for here.
            channel: Any = connection.default_channel
            restore = getattr(getattr(channel, "qos", None), "restore_by_tag", None)
            if restore is None:
                return  # RabbitMQ knows at once that a consumer is gone
            with channel.conn_or_acquire() as client:
                left = client.zrange(channel.unacked_index_key, 0, -1)
            # With a mailbox of its own: the app's would leave a connection in its pool, on which the forks
            # that are about to be made would wait for ever.
            mailbox = Mailbox(app.conf.control_exchange, type="fanout", accept=["json"], serializer="json")
            workers: Any = mailbox(connection)
            if not left or workers.multi_call("ping", timeout=1, limit=1):
                return
            for tag in left:
                restore(tag)
            logging.getLogger(__name__).warning("%d messages of a worker that died are taken up", len(left))
    except Exception as error:
        # The worker itself waits for a broker that is away; this was only to save time.
        logging.getLogger(__name__).warning("what an earlier worker left can't be looked at: %s", error)


@worker_init.connect
@worker_before_create_process.connect
def share_memory(**_: Any) -> None:
    """What is loaded now stays shared with the forks: a collector that looks at it would copy every page."""
    for name in ("reviewapp.stages.replay.working", "scipy.cluster.hierarchy", "scipy.stats"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


@worker_ready.connect
def show_life(**_: Any) -> None:
    """Who started this process (a supervisor, a container's health check) sees that it works."""
    file = os.environ.get("REVIEWAPP_READY_FILE", "")
    if file:
        Path(file).touch()


@heartbeat_sent.connect
def show_life_again(**_: Any) -> None:
    """The first heartbeat comes before the worker takes tasks, so it does not count yet."""
    file = os.environ.get("REVIEWAPP_READY_FILE", "")
    if file and Path(file).exists():
        Path(file).touch()


@beat_init.connect
def show_life_with_each_task(**_: Any) -> None:
    """The scheduler has no heartbeat of its own; several tasks are due each minute."""
    show_life()
    after_task_publish.connect(show_life, weak=False)


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
