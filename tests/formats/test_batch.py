from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from reviewapp.formats.batch import BatchRow, read_batch, read_batch_requests, write_batch_request
from reviewapp.formats.interchange import Recorded, read_interaction, read_recorded, write_interaction

BODY = '{"model": "m", "messages": [{"role": "user", "content": "2+2?"}], "seed": 7, "temperature": 1.0}'
ANSWER = (
    '{"id": "chatcmpl-1", "object": "chat.completion", "created": 1729730156, "model": "m-1", "choices": []}'
)


def request_line(custom_id="request-0", url="/v1/chat/completions", body=BODY):
    return f'{{"custom_id": "{custom_id}", "method": "POST", "url": "{url}", "body": {body}}}'


def answer_line(custom_id="request-0", body=ANSWER, status=200, error="null"):
    response = f'{{"status_code": {status}, "request_id": "req_1", "body": {body}}}'
    return f'{{"id": "batch_req_1", "custom_id": "{custom_id}", "response": {response}, "error": {error}}}'


def failed_line(error, custom_id="request-0", response="null"):
    return f'{{"id": "batch_req_1", "custom_id": "{custom_id}", "response": {response}, "error": {error}}}'


REQUESTS = read_batch_requests([request_line()])


def rows(*lines, requests=REQUESTS):
    return list(read_batch(lines, requests=requests))


# ---- outputs ----


def test_an_answer_is_matched_to_its_request():
    (row,) = rows(answer_line())

    assert row == BatchRow(
        1,
        Recorded(
            endpoint="chat.completions",
            request_text=BODY,
            response_text=ANSWER,
            status=200,
            started_at=datetime(2024, 10, 24, 0, 35, 56, tzinfo=UTC),
            metadata_text='{"batch": {"id": "batch_req_1", "custom_id": "request-0", "request_id": "req_1"}}',
            headers={"x-request-id": "req_1"},
        ),
    )


def test_answers_may_come_in_another_order():
    requests = read_batch_requests(
        [request_line("a", body='{"messages": [1]}'), request_line("b", body='{"messages": [2]}')]
    )

    found = rows(answer_line("b"), answer_line("a"), requests=requests)

    assert [row.recorded.request_text for row in found] == ['{"messages": [2]}', '{"messages": [1]}']


def test_an_answer_with_an_error_status_is_kept():
    (row,) = rows(answer_line(status=400, body='{"error": {"message": "No."}}'))

    assert row.recorded.status == 400
    assert read_recorded(row.recorded).reply.error == "No."


@pytest.mark.parametrize("response", ["null", '{"status_code": 0, "request_id": "", "body": null}'])
def test_a_request_that_was_never_answered_has_its_error(response):
    (row,) = rows(failed_line('{"code": "batch_expired", "message": "It was too late."}', response=response))

    assert row.recorded.error == "batch_expired: It was too late."
    assert (row.recorded.status, row.recorded.response_text) == (None, None)


def test_blank_lines_are_skipped_and_counted():
    found = rows("\ufeff" + answer_line() + "\r\n", "\n", answer_line())

    assert [row.line for row in found] == [1, 3]


def test_without_the_requests_an_answer_is_recorded_and_says_so():
    (row,) = rows(answer_line(), requests=None)

    assert row.recorded.request_text == '{"model": "m-1"}'
    assert json.loads(row.recorded.metadata_text)["batch"]["request"].startswith("unknown")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("/v1/chat/completions", "chat.completions"),
        ("/chat/completions", "chat.completions"),
        ("/openai/v1/chat/completions?api-version=1", "chat.completions"),
        ("/v1/responses", "responses"),
        ("/v1/completions", "completions"),
        ("/v1/embeddings/", "embeddings"),
    ],
)
def test_the_endpoint_is_told_from_the_address(url, endpoint):
    requests = read_batch_requests([request_line(url=url)])

    assert requests.by_id["request-0"].endpoint == endpoint


# ---- what is wrong with a line ----


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{broken", "in double quotes is expected"),
        ('{"custom_id": "other", "response": {}}', "The custom_id other is not in the file of requests."),
        ('{"response": {}}', "no custom_id"),
        (failed_line("null"), "neither a response with a body nor an error"),
        (failed_line("null", response="7"), "neither a response with a body nor an error"),
        (request_line(), "This line is a request"),
        ("[1]", "An object"),
    ],
    ids=["broken", "unknown id", "no id", "nothing", "odd", "request", "array"],
)
def test_a_line_that_is_wrong_is_told_and_stops_nothing(line, reason):
    found = rows(answer_line(), line, answer_line())

    assert [row.line for row in found] == [1, 2, 3]
    assert found[1].recorded is None
    assert reason in found[1].reason
    assert found[0].recorded
    assert found[2].recorded


