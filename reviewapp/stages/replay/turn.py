"""What the lanes of one worker's turn share: the run, the threads for the database, whether to go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import close_old_connections, connection

from reviewapp.models import ReplayRun

T = TypeVar("T")

# Leasing, storing and beating each have a thread, so that a long batch delays no heartbeat.
_THREADS: Final = 3


@dataclass
class Turn:
    """One worker's turn on one run. An asynchronous context manager: at its end no connection is left."""

    run: ReplayRun
    worker: str
    clock: Callable[[], datetime]
    on_stored: Callable[[], None]
    # What each of the run's ways of asking changes, by variant.
    overrides: Mapping[UUID | None, Mapping[str, Any]]
    # Start no further call; when cancelled, hang up those that are open.
    stopping: bool = False
    cancelled: bool = False

    async def __aenter__(self) -> Turn:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="replay-rows")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close each thread's connection: all of them must be busy with it at the same moment."""
        together = threading.Barrier(_THREADS)

        def close() -> None:
            try:
                together.wait(60)
            finally:
                connection.close()

        loop = asyncio.get_running_loop()
        closing: list[Any] = [loop.run_in_executor(self._threads, close) for _ in range(_THREADS)]
        await asyncio.gather(*closing, return_exceptions=True)
        self._threads.shutdown()

    async def rows(self, deed: Callable[[], T]) -> T:
        """Do something with the database, beside the loop. Who is cancelled meanwhile waits for its end."""

        def run() -> T:
            close_old_connections()
            return deed()

        doing = asyncio.get_running_loop().run_in_executor(self._threads, run)
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            await asyncio.wait([doing])
            raise
