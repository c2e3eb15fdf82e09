"""Exports of tracing tools: Langfuse, LangSmith, Phoenix, and the OpenAI Agents SDK's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from reviewapp.formats import assembly
from reviewapp.formats.assembly import Counts, between, count_of, moment
from reviewapp.formats.imports.lines import Line, NotImportable, bodies_of, call, each, flat_settings
from reviewapp.formats.interchange import Recorded
from reviewapp.formats.messages import opened
from reviewapp.formats.openai.fields import filled, object_of, objects_in, text_of
from reviewapp.formats.otlp import InvalidCall, call_name, genai, read_call, read_spans
from reviewapp.pure.exchange import JsonObject
from reviewapp.pure.said import said as tell
from reviewapp.pure.said import text_of as reason_of
from reviewapp.pure.said.templates.marking import gettext_noop

# Of Langfuse's parameters those that are settings of a request; integrations put much else there.
# fmt: off
_PARAMETERS: Final = frozenset([
    "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "max_output_tokens",
    "frequency_penalty", "presence_penalty", "seed", "stop", "n", "stream", "tools", "tool_choice",
    "response_format", "logprobs", "top_logprobs", "service_tier", "reasoning_effort", "parallel_tool_calls",
    "logit_bias", "instructions", "text", "reasoning", "truncation",
])
# fmt: on


def langfuse(value: Any) -> Iterator[Line]:
    """Traces with their observations, or observations alone, from the API, the export or the blob storage."""
    number = 0
    for item in each(value):
        trace = object_of(item.get("trace")) or item
        observations = item.get("observations")
        for observation in objects_in(observations) if isinstance(observations, list) else [item]:
            number += 1
            kind = text_of(observation.get("type")) or "observation"
            if kind != "GENERATION" and not (kind == "EMBEDDING" and observation.get("model")):
                yield Line(number, left_out=tell("left_langfuse", file_kind=kind.lower()))
                continue
            yield _line(number, _generation, observation, trace, name=f"langfuse {observation.get('id')}")


def _generation(observation: JsonObject, trace: JsonObject) -> Recorded:
    attributes = object_of(object_of(opened(observation.get("metadata"))).get("attributes"))
    usage = object_of(opened(observation.get("usageDetails") or observation.get("usage")))
    model = filled(observation.get("model")) or filled(observation.get("providedModelName"))
    settings = {
        name: item
        for name, item in flat_settings(observation.get("modelParameters")).items()
        if name in _PARAMETERS
    }
    settings = {"model": model, **settings}
    told = genai.settings_of("chat.completions", attributes)
    if "seed" in told:
        settings.setdefault("seed", told["seed"])
    request, response = bodies_of(
        observation.get("input"),
        observation.get("output"),
        settings=settings,
        model=model,
        fingerprint=assembly.fingerprint_within(attributes) or _named_fingerprint(attributes),
        counts=Counts(
            input=count_of(usage.get("input", usage.get("promptTokens"))),
            output=count_of(usage.get("output", usage.get("completionTokens"))),
            cached=count_of(usage.get("input_cache_read")),
            reasoning=count_of(usage.get("output_reasoning")),
        ),
    )
    start, end = moment(observation.get("startTime")), moment(observation.get("endTime"))
    failed = observation.get("level") == "ERROR"
    return call(
        request=request,
        response=response,
        error=(observation.get("statusMessage") or "The trace marks it as failed.") if failed else None,
        provider=attributes.get("gen_ai.provider.name") or attributes.get("gen_ai.system"),
        started_at=start,
        latency_ms=between(start, end),
        trace=observation.get("traceId") or trace.get("id"),
        session=trace.get("sessionId"),
        user=trace.get("userId"),
        tags=trace.get("tags"),
        metadata={
            "langfuse": {
                "id": observation.get("id"),
                "name": observation.get("name"),
                "prompt": observation.get("promptName"),
                "prompt_version": observation.get("promptVersion"),
                "environment": observation.get("environment"),
            }
        },
    )


def _named_fingerprint(attributes: JsonObject) -> str | None:
    return next((text_of(item) for name, item in attributes.items() if "system_fingerprint" in name), None)


def langsmith(value: Any) -> Iterator[Line]:
    """Runs as the API gives them, or as an SDK posts them: once when a run begins, again when it ends."""
    runs: dict[str, JsonObject] = {}
    for number, item in enumerate(each(value), start=1):
        parts = objects_in(item.get("post")) + objects_in(item.get("patch")) if _is_batch(item) else [item]
        for part in parts:
            # A patch of the JavaScript SDK has no id, only its place in the order of its trace.
            key = filled(part.get("id")) or (text_of(part.get("dotted_order")) or "").rpartition("Z")[2]
            run = runs.setdefault(key or f"run {number}", {})
            run |= {name: told for name, told in part.items() if told not in (None, {}, [])}
    for number, (key, run) in enumerate(runs.items(), start=1):
        if run.get("run_type") != "llm":
            yield Line(
                number, left_out=tell("left_langsmith", file_kind=str(run.get("run_type") or "unfinished"))
            )
        else:
            yield _line(number, _run, run, name=f"langsmith {key}")


def _is_batch(item: JsonObject) -> bool:
    return isinstance(item.get("post"), list) or isinstance(item.get("patch"), list)


def _run(run: JsonObject) -> Recorded:
    metadata = object_of(object_of(run.get("extra")).get("metadata"))
    invocation = object_of(object_of(run.get("extra")).get("invocation_params"))
    inputs, outputs = object_of(run.get("inputs")), object_of(run.get("outputs"))
    given = {
        name: item for name, item in inputs.items() if not name.startswith("extra_") and item is not None
    }
    model = filled(metadata.get("ls_model_name"))
    settings = {name: item for name, item in invocation.items() if not name.startswith("_")}
    settings.setdefault("model", model)
    request, response = bodies_of(given, outputs, settings=settings, model=model)
    if isinstance(response, dict) and isinstance(response.get("choices"), list):
        response = _mended(response)
    start, end = moment(run.get("start_time")), moment(run.get("end_time"))
    error = run.get("error")
    if response is None and not error:
        raise NotImportable(gettext_noop("The run has no outputs; its end is not in this file."))
    return call(
        request=request,
        response=response,
        error=error,
        provider=metadata.get("ls_provider"),
        source=run.get("session_name"),
        started_at=start,
        latency_ms=between(start, end),
        trace=run.get("trace_id"),
        session=metadata.get("session_id") or metadata.get("thread_id"),
        tags=run.get("tags"),
        metadata={"langsmith": {"id": run.get("id"), "name": run.get("name")}},
    )


def _mended(response: JsonObject) -> JsonObject:
    """The response with its own names where the tracer put others."""
    choices = [
        {**choice, "finish_reason": choice["finish_reason"].get("finish_reason")}
        if isinstance(choice.get("finish_reason"), dict)
        else choice
        for choice in objects_in(response["choices"])
    ]
    told = object_of(response.get("usage_metadata"))
    mended = {**response, "choices": choices}
    if "usage" not in response and told:
        mended["usage"] = {
            "prompt_tokens": told.get("input_tokens"),
            "completion_tokens": told.get("output_tokens"),
            "total_tokens": told.get("total_tokens"),
        }
    if response.get("object") == "chat.completion.chunk":
        mended["object"] = "chat.completion"
    return mended


def phoenix(value: Any) -> Iterator[Line]:
    """Spans of Arize Phoenix: of its API, or rows of its data frame; all by OpenInference's conventions."""
    for number, item in enumerate(each(value), start=1):
        yield from otlp_spans(_phoenix_span(item), number=number)


