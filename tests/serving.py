"""The app's own front (pages, API, gateway) on a real socket, and the worker's part done on request."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from granian.constants import Interfaces
from granian.server.embed import Server
from kombu.exceptions import ChannelError
from kombu.message import Message

from reviewapp import tasks
from reviewapp.celery import app


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving() -> Iterator[str]:
    """Serve the ASGI application as the product does, in a thread of this process; gives its address.

    The database must be one that other threads see: use `transactional_db`.
    """
    from reviewapp.asgi import application
    from reviewapp.web.gateway import process

    port = free_port()
    loop = asyncio.new_event_loop()
    server: list[Server] = []

    async def serve() -> None:
        server.append(
            Server(application, port=port, interface=Interfaces.ASGINL, log_enabled=False, websockets=False)
        )
        try:
            await server[0].serve()
        finally:
            await process.close()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    database = connections.settings[DEFAULT_DB_ALIAS]
    kept = database.get("CONN_MAX_AGE", 0)
    # As in the web process: what a page has of connections goes back with its request, whose thread ends.
    database["CONN_MAX_AGE"] = 0
    thread.start()
    _wait_for(port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(server[0].stop)
        thread.join(60)
        database["CONN_MAX_AGE"] = kept


def _wait_for(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError("the app does not listen")


def settle() -> int:
    """Do what a worker would: record everything that was received, and index its words.

    Gives the number of messages that had something to record.

    Runs in the test's own thread and on its connection, so it needs no committed data.
    """
    assert tasks.journal().wait_until_shipped(seconds=120)
    count = 0
    with app.connection() as connection, connection.channel() as channel:
        while True:
            try:
                message = channel.basic_get("record")
            except ChannelError:
                message = None
            if message is None:
                tasks.record_words()
                return count
            if not isinstance(message, Message):
                message = channel.message_to_python(message)  # RabbitMQ's own
            _, arguments, _ = message.decode()
            task = app.tasks[message.headers["task"]]
            task(**arguments)
            message.ack()
            count += task is not tasks.record_words
