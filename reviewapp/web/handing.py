"""Django's pages under ASGI: in one trip to a thread, and with files handed on piece by piece.

Views and middlewares are ordinary functions. Where one middleware among them could be asynchronous, Django
has a request go from the event loop to its thread, back to the loop for that one, and to the thread again
for the view; each time two threads wait for one another. Here all of them are called in the thread.

Django reads a response with an ordinary iterator whole before it sends the first byte, and warns of that:
a static file costs a warning in the terminal, an export of gigabytes its size in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler

# A file's pieces have 4 KiB; so many at once keep the trips to the thread few.
_AT_ONCE: Final = 64


class Pages(ASGIHandler):
    """The handler of all pages."""

    def load_middleware(self, is_async: bool = False) -> None:
        """The chain of ordinary calls, and one trip to the request's thread for all of it."""
        super().load_middleware(is_async=False)
        chain: Any = self._middleware_chain  # type: ignore[has-type]  # Django's own, which has none
        self._middleware_chain = sync_to_async(chain, thread_sensitive=True)

    def resolve_request(self, request: Any) -> Any:
        """Note the route where whoever measures and traces finds it: an address holds ids, a route none."""
        found = super().resolve_request(request)
        request.scope["route"] = request.resolver_match.route
        return found

    async def send_response(self, response: Any, send: Any) -> None:
        if response.streaming and not response.is_async:
            response.streaming_content = in_pieces(iter(response.streaming_content))
        await super().send_response(response, send)


async def in_pieces(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, read in a thread as they are wanted."""
    while piece := await asyncio.to_thread(lambda: b"".join(islice(content, _AT_ONCE))):
        yield piece