def _phoenix_span(item: JsonObject) -> JsonObject:
    attributes = _flattened(item.get("attributes"), "")
    for name, told in item.items():
        if name.startswith("attributes."):
            attributes |= _flattened(told, name.removeprefix("attributes."))
    context = object_of(item.get("context"))
    kind = item.get("span_kind")
    if isinstance(kind, str):
        attributes.setdefault("openinference.span.kind", kind.upper())
    return {
        "trace_id": context.get("trace_id") or item.get("context.trace_id"),
        "span_id": context.get("span_id") or item.get("context.span_id"),
        "name": item.get("name"),
        "start_time": item.get("start_time"),
        "end_time": item.get("end_time"),
        "status": {"code": item.get("status_code"), "message": item.get("status_message")},
        "attributes": attributes,
        "events": item.get("events"),
    }


def _flattened(value: Any, prefix: str) -> JsonObject:
    """Nested attributes with dotted names, as the conventions have them."""
    told = opened(value) if not prefix else value
    if isinstance(told, dict) and (
        not prefix or not prefix.endswith(("parameters", ".value", "json_schema"))
    ):
        pairs = [(str(name), item) for name, item in told.items()]
    elif isinstance(told, list) and any(isinstance(item, dict) for item in told):
        pairs = [(str(index), item) for index, item in enumerate(told)]
    else:
        return {prefix: told} if prefix and told is not None else {}
    found: JsonObject = {}
    for name, item in pairs:
        found |= _flattened(item, f"{prefix}.{name}" if prefix else name)
    return found


