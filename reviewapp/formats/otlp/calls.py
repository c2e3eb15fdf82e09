"""A span as the interaction it tells of, where it is the call of a language model."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

from reviewapp.formats import assembly
from reviewapp.formats.interchange import Recorded
from reviewapp.formats.messages import opened
from reviewapp.formats.openai.fields import filled, integer, text_of
from reviewapp.formats.otlp import genai, openinference
from reviewapp.formats.otlp.spans import ERROR, Span
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint, JsonObject
from reviewapp.pure.ids import named_id

_SESSIONS: Final = (
    "session.id",
    "gen_ai.conversation.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "thread_id",
)
_USERS: Final = ("user.id", "enduser.id", "langfuse.user.id", "traceloop.association.properties.user_id")
_TAGS: Final = ("tag.tags", "langfuse.trace.tags", "langfuse.tags")
_PROVIDERS: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
# What stands in the request or the response already, or would only repeat it.
_SAID: Final = re.compile(
    r"(gen_ai\.(prompt|completion|input\.messages|output\.messages|usage|request|response|openai|tool\.def|system_)"
    r"|llm\.(input_|output_|tools|token_|prompts|choices|invocation|usage|request|completions)"
    r"|input\.|output\.|openai\.|embedding\.|ai\.prompt|ai\.response|events$|openinference)"
)
_LEFT: Final = 60
_LEFT_CHARACTERS: Final = 2_000
_status_code = re.compile(r"\b(?:error code|status(?: code)?|HTTP)[ :=]+([45]\d\d)\b", re.IGNORECASE).search


class InvalidCall(Exception):
    """The span is a call, but one that can't be recorded; the message is a sentence."""


def call_id(*, project: UUID, span: Span) -> UUID:
    """The id of the span's interaction in a project, always the same, so that sending twice records once."""
    return named_id(call_name(span), project=project, at_ms=span.started_ns // 1_000_000)


def call_name(span: Span) -> str:
    """What tells the span from every other, wherever it comes from."""
    return f"otlp {span.trace_id} {span.span_id}"


def read_call(span: Span) -> Recorded | None:
    """The interaction, without an id; None where the span is no call of a model. Raises InvalidCall."""
    bodies = _bodies(span)
    if bodies is None:
        return None
    endpoint, request, response, captured = bodies
    for what, text in (("request", request), ("response", response)):
        if text is not None and not _is_readable(text):
            raise InvalidCall(f"The {what} of the span “{span.name[:80]}” is nested too deeply.")
    status, error = _outcome(span, response)
    service = filled(span.resource.get("service.name"))
    return Recorded(
        endpoint=endpoint,
        request_text=request,
        response_text=response,
        source=None if service is None or service.startswith("unknown_service") else assembly.name(service),
        provider=assembly.name(_first(span, _PROVIDERS)),
        status=status,
        error=error,
        started_at=span.started_at,
        latency_ms=span.latency_ms,
        trace=assembly.context(span.trace_id),
        session=assembly.context(_first(span, _SESSIONS)),
        user=assembly.context(_first(span, _USERS)),
        tags=assembly.tags(opened(_first(span, _TAGS))),
        metadata_text=_metadata(span, captured=captured),
    )


def _bodies(span: Span) -> tuple[Endpoint, str, str | None, bool] | None:
    attributes = span.attributes
    kind = attributes.get(openinference.KIND)
    if kind in ("LLM", "EMBEDDING"):
        found = openinference.bodies_of(span)
        return (*found, True) if found is not None else None
    endpoint = genai.endpoint_of(attributes) if kind is None else None
    if endpoint is None:
        return None
    asked = genai.asked_of(span)
    answer = genai.answer_of(span)
    settings = genai.settings_of(endpoint, attributes)
    if "model" not in settings and answer.model:
        settings["model"] = answer.model
    request = assembly.request_body(endpoint, settings, asked, tools=genai.tools_of(attributes))
    told = bool(answer.messages or answer.id or answer.counts.output is not None)
    response = assembly.dumped(assembly.response_body(endpoint, answer)) if told else None
    return endpoint, assembly.dumped(request), response, bool(asked)


def _is_readable(text: str) -> bool:
    try:
        rawjson.parse(text)
    except rawjson.InvalidJson:
        return False
    return True


def _outcome(span: Span, response: str | None) -> tuple[int | None, str | None]:
    """The HTTP status as far as the span tells it, and the error."""
    if span.status != ERROR and "error.type" not in span.attributes:
        return (200 if response is not None else None), None
    raised = next((event.attributes for event in span.events if event.name == "exception"), {})
    told = filled(span.status_message) or filled(raised.get("exception.message"))
    error = told or filled(span.attributes.get("error.type")) or "The span tells of an error, but not which."
    status = integer(
        span.attributes.get("http.response.status_code", span.attributes.get("http.status_code"))
    )
    if status is None and (match := _status_code(f"{error} {span.attributes.get('error.type', '')}")):
        status = int(match[1])
    return (status if status is not None and 100 <= status <= 599 else None), assembly.error_text(error)


def _first(span: Span, names: tuple[str, ...]) -> Any:
    for place in (span.attributes, span.resource):
        for name in names:
            if place.get(name):
                return place[name]
    return None


def _metadata(span: Span, *, captured: bool) -> str:
    """What else the span tells: where it comes from, and the attributes that nothing else holds."""
    told: JsonObject = {"span": span.name, "span_id": span.span_id, "scope": span.scope}
    left = {
        name: value
        for name, value in span.attributes.items()
        if not _SAID.match(name) and len(text_of(value) or str(value)) <= _LEFT_CHARACTERS
    }
    if left:
        told["attributes"] = dict(list(left.items())[:_LEFT])
    if not captured:
        told["request"] = assembly.NOT_CAPTURED
    return assembly.dumped({"otel": {name: value for name, value in told.items() if value}})
