"""The real openai SDK against the simulated provider over a real socket."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

import numpy as np
import openai
import pytest
from pydantic import BaseModel

ASKED = [{"role": "user", "content": "Where is my parcel 48213? It is late."}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
WEATHER = [{"role": "user", "content": "What is the weather in Boston?"}]


class Ticket(BaseModel):
    """What a structured answer shall hold."""

    category: Literal["refund", "delivery", "other"]
    urgent: bool
    score: float
    tags: list[str]


def ask(client: openai.OpenAI, **more):
    return client.chat.completions.create(**{"model": "sim-steady", "messages": ASKED, "seed": 7, **more})


def streamed_text(chunks) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_chat_completion_has_all_that_a_real_one_has(client):
    reply = ask(client)

    assert reply.id.startswith("chatcmpl-")
    assert reply.model == "sim-steady-2026-11-01"
    assert reply.system_fingerprint == "sim-b7010-c27efd2bd"
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_the_id_carries_the_second_of_creation(client):
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    reply = ask(client)

    second = 0
    for digit in reply.id.removeprefix("chatcmpl-")[:5]:
        second = second * 62 + digits.index(digit)
    assert second + 1_576_800_000 == reply.created


def test_every_response_is_labelled_as_simulated(client):
    raw = client.chat.completions.with_raw_response.create(model="sim-small", messages=ASKED)

    assert raw.headers["x-simulated-provider"] == "1"
    assert raw.headers["x-request-id"].startswith("req_")


def test_an_equal_request_and_seed_gives_an_equal_text(client):
    assert ask(client).choices[0].message.content == ask(client).choices[0].message.content


def test_a_bit_identical_model_shows_equal_log_probabilities(client):
    first, second = (ask(client, logprobs=True, top_logprobs=5).choices[0].logprobs for _ in range(2))

    assert first == second


def test_without_a_seed_answers_vary(client):
    texts = {ask(client, seed=None).choices[0].message.content for _ in range(8)}

    assert len(texts) >= 7


def test_at_temperature_zero_answers_agree_without_a_seed(client):
    texts = {ask(client, seed=None, temperature=0).choices[0].message.content for _ in range(4)}

    assert len(texts) == 1


def test_a_model_that_ignores_the_seed_gives_other_texts(client):
    texts = {ask(client, model="sim-no-seed").choices[0].message.content for _ in range(6)}

    assert len(texts) >= 5


def test_any_64_bit_seed_is_taken(client):
    for seed in (0, -1, 2**53 + 1, 2**63 - 1, -(2**63)):
        assert ask(client, seed=seed).choices[0].message.content


def test_twenty_alternatives_come_with_their_bytes(client):
    content = ask(client, logprobs=True, top_logprobs=20).choices[0].logprobs.content

    assert all(len(entry.top_logprobs) == 20 for entry in content)
    joined = b"".join(bytes(entry.bytes) for entry in content)
    assert joined.decode() == ask(client).choices[0].message.content


def test_log_probabilities_without_alternatives_have_empty_lists(client):
    content = ask(client, logprobs=True).choices[0].logprobs.content

    assert all(entry.top_logprobs == [] and entry.logprob <= 0 for entry in content)


def test_a_stream_gives_the_same_answer_as_a_reply_in_one_piece(client):
    whole = ask(client, logprobs=True, top_logprobs=2)

    chunks = list(ask(client, logprobs=True, top_logprobs=2, stream=True))

    assert streamed_text(chunks) == whole.choices[0].message.content
    entries = [e for chunk in chunks if chunk.choices[0].logprobs for e in chunk.choices[0].logprobs.content]
    assert entries == whole.choices[0].logprobs.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.system_fingerprint for chunk in chunks} == {"sim-b7010-c27efd2bd"}


def test_a_stream_ends_with_usage_when_asked(client):
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))

    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == ask(client).usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_late_fingerprint_is_missing_from_the_first_chunk_alone(client):
    chunks = list(ask(client, model="sim-late-fp", stream=True))

    assert chunks[0].system_fingerprint is None
    assert {chunk.system_fingerprint for chunk in chunks[1:]} == {"sim-0.24.0-tp4-6d31f84d"}


def test_several_choices_differ_and_come_back_in_a_stream_too(client):
    whole = ask(client, n=3)

    texts: dict[int, str] = {}
    for chunk in ask(client, n=3, stream=True):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")

    assert len({choice.message.content for choice in whole.choices}) == 3
    assert texts == {choice.index: choice.message.content for choice in whole.choices}
    assert whole.usage.completion_tokens > 30


def test_max_tokens_and_stop_are_kept(client):
    whole = ask(client).choices[0].message.content
    words = whole.split()

    cut = ask(client, max_tokens=5)
    stopped = ask(client, stop=[words[3]])

    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 5
    assert whole.startswith(cut.choices[0].message.content)
    assert stopped.choices[0].message.content == whole[: whole.index(words[3])]


def test_a_tool_is_called_and_its_result_is_taken_up(client):
    called = client.chat.completions.create(model="sim-steady", messages=WEATHER, tools=TOOLS, temperature=0)
    message = called.choices[0].message
    call = message.tool_calls[0]

    told = client.chat.completions.create(
        model="sim-steady",
        messages=[
            *WEATHER,
            message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 18, "sky": "cloudy"}'},
        ],
        tools=TOOLS,
        temperature=0,
    )

    assert called.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Boston"}
    assert "The temperature is 18 and the sky is cloudy." in told.choices[0].message.content


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", False),
        ("auto", True),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
    ],
)
def test_the_tool_choice_is_respected(client, choice, called):
    reply = client.chat.completions.create(
        model="sim-steady", messages=WEATHER, tools=TOOLS, tool_choice=choice
    )

    assert bool(reply.choices[0].message.tool_calls) is called


def test_a_required_call_is_made_although_the_prompt_calls_for_none(client):
    reply = ask(client, tools=TOOLS, tool_choice="required")

    assert reply.choices[0].message.tool_calls


def test_a_streamed_call_is_put_together_by_the_sdk(client):
    with client.chat.completions.stream(
        model="sim-steady", messages=WEATHER, tools=TOOLS, temperature=0
    ) as stream:
        final = stream.get_final_completion()

    assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": "Boston"}


def test_a_structured_answer_parses(client):
    for seed in range(5):
        reply = client.chat.completions.parse(
            model="sim-steady", messages=ASKED, response_format=Ticket, seed=seed
        )

        assert isinstance(reply.choices[0].message.parsed, Ticket)


def test_a_json_object_has_the_keys_that_the_prompt_names(client):
    asked = [{"role": "user", "content": "Answer in JSON with the keys: category and urgency."}]

    reply = ask(client, messages=asked, response_format={"type": "json_object"})

    assert set(json.loads(reply.choices[0].message.content)) == {"category", "urgency"}


@pytest.mark.parametrize(
    ("model", "wanted"),
    [("sim-silent", None), ("sim-steady", "sim-b7010-c27efd2bd"), ("sim-fast", "fp_sim_fast")],
)
def test_constant_and_missing_fingerprints(client, model, wanted):
    assert {ask(client, model=model).system_fingerprint for _ in range(4)} == {wanted}


def test_a_pool_shows_both_of_its_fingerprints(client):
    seen = {ask(client, model="sim-small", max_tokens=1).system_fingerprint for _ in range(40)}

    assert seen == {"fp_44a1c09e7d", "fp_9be02f6c31"}


def test_a_random_fingerprint_is_another_one_each_time(client):
    seen = {ask(client, model="sim-random-fp", max_tokens=1).system_fingerprint for _ in range(20)}

    assert len(seen) == 20


def test_an_echoed_seed_is_the_one_that_was_sent(client):
    reply = ask(client, model="sim-echo")
    unseeded = ask(client, model="sim-echo", seed=None)

    assert reply.choices[0].model_extra["seed"] == 7
    assert unseeded.choices[0].model_extra["seed"] > 0


def test_an_answer_can_be_had_again_by_the_echoed_seed(client):
    unseeded = ask(client, model="sim-echo", seed=None, temperature=0.7)

    again = [
        ask(client, model="sim-echo", seed=unseeded.choices[0].model_extra["seed"], temperature=0.7)
        for _ in range(3)
    ]

    assert unseeded.choices[0].message.content in [reply.choices[0].message.content for reply in again]


def test_completions_have_the_older_shape(client):
    reply = client.completions.create(model="sim-steady", prompt="Why is the sky blue?", logprobs=3, seed=3)

    choice = reply.choices[0]
    assert reply.id.startswith("cmpl-")
    assert choice.finish_reason == "length"
    assert "".join(choice.logprobs.tokens) == choice.text
    assert len(choice.logprobs.token_logprobs) == 16
    assert all(3 <= len(top) <= 4 for top in choice.logprobs.top_logprobs)
    for token, offset in zip(choice.logprobs.tokens, choice.logprobs.text_offset, strict=True):
        assert choice.text[offset : offset + len(token)] == token


def test_completions_take_several_prompts_and_can_be_streamed(client):
    prompts = ["Why is the sky blue?", "Where is my parcel?"]
    whole = client.completions.create(
        model="sim-steady", prompt=prompts, n=2, seed=3, max_tokens=20, echo=True
    )

    texts: dict[int, str] = {}
    for chunk in client.completions.create(
        model="sim-steady", prompt=prompts, n=2, seed=3, max_tokens=20, echo=True, stream=True
    ):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text

    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    assert whole.choices[0].text.startswith(prompts[0])
    assert whole.choices[3].text.startswith(prompts[1])
    assert texts == {choice.index: choice.text for choice in whole.choices}


def test_responses_answer_and_go_on(client):
    first = client.responses.create(model="sim-steady", input="Where is my parcel?", instructions="Be brief.")
    second = client.responses.create(
        model="sim-steady", input="And the costs?", previous_response_id=first.id
    )

    assert first.status == "completed"
    assert first.output_text
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > 30
    assert not hasattr(first, "system_fingerprint")


def test_a_response_stream_is_put_together_by_the_sdk(client):
    with client.responses.stream(
        model="sim-steady",
        input="hello",
        include=["message.output_text.logprobs"],
        top_logprobs=3,
        temperature=0,
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.output_text
    part = final.output[0].content[0]
    assert "".join(entry.token for entry in part.logprobs) == final.output_text
    assert all(len(entry.top_logprobs) == 3 for entry in part.logprobs)


def test_a_response_parses_into_a_model_and_calls_tools(client):
    parsed = client.responses.parse(model="sim-steady", input="I want a refund", text_format=Ticket)
    flat = {"type": "function", "strict": False, **TOOLS[0]["function"]}
    called = client.responses.create(
        model="sim-steady", input="The weather in Boston?", tools=[flat], temperature=0
    )

    assert isinstance(parsed.output_parsed, Ticket)
    assert called.output[0].type == "function_call"
    assert json.loads(called.output[0].arguments) == {"city": "Boston"}


def test_a_response_that_is_cut_short_is_incomplete(client):
    reply = client.responses.create(
        model="sim-steady", input="Explain how magnets work", max_output_tokens=16
    )

    assert reply.status == "incomplete"
    assert reply.incomplete_details.reason == "max_output_tokens"


def test_embeddings_of_like_texts_lie_near_each_other(client):
    texts = ["a refund for my order", "refund of the order", "black holes and galaxies"]

    near = [
        np.array(each.embedding) for each in client.embeddings.create(model="sim-embed", input=texts).data
    ]

    assert abs(np.linalg.norm(near[0]) - 1) < 1e-5
    assert near[0] @ near[1] > near[0] @ near[2] + 0.2


def test_embeddings_keep_to_their_dimensions_and_encoding(client):
    packed = client.embeddings.create(model="sim-embed", input="hello", dimensions=64)
    plain = client.embeddings.create(model="sim-embed", input="hello", dimensions=64, encoding_format="float")

    assert len(packed.data[0].embedding) == 64
    assert np.allclose(packed.data[0].embedding, plain.data[0].embedding, atol=1e-6)


def test_models_are_listed_as_simulated(client):
    models = list(client.models.list())

    assert {"sim-small", "sim-large", "sim-steady", "sim-flaky", "sim-embed"} <= {
        model.id for model in models
    }
    assert {model.owned_by for model in models} == {"simulated"}
    assert client.models.retrieve("sim-small").id == "sim-small"


def test_a_model_answers_to_its_name_with_the_snapshot_too(client):
    assert ask(client, model="sim-steady-2026-11-01").model == "sim-steady-2026-11-01"


def test_a_canned_model_answers_and_streams(client):
    whole = ask(client, model="sim-fast", logprobs=True, top_logprobs=2)
    chunks = list(ask(client, model="sim-fast", stream=True, stream_options={"include_usage": True}))

    assert whole.choices[0].message.content == streamed_text(chunks)
    assert len(whole.choices[0].logprobs.content) == whole.usage.completion_tokens
    assert len({ask(client, model="sim-fast").id for _ in range(5)}) == 5
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_asynchronous_client_gets_the_same_answers(base_url):
    async with openai.AsyncOpenAI(base_url=base_url, api_key="sk-any", max_retries=0) as client:
        replies = await asyncio.gather(
            *(client.chat.completions.create(model="sim-steady", messages=ASKED, seed=7) for _ in range(10))
        )
        stream = await client.chat.completions.create(model="sim-steady", messages=ASKED, seed=7, stream=True)
        chunks = [chunk async for chunk in stream]

    assert {reply.choices[0].message.content for reply in replies} == {streamed_text(chunks)}


@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"model": "gpt-4o"}, 404, None, "model_not_found"),
        ({"model": "sim-embed"}, 404, "model", None),
        ({"messages": []}, 400, "messages", "empty_array"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user"}]}, 400, "messages[0].content", "missing_required_parameter"),
        (
            {"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]},
            400,
            "messages[0].role",
            None,
        ),
        ({"top_logprobs": 3}, 400, "top_logprobs", "invalid_value"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs", "integer_above_max_value"),
        ({"temperature": 2.1}, 400, "temperature", "decimal_above_max_value"),
        ({"temperature": "hot"}, 400, "temperature", "invalid_type"),
        ({"n": 0}, 400, "n", "integer_below_min_value"),
        ({"seed": 1.5}, 400, "seed", "invalid_type"),
        ({"seed": 2**63}, 400, "seed", "integer_above_max_value"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, 400, "max_tokens", "invalid_parameter_combination"),
        ({"stop": ["a", "b", "c", "d", "e"]}, 400, "stop", "array_above_max_length"),
        ({"stream_options": {"include_usage": True}}, 400, "stream_options", None),
        ({"response_format": {"type": "json_object"}}, 400, "messages", None),
        ({"response_format": {"type": "yaml"}}, 400, "response_format.type", "invalid_value"),
        ({"tool_choice": "auto"}, 400, "tool_choice", None),
        ({"tools": [{"function": {"name": "f"}}]}, 400, "tools[0].type", "missing_required_parameter"),
    ],
)
def test_a_bad_request_is_refused_as_openai_does(client, change, status, param, code):
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, **change)

    assert caught.value.status_code == status
    assert caught.value.param == param
    assert code is None or caught.value.code == code
    assert caught.value.type == "invalid_request_error"
