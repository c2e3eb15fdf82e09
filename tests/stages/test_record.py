"""Recording: arrivals become rows, each once, whatever their content."""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from reviewapp.formats.interchange import read_interaction
from reviewapp.formats.packed import compress
from reviewapp.models import FailedMessage, Interaction, Provider, Source
from reviewapp.pure import rawjson
from reviewapp.pure.ids import new_id
from reviewapp.stages import record, review
from tests import factories
from tests.factories import NOW, make_interaction, make_provider

pytestmark = pytest.mark.django_db

ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini-2024-07-18",
    "system_fingerprint": "fp_44709d6fcb",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Paris, of course."},
            "logprobs": {"content": [{"token": "Paris", "logprob": -0.5}, {"token": ",", "logprob": -1.5}]},
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 4},
}
QUESTION = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "seed": 123,
}


def arrival(project, text: str | None = None, *, as_id: UUID | None = None, **sent: Any) -> record.Arrival:
    text = text or json.dumps({"request": QUESTION, "response": ANSWER} | sent)
    return record.Arrival(
        id=as_id or new_id(), project_id=project.id, received_at=NOW, content=read_interaction(text)
    )


def wire(project, *, request: bytes, response: bytes | None, **fields: Any) -> record.Arrival:
    fields = {"endpoint": "chat.completions", "started_at": NOW, "status": 200} | fields
    return record.Arrival(
        id=new_id(),
        project_id=project.id,
        received_at=NOW,
        content=record.Wire(request=request, response=response, **fields),
    )


def record_one(one: record.Arrival) -> Interaction:
    outcome = record.record_now(arrivals=[one], now=NOW)
    assert outcome.set_aside == ()
    record.index_words()
    return Interaction.objects.select_related("source", "provider", "body", "text").get(id=one.id)


def test_an_arrival_becomes_an_interaction_with_what_lists_need(project):
    one = arrival(project, source="support-bot", provider="openai", status=200, tags=["a", "b"], trace="t-1")

    found = record_one(one)

    assert (found.source.name, found.provider.name) == ("support-bot", "openai")
    assert (found.model, found.response_model) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (found.seed, found.fingerprint, found.status) == (123, "fp_44709d6fcb", 200)
    assert (found.finish_reason, found.input_tokens, found.output_tokens) == ("stop", 7, 4)
    assert (found.has_logprobs, found.mean_logprob, found.min_logprob) == (True, -1.0, -1.5)
    assert (found.prompt_preview, found.answer_preview) == (
        "What is the capital of France?",
        "Paris, of course.",
    )
    assert (found.tags, found.trace) == (["a", "b"], "t-1")
    assert found.created_at == NOW


def test_it_costs_what_its_provider_asked_when_it_was_recorded(project):
    prices = {"gpt-4o-mini": {"input": 1.0, "output": 2.0}}
    provider = make_provider(project=project, name="openai", prices=prices)
    first = record_one(arrival(project, provider="openai"))
    Provider.objects.filter(pk=provider.pk).update(prices={})

    later = record_one(arrival(project, provider="openai"))

    assert first.cost == pytest.approx((7 * 1.0 + 4 * 2.0) / 1e6)
    assert later.cost is None
    first.refresh_from_db()
    assert first.cost is not None


def test_what_was_recorded_before_its_price_was_known_can_be_given_a_cost(project):
    priced, other = (
        make_provider(project=project, name=name, prices={"gpt-4o-mini": {"input": 1.0, "output": 2.0}})
        for name in ("openai", "azure")
    )
    early, dated = (make_interaction(project=project, provider=priced, cost=cost) for cost in (None, 0.5))
    untold = make_interaction(project=project, provider=priced, input_tokens=None, output_tokens=None)
    unpriced = make_interaction(project=project, provider=other, model="another")

    assert sum(record.fill_costs(project_id=project.pk)) == 1

    costs = dict(Interaction.objects.values_list("pk", "cost"))
    assert costs[early.pk] == pytest.approx((8 * 1.0 + 5 * 2.0) / 1e6)
    assert (costs[dated.pk], costs[untold.pk], costs[unpriced.pk]) == (0.5, None, None)
    assert sum(record.fill_costs()) == 0


def test_the_bodies_come_back_as_they_were_sent(project):
    request = '{"model": "m",  "messages": [], "big": 123456789012345678901234567890, "x": 1.0, "x": NaN}'
    response = '{"choices": [], "odd": "\\u0000 \\ud800"}'
    metadata = '{"k":  [1, 2]}'
    one = arrival(project, f'{{"request": {request}, "response": {response}, "metadata": {metadata}}}')

    body = record_one(one).body

    assert body.request_text.decode() == request
    assert body.response_text.decode() == response
    assert body.metadata_text.decode() == metadata