def otlp_spans(value: Any, *, number: int = 1) -> Iterator[Line]:
    """The calls of models among spans."""
    export = read_spans(value)
    yield from (Line(number, reason=reason) for reason in export.refused)
    yield from span_lines(export.spans, number)


def span_lines(spans: Any, number: int) -> Iterator[Line]:
    for span in spans:
        try:
            recorded = read_call(span)
        except InvalidCall as error:
            yield Line(number, reason=reason_of(error))
            continue
        if recorded is None:
            yield Line(number, left_out=gettext_noop("span that is no call of a model"))
        else:
            yield Line(number, recorded, name=call_name(span))


def openai_agents(value: Any) -> Iterator[Line]:
    """What the Agents SDK sends to OpenAI's traces. Of a response only its id is in it."""
    for number, item in enumerate(each(value), start=1):
        data = object_of(item.get("span_data"))
        kind = text_of(data.get("type"))
        if kind == "generation":
            yield _line(number, _agents_generation, item, data, name=f"openai-agents {item.get('id')}")
        elif kind == "response" and (data.get("input") or data.get("response")):
            yield _line(number, _agents_response, item, data, name=f"openai-agents {item.get('id')}")
        elif kind == "response":
            told = data.get("response_id")
            yield Line(number, reason=tell("file_only_id", name=str(told)))
        else:
            yield Line(
                number, left_out=tell("left_agents", file_kind=str(kind or item.get("object") or "item"))
            )


def _agents_generation(item: JsonObject, data: JsonObject) -> Recorded:
    settings = {"model": data.get("model"), **flat_settings(data.get("model_config"))}
    settings = {name: told for name, told in settings.items() if name in _PARAMETERS or name == "model"}
    usage = object_of(data.get("usage"))
    request, response = bodies_of(
        data.get("input"),
        data.get("output"),
        settings=settings,
        model=text_of(data.get("model")),
        counts=Counts(input=count_of(usage.get("input_tokens")), output=count_of(usage.get("output_tokens"))),
    )
    return _agents_call(item, request, response)


def _agents_response(item: JsonObject, data: JsonObject) -> Recorded:
    answered = object_of(data.get("response"))
    return _agents_call(item, assembly.request_of_response(answered, data.get("input")), answered or None)


def _agents_call(item: JsonObject, request: JsonObject, response: Any) -> Recorded:
    start, end = moment(item.get("started_at")), moment(item.get("ended_at"))
    return call(
        request=request,
        response=response,
        error=object_of(item.get("error")).get("message"),
        provider="openai",
        started_at=start,
        latency_ms=between(start, end),
        trace=item.get("trace_id"),
        session=item.get("group_id"),
    )


def _line(number: int, read: Any, *values: Any, name: str) -> Line:
    try:
        return Line(number, read(*values), name=name)
    except NotImportable as error:
        return Line(number, reason=reason_of(error))
