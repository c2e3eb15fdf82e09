"""What others keep: OpenAI's stored completions and evals, LiteLLM's logs, the database of the `llm` tool."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from reviewapp.formats.assembly import Answer, Counts, between, count_of, moment, response_body
from reviewapp.formats.imports.lines import (
    Line,
    NotImportable,
    bodies_of,
    call,
    each,
    flat_settings,
    provider_of,
    whole,
)
from reviewapp.formats.interchange import Recorded
from reviewapp.formats.messages import chat_messages, opened
from reviewapp.formats.openai.fields import filled, object_of, objects_in, text_of
from reviewapp.pure.exchange import Endpoint, JsonObject
from reviewapp.pure.said import said as tell
from reviewapp.pure.said import text_of as reason_of
from reviewapp.pure.said.templates.marking import gettext_noop

# What a stored completion tells of its request.
_STORED: Final = (
    "model",
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "seed",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
)
_CALL_TYPES: Final[dict[str, Endpoint]] = {
    "completion": "chat.completions",
    "acompletion": "chat.completions",
    "text_completion": "completions",
    "atext_completion": "completions",
    "embedding": "embeddings",
    "aembedding": "embeddings",
    "responses": "responses",
    "aresponses": "responses",
}
# Rows of the database's log, and the steps that reading them may take; a view may ask for endless ones.
_STEPS: Final = 50_000_000


def stored_completions(value: Any) -> Iterator[Line]:
    """OpenAI's stored chat completions, with their messages where those were fetched too."""
    for number, item in enumerate(each(value), start=1):
        try:
            yield Line(number, _stored(item), name=f"openai {item.get('id')}")
        except NotImportable as error:
            yield Line(number, reason=reason_of(error))


def _stored(item: JsonObject) -> Recorded:
    asked = item.get("messages", item.get("input"))
    request = {name: item[name] for name in _STORED if item.get(name) not in (None, {}, [])}
    if messages := chat_messages(object_of(asked).get("data", asked)):
        request["messages"] = messages
    response = {name: told for name, told in item.items() if name not in ("messages", "input", "metadata")}
    return call(
        request=request,
        response=response,
        endpoint="chat.completions",
        provider="openai",
        started_at=moment(item.get("created")),
        user=item.get("input_user"),
        metadata={"stored": item.get("metadata")},
    )


def openai_evals(value: Any) -> Iterator[Line]:
    """Output items of OpenAI's Evals, or the log that its open-source runner writes."""
    for number, item in enumerate(each(value), start=1):
        sample = object_of(item.get("sample"))
        try:
            if sample:
                name = f"openai-eval {item.get('run_id')} {item.get('id')}"
                yield Line(number, _eval_item(item, sample), name=name)
            elif item.get("type") == "sampling":
                name = f"evals {item.get('run_id')} {item.get('event_id')}"
                yield Line(number, _sampling(item), name=name)
            else:
                yield Line(number, left_out=tell("left_eval", file_kind=str(item.get("type") or "head")))
        except NotImportable as error:
            yield Line(number, reason=reason_of(error))


def _eval_item(item: JsonObject, sample: JsonObject) -> Recorded:
    names = ("model", "seed", "temperature", "top_p", "max_completion_tokens")
    usage = object_of(sample.get("usage"))
    settings = {name: sample.get(name) for name in names}
    finish = filled(sample.get("finish_reason"))
    answer = Answer(
        messages=chat_messages(sample.get("output"), role="assistant"),
        finish_reasons=[finish] if finish else [],
        model=text_of(sample.get("model")),
        counts=Counts(
            input=count_of(usage.get("prompt_tokens")),
            output=count_of(usage.get("completion_tokens")),
            cached=count_of(usage.get("cached_tokens")),
        ),
    )
    request, _ = bodies_of(sample.get("input"), None, settings=settings)
    return call(
        request=request,
        response=response_body("chat.completions", answer) if answer.messages else None,
        endpoint="chat.completions",
        error=object_of(sample.get("error")).get("message"),
        provider="openai",
        started_at=moment(item.get("created_at")),
        trace=item.get("run_id"),
        metadata={"eval": {name: item.get(name) for name in ("eval_id", "run_id", "id", "status")}},
    )


def _sampling(item: JsonObject) -> Recorded:
    data = object_of(item.get("data"))
    request, _ = bodies_of(data.get("prompt"), None, settings={"model": text_of(data.get("model"))})
    sampled = data.get("sampled")
    texts = sampled if isinstance(sampled, list) else [sampled]
    messages = [{"role": "assistant", "content": text} for text in texts if isinstance(text, str)]
    if not messages:
        raise NotImportable(gettext_noop("The event holds no answer."))
    return call(
        request=request,
        response=response_body("chat.completions", Answer(messages=messages)),
        endpoint="chat.completions",
        started_at=moment(item.get("created_at")),
        trace=item.get("run_id"),
        metadata={"eval": {"sample_id": item.get("sample_id"), "run_id": item.get("run_id")}},
    )


