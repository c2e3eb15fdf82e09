"""Spans over HTTP, sent as exporters send them."""

from __future__ import annotations

import gzip
import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from reviewapp import tasks
from reviewapp.models import Interaction
from tests import factories
from tests.formats import spans
from tests.formats.spans import GENAI
from tests.serving import settle

URL = "/otlp/v1/traces"
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def wire(*attributes) -> bytes:
    return spans.request(*attributes).SerializeToString()


def test_a_span_in_protobuf_becomes_an_interaction_with_seed_and_fingerprint(gateway):
    response = gateway.post(URL, content=wire(GENAI), headers=PROTOBUF)
    settle()

    found = Interaction.objects.select_related("source", "provider").get()
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/x-protobuf")
    assert ExportTraceServiceResponse.FromString(response.content) == ExportTraceServiceResponse()
    assert (found.seed, found.fingerprint, found.model) == (42, "fp_1", "gpt-4o-mini")
    assert (found.source.name, found.provider.name) == ("support-bot", "openai")
    assert (found.trace, found.latency_ms, found.answer_preview) == (spans.TRACE, 812, "Hello.")


def test_the_same_span_in_json_and_packed_is_the_same_interaction(gateway):
    gateway.post(URL, content=wire(GENAI), headers=PROTOBUF)
    packed = gzip.compress(json.dumps(spans.as_json(GENAI)).encode())
    headers = {"Content-Type": "application/json; charset=utf-8", "Content-Encoding": "gzip"}

    response = gateway.post(URL, content=packed, headers=headers)
    settle()

    assert (response.status_code, response.json()) == (200, {})
    assert Interaction.objects.count() == 1


def test_spans_that_are_no_calls_are_taken_and_left_out(gateway):
    response = gateway.post(URL, content=wire(GENAI, {"http.request.method": "GET"}), headers=PROTOBUF)
    settle()

    assert response.content == b""
    assert Interaction.objects.count() == 1


def test_refused_spans_are_a_partial_success(gateway):
    body = spans.as_json(GENAI, GENAI)
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "0" * 32

    response = gateway.post(URL, json=body)
    settle()

    told = response.json()["partialSuccess"]
    assert (response.status_code, told["rejectedSpans"]) == (200, "1")
    assert "trace id" in told["errorMessage"]
    assert Interaction.objects.count() == 1


def test_refused_spans_are_told_in_protobuf_too(gateway):
    request = spans.request(GENAI)
    request.resource_spans[0].scope_spans[0].spans[0].span_id = b"12"

    response = gateway.post(URL, content=request.SerializeToString(), headers=PROTOBUF)

    told = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert told.rejected_spans == 1
    assert "span id" in told.error_message


@pytest.mark.parametrize(
    ("status", "code", "body", "headers"),
    [
        (400, 3, b"{", {}),
        (400, 3, b"no gzip", {"Content-Encoding": "gzip"}),
        (415, 3, b"{}", {"Content-Encoding": "br"}),
        (415, 3, b"{}", {"Content-Type": "text/plain"}),
        (401, 16, b"{}", {"Authorization": "Bearer ra_wrong"}),
        (413, 8, gzip.compress(b" " * (16 * 1024 * 1024 + 1)), {"Content-Encoding": "gzip"}),
    ],
)
def test_an_error_is_a_status_in_json(gateway, status, code, body, headers):
    response = gateway.post(URL, content=body, headers={"Content-Type": "application/json"} | headers)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["message"].endswith(".")


def test_an_error_of_a_protobuf_request_is_a_status_in_protobuf(gateway):
    response = gateway.post(URL, content=b"\xff", headers=PROTOBUF)

    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/x-protobuf")
    # google.rpc.Status: code 3, then the message with its length.
    assert response.content[:3] == b"\x08\x03\x12"
    assert response.content[4:].decode().startswith("The body is no protobuf")


def test_a_key_that_may_not_send_is_refused(gateway):
    key = factories.make_key(project=gateway.project, scopes=("read",))

    response = gateway.post(URL, json={}, headers={"Authorization": f"Bearer {key}"})

    assert (response.status_code, response.json()["code"]) == (403, 7)


@pytest.mark.parametrize(("path", "method", "status"), [("/otlp/v1/logs", "POST", 404), (URL, "GET", 405)])
def test_other_signals_and_methods_are_refused_in_words(gateway, path, method, status):
    response = gateway.request(method, path, headers={"Content-Type": "application/json"})

    assert response.status_code == status
    assert URL in response.json()["message"]


def test_a_span_without_a_service_goes_to_the_keys_source(gateway):
    source = factories.make_source(project=gateway.project, name="keys-own")
    key = factories.make_key(project=gateway.project)
    from reviewapp.models import ApiKey

    ApiKey.objects.update(source=source)
    body = spans.request(GENAI, service="unknown_service").SerializeToString()

    gateway.post(URL, content=body, headers=PROTOBUF | {"Authorization": f"Bearer {key}"})
    settle()

    assert Interaction.objects.get().source.name == "keys-own"


def test_what_the_journal_can_not_keep_is_not_acknowledged(gateway):
    tasks.journal().close()

    response = gateway.post(URL, content=wire(GENAI), headers=PROTOBUF)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


def test_a_span_imported_from_a_file_is_the_one_that_was_sent(gateway, tmp_path):
    from django.core.management import call_command

    gateway.post(URL, content=wire(GENAI), headers=PROTOBUF)
    path = tmp_path / "spans.json"
    path.write_text(json.dumps(spans.as_json(GENAI)))

    call_command("import_interactions", str(path), format="otlp-json", project="demo")
    settle()

    assert Interaction.objects.count() == 1
