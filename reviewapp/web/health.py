"""`/healthz` and `/readyz`, answered before Django: under any host name, without session or sign-in.

What asks them is a machine that may come every second, so the findings are kept for a moment.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from reviewapp import health

KEPT_SECONDS: Final = 2.0
PATHS: Final = frozenset(["/healthz", "/readyz"])


class Readiness:
    """The latest findings; who asks while they are being found waits for the same ones."""

    def __init__(self) -> None:
        self._asked_at = 0.0
        self._findings: asyncio.Task[list[health.Finding]] | None = None

    async def findings(self) -> list[health.Finding]:
        now = time.monotonic()
        if self._findings is None or (self._findings.done() and now - self._asked_at > KEPT_SECONDS):
            self._asked_at = now
            self._findings = asyncio.create_task(health.findings())
        return await asyncio.shield(self._findings)


_readiness = Readiness()


async def alive(request: Request) -> PlainTextResponse:
    """200 while the process lives, whatever is the matter with the others."""
    return PlainTextResponse("ok\n")


async def ready(request: Request) -> JSONResponse:
    """The state of the parts; 503 when one is down."""
    found = await _readiness.findings()
    answer: dict[str, object] = {each.part: "ok" if each.ok else "down" for each in found}
    problems = {each.part: each.sentence for each in found if not each.ok}
    if problems:
        answer["problems"] = problems
    return JSONResponse(answer, status_code=503 if problems else 200, headers={"Cache-Control": "no-store"})


application = Starlette(routes=[Route("/healthz", alive), Route("/readyz", ready)])