def litellm(value: Any) -> Iterator[Line]:
    """LiteLLM's standard logging payloads and its spend logs."""
    for number, item in enumerate(each(value), start=1):
        endpoint = _CALL_TYPES.get(str(item.get("call_type")))
        if endpoint is None:
            yield Line(number, left_out=tell("left_litellm", file_kind=str(item.get("call_type") or "entry")))
            continue
        try:
            yield Line(
                number, _litellm(item, endpoint), name=f"litellm {item.get('id') or item.get('request_id')}"
            )
        except NotImportable as error:
            yield Line(number, reason=reason_of(error))


def _litellm(item: JsonObject, endpoint: Endpoint) -> Recorded:
    sent = object_of(opened(item.get("proxy_server_request")))
    sent = object_of(sent.get("body")) or sent
    given = opened(item.get("messages"))
    settings = {"model": item.get("model"), **flat_settings(item.get("model_parameters"))}
    settings = {name: told for name, told in settings.items() if name not in ("stream_options", "extra_body")}
    if sent.get("messages") or sent.get("input") or sent.get("prompt"):
        request = sent
    elif endpoint == "chat.completions":
        request, _ = bodies_of(given, None, settings=settings)
    else:
        request = {**settings, "prompt" if endpoint == "completions" else "input": given}
    response = opened(item.get("response"))
    hidden = object_of(item.get("hidden_params"))
    start, end = moment(item.get("startTime")), moment(item.get("endTime"))
    metadata = object_of(opened(item.get("metadata")))
    failed = item.get("status") == "failure"
    error = item.get("error_str") or object_of(item.get("error_information")).get("error_message")
    return call(
        request=request,
        response=response if isinstance(response, dict) and response and not failed else None,
        endpoint=endpoint,
        error=(error or "LiteLLM marks the call as failed.") if failed else None,
        provider=item.get("custom_llm_provider") or provider_of(item.get("model")),
        started_at=start,
        latency_ms=between(start, end),
        trace=item.get("trace_id"),
        session=item.get("session_id"),
        user=item.get("end_user"),
        tags=opened(item.get("request_tags")),
        metadata={
            "litellm": {
                "id": item.get("id") or item.get("request_id"),
                "api_base": item.get("api_base"),
                "model_id": item.get("model_id") or hidden.get("model_id"),
                "cache_hit": item.get("cache_hit"),
                "team": metadata.get("user_api_key_team_alias"),
            }
        },
    )


def llm_logs(data: bytes) -> Iterator[Line]:
    """The log database of the `llm` command line tool. Raises NotImportable."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(data)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        connection.row_factory = sqlite3.Row
        steps = iter(range(_STEPS // 10_000))
        connection.set_progress_handler(lambda: next(steps, None) is None, 10_000)
        for number, row in enumerate(connection.execute("SELECT * FROM responses ORDER BY id"), start=1):
            try:
                told = {name: row[name] for name in row.keys()}  # noqa: SIM118  # a row iterates its values
                yield Line(number, _llm_row(told), name=f"llm {told.get('id')}")
            except NotImportable as error:
                yield Line(number, reason=reason_of(error))
    except sqlite3.Error as error:
        raise NotImportable(tell("file_sqlite", why=str(error))) from None
    finally:
        connection.close()


def _llm_row(row: JsonObject) -> Recorded:
    sent = object_of(opened(row.get("prompt_json")))
    told = object_of(opened(row.get("response_json")))
    options = flat_settings(row.get("options_json"))
    settings = {"model": text_of(row.get("resolved_model")) or text_of(row.get("model")), **options}
    asked = sent.get("messages")
    if not asked:
        asked = [
            {"role": role, "content": row[name]}
            for role, name in (("system", "system"), ("user", "prompt"))
            if row.get(name)
        ]
    request, _ = bodies_of(asked, None, settings=settings)
    usage = object_of(told.get("usage"))
    finish = filled(told.get("finish_reason"))
    if isinstance(told.get("choices"), list) and objects_in(told["choices"]):
        response: JsonObject = told
    else:
        answer = Answer(
            messages=[{"role": "assistant", "content": text_of(row.get("response"))}],
            finish_reasons=[finish] if finish else [],
            id=text_of(told.get("id")),
            model=text_of(told.get("model")),
            fingerprint=filled(told.get("system_fingerprint")),
            counts=Counts(
                input=count_of(row.get("input_tokens", usage.get("prompt_tokens"))),
                output=count_of(row.get("output_tokens", usage.get("completion_tokens"))),
            ),
        )
        response = response_body("chat.completions", answer)
    return call(
        request=request,
        response=response,
        endpoint="chat.completions",
        source="llm",
        started_at=moment(row.get("datetime_utc")),
        latency_ms=whole(row.get("duration_ms")),
        session=row.get("conversation_id"),
        metadata={"llm": {"id": row.get("id"), "model": row.get("model")}},
    )
