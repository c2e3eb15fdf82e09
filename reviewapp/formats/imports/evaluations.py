"""Logs of evaluations: promptfoo's results, and Inspect's logs (.eval, which is a zip, and .json)."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, Final

from reviewapp.formats.assembly import (
    Answer,
    Counts,
    count_of,
    dumped,
    fingerprint_within,
    moment,
    request_body,
    response_body,
)
from reviewapp.formats.imports.lines import (
    Line,
    NotImportable,
    answer_messages,
    bodies_of,
    call,
    provider_of,
    seconds_ms,
    whole,
)
from reviewapp.formats.interchange import Recorded
from reviewapp.formats.messages import chat_messages, opened, tool_call
from reviewapp.formats.openai.fields import filled, object_of, objects_in, text_of
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import JsonObject
from reviewapp.pure.said import said as tell
from reviewapp.pure.said import text_of as reason_of
from reviewapp.pure.said.templates.marking import gettext_noop

# Unpacked, and what one member may hold; an archive of Inspect is mostly text, packed ten to one.
ARCHIVE_LIMIT: Final = 1024 * 1024 * 1024
MEMBER_LIMIT: Final = 128 * 1024 * 1024
_attachment = re.compile(r"attachment://([0-9a-f]{32})").fullmatch


def promptfoo(value: Any) -> Iterator[Line]:
    """Results of any version, as an output file or an export. Raises NotImportable where none are kept."""
    data = object_of(value)
    data = object_of(data.get("data")) or data
    config = object_of(data.get("config"))
    inner = data.get("results")
    results = inner.get("results") if isinstance(inner, dict) else inner
    head = object_of(inner) or data
    if not isinstance(results, list) or not results:
        raise NotImportable(
            gettext_noop("This promptfoo file holds only the summary of an eval, none of its results.")
        )
    named = config.get("providers")
    started_at = moment(head.get("timestamp") or data.get("createdAt"))
    run = data.get("evalId") or data.get("id") or head.get("timestamp")
    for number, result in enumerate(objects_in(results), start=1):
        provider = text_of(object_of(result.get("provider")).get("id")) or text_of(result.get("provider"))
        if provider is None and isinstance(named, list) and len(named) == 1:
            provider = text_of(named[0])
        try:
            recorded = _result(result, provider, started_at, run)
        except NotImportable as error:
            yield Line(number, reason=reason_of(error))
            continue
        yield Line(
            number, recorded, name=f"promptfoo {run} {result['id']}" if run and result.get("id") else ""
        )


def _result(result: JsonObject, provider: str | None, started_at: Any, run: Any) -> Recorded:
    response = object_of(result.get("response"))
    usage = object_of(response.get("tokenUsage"))
    raw = opened(response.get("raw"))
    model = provider.rpartition(":")[2] if provider and ":" in provider else None
    prompt = object_of(result.get("prompt")).get("raw")
    request = request_body("chat.completions", {"model": model}, chat_messages(prompt))
    output = response.get("output")
    finish = filled(response.get("finishReason"))
    answer = Answer(
        messages=answer_messages(output) if isinstance(output, str) else _written(output),
        finish_reasons=[finish] if finish else [],
        fingerprint=fingerprint_within(raw),
        counts=Counts(input=count_of(usage.get("prompt")), output=count_of(usage.get("completion"))),
    )
    if isinstance(raw, dict) and isinstance(raw.get("choices"), list):
        body: Any = raw
    else:
        body = response_body("chat.completions", answer) if answer.messages else None
    failed = response.get("error") or (result.get("error") if body is None else None)
    return call(
        request=request,
        response=body,
        endpoint="chat.completions",
        error=failed,
        provider=provider_of(provider),
        started_at=started_at,
        latency_ms=whole(result.get("latencyMs")),
        trace=run if isinstance(run, str) else None,
        metadata={
            "promptfoo": {
                "provider": provider,
                "vars": result.get("vars"),
                "success": result.get("success"),
                "score": result.get("score"),
                "cached": response.get("cached"),
            }
        },
    )


def _written(output: Any) -> list[JsonObject]:
    """An answer that promptfoo parsed already: tool calls, or JSON."""
    if output is None:
        return []
    calls = [tool_call(item) for item in objects_in(output) if "function" in item]
    if calls:
        return [{"role": "assistant", "content": None, "tool_calls": calls}]
    return [{"role": "assistant", "content": dumped(output)}]


def inspect_log(value: Any) -> Iterator[Line]:
    """A log as one JSON document. Raises NotImportable."""
    data = object_of(value)
    samples = data.get("samples")
    if not isinstance(samples, list) or not samples:
        raise NotImportable(gettext_noop("This Inspect log holds no samples."))
    number = 0
    for sample in objects_in(samples):
        for line in _sample(sample, object_of(data.get("eval"))):
            number += 1
            yield line_at(line, number)


def inspect_archive(data: bytes) -> Iterator[Line]:
    """A log as a zip of samples. Raises NotImportable."""
    number = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith(".json")]
            if sum(info.file_size for info in names) > ARCHIVE_LIMIT:
                raise NotImportable(gettext_noop("The archive unpacks to more than 1 GiB."))
            samples = sorted(info.filename for info in names if info.filename.startswith("samples/"))
            if not samples:
                raise NotImportable(gettext_noop("This zip is no log of Inspect: it holds no samples."))
            head = "header.json" if "header.json" in archive.namelist() else "_journal/start.json"
            about = (
                object_of(object_of(_member(archive, head)).get("eval")) if head in archive.namelist() else {}
            )
            for name in samples:
                for line in _sample(object_of(_member(archive, name)), about):
                    number += 1
                    yield line_at(line, number)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise NotImportable(tell("file_zip", why=str(error))) from None


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as file:
        data = file.read(MEMBER_LIMIT + 1)
    if len(data) > MEMBER_LIMIT:
        raise NotImportable(tell("file_unpacks", name=name))
    try:
        return rawjson.parse(data)
    except rawjson.InvalidJson as error:
        raise NotImportable(tell("file_member", member=name, ours=reason_of(error))) from None


def line_at(line: Line, number: int) -> Line:
    return Line(number, line.recorded, line.reason, line.left_out, line.digest, line.name)


def _sample(sample: JsonObject, about: JsonObject) -> Iterator[Line]:
    """The calls of a sample: each model event; in logs without events the sample's question and answer."""
    attachments = object_of(sample.get("attachments"))
    pool = sample.get("message_pool") or object_of(sample.get("events_data")).get("messages")
    events = [event for event in objects_in(sample.get("events")) if event.get("event") == "model"]
    name = f"inspect {about.get('run_id')} {sample.get('uuid') or sample.get('id')} {sample.get('epoch')}"
    for at, event in enumerate(events):
        try:
            recorded = _event(_attached(event, attachments), objects_in(pool), sample, about)
        except NotImportable as error:
            yield Line(0, reason=reason_of(error))
        else:
            yield Line(0, recorded, name=f"{name} {event.get('uuid') or at}")
    if not events:
        try:
            yield Line(0, _whole_sample(_attached(sample, attachments), about), name=name)
        except NotImportable as error:
            yield Line(0, reason=reason_of(error))


