"""Judgements as events of OpenTelemetry's GenAI semantic conventions: `gen_ai.evaluation.result`.

A line for each judged answer: an OTLP/JSON request of log records, as the OTLP file exporter writes them and
any collector's `otlpjsonfile` receiver reads them. An event is one answer to one question; it names trace
and span where the answer came with them, and the response's id. Attributes of the app's own say which
judgement it is a part of, so that it can be put together again.
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-events.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from reviewapp.formats.exports.lines import LinesWriter
from reviewapp.formats.exports.rows import ExportRow
from reviewapp.formats.openai.fields import object_of, text_of
from reviewapp.pure import rawjson

EVENT: Final = "gen_ai.evaluation.result"
# Evaluations that no question of a rubric asks for.
MARK: Final = "reviewapp.mark"
CORRECTION: Final = "reviewapp.correction"
PREFERENCE: Final = "reviewapp.preference"
COMMENT: Final = "reviewapp.comment"
_is_trace = re.compile(r"[0-9a-f]{32}").fullmatch
_is_span = re.compile(r"[0-9a-f]{16}").fullmatch
_INFO: Final = 9


class EvaluationsWriter(LinesWriter):
    """Evaluation events, one request a line."""

    def lines(self, row: ExportRow) -> list[str]:
        lines = [self._line(one) for one in (row, *row.judged_answers.values()) if one.annotations]
        if not lines:
            self.skipped["not judged"] += 1
        return lines

    def _line(self, row: ExportRow) -> str:
        records = [record for one in row.annotations for record in _records(row, one)]
        # Rubrics and queues stand once, not with each event.
        shared = {
            "service.name": row.stored.source,
            "reviewapp.rubrics": json.dumps(list(row.rubrics)),
            "reviewapp.queues": json.dumps(list(row.queues)),
        }
        resource = {
            "attributes": _attributes({name: value for name, value in shared.items() if value != "[]"})
        }
        scope = {"scope": {"name": "reviewapp"}, "logRecords": records}
        return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]})


def _records(row: ExportRow, one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    answers = [(key, value, value) for key, value in one["scores"].items()]
    if one["preference"] is not None:
        answers.append((PREFERENCE, one["preference"], one["preference"]))
    answers += [(MARK, span["label"], span) for span in one["spans"]]
    if one["correction"] is not None:
        answers.append((CORRECTION, None, one["correction"]))
    if not answers:
        answers.append((COMMENT, None, one["comment"]))
    for name, said, whole in answers:
        yield _record(
            row, one, _evaluation(name, said, one["comment"]) | {"reviewapp.answer": json.dumps(whole)}
        )


def _evaluation(name: str, said: Any, comment: str) -> dict[str, Any]:
    found: dict[str, Any] = {"gen_ai.evaluation.name": name}
    if isinstance(said, bool):
        found["gen_ai.evaluation.score.value"] = float(said)
        found["gen_ai.evaluation.score.label"] = "true" if said else "false"
    elif isinstance(said, int | float):
        found["gen_ai.evaluation.score.value"] = float(said)
    elif said is not None:
        found["gen_ai.evaluation.score.label"] = said
    if comment:
        found["gen_ai.evaluation.explanation"] = comment
    return found


def _record(row: ExportRow, one: Mapping[str, Any], evaluation: dict[str, Any]) -> dict[str, Any]:
    person = one["person"] or {"name": one["created_by"], "email": None}
    response = object_of(row.recorded_response)
    attributes = {
        **evaluation,
        "gen_ai.response.id": text_of(response.get("id")) or None,
        "gen_ai.response.model": row.stored.response_model or row.stored.model,
        "user.email": person["email"],
        "user.full_name": person["name"],
        "reviewapp.interaction.id": str(row.stored.id),
        "reviewapp.judgement.id": one["id"],
        "reviewapp.judgement.version": one["version"],
        "reviewapp.judgement.authoritative": one["authoritative"],
        "reviewapp.judgement.created_at": one["created_at"],
        "reviewapp.judgement.updated_at": one["updated_at"],
        "reviewapp.rubric.name": one["rubric"]["name"] if one["rubric"] else None,
        "reviewapp.rubric.version": one["rubric"]["version"] if one["rubric"] else None,
    }
    record: dict[str, Any] = {
        "timeUnixNano": _nanoseconds(one["created_at"]),
        "observedTimeUnixNano": _nanoseconds(one["updated_at"]),
        "severityNumber": _INFO,
        "eventName": EVENT,
        "attributes": _attributes({name: value for name, value in attributes.items() if value is not None}),
    }
    trace, span = row.stored.trace or "", _span_of(row)
    if _is_trace(trace):
        record["traceId"] = trace
        if _is_span(span):
            record["spanId"] = span
    return record


def _span_of(row: ExportRow) -> str:
    """The span that the interaction came in, which its metadata tells."""
    text = row.recorded.metadata_text
    if not text or '"span_id"' not in text:
        return ""
    return text_of(object_of(object_of(rawjson.parse(text)).get("otel")).get("span_id")) or ""


def _nanoseconds(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    return str(int(at.timestamp()) * 10**9 + at.microsecond * 1000)


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _any_value(value)} for name, value in values.items()]


def _any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        # 64 bits are written as text in OTLP's JSON.
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}
