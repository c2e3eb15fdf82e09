"""llama.cpp servers of the tiny model, for tests that want an engine nobody here wrote."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.serving import free_port

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "tiny-llm"


def need_tiny_model() -> None:
    """Skip, with the reason, where the model or its engine is not there."""
    pytest.importorskip("xllamacpp", reason="needs the llama.cpp server of the development dependencies")
    if not FOLDER.is_dir():
        pytest.skip("needs ../shared/tiny-llm, which stands beside the project only where it is developed")


# serve.py with another default of top_p, as an operator may set it: the first argument.
_OTHER_SAMPLER: Final = """
import runpy, sys, xllamacpp
share, Server = float(sys.argv.pop(1)), xllamacpp.Server
def started(params):
    params.sampling.top_p = share
    return Server(params)
xllamacpp.Server = started
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@contextlib.contextmanager
def serving(model: str, *options: str, top_p: float | None = None) -> Iterator[str]:
    """One server of a model in `models/`, maybe of another sampler; gives its address, without `/v1`."""
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            *(() if top_p is None else ("-c", _OTHER_SAMPLER, str(top_p))),
            str(FOLDER / "serve.py"),
            str(FOLDER / "models" / f"{model}.gguf"),
            "--port",
            str(port),
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": ""},
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(3000):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the model server does not answer")


@contextlib.contextmanager
def traffic(url: str, *, clients: int = 2) -> Iterator[None]:
    """Other people's requests, whose batches move the last digits of ours."""
    done = threading.Event()
    chance = random.Random(11)
    prompts = json.loads((FOLDER / "canaries.json").read_text())["long"]

    def ask() -> None:
        while not done.is_set():
            body = {
                "messages": [{"role": "user", "content": chance.choice(prompts)}],
                "seed": chance.randrange(1, 2**31),
                "max_tokens": chance.randint(5, 60),
            }
            call = urllib.request.Request(
                f"{url}/v1/chat/completions",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(call, timeout=600) as reply:
                reply.read()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join(600)
