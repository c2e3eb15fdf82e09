"""OpenTelemetry's events `gen_ai.evaluation.result`, put together to judgements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reviewapp.formats.imports.judged.gathering import Gathered, rubric_key
from reviewapp.formats.imports.lines import Line
from reviewapp.formats.openai.fields import filled, object_of, objects_in, text_of
from reviewapp.formats.said import (
    About,
    InvalidSaid,
    Said,
    Who,
    moment_of,
    read_said,
    uuid_of,
    who_of,
)
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import JsonObject
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.said.templates.marking import gettext_noop


def is_evaluations(value: Any) -> bool:
    """Whether the value is a request of log records."""
    return isinstance(object_of(value).get("resourceLogs", object_of(value).get("resource_logs")), list)


def evaluations(value: Any) -> Iterator[Line]:
    """Events of the name `gen_ai.evaluation.result`, put together to judgements."""
    number = 0
    for request in objects_in(value if isinstance(value, list) else [value]):
        for group in objects_in(request.get("resourceLogs", request.get("resource_logs"))):
            resource = _values(object_of(group.get("resource")).get("attributes"))
            events, others = _events(group)
            for _ in range(others):
                number += 1
                yield Line(number, left_out=gettext_noop("log record that is no evaluation"))
            for about, records in events.items():
                number += 1
                yield Line(number, said=_events_said(about, records, resource))


def _events(group: JsonObject) -> tuple[dict[About, list[tuple[JsonObject, JsonObject, str]]], int]:
    """The evaluations by what they are about, and how many records are none."""
    found: dict[About, list[tuple[JsonObject, JsonObject, str]]] = defaultdict(list)
    others = 0
    for scope in objects_in(group.get("scopeLogs", group.get("scope_logs"))):
        scope_name = text_of(object_of(scope.get("scope")).get("name")) or ""
        for record in objects_in(scope.get("logRecords", scope.get("log_records"))):
            values = _values(record.get("attributes"))
            event = record.get("eventName") or record.get("event_name") or values.get("event.name")
            if event != "gen_ai.evaluation.result":
                others += 1
                continue
            about = About(
                interaction=uuid_of(values.get("reviewapp.interaction.id")),
                trace=filled(record.get("traceId", record.get("trace_id"))),
                span=filled(record.get("spanId", record.get("span_id"))),
            )
            found[about].append((record, values, scope_name))
    return found, others


def _values(attributes: Any) -> JsonObject:
    return {str(one.get("key")): _plain(object_of(one.get("value"))) for one in objects_in(attributes)}


def _plain(value: JsonObject) -> Any:
    for kind, given in value.items():
        if kind in ("intValue", "int_value"):
            try:
                return int(given)
            except (TypeError, ValueError):
                return None
        if kind in ("stringValue", "string_value", "boolValue", "bool_value", "doubleValue", "double_value"):
            return given
    return None


def _events_said(
    about: About, records: Iterable[tuple[JsonObject, JsonObject, str]], resource: JsonObject
) -> Said:
    beside = read_said(
        {
            "rubrics": _parsed(resource.get("reviewapp.rubrics")),
            "queues": _parsed(resource.get("reviewapp.queues")),
        }
    )
    wrong = list(beside.wrong)
    gathered: dict[tuple[Any, ...], tuple[Gathered, JsonObject, JsonObject, str]] = {}
    for record, values, scope in records:
        who = values.get("user.email") or values.get("user.full_name") or values.get("user.name") or scope
        part_of = values.get("reviewapp.judgement.id") or record.get("timeUnixNano")
        one, *_ = gathered.setdefault((who, part_of), (Gathered(), record, values, scope))
        _evaluate(one, values)
    judgements = []
    for one, record, values, scope in gathered.values():
        at = moment_of(values.get("reviewapp.judgement.created_at")) or _moment(record.get("timeUnixNano"))
        version = values.get("reviewapp.judgement.version")
        try:
            judgements.append(
                one.judgement(
                    id=uuid_of(values.get("reviewapp.judgement.id")),
                    who=_evaluator(values, scope, resource),
                    rubric=rubric_key(
                        {
                            "name": values.get("reviewapp.rubric.name"),
                            "version": values.get("reviewapp.rubric.version"),
                        }
                    ),
                    at=at,
                    edited_at=moment_of(values.get("reviewapp.judgement.updated_at")) or at,
                    version=version if isinstance(version, int) and version > 0 else 1,
                    authoritative=values.get("reviewapp.judgement.authoritative") is True,
                )
            )
        except (InvalidSaid, InvalidAnswer) as error:
            wrong.append(str(error))
    return replace(beside, judgements=tuple(judgements), wrong=tuple(wrong), about=about)


def _evaluator(values: Mapping[str, Any], scope: str, resource: JsonObject) -> Who:
    name = values.get("user.full_name") or values.get("user.name") or values.get("user.email")
    unknown = scope or text_of(resource.get("service.name")) or "OpenTelemetry"
    return who_of({"email": values.get("user.email"), "name": name or unknown}, None)


def _evaluate(gathered: Gathered, values: JsonObject) -> None:
    name = text_of(values.get("gen_ai.evaluation.name")) or "evaluation"
    explanation = text_of(values.get("gen_ai.evaluation.explanation")) or ""
    gathered.comment = gathered.comment or explanation
    answer = _parsed(values.get("reviewapp.answer"))
    if name == "reviewapp.mark" and isinstance(answer, dict):
        gathered.spans.append(answer)
    elif name == "reviewapp.comment":
        gathered.comment = text_of(answer) or gathered.comment
    elif name.startswith("reviewapp.") and gathered.take(name.replace(".", "-", 1), answer):
        return
    else:
        label, value = (
            values.get("gen_ai.evaluation.score.label"),
            values.get("gen_ai.evaluation.score.value"),
        )
        gathered.scores[name] = answer if answer is not None else label if label is not None else value


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return None
    try:
        return rawjson.parse(value)
    except rawjson.InvalidJson:
        return None


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(value) / 1e9, tz=UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
