"""Real llama.cpp servers of changed models: started, asked, stopped.

One process serves a whole fleet (one slot, one thread each), so that forty replicas cost 260 MB. The
server object can hang at interpreter exit, so processes are killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT.parent / "shared" / "tiny-llm"
TRIES = 3


def _free_ports(count: int) -> int:
    """The first of so many neighbouring free ports."""
    for first in range(21_000, 60_000, 64):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise OSError("no free ports")


def _wait_for(port: int) -> None:
    for _ in range(600):
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1),
        ):
            return
        time.sleep(0.05)
    raise TimeoutError("the model server does not answer")


@contextlib.contextmanager
def fleet(models: Sequence[Path]) -> Iterator[list[str]]:
    """Several models, each on its own port, one slot each: deterministic. Gives their addresses."""
    first = _free_ports(len(models))
    command = [sys.executable, str(TINY / "serve_many.py"), str(first), *map(str, models)]
    with _process(command, [first + number for number in range(len(models))]):
        yield [f"http://127.0.0.1:{first + number}" for number in range(len(models))]


@contextlib.contextmanager
def batching(model: Path, *, slots: int = 4) -> Iterator[str]:
    """One model whose slots share batches: other traffic moves the last digits."""
    port = _free_ports(1)
    command = [
        sys.executable, str(TINY / "serve.py"), str(model), "--port", str(port), "--slots", str(slots),
    ]  # fmt: skip
    with _process(command, [port]):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _process(command: Sequence[str], ports: Sequence[int]) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": ""},
    )
    try:
        for port in ports:
            _wait_for(port)
        yield
    finally:
        process.kill()
        process.wait()


def http() -> aiohttp.ClientSession:
    """Each request on a connection of its own: on a busy machine the server closes those that wait."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))


@contextlib.asynccontextmanager
async def traffic(url: str, *, clients: int, seed: int) -> AsyncIterator[None]:
    """Other people's requests, so many at a time, of random lengths."""
    rng = np.random.default_rng(seed)
    stop = asyncio.Event()
    prompts = json.loads((TINY / "canaries.json").read_text())["long"]

    async def one(session: aiohttp.ClientSession) -> None:
        while not stop.is_set():
            body = {
                "messages": [{"role": "user", "content": prompts[int(rng.integers(len(prompts)))]}],
                "seed": int(rng.integers(1, 2**31)),
                "max_tokens": int(rng.integers(5, 80)),
            }
            # On a busy machine the server gives some up; others follow.
            with contextlib.suppress(aiohttp.ClientError):
                async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
                    await answer.read()

    async with http() as session:
        tasks = [asyncio.create_task(one(session)) for _ in range(clients)]
        await asyncio.sleep(0.2 if clients else 0)
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)


async def ask(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """One answer; an error stops the bench, for a missing row would be a biased one.

    A connection that the server gave up is made anew: on a busy machine it may wait too long for a request.
    """
    for left in reversed(range(TRIES)):
        try:
            async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
                answer.raise_for_status()
                told: dict[str, Any] = await answer.json()
                return told
        except aiohttp.ClientConnectionError:
            if not left:
                raise
    raise AssertionError("unreachable: the last try returns or raises")
