"""Files of other tools: recognised by their shape, and read as the interactions in them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reviewapp.formats.imports import Line, NotImportable, read_file, tallied
from reviewapp.formats.imports.lines import flat_settings
from reviewapp.formats.interchange import Recorded, read_recorded
from reviewapp.formats.openai import seed_of
from tests.formats.real_files import FILES

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "formats"
here = pytest.mark.skipif(not FOLDER.exists(), reason="the collection of real files is not here")

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1795000000,
    "model": "gpt-4o-2024-08-06",
    "system_fingerprint": "fp_1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
ASKED = {"model": "gpt-4o", "seed": 7, "messages": [{"role": "user", "content": "Hi"}]}


def read(data: Any) -> tuple[str, list[Line]]:
    if isinstance(data, str):
        data = data.encode()
    elif not isinstance(data, bytes):
        data = json.dumps(data).encode()
    name, lines = read_file(io.BytesIO(data))
    return name, list(lines)


def only(data: Any, name: str) -> Recorded:
    """The one interaction of a file that is recognised as of this format."""
    recognised, lines = read(data)
    found = [line.recorded for line in lines if line.recorded is not None]
    assert (recognised, len(found)) == (name, 1), lines
    return found[0]


def is_the_call(recorded: Recorded) -> bool:
    exchange = read_recorded(recorded)
    return (
        exchange.request["messages"][-1]["content"],
        exchange.request.get("seed"),
        exchange.reply.text,
        exchange.reply.fingerprint,
    ) == ("Hi", 7, "Hello.", "fp_1")


@here
def test_the_table_names_every_file():
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*")}

    assert there == set(FILES)


@here
@pytest.mark.parametrize("name", FILES)
def test_every_real_file_is_read_or_refused_with_the_reason(name):
    assert outcome(FOLDER / name) == FILES[name]


def outcome(path: Path) -> Any:
    """Format and counts, or the reason of the refusal."""
    try:
        recognised, lines = read_file(io.BytesIO(path.read_bytes()))
        tally = tallied(lines, format=recognised)
    except NotImportable as error:
        return str(error)
    return recognised, tally.total, tally.wrong_count, sum(tally.left_out.values())


@here
def test_every_interaction_of_the_real_files_can_be_shown():
    for name, expected in FILES.items():
        if isinstance(expected, str):
            continue
        for line in read_file(io.BytesIO((FOLDER / name).read_bytes()))[1]:
            if line.recorded is not None:
                reply = read_recorded(line.recorded).reply
                assert reply.choices or reply.error or line.recorded.error, (name, line.number)


def test_stored_completions_have_their_seed():
    stored = {**ANSWER, "seed": 7, "messages": ASKED["messages"]}

    assert is_the_call(only({"object": "list", "data": [stored]}, "stored-completions"))


def test_output_items_of_an_eval_are_calls():
    sample = {
        "input": ASKED["messages"],
        "output": [{"role": "assistant", "content": "Hello."}],
        "model": "gpt-4o",
        "seed": 7,
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    item = {"object": "eval.run.output_item", "id": "o1", "run_id": "r1", "sample": sample}

    recorded = only({"object": "list", "data": [item]}, "openai-evals")

    exchange = read_recorded(recorded)
    assert (exchange.request["seed"], exchange.reply.text, exchange.reply.usage.input_tokens) == (
        7,
        "Hello.",
        3,
    )


def test_the_log_of_the_open_source_evals_is_read():
    lines = [
        {"spec": {"run_id": "r"}},
        {
            "run_id": "r",
            "event_id": 0,
            "sample_id": "s.0",
            "type": "sampling",
            "data": {"prompt": ASKED["messages"], "sampled": ["Hello."]},
        },
        {"run_id": "r", "event_id": 1, "sample_id": "s.0", "type": "match", "data": {"correct": True}},
    ]

    recorded = only("\n".join(map(json.dumps, lines)), "openai-evals")

    assert read_recorded(recorded).reply.text == "Hello."


def test_litellm_payloads_are_calls():
    payload = {
        "id": "chatcmpl-1",
        "call_type": "acompletion",
        "model": "gpt-4o",
        "custom_llm_provider": "openai",
        "messages": ASKED["messages"],
        "model_parameters": {"seed": 7},
        "response": ANSWER,
        "startTime": 1795000000.0,
        "endTime": 1795000000.812,
        "status": "success",
        "request_tags": ["beta"],
        "end_user": "u-1",
    }

    recorded = only(payload, "litellm")

    assert is_the_call(recorded)
    assert (recorded.provider, recorded.latency_ms, recorded.tags, recorded.user) == (
        "openai",
        812,
        ("beta",),
        "u-1",
    )


def test_a_failed_call_of_litellm_is_recorded_with_its_error():
    payload = {
        "call_type": "completion",
        "model": "gpt-4o",
        "messages": ASKED["messages"],
        "status": "failure",
        "error_str": "RateLimitError: slow down",
        "startTime": "2026-11-22 10:00:00",
        "response": {},
    }

    assert only(payload, "litellm").error == "RateLimitError: slow down"


def database_of(statement: str, *rows: tuple[Any, ...]) -> bytes:
    """A SQLite file with one table, as bytes."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(statement)
        for row in rows:
            database.execute(f"INSERT INTO responses VALUES ({','.join('?' * len(row))})", row)
        database.commit()
        return database.serialize()