def _event(event: JsonObject, pool: list[JsonObject], sample: JsonObject, about: JsonObject) -> Recorded:
    made = object_of(event.get("call"))
    sent, answered = object_of(made.get("request")), object_of(made.get("response"))
    output = object_of(event.get("output"))
    if sent.get("messages") or sent.get("input"):
        # What the client was given beside the body: its headers, and settings that were not set.
        request = {
            name: told for name, told in sent.items() if told is not None and not name.startswith("extra_")
        }
        response: Any = answered or None
    else:
        asked = objects_in(event.get("input")) or _from_pool(event.get("input_refs"), pool)
        settings = {"model": event.get("model"), **object_of(event.get("config"))}
        settings.pop("max_connections", None)
        if not asked:
            raise NotImportable(gettext_noop("The event holds no messages."))
        request, response = bodies_of(_messages(asked), None, settings=settings)[0], _output(output)
    return _inspect_call(request, response or _output(output), event, output, sample, about)


def _from_pool(refs: Any, pool: list[JsonObject]) -> list[JsonObject]:
    """Messages that stand once for all events of a sample, by their ranges."""
    found: list[JsonObject] = []
    for ref in refs if isinstance(refs, list) else []:
        if isinstance(ref, list) and len(ref) == 2 and all(type(end) is int and end >= 0 for end in ref):
            start, end = ref
            found += pool[start:end] if end > start else pool[start : start + end]
    return found


