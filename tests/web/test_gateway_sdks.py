"""The official SDKs through the gateway, before the simulated provider: two changed values, nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import openai
import pytest
from pydantic import BaseModel

from reviewapp.models import Interaction
from reviewapp.providers.simulated.server import running
from tests import factories
from tests.serving import settle

NODE_SDK = "openai@7"
FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "node-sdk"
ASKED = [{"role": "user", "content": "Where is my parcel 48213? It is late."}]
WEATHER = [{"role": "user", "content": "What is the weather in Boston?"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
HEADERS = {"X-Review-Provider": "sim", "X-Review-Source": "sdk"}


class Ticket(BaseModel):
    """What a structured answer shall hold."""

    category: Literal["refund", "delivery", "other"]
    urgent: bool


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def base_url(gateway, simulator) -> str:
    factories.make_provider(project=gateway.project, name="sim", base_url=simulator)
    return f"{str(gateway.base_url).rstrip('/')}/v1"


@pytest.fixture
def client(base_url, gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=base_url, api_key=gateway.key, max_retries=0, default_headers=HEADERS
    ) as client:
        yield client


def ask(client: openai.OpenAI, **more):
    return client.chat.completions.create(**{"model": "sim-steady", "messages": ASKED, "seed": 7} | more)


def only() -> Interaction:
    settle()
    return Interaction.objects.select_related("source", "body").get()


def test_a_plain_answer_arrives_and_is_recorded(client):
    reply = ask(client)

    found = only()
    assert found.answer_preview[:20] == reply.choices[0].message.content[:20]
    assert (found.source.name, found.seed, found.fingerprint) == ("sdk", 7, reply.system_fingerprint)
    assert found.input_tokens == reply.usage.prompt_tokens


def test_the_id_of_the_recording_comes_with_the_raw_answer(client):
    raw = client.chat.completions.with_raw_response.create(model="sim-steady", messages=ASKED, seed=7)

    assert (raw.headers["X-Review-Interaction"], raw.headers["X-Review-Seed"]) == (str(only().pk), "7")


def test_a_stream_arrives_and_is_recorded_with_its_log_probabilities(client):
    chunks = list(ask(client, stream=True, logprobs=True, top_logprobs=3))

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    found = only()
    stored = json.loads(found.body.response_text)["choices"][0]
    assert stored["message"]["content"] == text
    sent = [e for chunk in chunks if chunk.choices[0].logprobs for e in chunk.choices[0].logprobs.content]
    assert [entry["logprob"] for entry in stored["logprobs"]["content"]] == [entry.logprob for entry in sent]
    assert (found.streamed, found.has_logprobs, found.finish_reason) == (True, True, "stop")


def test_a_fingerprint_that_only_later_chunks_have_is_recorded(client):
    list(ask(client, model="sim-late-fp", stream=True))

    assert only().fingerprint == "sim-0.24.0-tp4-6d31f84d"


def test_tools_are_called_and_recorded(client):
    reply = client.chat.completions.create(model="sim-steady", messages=WEATHER, tools=TOOLS, temperature=0)

    assert json.loads(reply.choices[0].message.tool_calls[0].function.arguments) == {"city": "Boston"}
    assert only().answer_preview == 'get_weather({"city":"Boston"})'


def test_a_streamed_call_is_put_together_by_the_sdk_and_recorded(client):
    with client.chat.completions.stream(
        model="sim-steady", messages=WEATHER, tools=TOOLS, temperature=0
    ) as stream:
        final = stream.get_final_completion()

    call = final.choices[0].message.tool_calls[0].function
    stored = json.loads(only().body.response_text)["choices"][0]["message"]["tool_calls"][0]["function"]
    assert stored == {"name": call.name, "arguments": call.arguments}


def test_a_structured_answer_parses_and_is_recorded(client):
    reply = client.chat.completions.parse(model="sim-steady", messages=ASKED, response_format=Ticket, seed=1)

    assert isinstance(reply.choices[0].message.parsed, Ticket)
    assert "json_schema" in only().body.request_text.decode()


def test_several_choices_are_recorded(client):
    reply = ask(client, n=3)

    stored = json.loads(only().body.response_text)["choices"]
    assert [c["message"]["content"] for c in stored] == [c.message.content for c in reply.choices]


def test_responses_completions_and_embeddings_are_recorded(client):
    client.responses.create(model="sim-steady", input="Where is my parcel?")
    with client.responses.stream(model="sim-steady", input="Where is my parcel?") as stream:
        final = stream.get_final_response()
    client.completions.create(model="sim-steady", prompt="Why is the sky blue?", seed=3)
    client.embeddings.create(model="sim-embed", input="a", encoding_format="float")
    settle()

    stored = Interaction.objects.order_by("started_at").select_related("body")
    assert [found.endpoint for found in stored] == ["responses", "responses", "completions", "embeddings"]
    assert json.loads(stored[1].body.response_text)["id"] == final.id


def test_a_providers_error_raises_the_sdks_own(client):
    with pytest.raises(openai.NotFoundError):
        ask(client, model="no-such-model")

    assert only().status == 404


def test_a_wrong_key_raises_the_sdks_own(base_url):
    with (
        openai.OpenAI(base_url=base_url, api_key="ra_wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match="missing, wrong or revoked"),
    ):
        ask(client)


async def test_the_asynchronous_sdk_streams_and_answers(base_url, gateway):
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key=gateway.key, max_retries=0, default_headers=HEADERS
    ) as client:
        reply = await client.chat.completions.create(model="sim-steady", messages=ASKED, seed=7)
        stream = await client.chat.completions.create(model="sim-steady", messages=ASKED, seed=7, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    assert text == reply.choices[0].message.content


@pytest.fixture(scope="module")
def node() -> str:
    """Node with the SDK installed in a folder that is kept between runs."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("needs node and npm, to run the official JavaScript SDK")
    if not (FOLDER / "node_modules" / "openai").is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        installed = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER), NODE_SDK],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if installed.returncode != 0:
            pytest.skip(f"npm can't install the SDK here: {installed.stderr.strip()[-200:]}")
    return program


def test_the_javascript_sdk_answers_streams_and_calls_tools(node, base_url, gateway):
    script = FOLDER / "sdk.mjs"
    script.write_text((Path(__file__).parent / "sdk.mjs").read_text())

    done = subprocess.run(
        [node, str(script)],
        env={"PATH": os.environ["PATH"], "GATEWAY": base_url, "KEY": gateway.key},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["streamed"] == told["text"]
    assert told["call"] == {"name": "get_weather", "arguments": '{"city":"Boston"}'}
    assert (told["choices"], told["seed"]) == (3, "7")
    assert told["events"][-1] == "response.completed"
    assert told["error"] == {"status": 404, "name": "NotFoundError"}
    assert told["models"] > 1
    settle()
    assert Interaction.objects.filter(source__name="node").count() == 7
    assert str(Interaction.objects.get(pk=told["interaction"]).fingerprint) == told["fingerprint"]