def test_the_same_id_again_changes_nothing(project):
    first = arrival(project)
    record.record_now(arrivals=[first], now=NOW)
    second = arrival(project, as_id=first.id, source="another")

    outcome = record.record_now(arrivals=[second], now=NOW + timedelta(hours=1))

    assert (outcome.recorded, outcome.known, outcome.set_aside) == ((), (first.id,), ())
    assert Interaction.objects.get().source.name == "default"


def test_the_same_id_twice_in_one_batch_is_recorded_once(project):
    first = arrival(project)

    outcome = record.record_now(arrivals=[first, arrival(project, as_id=first.id)], now=NOW)

    assert (len(outcome.recorded), len(outcome.known)) == (1, 1)
    assert Interaction.objects.count() == 1


def test_an_id_of_another_project_is_set_aside_and_overwrites_nothing(project):
    other = factories.make_project()
    first = arrival(other)
    record.record_now(arrivals=[first], now=NOW)

    outcome = record.record_now(arrivals=[arrival(project, as_id=first.id)], now=NOW)

    assert outcome.set_aside == (record.ID_TAKEN,)
    assert Interaction.objects.get().project == other
    assert FailedMessage.objects.get().project == project


def test_what_can_not_be_read_is_set_aside_once_and_its_neighbours_are_recorded(project):
    good = arrival(project)
    frames = [b"no frame at all", record.encode(good)]

    record.record_frames(frames=frames, now=NOW)
    record.record_frames(frames=frames, now=NOW)

    assert Interaction.objects.get().id == good.id
    assert bytes(FailedMessage.objects.get().payload) == b"no frame at all"


def test_what_the_database_refuses_is_set_aside_and_its_neighbours_are_recorded(project):
    arrivals = [arrival(project) for _ in range(20)]
    # A replay's answer whose original does not exist breaks a foreign key, which no reading can foresee.
    arrivals[13] = record.Arrival(
        id=new_id(), project_id=project.id, received_at=NOW, content=arrivals[0].content, replay_of=new_id()
    )

    outcome = record.record_now(arrivals=arrivals, now=NOW)

    assert len(outcome.recorded) == 19
    assert len(outcome.set_aside) == 1


def test_a_project_that_is_gone_does_not_stop_the_others(project):
    gone = factories.make_project()
    lost = arrival(gone)
    gone_id = gone.id
    _delete_project(gone)

    outcome = record.record_now(arrivals=[lost, arrival(project)], now=NOW)

    assert len(outcome.recorded) == 1
    assert outcome.set_aside == (record.PROJECT_GONE,)
    assert FailedMessage.objects.get().project is None
    assert not Source.objects.filter(project_id=gone_id).exists()


def _delete_project(project) -> None:
    from reviewapp.models import AuditEntry, Project

    with connection.cursor() as cursor:
        # Only who owns the tables can do that: the audit trail is not for deleting.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE reviewapp_auditentry DISABLE TRIGGER audit_append_only")
        AuditEntry.objects.filter(project=project).delete()
        cursor.execute("ALTER TABLE reviewapp_auditentry ENABLE TRIGGER audit_append_only")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    Project.objects.filter(pk=project.pk).delete()


def test_a_source_and_a_provider_not_seen_before_are_created(project):
    record_one(arrival(project, source="new-bot", provider="new-vendor"))

    assert Source.objects.get(name="new-bot").project == project
    assert not Provider.objects.get(name="new-vendor").can_be_called


def test_without_a_provider_it_is_the_sources_else_the_projects(project):
    default = factories.make_provider(project=project, name="house", is_default=True)
    own = factories.make_provider(project=project, name="own")
    factories.make_source(project=project, name="with-own", provider=own)

    assert record_one(arrival(project, source="with-own")).provider == own
    assert record_one(arrival(project, source="without")).provider == default


def test_a_frame_is_settled_when_it_is_recorded_or_set_aside(project):
    frames = [record.encode(arrival(project)) for _ in range(3)]
    before = record.are_settled(frames=frames)
    record.record_frames(frames=frames[:2], now=NOW)
    halfway = record.are_settled(frames=frames)
    record.record_frames(frames=[frames[2], b"no frame"], now=NOW)

    assert [before, halfway, record.are_settled(frames=[*frames, b"no frame"])] == [False, False, True]


def test_a_frame_whose_id_another_project_has_is_settled_only_when_set_aside(project):
    taken = record_one(arrival(project))
    frame = record.encode(arrival(factories.make_project(), as_id=taken.id))
    before = record.are_settled(frames=[frame])

    record.record_frames(frames=[frame], now=NOW)

    assert [before, record.are_settled(frames=[frame])] == [False, True]


