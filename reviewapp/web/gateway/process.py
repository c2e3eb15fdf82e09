"""What the calls of one event loop share: the directory of keys, the seeds, the connections to providers."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from reviewapp.web.gateway import upstream
from reviewapp.web.gateway.directory import Directory
from reviewapp.web.gateway.reuse import Reuser
from reviewapp.web.gateway.seeds import Seeds
from reviewapp.web.gathering import Annotator


class Shared:
    """Made with the first call: a server without a lifespan protocol tells us of no start."""

    def __init__(self) -> None:
        self.directory = Directory()
        self.session = upstream.open_session()
        self.seeds = Seeds()
        self.reuse = Reuser()
        self.annotator = Annotator()


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Shared] = WeakKeyDictionary()


def shared() -> Shared:
    """What this event loop's calls share."""
    loop = asyncio.get_running_loop()
    found = _by_loop.get(loop)
    if found is None:
        found = _by_loop[loop] = Shared()
    return found


async def close() -> None:
    """Let go of connections and threads of this event loop."""
    found = _by_loop.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.reuse.close()
        await found.annotator.close()
        found.directory.close()
        await found.session.close()