def test_the_log_database_of_llm_is_read():
    row = ("r1", "gpt-4o", "Hi", "Be brief", None, '{"seed": 7}', "Hello.", '{"system_fingerprint": "fp_1"}')

    recorded = only(
        database_of(
            "CREATE TABLE responses (id TEXT, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT,"
            " options_json TEXT, response TEXT, response_json TEXT, conversation_id TEXT,"
            " duration_ms INTEGER, datetime_utc TEXT)",
            (*row, "c1", 812, "2026-11-22T10:00:00"),
        ),
        "llm-logs",
    )

    assert is_the_call(recorded)
    assert (recorded.session, recorded.latency_ms) == ("c1", 812)


def test_another_database_is_refused():
    with pytest.raises(NotImportable, match="no log database of llm"):
        read(database_of("CREATE TABLE other (id TEXT)"))


@pytest.mark.parametrize("nested", [True, False])
def test_spans_of_phoenix_are_calls(nested):
    whole = {"input.value": json.dumps(ASKED), "output.value": json.dumps(ANSWER)}
    tree = {"input": {"value": json.dumps(ASKED)}, "output": {"value": json.dumps(ANSWER)}}
    span = {
        "name": "ChatCompletion",
        "span_kind": "LLM",
        "context": {"trace_id": "t" * 32, "span_id": "s" * 16},
        "start_time": "2026-11-22T10:00:00Z",
        "end_time": "2026-11-22T10:00:01Z",
        "status_code": "OK",
        "attributes": tree if nested else whole,
    }

    recorded = only({"data": [span]}, "phoenix")

    assert is_the_call(recorded)
    assert recorded.latency_ms == 1000


def test_rows_of_phoenixs_data_frame_are_calls():
    row = {
        "name": "ChatCompletion",
        "span_kind": "LLM",
        "context.trace_id": "t1",
        "context.span_id": "s1",
        "start_time": "2026-11-22T10:00:00Z",
        "attributes.input.value": json.dumps(ASKED),
        "attributes.output.value": json.dumps(ANSWER),
    }

    assert is_the_call(only(row, "phoenix"))


VCRPY = f"""interactions:
- request:
    body: '{json.dumps(ASKED)}'
    headers: {{authorization: [Bearer sk-secret]}}
    method: POST
    uri: https://api.openai.com/v1/chat/completions
  response:
    body: {{string: '{json.dumps(ANSWER)}'}}
    headers: {{content-type: [application/json], x-request-id: [req_1], set-cookie: [a]}}
    status: {{code: 200, message: OK}}
- request: {{method: GET, uri: 'https://example.org/'}}
  response: {{body: {{string: ''}}, status: {{code: 200}}}}
version: 1
"""


def test_a_cassette_of_vcrpy_is_read_without_its_secrets():
    recorded = only(VCRPY, "cassette")

    assert is_the_call(recorded)
    assert recorded.headers == {"content-type": "application/json", "x-request-id": "req_1"}
    assert "sk-secret" not in str(recorded)


