from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.formats.interchange import (
    ERROR_LIMIT,
    METADATA_LIMIT,
    NAME_LIMIT,
    TAG_LIMIT,
    TAGS_LIMIT,
    InvalidInteraction,
    Recorded,
    read_interaction,
    read_interactions,
    read_recorded,
    write_interaction,
)

REQUEST = '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "seed": 123}'
RESPONSE = '{"id": "chatcmpl-1", "choices": [{"message": {"content": "Hello"}}]}'


def interaction(**members):
    """An interaction's JSON with these members, given as values."""
    return json.dumps({"request": json.loads(REQUEST), **members})


def read(**members):
    return read_interaction(interaction(**members))


def refusal(text):
    with pytest.raises(InvalidInteraction) as caught:
        read_interaction(text)
    return caught.value


# ---- what is read ----


def test_only_the_request_is_required():
    assert read_interaction(f'{{"request": {REQUEST}}}') == Recorded(
        endpoint="chat.completions", request_text=REQUEST
    )


def test_every_member_is_read():
    recorded = read_interaction(
        f"""{{
        "id": "0193a1b2-0000-7000-8000-000000000001", "source": "support-bot", "provider": "openai",
        "endpoint": "chat.completions", "request": {REQUEST}, "response": {RESPONSE},
        "chunks": [{{"a": 1.0}}],
        "status": 200, "error": "late", "started_at": "2026-11-22T10:00:00Z", "latency_ms": 812,
        "trace": "t", "session": "s", "user": "u", "tags": ["a", "b"], "metadata": {{"k": 1.0}},
        "headers": {{"X-Request-Id": "req_1"}}
        }}"""
    )

    assert recorded == Recorded(
        endpoint="chat.completions",
        request_text=REQUEST,
        response_text=RESPONSE,
        chunks_text='[{"a": 1.0}]',
        id=UUID("0193a1b2-0000-7000-8000-000000000001"),
        source="support-bot",
        provider="openai",
        status=200,
        error="late",
        started_at=datetime(2026, 11, 22, 10, tzinfo=UTC),
        latency_ms=812,
        trace="t",
        session="s",
        user="u",
        tags=("a", "b"),
        metadata_text='{"k": 1.0}',
        headers={"x-request-id": "req_1"},
    )


@pytest.mark.parametrize(
    "name",
    [
        "response", "chunks", "id", "source", "provider", "endpoint", "status", "error", "started_at",
        "latency_ms", "trace", "session", "user", "tags", "metadata", "headers",
    ],
)  # fmt: skip
def test_null_is_as_good_as_absent(name):
    assert read(**{name: None}) == read()


@pytest.mark.parametrize(
    "text",
    [
        '{"model": "m", "messages": [], "x": "\\u0000\\ud800", "x": 1.0, "n": 12345678901234567890123}',
        '{ "model" : "m" ,\n "messages":[ ] , "t": NaN, "u": 1e400 }',
    ],
)
def test_the_texts_stay_as_they_came(text):
    recorded = read_interaction(
        f'{{"request": {text}, "response": {text}, "chunks": [{text}], "metadata": {text}}}'
    )

    assert recorded.request_text == text
    assert recorded.response_text == text
    assert recorded.chunks_text == f"[{text}]"
    assert recorded.metadata_text == text


@pytest.mark.parametrize(
    ("body", "endpoint"),
    [
        ({"messages": []}, "chat.completions"),
        ({"prompt": "a"}, "completions"),
        ({"prompt": {"id": "pmpt_1"}}, "responses"),
        ({"input": "a"}, "responses"),
        ({"input": [{"role": "user", "content": "a"}]}, "responses"),
        ({"input": ["a", "b"]}, "embeddings"),
        ({"input": [1, 2]}, "embeddings"),
        ({"input": "a", "model": "text-embedding-3-small"}, "embeddings"),
        ({"input": "a", "encoding_format": "float"}, "embeddings"),
        ({"input": "a", "dimensions": 256}, "embeddings"),
    ],
    ids=str,
)
def test_the_endpoint_is_told_from_the_request(body, endpoint):
    assert read(request=body).endpoint == endpoint


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        ("chat.completion", "chat.completions"),
        ("response", "responses"),
        ("text_completion", "completions"),
        ("list", "embeddings"),
    ],
)
def test_else_the_endpoint_is_told_from_the_response(kind, endpoint):
    assert read(request={"model": "m"}, response={"object": kind}).endpoint == endpoint


def test_a_given_endpoint_is_believed():
    assert read(endpoint="responses").endpoint == "responses"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T12:30:00.25+02:30", datetime(2026, 11, 22, 10, 0, 0, 250000, tzinfo=UTC)),
        ("2026-11-22 10:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
    ],
)
def test_times_are_utc_whatever_their_zone(text, time):
    assert read(started_at=text).started_at == time


