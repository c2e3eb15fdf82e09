from __future__ import annotations

import copy

import pytest

from reviewapp.pure.streams import merge_chunks

TOKENS = [{"token": token, "logprob": -0.1, "top_logprobs": []} for token in ("Hel", "lo")]
PART = {"type": "output_text", "text": "Hello", "logprobs": TOKENS, "annotations": []}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [PART]}
BEGUN = {"id": "resp_1", "object": "response", "model": "m", "status": "in_progress", "output": []}

CREATED = {"type": "response.created", "response": BEGUN}
ADDED = {
    "type": "response.output_item.added",
    "output_index": 0,
    "item": {**MESSAGE, "status": "in_progress", "content": []},
}
PART_ADDED = {
    "type": "response.content_part.added",
    "output_index": 0,
    "content_index": 0,
    "part": {"type": "output_text", "text": "", "logprobs": [], "annotations": []},
}
DELTAS = [
    {
        "type": "response.output_text.delta",
        "output_index": 0,
        "content_index": 0,
        "delta": token["token"],
        "logprobs": [token],
    }
    for token in TOKENS
]
ITEM_DONE = {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}
COMPLETED = {
    "type": "response.completed",
    "response": {**BEGUN, "status": "completed", "output": [MESSAGE], "usage": {"output_tokens": 2}},
}
STREAM = [CREATED, ADDED, PART_ADDED, *DELTAS, ITEM_DONE, COMPLETED]


def merged(*events):
    return merge_chunks("responses", events)


def delta(kind, text, **where):
    return {"type": f"response.{kind}.delta", "output_index": 0, "delta": text, **where}


def test_the_last_event_holds_the_response():
    assert merged(*STREAM) == COMPLETED["response"]


@pytest.mark.parametrize("kind", ["response.incomplete", "response.failed", "response.cancelled"])
def test_a_response_may_end_in_other_ways(kind):
    ended = {**COMPLETED["response"], "status": kind.removeprefix("response.")}

    assert merged(CREATED, {"type": kind, "response": ended}) == ended


def test_a_stream_that_broke_off_keeps_what_was_said():
    response = merged(CREATED, ADDED, PART_ADDED, *DELTAS)

    assert response["status"] == "in_progress"
    assert response["output"] == [{**MESSAGE, "status": "in_progress"}]


def test_deltas_need_no_events_that_announce_them():
    response = merged(CREATED, *DELTAS)

    assert response["output"] == [
        {"type": "message", "content": [{"type": "output_text", "text": "Hello", "logprobs": TOKENS}]}
    ]


def test_an_output_that_the_last_event_lacks_is_that_of_its_items():
    bare = {"type": "response.completed", "response": {**COMPLETED["response"], "output": []}}

    assert merged(CREATED, ITEM_DONE, bare)["output"] == [MESSAGE]


def test_log_probabilities_that_the_last_event_lacks_are_those_of_the_deltas():
    bare = {**MESSAGE, "content": [{**PART, "logprobs": []}]}
    last = {"type": "response.completed", "response": {**COMPLETED["response"], "output": [bare]}}

    assert merged(CREATED, ADDED, PART_ADDED, *DELTAS, last)["output"] == [MESSAGE]


def test_what_the_last_event_sums_up_is_not_overwritten():
    other = {**MESSAGE, "content": [{**PART, "text": "Hello!"}]}
    last = {"type": "response.completed", "response": {**COMPLETED["response"], "output": [other]}}

    assert merged(*STREAM[:-1], last)["output"] == [other]


@pytest.mark.parametrize(
    ("events", "item"),
    [
        (
            [delta("function_call_arguments", '{"a":'), delta("function_call_arguments", "1}")],
            {"type": "function_call", "arguments": '{"a":1}'},
        ),
        (
            [delta("custom_tool_call_input", "SELECT "), delta("custom_tool_call_input", "1")],
            {"type": "custom_tool_call", "input": "SELECT 1"},
        ),
        (
            [delta("reasoning_summary_text", t, summary_index=i) for i, t in [(0, "a"), (0, "b"), (1, "c")]],
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "c"}],
            },
        ),
        (
            [delta("refusal", "No", content_index=0), delta("refusal", ".", content_index=0)],
            {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]},
        ),
        (
            [delta("output_text", "a", content_index=0), delta("output_text", "b", content_index=1)],
            {
                "type": "message",
                "content": [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}],
            },
        ),
    ],
    ids=["function", "custom", "summary", "refusal", "two parts"],
)
def test_each_kind_of_delta_adds_up(events, item):
    assert merged(*events)["output"] == [item]


def test_the_text_that_ends_a_part_is_the_whole():
    done = {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello."}

    assert merged(*DELTAS, done)["output"][0]["content"][0]["text"] == "Hello."


def test_several_items_stand_in_their_order():
    second = {"type": "response.output_item.done", "output_index": 1, "item": {"type": "function_call"}}

    assert merged(second, ITEM_DONE)["output"] == [MESSAGE, {"type": "function_call"}]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "Sorry", "sequence_number": 3},
        {"type": "error", "error": {"code": "server_error", "message": "Sorry"}},
        {"error": {"code": "server_error", "message": "Sorry"}},
    ],
)
def test_an_error_in_mid_stream_is_kept_with_what_was_said(event):
    response = merged(CREATED, *DELTAS, event)

    assert response["error"] == {"code": "server_error", "message": "Sorry"}
    assert response["output"][0]["content"][0]["text"] == "Hello"


def test_events_stay_as_they_are():
    before = copy.deepcopy(STREAM)

    merged(*STREAM)

    assert before == STREAM


def test_a_long_stream_is_merged_in_no_time():
    response = merged(*DELTAS * 10_000)

    assert len(response["output"][0]["content"][0]["logprobs"]) == 20_000
