"""Judgements that come while others are being committed gather for the next transaction, as in the journal.

So eight clients share a commit, which waits for the disk, and the statements before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from ninja.responses import NinjaJSONEncoder

from reviewapp.stages import export, review

log = logging.getLogger(__name__)

_AT_ONCE: Final = 50
# In place of an answer.
_UNKNOWN: Final = b"unknown"


class Unknown(Exception):
    """Nobody knows whether the judgement is kept: the database went away in the middle."""


class Annotator:
    """Writes what gathers. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[review.Given, asyncio.Future[bytes | None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._connections: list[BaseDatabaseWrapper] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="annotating", initializer=self._connect)

    async def keep(self, given: review.Given) -> bytes | None:
        """The answer to the client, once the judgement is kept; None where it must go the ordinary way.

        Raises Unknown.
        """
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, answer))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await answer

    async def close(self) -> None:
        """End the thread and its connection."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=True)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                try:
                    answers = await loop.run_in_executor(self._thread, _keep, [given for given, _ in group])
                except BaseException:
                    # Nobody else would end their waiting.
                    for _, answer in (*group, *self._waiting):
                        if not answer.done():
                            answer.set_exception(Unknown())
                    self._waiting = []
                    raise
                for (_, answer), told in zip(group, answers, strict=True):
                    if not answer.done() and told is _UNKNOWN:
                        answer.set_exception(Unknown())
                    elif not answer.done():
                        answer.set_result(told)
        finally:
            self._writer = None

    def _connect(self) -> None:
        mine = connections[DEFAULT_DB_ALIAS]
        mine.inc_thread_sharing()
        self._connections.append(mine)

    def _disconnect(self) -> None:
        for one in self._connections:
            one.close()


def _keep(given: list[review.Given]) -> list[bytes | None]:
    try:
        made = review.annotate_all(given=given, now=datetime.now(tz=UTC))
        return [None if one is None else _told(one) for one in made]
    except Exception as error:
        # Whatever it is, the ordinary way says what is the matter; the next group has a new connection.
        log.warning("Judgements can't be kept together, so each is by itself: %s", error)
        with contextlib.suppress(Exception):
            connection.close()
    try:
        # A commit may have been kept though its answer got lost.
        kept = review.kept_among(given=given)
        return [_told(kept[one.id]) if one.id in kept else None for one in given]
    except Exception:
        with contextlib.suppress(Exception):
            connection.close()
        return [_UNKNOWN] * len(given)


def _told(made: Any) -> bytes:
    return json.dumps(export.annotation_value(made), cls=NinjaJSONEncoder).encode()