@pytest.mark.parametrize(("latency", "milliseconds"), [(0, 0), (812, 812), (812.4, 812), (0.6, 1)])
def test_a_latency_is_whole_milliseconds(latency, milliseconds):
    assert read(latency_ms=latency).latency_ms == milliseconds


def test_a_tag_given_twice_is_one_tag():
    assert read(tags=["b", "a", " b ", ""]).tags == ("b", "a")


def test_space_around_a_name_is_not_part_of_it():
    assert read(source=" bot ", provider="").source == "bot"
    assert read(provider=" ").provider is None


def test_a_response_that_is_a_text_is_kept_as_json():
    recorded = read(response="<html>Bad gateway</html>", status=502)

    assert recorded.response_text == '"<html>Bad gateway</html>"'
    assert read_recorded(recorded).reply.error == "<html>Bad gateway</html>"


def test_a_byte_order_mark_is_no_obstacle():
    assert read_interaction("\ufeff" + interaction()) == read()


# ---- members that nobody knows ----


def test_unknown_members_are_kept_in_the_metadata():
    recorded = read_interaction(f'{{"request": {REQUEST}, "recording": {{"a": 1.0}}, "x": [2]}}')

    assert recorded.metadata_text == '{"recording": {"a": 1.0}, "x": [2]}'


def test_empty_metadata_are_as_good_as_none():
    assert read(metadata={}) == read()


def test_unknown_members_join_the_metadata_that_are_there():
    recorded = read(metadata={"k": 1, "x": 2}, x=3, y=4)

    assert json.loads(recorded.metadata_text) == {"k": 1, "x": 2, "interaction.x": 3, "y": 4}


def test_an_unknown_member_too_deep_for_the_metadata_is_refused():
    deep = "[" * 200 + "]" * 200

    assert refusal(f'{{"request": {REQUEST}, "x": {deep}}}').field == "metadata"
    assert read_interaction(f'{{"request": {REQUEST}, "x": {deep[1:-1]}}}').metadata_text


def test_what_the_app_derives_is_ignored():
    derived = {
        "model": "other", "response_model": "m", "seed": 7, "system_fingerprint": "fp", "output_text": "x",
        "finish_reason": "stop", "usage": {}, "cost": 0.5, "has_logprobs": True, "request_hash": "sha256:0",
        "created_at": "2026-11-22T10:00:00Z", "flags": [], "annotations": [], "replays": [],
    }  # fmt: skip

    assert read(**derived) == read()


# ---- what is refused, and how to mend it ----


@pytest.mark.parametrize("text", ["", "[]", "7", '"x"', "{", "null", '{"request": {"messages": []}'])
def test_what_is_no_object_is_refused(text):
    assert "no JSON object" in str(refusal(text))


def test_a_missing_request_is_refused():
    assert str(refusal("{}")) == "request: is missing; send the request as it went to the provider."
    assert refusal('{"request": null}').field == "request"


@pytest.mark.parametrize("request_body", ["text", 7, [], True])
def test_a_request_that_is_no_object_is_refused(request_body):
    assert refusal(interaction(request=request_body)).field == "request"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "chat"),
        ("endpoint", 7),
        ("id", "7"),
        ("id", 7),
        ("id", "0193a1b2-0000-7000-8000-00000000000g"),
        ("source", 7),
        ("source", "x" * (NAME_LIMIT + 1)),
        ("provider", []),
        ("provider", "a\x00"),
        ("trace", "x" * 256),
        ("session", "\ud800"),
        ("user", {}),
        ("status", "200"),
        ("status", 99),
        ("status", 600),
        ("status", True),
        ("status", 200.0),
        ("error", {"message": "x"}),
        ("error", "x" * (ERROR_LIMIT + 1)),
        ("latency_ms", -1),
        ("latency_ms", "812"),
        ("latency_ms", True),
        ("latency_ms", 2**31),
        ("latency_ms", float("nan")),
        ("latency_ms", float("inf")),
        ("started_at", "yesterday"),
        ("started_at", 1734926526),
        ("started_at", ""),
        ("started_at", "2026-13-01T00:00:00Z"),
        ("started_at", "0001-01-01T00:00:00+23:00"),
        ("tags", "a,b"),
        ("tags", [1]),
        ("tags", ["x" * (TAG_LIMIT + 1)]),
        ("tags", [str(n) for n in range(TAGS_LIMIT + 1)]),
        ("metadata", []),
        ("metadata", "x"),
        ("metadata", {"x": "y" * METADATA_LIMIT}),
        ("chunks", {}),
        ("chunks", "data: {}"),
        ("headers", []),
        ("headers", {"a": 1}),
        ("headers", {str(n): "x" for n in range(65)}),
    ],
)
def test_a_member_that_does_not_fit_is_refused_by_name(name, value):
    error = refusal(interaction(**{name: value}))

    assert error.field == name
    assert str(error).startswith(f"{name}: ")
    assert error.reason.endswith(".")