def test_a_cassette_with_a_packed_body_and_one_with_a_stream_are_read():
    packed = base64.b64encode(gzip.compress(json.dumps(ANSWER).encode())).decode()
    chunk = {**ANSWER, "choices": [{"index": 0, "delta": {"content": "Hello."}}]}
    stream = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
    request = {"method": "post", "uri": "https://api.openai.com/v1/chat/completions"}
    bodies = [{"base64_string": packed}, {"encoding": "UTF-8", "string": stream}]
    cassette = {
        "http_interactions": [
            {
                "request": {**request, "body": {"encoding": "UTF-8", "string": json.dumps(ASKED)}},
                "response": {"status": {"code": 200}, "headers": {}, "body": body},
                "recorded_at": "Tue, 04 Nov 2025 10:00:00 GMT",
            }
            for body in bodies
        ]
    }

    name, lines = read(cassette)

    assert name == "cassette"
    assert all(line.recorded is not None and is_the_call(line.recorded) for line in lines)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"{}",
        b"[]",
        b"[1, 2]",
        b"{",
        b"hello",
        b"\x00\x01",
        b'{"a": 1}\n{"b": 2}\n',
        b"---\n- 1\n",
    ],
)
def test_what_is_of_no_format_is_refused_in_a_sentence(data):
    with pytest.raises(NotImportable) as refused:
        list(read_file(io.BytesIO(data))[1])

    assert str(refused.value).endswith(".")


def test_a_broken_line_is_told_and_its_neighbours_are_read():
    good = json.dumps({"request": ASKED, "response": ANSWER})

    name, lines = read(f"{good}\n{{\n{good}\n")

    assert name == "jsonl"
    assert [line.recorded is not None for line in lines] == [True, False, True]
    assert lines[1].number == 2


def test_an_array_of_the_apps_own_shape_is_read():
    assert is_the_call(only([{"request": ASKED, "response": ANSWER}], "jsonl"))


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("inside", [lambda one: one, lambda one: [one, one]])
def test_the_apps_own_shape_is_read_however_it_is_laid_out(indent, inside):
    text = json.dumps(inside({"request": ASKED, "response": ANSWER}), indent=indent)

    name, lines = read(text)

    assert name == "jsonl"
    assert all(is_the_call(line.recorded) for line in lines)
    assert len(lines) == (2 if text[0] == "[" else 1)


def test_a_broken_first_line_does_not_take_the_others_with_it():
    good = json.dumps({"request": ASKED, "response": ANSWER})

    _, lines = read_file(io.BytesIO(f'{{"request": \n{good}\n'.encode()), format="jsonl")

    assert [line.recorded is not None for line in lines] == [False, True]


@pytest.mark.parametrize("inside", [lambda one: one, lambda one: [one]])
def test_what_an_exported_line_tells_beside_its_interaction_is_counted(inside):
    flags = [{"reason": "Wrong"}, {"reason": "Late"}]
    line = {"request": ASKED, "response": ANSWER, "flags": flags, "annotations": [], "replays": [{}]}

    name, lines = read_file(io.BytesIO(json.dumps(inside(line)).encode()))

    found = tallied(lines, format=name)
    assert (found.flags, found.judgements, found.values()["not_brought"]) == (2, 0, {"replays": 1})


def test_an_archive_that_unpacks_to_too_much_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples/1_epoch_1.json", b" " * (129 * 1024 * 1024))

    with pytest.raises(NotImportable, match="more than 128 MiB"):
        read(buffer.getvalue())


def test_another_zip_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "Hi")

    with pytest.raises(NotImportable, match="no log of Inspect"):
        read(buffer.getvalue())


def test_equal_runs_have_a_name_that_stays():
    run = {"id": "r1", "run_type": "llm", "inputs": ASKED, "outputs": ANSWER}

    names = [read(run)[1][0].name, read([{"run_type": "chain", "id": "r0"}, run])[1][1].name]

    assert names == ["langsmith r1", "langsmith r1"]


@pytest.mark.parametrize("text", ["--5", "²", "5-", "-", "1" * 20])
def test_a_seed_that_is_no_whole_number_is_none(text):
    assert seed_of(flat_settings({"seed": text})) is None


def test_a_seed_kept_as_a_text_is_the_number():
    assert flat_settings({"seed": "-5"}) == {"seed": -5}
