"""Running it: ports, keys, the configuration file, many requests at once, and odd bodies."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import httpx2
import openai
import pytest

from reviewapp.providers.simulated.control import create_app
from reviewapp.providers.simulated.fields import InvalidConfig
from reviewapp.providers.simulated.server import running
from reviewapp.providers.simulated.simulator import Simulator

ROOT = Path(__file__).resolve().parents[3]


def chat(text: str, **more) -> dict[str, object]:
    return {"model": "sim-steady", "messages": [{"role": "user", "content": text}], **more}


def refuses_connections(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", httpx2.URL(url).port)) != 0


def test_it_stops_when_the_block_ends():
    with running() as url:
        assert httpx2.get(f"{url}/models", timeout=120).status_code == 200

    assert refuses_connections(url)
    assert not [thread for thread in threading.enumerate() if thread.name == "simulated-provider"]


def test_it_stops_when_the_block_fails():
    with pytest.raises(ZeroDivisionError), running() as url:
        raise ZeroDivisionError

    assert refuses_connections(url)


def test_it_stops_although_a_request_still_hangs():
    with running({"models": {"sim-steady": {"faults": {"timeout": 1}}}}) as url:
        asking = threading.Thread(
            target=lambda: _swallow(
                lambda: httpx2.post(f"{url}/chat/completions", json=chat("x"), timeout=600)
            )
        )
        asking.start()
        _until(lambda: httpx2.get(f"{url.removesuffix('/v1')}/_sim/requests", timeout=120).json()["items"])
        began = time.monotonic()
    asking.join(60)

    # By itself it would hang for ten minutes.
    assert time.monotonic() - began < 300
    assert refuses_connections(url)


def _swallow(call: Callable[[], object]) -> None:
    with suppress(httpx2.HTTPError):
        call()


def test_it_can_run_in_a_process_of_its_own():
    with running({"time_scale": 0}, process=True) as url:
        reply = httpx2.post(f"{url}/chat/completions", json=chat("hello"), timeout=120)

    assert reply.json()["model"] == "sim-steady-2026-11-01"
    assert refuses_connections(url)


def test_two_servers_of_one_configuration_give_the_same_answers():
    answers = []
    for _ in range(2):
        with running({"time_scale": 0, "seed": 5}) as url:
            replies = [
                httpx2.post(
                    f"{url}/chat/completions",
                    json={**chat("I want a refund"), "model": "sim-small"},
                    timeout=600,
                ).json()
                for _ in range(5)
            ]
        answers.append(
            [(each["system_fingerprint"], each["choices"][0]["message"]["content"]) for each in replies]
        )

    assert answers[0] == answers[1]
    assert len(set(answers[0])) > 1


def test_flips_change_an_answer_only_where_two_tokens_are_nearly_tied():
    flipping = {"models": {"sim-steady": {"flip_share": 0.5}}, "time_scale": 0}
    body = chat("I want a refund for my broken lamp", seed=3, logprobs=True, top_logprobs=2)
    with running(flipping) as url:
        replies = [
            httpx2.post(f"{url}/chat/completions", json=body, timeout=120).json()["choices"][0]
            for _ in range(40)
        ]
    answers = {reply["message"]["content"]: reply["logprobs"]["content"] for reply in replies}

    assert len(answers) >= 2
    first, *others = answers.values()
    for other in others:
        at = next(i for i, (a, b) in enumerate(zip(first, other, strict=False)) if a["token"] != b["token"])
        for entry in (first[at], other[at]):
            best, second = entry["top_logprobs"]
            assert best["logprob"] - second["logprob"] <= 0.03
            assert {first[at]["token"], other[at]["token"]} == {best["token"], second["token"]}


def test_the_simulator_needs_no_django():
    code = "import sys, reviewapp.providers.simulated.server; sys.exit('django' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_configured_key_is_demanded():
    with running({"api_keys": ["sk-right"]}) as url:
        with (
            pytest.raises(openai.AuthenticationError) as caught,
            openai.OpenAI(base_url=url, api_key="sk-wrong-and-long") as client,
        ):
            client.chat.completions.create(**chat("hello"))
        right = httpx2.post(
            f"{url}/chat/completions",
            json=chat("hello"),
            headers={"Authorization": "Bearer sk-right"},
            timeout=600,
        )
        none = httpx2.post(f"{url}/chat/completions", json=chat("hello"), timeout=120)

    assert caught.value.code == "invalid_api_key"
    assert "sk-wrong-and-long" not in str(caught.value)
    assert right.status_code == 200
    assert none.status_code == 401
    assert none.json()["error"]["message"].startswith("You didn't provide an API key")


def test_a_strict_server_refuses_unknown_parameters_and_an_ordinary_one_does_not():
    with running({"strict_parameters": True, "time_scale": 0}) as url:
        strict = httpx2.post(f"{url}/chat/completions", json=chat("hello", cache_prompt=False), timeout=120)
    with running() as url:
        ordinary = httpx2.post(f"{url}/chat/completions", json=chat("hello", cache_prompt=False), timeout=120)

    assert strict.status_code == 400
    assert strict.json()["error"]["code"] == "unknown_parameter"
    assert ordinary.status_code == 200


def test_a_changed_configuration_file_is_read_again_and_a_wrong_one_is_not_used(tmp_path):
    path = tmp_path / "sim.json"
    path.write_text('{"time_scale": 0}')
    simulator = Simulator(config_path=path)

    path.write_text('{"time_scale": 2, "models": {"mine": {}}}')
    simulator.reread()
    assert simulator.config.time_scale == 2
    assert "mine" in simulator.models

    path.write_text('{"time_scale": -2}')
    simulator.reread()
    assert simulator.config.time_scale == 2
    assert simulator.config_error == "time_scale: must be from 0 to 1000, is -2"

    path.write_text("{}")
    simulator.reread()
    assert simulator.config_error is None
    assert "mine" not in simulator.models


def test_a_file_that_goes_away_leaves_the_last_good_configuration(tmp_path):
    path = tmp_path / "sim.json"
    path.write_text('{"time_scale": 2}')
    simulator = Simulator(config_path=path)

    path.unlink()
    simulator.reread()

    assert simulator.config.time_scale == 2
    assert "cannot be read" in str(simulator.config_error)


def test_a_wrong_file_stops_the_start(tmp_path):
    path = tmp_path / "sim.json"
    path.write_text("{")

    with pytest.raises(InvalidConfig, match="is not valid JSON"):
        create_app(config_path=path)


def test_the_command_serves_watches_its_file_and_ends(tmp_path):
    path = tmp_path / "sim.json"
    path.write_text('{"time_scale": 0}')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "manage.py", "simulate_provider", "--port", str(port), "--config", str(path)]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as child:
        try:
            assert child.stdout is not None
            assert f"http://127.0.0.1:{port}/v1" in child.stdout.readline()
            state = f"http://127.0.0.1:{port}/_sim/state"
            _until(lambda: httpx2.get(state, timeout=120).json()["time_scale"] == 0)
            path.write_text('{"time_scale": 3}')
            _until(lambda: httpx2.get(state, timeout=120).json()["time_scale"] == 3)
        finally:
            child.terminate()
    assert child.returncode in (0, -15)


def _until(holds, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except httpx2.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_command_says_what_is_wrong_with_its_file(tmp_path):
    path = tmp_path / "sim.json"
    path.write_text('{"models": {"sim-small": {"flip_shre": 1}}}')

    done = subprocess.run(
        [sys.executable, "manage.py", "simulate_provider", "--config", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 1
    assert "models.sim-small.flip_shre: is not a setting; did you mean 'flip_share'?" in done.stderr


@pytest.mark.parametrize("stream", [False, True])
async def test_a_thousand_requests_at_once_are_all_answered(stream):
    with running({"models": {"sim-fast": {"latency": {"median_ms": 300}}}}) as url:
        timeout = aiohttp.ClientTimeout(total=600)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

            async def one(number: int) -> int:
                body = {**chat(f"question {number}", stream=stream), "model": "sim-fast"}
                async with session.post(f"{url}/chat/completions", json=body) as reply:
                    data = await reply.read()
                    return reply.status if len(data) > 500 else 0

            statuses = await asyncio.gather(*(one(number) for number in range(1000)))

    assert statuses == [200] * 1000


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b'{"model": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(base_url, raw):
    reply = httpx2.post(f"{base_url}/chat/completions", content=raw, timeout=120)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("We could not parse the JSON body")


def test_a_body_without_a_model_is_refused_by_name(base_url):
    reply = httpx2.post(
        f"{base_url}/chat/completions", json={"messages": [{"role": "user", "content": "x"}]}, timeout=120
    )

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "model"


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses"])
@pytest.mark.parametrize("text", ["half \\ud83d a character", "nul \\u0000 inside", "emoji 😊 and עברית"])
def test_odd_characters_are_answered(base_url, path, text):
    raw = f'{{"model": "sim-steady", "messages": [{{"role": "user", "content": "{text}"}}], "prompt": "{text}", "input": "{text}", "echo": true, "instructions": "{text}", "metadata": {{"a": "{text}"}}}}'  # noqa: E501

    reply = httpx2.post(f"{base_url}/{path}", content=raw.encode(), timeout=120)

    assert reply.status_code == 200
    assert json.loads(reply.content)


def test_pictures_and_parts_are_taken(base_url):
    def asked(url: str) -> dict[str, object]:
        parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
        return {"model": "sim-steady", "temperature": 0, "messages": [{"role": "user", "content": parts}]}

    replies = [
        httpx2.post(f"{base_url}/chat/completions", json=asked(f"https://example.com/{n}.png"), timeout=120)
        for n in range(8)
    ]

    assert all(reply.status_code == 200 for reply in replies)
    assert len({reply.json()["choices"][0]["message"]["content"] for reply in replies}) > 1