def test_what_just_fits_is_taken():
    recorded = read(
        source="x" * NAME_LIMIT,
        error="x" * ERROR_LIMIT,
        tags=[f"{n:0{TAG_LIMIT}}" for n in range(TAGS_LIMIT)],
        status=599,
        latency_ms=2**31 - 1,
    )

    assert (len(recorded.source), len(recorded.error), len(recorded.tags)) == (
        NAME_LIMIT,
        ERROR_LIMIT,
        TAGS_LIMIT,
    )


def test_an_endpoint_that_cannot_be_told_is_the_usual_one():
    assert read(request={"model": "m"}).endpoint == "chat.completions"


def test_deep_nesting_is_refused():
    deep = "[" * 5000 + "]" * 5000

    assert "nested deeper" in str(refusal(f'{{"request": {{"messages": {deep}}}}}'))


# ---- arrays ----


def test_an_array_is_read_item_by_item():
    first, second, third, fourth = read_interactions(f"[{interaction(trace='a')}, {{}}, 7, {interaction()}]")

    assert first == read(trace="a")
    assert isinstance(second, InvalidInteraction)
    assert second.field == "request"
    assert isinstance(third, InvalidInteraction)
    assert fourth == read()


@pytest.mark.parametrize("text", ["{}", "[", "[1", ""])
def test_what_is_no_array_is_refused_whole(text):
    with pytest.raises(InvalidInteraction):
        read_interactions(text)


# ---- writing ----


def test_what_is_written_is_read_back():
    recorded = read_interaction(
        interaction(
            id="0193a1b2-0000-7000-8000-000000000001", source="é\"\\",
            started_at="2026-11-22T10:00:00.123456+02:00",
            response={"choices": []}, chunks=[{}], tags=["a"], headers={"x-request-id": "r"}, metadata={},
            status=200,
            latency_ms=5, error="x\n", trace="t", session="s", user="u", provider="p", endpoint="completions",
        )
    )  # fmt: skip

    assert read_interaction(write_interaction(recorded)) == recorded


def test_the_texts_are_written_as_they_came():
    text = '{"messages": [], "x": "\\u0000\\ud800", "x": 1.0, "t": NaN}'

    written = write_interaction(
        read_interaction(f'{{"request": {text}, "response": {text}, "chunks": [{text}]}}')
    )

    assert written.count(text) == 3


def test_what_is_written_is_one_line():
    spread = '{\r\n "messages": [\n ], "x": "a\\nb"\n}'

    written = write_interaction(read_interaction(f'{{"request": {spread}, "metadata": {spread}}}'))

    assert len(written.splitlines()) == 1
    assert json.loads(written)["request"] == json.loads(spread)


def test_members_that_were_not_given_are_null():
    written = json.loads(write_interaction(read()))

    assert written == {
        "id": None, "source": None, "provider": None, "endpoint": "chat.completions",
        "request": json.loads(REQUEST), "response": None, "status": None, "error": None, "started_at": None,
        "latency_ms": None, "trace": None, "session": None, "user": None, "tags": [], "metadata": {},
    }  # fmt: skip


def test_a_body_that_is_no_json_is_written_as_a_string():
    recorded = Recorded(
        endpoint="chat.completions",
        request_text="{}",
        response_text='<a href="x">\n\ud800',
        response_is_json=False,
    )

    assert json.loads(write_interaction(recorded))["response"] == '<a href="x">\n\ud800'


def test_derived_members_are_written_too():
    written = json.loads(write_interaction(read(), derived={"model": '"gpt-4o-mini"', "seed": "123"}))

    assert (written["model"], written["seed"]) == ("gpt-4o-mini", 123)


# ---- as values ----


def test_an_interaction_is_an_exchange():
    exchange = read_recorded(
        read_interaction(f'{{"request": {REQUEST}, "response": {RESPONSE}, "status": 200}}')
    )

    assert exchange.endpoint == "chat.completions"
    assert exchange.request["seed"] == 123
    assert exchange.reply.text == "Hello"


def test_chunks_alone_are_an_exchange_too():
    chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("He", "llo")]

    assert read_recorded(read(chunks=chunks)).reply.text == "Hello"


def test_what_never_got_a_response_has_its_error():
    assert read_recorded(read(error="Timed out.")).reply.error == "Timed out."


# ---- whatever comes ----

NAMES = [
    "request",
    "response",
    "chunks",
    "id",
    "status",
    "started_at",
    "tags",
    "metadata",
    "headers",
    "x",
    "latency_ms",
]
ODD_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "messages", "2026-01-01", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*NAMES, "messages"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(NAMES), ODD_JSON))
def test_anything_is_read_or_refused_with_a_reason(members):
    text = json.dumps({"request": {"messages": []}, **members})

    with contextlib.suppress(InvalidInteraction):
        recorded = read_interaction(text)
        assert read_interaction(write_interaction(recorded)) == recorded
