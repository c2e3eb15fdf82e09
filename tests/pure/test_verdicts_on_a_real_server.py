"""The verdicts on answers of llama.cpp: noise must not pass for a change, nor a change for noise."""

from __future__ import annotations

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reviewapp.formats.openai import read_exchange
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts import Evidence, SetVerdict, VerdictKind, compare, summarise
from tests.serving import free_port

pytest.importorskip("xllamacpp", reason="needs the llama.cpp server of the development dependencies")

REPLAYS = 5
TEMPERATURES = (0.0, 0.7)


class Server:
    """One llama.cpp server, asked over HTTP."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, prompt: str, *, seed: int, temperature: float, tokens: int = 40) -> Exchange:
        request = {
            "messages": [{"role": "user", "content": prompt}],
            "seed": seed,
            "temperature": temperature,
            "max_tokens": tokens,
            "logprobs": True,
            "top_logprobs": 20,
            "cache_prompt": False,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
        }
        call = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            json.dumps(request).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(call, timeout=600) as reply:
            response = json.load(reply)
        # The server names its model file, which an API would not.
        response["model"] = "tiny"
        return read_exchange(endpoint="chat.completions", request=request, response=response)


@contextmanager
def serving(folder: Path, model: str, *, slots: int = 1) -> Iterator[Server]:
    port = free_port()
    script, weights = str(folder / "serve.py"), str(folder / "models" / f"{model}.gguf")
    process = subprocess.Popen(
        [sys.executable, script, weights, "--port", str(port), "--slots", str(slots)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": ""},
    )
    try:
        _wait_for(port)
        yield Server(port)
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


@contextmanager
def other_traffic(server: Server, prompts: list[str]) -> Iterator[None]:
    """Other people's requests, whose batches move the last digits of ours."""
    done = threading.Event()
    chance = random.Random(11)

    def ask() -> None:
        while not done.is_set():
            prompt = chance.choice(prompts) * chance.randint(1, 3)
            server.ask(prompt, seed=chance.randrange(1, 2**31), temperature=1.0, tokens=chance.randint(5, 60))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join(600)


@pytest.fixture(scope="module")
def folder() -> Path:
    found = Path(__file__).resolve().parents[3] / "shared" / "tiny-llm"
    if not found.is_dir():
        pytest.skip("needs ../shared/tiny-llm, which stands beside the project only where it is developed")
    return found


@pytest.fixture(scope="module")
def prompts(folder: Path) -> list[str]:
    found: dict[str, Any] = json.loads((folder / "canaries.json").read_text())
    return list(found["long"][:8])


@pytest.fixture(scope="module")
def originals(folder: Path, prompts: list[str]) -> dict[tuple[int, float], Exchange]:
    with serving(folder, "base") as server:
        return {
            (place, temperature): server.ask(prompt, seed=500 + place, temperature=temperature)
            for place, prompt in enumerate(prompts)
            for temperature in TEMPERATURES
        }


def replayed(server: Server, prompts: list[str], temperature: float) -> Iterator[tuple[int, list[Exchange]]]:
    for place, prompt in enumerate(prompts):
        yield (
            place,
            [server.ask(prompt, seed=500 + place, temperature=temperature) for _ in range(REPLAYS)],
        )


def judged(
    originals: dict[tuple[int, float], Exchange], server: Server, prompts: list[str], temperature: float
) -> list[SetVerdict]:
    return [
        summarise(originals[place, temperature], attempts)
        for place, attempts in replayed(server, prompts, temperature)
    ]


def test_the_same_model_under_load_is_never_a_changed_backend(
    folder: Path, prompts: list[str], originals: dict[tuple[int, float], Exchange]
) -> None:
    kinds = []
    with serving(folder, "base", slots=4) as server, other_traffic(server, prompts):
        for temperature in TEMPERATURES:
            for place, attempts in replayed(server, prompts, temperature):
                original = originals[place, temperature]
                kinds += [compare(original, attempt).kind for attempt in attempts]
                others = Evidence(others=tuple(attempts[1:]))
                kinds.append(compare(original, attempts[0], context=others).kind)
                kinds.append(summarise(original, attempts).kind)

    assert VerdictKind.BACKEND_CHANGED not in kinds
    assert VerdictKind.IDENTICAL in kinds


def test_a_member_of_the_same_fleet_is_never_a_changed_backend(
    folder: Path, prompts: list[str], originals: dict[tuple[int, float], Exchange]
) -> None:
    with serving(folder, "base@0") as server:
        verdicts = [
            verdict
            for temperature in TEMPERATURES
            for verdict in judged(originals, server, prompts, temperature)
        ]

    assert VerdictKind.BACKEND_CHANGED not in [verdict.kind for verdict in verdicts]
    assert VerdictKind.NONDETERMINISTIC in [verdict.kind for verdict in verdicts]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_model_in_four_bits_is_a_changed_backend_that_says_nothing(
    folder: Path, prompts: list[str], originals: dict[tuple[int, float], Exchange], temperature: float
) -> None:
    with serving(folder, "q4_0") as server:
        verdicts = judged(originals, server, prompts, temperature)

    changed = [verdict for verdict in verdicts if verdict.kind == VerdictKind.BACKEND_CHANGED]
    assert len(changed) >= 0.8 * len(verdicts)
    assert all("Backend changed without saying so" in verdict.sentence for verdict in changed)


def test_a_further_trained_model_is_a_changed_backend_for_most_greedy_answers(
    folder: Path, prompts: list[str], originals: dict[tuple[int, float], Exchange]
) -> None:
    with serving(folder, "ft100") as server:
        verdicts = judged(originals, server, prompts, 0.0)

    differing = [verdict for verdict in verdicts if verdict.share_same != 1]
    changed = [verdict for verdict in differing if verdict.kind == VerdictKind.BACKEND_CHANGED]
    assert len(differing) >= 4
    assert len(changed) >= len(differing) / 2