def test_names_of_another_project_are_not_taken(project):
    other = factories.make_project()
    factories.make_source(project=other, name="support-bot")

    found = record_one(arrival(project, source="support-bot"))

    assert found.source.project == project


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 2**200])
def test_a_seed_beyond_64_bits_stays_in_the_request_only(project, seed):
    found = record_one(arrival(project, request=QUESTION | {"seed": seed}))

    assert found.seed is None
    assert json.loads(found.body.request_text)["seed"] == seed


@pytest.mark.parametrize("seed", [2**53 + 1, 2**63 - 1, -(2**63), 0])
def test_a_seed_of_64_bits_is_exact(project, seed):
    assert record_one(arrival(project, request=QUESTION | {"seed": seed})).seed == seed


def test_nul_and_half_surrogates_are_replaced_only_where_columns_can_not_hold_them(project):
    text = (
        '{"request": {"model": "m\\u0000", "messages": [{"role": "user", "content": "a\\ud800b\\u0000c"}]},'
        ' "response": {"model": "\\udfff", "choices": [{"message": {"content": "x\\u0000y"}}]}}'
    )

    found = record_one(arrival(project, text))

    assert (found.model, found.response_model) == ("m\ufffd", "\ufffd")
    assert (found.prompt_preview, found.answer_preview) == ("a\ufffdb\ufffdc", "x\ufffdy")
    assert b"a\\ud800b\\u0000c" in found.body.request_text


def test_chunks_are_merged_where_there_is_no_response(project):
    chunks = [
        {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
        {"id": "c", "choices": [], "system_fingerprint": "fp_last", "usage": {"completion_tokens": 2}},
    ]

    found = record_one(arrival(project, json.dumps({"request": QUESTION, "chunks": chunks})))

    assert (found.streamed, found.answer_preview, found.fingerprint) == (True, "Hello", "fp_last")
    assert json.loads(found.body.response_text)["choices"][0]["message"]["content"] == "Hello"
    assert json.loads(found.body.chunks_text) == chunks


def test_a_stream_over_the_wire_is_kept_chunk_by_chunk(project):
    events = (
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
        b": comment\n\n"
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],  "system_fingerprint":"fp"}\n\n'
        b"data: [DONE]\n\n"
    )
    one = wire(
        project, request=json.dumps(QUESTION).encode(), response=events, content_type="text/event-stream"
    )

    found = record_one(one)

    assert (found.streamed, found.answer_preview, found.fingerprint) == (True, "Hi", "fp")
    assert found.body.chunks_text.count(b"choices") == 2
    assert b'],  "system_fingerprint"' in found.body.chunks_text


def test_a_chunk_that_is_no_json_is_kept_as_a_string(project):
    events = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\ndata: <html>\n\n'
    one = wire(project, request=b'{"messages":[]}', response=events, content_type="text/event-stream")

    found = record_one(one)

    assert json.loads(found.body.chunks_text)[1] == "<html>"
    assert found.answer_preview == "Hi"


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("levels", [rawjson.MAX_DEPTH - 2, rawjson.MAX_DEPTH - 1, rawjson.MAX_DEPTH])
def test_a_chunk_nested_as_deep_as_can_be_read_can_be_read_again(project, levels):
    deep = f'{{"choices":[],"x":{nested(levels - 1)}}}'
    events = f'data: {{"choices":[{{"delta":{{"content":"Hi"}}}}]}}\n\ndata: {deep}\n\n'.encode()
    one = wire(project, request=b'{"messages":[]}', response=events, content_type="text/event-stream")

    found = record_one(one)

    last = rawjson.parse(rawjson.from_bytes(found.body.chunks_text))[1]
    assert last in (rawjson.parse(deep), deep)
    assert review.answer_text(found) == "Hi"


@pytest.mark.parametrize(("levels", "is_json"), [(196, True), (197, False), (198, False)])
def test_an_answer_that_merging_nests_too_deep_is_kept_as_text(project, levels, is_json):
    """A part of the Responses API stands four levels deep in the whole, in its event one."""
    begun = '{"type":"response.output_item.added","output_index":0,"item":{"type":"message","content":[]}}'
    part = f'{{"type":"output_text","text":"Hi","x":{nested(levels - 1)}}}'
    event = f'{{"type":"response.content_part.done","output_index":0,"content_index":0,"part":{part}}}'
    one = wire(
        project,
        endpoint="responses",
        request=b'{"input":"?"}',
        response=f"data: {begun}\n\ndata: {event}\n\n".encode(),
        content_type="text/event-stream",
    )

    found = record_one(one)

    assert (found.answer_preview, found.body.response_is_json) == ("Hi", is_json)
    assert review.answer_text(found) == ("Hi" if is_json else "")
    assert '"text":"Hi"' in rawjson.from_bytes(found.body.response_text)