def test_a_first_line_that_is_broken_stops_nothing_either():
    found = rows("{broken", answer_line())

    assert [row.recorded is None for row in found] == [True, False]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"body": {}}', "no custom_id"),
        ('{"custom_id": "b"}', "no body"),
        ('{"custom_id": "b", "body": {}, "url": "/v1/files"}', "url names none"),
        (request_line("a"), "a second time"),
        ("{", "The line ends before its JSON does"),
    ],
)
def test_a_line_that_is_no_request_is_told(line, reason):
    requests = read_batch_requests([request_line("a"), line])

    assert list(requests.by_id) == ["a"]
    ((number, told),) = requests.wrong
    assert number == 2
    assert reason in told


def test_an_empty_file_holds_nothing():
    assert rows() == []
    assert rows("", "\n") == []


# ---- a finished batch as one document ----


def document(results, endpoint="/v1/chat/completions"):
    return json.dumps({"stage": "done", "batch": {"endpoint": endpoint}, "results": results}, indent=2)


RESULT = {"status_code": 200, "request_id": "r", "body": json.loads(ANSWER)}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_is_read_result_by_result(indent):
    text = json.dumps(json.loads(document([RESULT, RESULT])), indent=indent)

    found = rows(*text.splitlines(), requests=None)

    assert [row.line for row in found] == [1, 2]
    assert json.loads(found[1].recorded.response_text) == json.loads(ANSWER)


def test_results_without_ids_are_matched_by_their_order():
    requests = read_batch_requests(
        [request_line("a", body='{"messages": [1]}'), request_line("b", body='{"messages": [2]}')]
    )

    found = rows(*document([RESULT, RESULT]).splitlines(), requests=requests)

    assert [row.recorded.request_text for row in found] == ['{"messages": [1]}', '{"messages": [2]}']


def test_results_of_another_number_than_the_requests_are_not_matched():
    (row,) = rows(*document([RESULT, RESULT]).splitlines())

    assert (
        row.reason == "The batch has 2 results, the file of requests 1. Results without ids can't be matched."
    )


def test_a_result_that_is_missing_is_told():
    (first, second) = rows(*document([None, RESULT]).splitlines(), requests=None)

    assert first.reason
    assert second.recorded


@pytest.mark.parametrize("results", [{}, None])
def test_a_batch_that_is_not_finished_is_told(results):
    (row,) = rows(*document(results).splitlines())

    assert row.reason == "This batch holds no results; it is not finished yet."


# ---- inputs ----


def test_an_interaction_is_written_as_a_line_of_an_input():
    recorded = Recorded(endpoint="responses", request_text='{"model": "m",\n "input": "Hi", "x": 1.0}')

    assert write_batch_request(recorded, custom_id="i-1") == (
        '{"custom_id": "i-1", "method": "POST", "url": "/v1/responses", '
        '"body": {"model": "m",  "input": "Hi", "x": 1.0}}'
    )


def test_an_input_does_not_stream():
    recorded = Recorded(
        endpoint="chat.completions",
        request_text='{"model": "m", "stream": true, "messages": [], "stream_options": {}, "seed": 7}',
    )

    body = json.loads(write_batch_request(recorded, custom_id="i-1"))["body"]

    assert body == {"model": "m", "messages": [], "seed": 7}


def test_what_is_written_is_read_back():
    recorded = Recorded(endpoint="chat.completions", request_text=BODY)

    requests = read_batch_requests([write_batch_request(recorded, custom_id='a"b')])

    assert requests.by_id['a"b'].text == BODY
    assert requests.wrong == ()


# ---- real files ----


def test_every_line_of_a_real_batch_is_read(shared):
    folder = shared / "data" / "formats" / "batch_api"
    with (folder / "TimeEscaper_batch_input.jsonl").open(encoding="utf-8") as lines:
        requests = read_batch_requests(lines)

    with (folder / "TimeEscaper_batch_output.jsonl").open(encoding="utf-8") as lines:
        found = list(read_batch(lines, requests=requests))

    assert len(found) == len(requests.in_order) == 65
    assert requests.wrong == ()
    for row in found:
        exchange = read_recorded(row.recorded)
        assert exchange.request["model"] == "gpt-4o"
        assert exchange.reply.fingerprint
        assert exchange.reply.text
        assert read_interaction(write_interaction(row.recorded)) == row.recorded


def test_every_real_batch_kept_as_a_document_is_read(shared):
    finished = unfinished = 0
    for path in sorted((shared / "data" / "formats" / "batch_api").glob("ellmer_*.json")):
        found = list(read_batch(path.read_text(encoding="utf-8").splitlines()))

        if json.loads(path.read_text(encoding="utf-8"))["results"]:
            finished += 1
            assert [row.reason for row in found] == [None] * 4, path.name
            assert all(read_recorded(row.recorded).reply.text for row in found), path.name
        else:
            unfinished += 1
            assert [row.reason for row in found] == ["This batch holds no results; it is not finished yet."]
    assert (finished, unfinished) == (29, 4)


def test_a_real_input_is_read(shared):
    with (shared / "data" / "formats" / "batch_api" / "alexrudall_batch.jsonl").open(
        encoding="utf-8"
    ) as lines:
        assert list(read_batch_requests(lines).by_id) == ["request-1", "request-2"]