def _whole_sample(sample: JsonObject, about: JsonObject) -> Recorded:
    messages = objects_in(sample.get("messages"))
    output = object_of(sample.get("output"))
    response = _output(output)
    if response is None or len(messages) < 2:
        raise NotImportable(
            gettext_noop(
                "The sample has neither events nor an output, so what the model answered is not known."
            )
        )
    asked = messages[:-1] if messages[-1].get("role") == "assistant" else messages
    request = bodies_of(_messages(asked), None, settings={"model": about.get("model")})[0]
    return _inspect_call(request, response, {}, output, sample, about)


def _inspect_call(
    request: JsonObject,
    response: Any,
    event: JsonObject,
    output: JsonObject,
    sample: JsonObject,
    about: JsonObject,
) -> Recorded:
    return call(
        request=request,
        response=response,
        error=event.get("error") or output.get("error"),
        provider=provider_of(event.get("model") or about.get("model")),
        source=about.get("task"),
        started_at=moment(event.get("timestamp") or about.get("created")),
        latency_ms=seconds_ms(object_of(event.get("call")).get("time") or output.get("time")),
        trace=about.get("run_id"),
        session=sample.get("uuid"),
        metadata={
            "inspect": {
                "task": about.get("task"),
                "sample": sample.get("id"),
                "epoch": sample.get("epoch"),
                "target": sample.get("target"),
            }
        },
    )


def _messages(messages: list[JsonObject]) -> list[JsonObject]:
    """Inspect's messages as the chat's."""
    found = []
    for message in messages:
        told: JsonObject = {"role": text_of(message.get("role")) or "user", "content": message.get("content")}
        if calls := objects_in(message.get("tool_calls")):
            told["tool_calls"] = [tool_call(one) for one in calls]
        if isinstance(message.get("tool_call_id"), str):
            told["tool_call_id"] = message["tool_call_id"]
        found.append(told)
    return found


def _output(output: JsonObject) -> JsonObject | None:
    choices = objects_in(output.get("choices"))
    if not choices:
        return None
    usage = object_of(output.get("usage"))
    answer = Answer(
        messages=_messages([object_of(choice.get("message")) for choice in choices]),
        finish_reasons=[text_of(choice.get("stop_reason")) or "" for choice in choices],
        model=text_of(output.get("model")),
        fingerprint=fingerprint_within(output.get("metadata")),
        counts=Counts(
            input=count_of(usage.get("input_tokens")),
            output=count_of(usage.get("output_tokens")),
            cached=count_of(usage.get("input_tokens_cache_read")),
            reasoning=count_of(usage.get("reasoning_tokens")),
        ),
    )
    return response_body("chat.completions", answer)


def _attached(value: Any, attachments: JsonObject) -> Any:
    """With the long texts back in their places, which the log keeps once."""
    if isinstance(value, str):
        match = _attachment(value)
        return attachments.get(match[1], value) if match else value
    if isinstance(value, list):
        return [_attached(item, attachments) for item in value]
    if isinstance(value, dict):
        return {name: _attached(item, attachments) for name, item in value.items() if name != "attachments"}
    return value