def test_of_embeddings_no_number_is_searched(project):
    response = {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"index": n, "object": "embedding", "embedding": [0.25, 0.775]} for n in range(3)],
    }
    request = {"model": "text-embedding-3-small", "input": ["red shoes", "blue shoes", "green shoes"]}

    found = record_one(arrival(project, endpoint="embeddings", request=request, response=response))

    assert "775" not in str(found.text.document)
    assert "shoes" in str(found.text.document)


def test_an_error_body_that_is_no_json_is_kept_as_text(project):
    one = wire(
        project,
        request=b'{"messages":[]}',
        response=b"Bad \xff Gateway",
        status=502,
        content_type="text/html",
    )

    found = record_one(one)

    assert (found.status, found.body.response_is_json) == (502, False)
    assert found.body.response_text.decode("utf-8", "surrogatepass") == "Bad \udcff Gateway"


def test_what_never_got_a_response_says_so(project):
    timed_out = wire(
        project, request=b'{"messages":[]}', response=None, status=None, error="It took too long."
    )
    unsaid = arrival(project, json.dumps({"request": QUESTION}))

    assert record_one(timed_out).error == "It took too long."
    assert record_one(unsaid).error == record.NO_RESPONSE


def test_a_response_without_a_status_counts_as_200(project):
    assert record_one(arrival(project)).status == 200


def test_names_longer_than_an_index_holds_are_cut(project):
    one = arrival(
        project,
        request=QUESTION | {"model": "m" * 10_000},
        response=ANSWER | {"system_fingerprint": "語" * 9_000},
    )

    found = record_one(one)

    assert len(found.model) == 200
    assert len(found.fingerprint) == 200


def test_nan_and_infinite_log_probabilities_do_not_count(project):
    text = json.dumps({"request": QUESTION, "response": ANSWER}).replace("-0.5", "-Infinity")

    found = record_one(arrival(project, text))

    assert (found.mean_logprob, found.min_logprob) == (-1.5, -1.5)


def test_a_frame_says_all_that_the_arrival_said(project):
    over_wire = wire(
        project,
        request=b"{}",
        response=b"\x00\xff",
        headers={"x-request-id": "r"},
        tags=("t",),
        source="s",
        latency_ms=5,
    )
    texts = arrival(project, status=200, error=None, metadata={"a": 1}, started_at="2026-01-01T00:00:00Z")

    assert record.decode(record.encode(over_wire)) == over_wire
    assert record.decode(record.encode(texts)) == texts


def test_a_frame_of_the_version_before_is_read(project):
    content = arrival(project, status=200)
    head = {
        "id": str(content.id),
        "project": str(project.pk),
        "received_at": NOW.isoformat(),
        "endpoint": "chat.completions",
        "status": 200,
        "response_is_json": True,
    }
    parts = [content.content.request_text.encode(), content.content.response_text.encode()]
    header = json.dumps({**head, "parts": [*map(len, parts), None, None]}).encode()

    frame = struct.pack("<BI16s", 1, len(header), content.id.bytes) + header + b"".join(parts)

    assert record.decode(frame) == content
    assert record.record_frames(frames=[frame], now=NOW).recorded == (content.id,)


@pytest.mark.parametrize("size", [10, 700_000])
def test_bodies_are_stored_as_the_frame_has_them_or_packed_by_the_worker(project, size):
    request = {"model": "m", "messages": [{"role": "user", "content": "word " * (size // 5)}]}
    text = json.dumps({"request": request, "response": ANSWER})

    found = record_one(arrival(project, text))

    assert json.loads(found.body.request_text) == request


def test_a_message_holds_its_frames():
    frames = [b"a", b"", b"\x00" * 100_000, b"\x02" * 700_000]

    packed = record.pack(frames)

    assert record.unpack(packed) == frames
    assert len(packed[3]) < 1_000


def test_a_message_of_the_version_before_is_read():
    joined = b"".join(struct.pack("<I", len(frame)) + frame for frame in (b"a", b"bc"))

    assert record.unpack(base64.b64encode(compress(joined)).decode()) == [b"a", b"bc"]


@pytest.mark.parametrize("message", ["", "no base64!", "AAAA", None, ["x"], [b"(\xb5/\xfd..."]])
def test_a_message_that_can_not_be_read_is_set_aside(message):
    outcome = record.record_message(message=message, now=NOW)

    assert len(outcome.set_aside) == 1
    kept = message if isinstance(message, str) else repr(message)
    assert bytes(FailedMessage.objects.get().payload) == kept.encode()


def test_started_at_is_when_it_was_received_less_its_latency(project):
    found = record_one(arrival(project, latency_ms=1500))

    assert found.started_at == datetime(2026, 11, 22, 11, 59, 58, 500_000, tzinfo=UTC)
