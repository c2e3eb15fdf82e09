"""Files of the OpenAI Batch API: its outputs as interactions, interactions as its inputs.

An output names its request by `custom_id` only, so the input file is needed to know what was
asked. Without it an answer is recorded with a request that holds the model alone, and its
metadata say so: its fingerprint is worth having, but it can't be replayed. Other servers (Groq,
Mistral, vLLM) write the same lines; clients that keep a finished batch as one JSON document
(`{"batch": …, "results": […]}`) are read too, and matched by order where they keep no ids.

A line that can't be read is told with its number and doesn't stop the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from reviewapp.formats.interchange import Recorded, one_line
from reviewapp.formats.openai import PATHS, endpoint_of_url, infer_endpoint
from reviewapp.formats.openai.fields import number
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint
from reviewapp.pure.rawjson import InvalidJson, Members, RawMember
from reviewapp.pure.said import figure, said, text_of
from reviewapp.pure.said.templates.marking import gettext_noop


class InvalidBatchLine(Exception):
    """A line of a batch file that is no request or no answer; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A line of an output file: the interaction that it tells of, or why it tells of none."""

    line: int
    recorded: Recorded | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A line of an input file; `text` is the request's body as it stands there."""

    custom_id: str
    endpoint: Endpoint
    text: str


@dataclass(frozen=True, slots=True)
class BatchRequests:
    """An input file: its requests by id and in order, and the lines that are none, with the reason."""

    by_id: dict[str, BatchRequest] = field(default_factory=dict)
    in_order: tuple[BatchRequest, ...] = ()
    wrong: tuple[tuple[int, str], ...] = ()


def read_batch_requests(lines: Iterable[str]) -> BatchRequests:
    """The requests of an input file. Where an id occurs twice, the second is wrong."""
    found: dict[str, BatchRequest] = {}
    wrong: list[tuple[int, str]] = []
    for at, line in _numbered(lines):
        try:
            request = _request(line)
            if request.custom_id in found:
                raise InvalidBatchLine(said("batch_twice", name=request.custom_id))
            found[request.custom_id] = request
        except (InvalidBatchLine, InvalidJson) as error:
            wrong.append((at, _reason(error)))
    return BatchRequests(by_id=found, in_order=tuple(found.values()), wrong=tuple(wrong))


def read_batch(lines: Iterable[str], *, requests: BatchRequests | None = None) -> Iterator[BatchRow]:
    """The interactions of an output file, line by line; `requests` is the input file, where there is one."""
    numbered = _numbered(lines)
    first = True
    for at, line in numbered:
        if not first or _is_line(line):
            first = False
            yield _row(at, line, requests)
            continue
        # A document of many lines, or of one. Where it is neither, these are lines, the first of them broken.
        rest = [(at, line), *numbered]
        try:
            document = rawjson.members("\n".join(text for _, text in rest))
        except InvalidJson:
            yield from (_row(number, text, requests) for number, text in rest)
        else:
            yield from _document_rows(document, requests)


def write_batch_request(recorded: Recorded, *, custom_id: str) -> str:
    """The line of an input file that asks this again; the Batch API takes no streams."""
    body = rawjson.splice(recorded.request_text, drop=("stream", "stream_options"))
    head = f'{{"custom_id": {json.dumps(custom_id)}, "method": "POST", "url": "{PATHS[recorded.endpoint]}"'
    return one_line(f'{head}, "body": {body}}}')


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for at, line in enumerate(lines, start=1):
        line = line.strip("\ufeff \t\r\n")
        if line:
            yield at, line


def _is_line(text: str) -> bool:
    """Whether the first line of a file is a line of its own, and not the beginning of a document."""
    try:
        return "results" not in rawjson.members(text)
    except InvalidJson:
        return False


def _request(line: str) -> BatchRequest:
    members = rawjson.members(line)
    custom_id, body, url = (members.get(name) for name in ("custom_id", "body", "url"))
    if custom_id is None or not isinstance(custom_id.value, str):
        raise InvalidBatchLine(gettext_noop("The line has no custom_id, so no answer can be matched to it."))
    if body is None or not isinstance(body.value, dict):
        raise InvalidBatchLine(gettext_noop("The line has no body, the request itself."))
    endpoint = endpoint_of_url(url.value if url else None) or infer_endpoint(body.value)
    if endpoint is None:
        raise InvalidBatchLine(said("batch_url", choices=", ".join(PATHS.values())))
    return BatchRequest(custom_id.value, endpoint, body.text)


def _row(at: int, line: str, requests: BatchRequests | None) -> BatchRow:
    try:
        members = rawjson.members(line)
        request = _matched(members, requests)
        response = members.get("response")
        answer = _object(response)
        recorded = _recorded(members, answer, request, error=_value(members, "error"))
    except (InvalidBatchLine, InvalidJson) as error:
        return BatchRow(at, reason=_reason(error))
    return BatchRow(at, recorded)


def _reason(error: InvalidBatchLine | InvalidJson) -> str:
    if isinstance(error, InvalidJson) and error.is_cut:
        return said("file_line_cut")
    return text_of(error)


def _document_rows(document: Members, requests: BatchRequests | None) -> Iterator[BatchRow]:
    """The results of a batch kept as one document. Their numbers are those of the results."""
    if not isinstance(_value(document, "results"), list):
        yield BatchRow(1, reason=gettext_noop("This batch holds no results; it is not finished yet."))
        return
    results = rawjson.items_members(document["results"].text)
    batch = _value(document, "batch")
    endpoint = endpoint_of_url(batch.get("endpoint")) if isinstance(batch, dict) else None
    if requests is not None and len(requests.in_order) != len(results):
        counts = {"results": figure(len(results)), "requests": figure(len(requests.in_order))}
        yield BatchRow(1, reason=said("batch_counts", **counts))
        return
    for at, result in enumerate(results):
        if isinstance(result, RawMember):
            yield BatchRow(
                at + 1, reason=gettext_noop("The result is no object; the request failed or has expired.")
            )
            continue
        try:
            request = requests.in_order[at] if requests else None
            recorded = _recorded(result, result, request, endpoint=endpoint, error=_value(result, "error"))
        except (InvalidBatchLine, InvalidJson) as error:
            yield BatchRow(at + 1, reason=text_of(error))
        else:
            yield BatchRow(at + 1, recorded)


def _matched(members: Members, requests: BatchRequests | None) -> BatchRequest | None:
    if requests is None:
        return None
    custom_id = _value(members, "custom_id")
    if not isinstance(custom_id, str):
        raise InvalidBatchLine(gettext_noop("The line has no custom_id, so its request can't be found."))
    if custom_id not in requests.by_id:
        raise InvalidBatchLine(said("batch_unknown", name=custom_id))
    return requests.by_id[custom_id]


def _recorded(
    line: Members,
    answer: Members,
    request: BatchRequest | None,
    *,
    endpoint: Endpoint | None = None,
    error: Any = None,
) -> Recorded:
    """The interaction of one answer (status_code, request_id, body) and the line around it."""
    body = answer.get("body")
    if body is not None and body.value is None:
        body = None
    failure = _failure(error) if body is None else None
    if body is None and failure is None and "method" in line:
        raise InvalidBatchLine(gettext_noop("This line is a request; give this file as the one of requests."))
    if body is None and failure is None:
        raise InvalidBatchLine(gettext_noop("The line has neither a response with a body nor an error."))
    said = body.value if body is not None and isinstance(body.value, dict) else {}
    if request is not None:
        endpoint, request_text = request.endpoint, request.text
    else:
        endpoint = endpoint or infer_endpoint({}, said)
        request_text = json.dumps({"model": said["model"]} if isinstance(said.get("model"), str) else {})
    if endpoint is None:
        raise InvalidBatchLine(
            gettext_noop("Which endpoint answered can't be told; give the file of requests.")
        )
    status, request_id = _value(answer, "status_code"), _value(answer, "request_id")
    return Recorded(
        endpoint=endpoint,
        request_text=request_text,
        response_text=body.text if body else None,
        status=status if type(status) is int and 100 <= status <= 599 else 200 if body else None,
        error=failure,
        started_at=_created(said),
        metadata_text=_metadata(line, request_id, knows_request=request is not None),
        headers={"x-request-id": request_id}
        if isinstance(request_id, str) and request_id.isprintable()
        else {},
    )


def _failure(error: Any) -> str | None:
    """The error of a line whose request was never answered, such as one in a batch that expired."""
    if isinstance(error, dict):
        parts = [str(error[name]) for name in ("code", "message") if error.get(name)]
        return ": ".join(parts) or None
    return error if isinstance(error, str) and error else None


def _created(body: dict[str, Any]) -> datetime | None:
    created = number(body.get("created", body.get("created_at")))
    if created is None:
        return None
    try:
        return datetime.fromtimestamp(created, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _metadata(line: Members, request_id: Any, *, knows_request: bool) -> str:
    told = {name: _value(line, name) for name in ("id", "custom_id")} | {"request_id": request_id}
    batch = {name: value for name, value in told.items() if isinstance(value, str)}
    if not knows_request:
        batch["request"] = "unknown: imported without the file of requests"
    return json.dumps({"batch": batch})


def _object(member: RawMember | None) -> Members:
    """The members of a member that is an object."""
    return rawjson.members(member.text) if member is not None and isinstance(member.value, dict) else {}


def _value(members: Members, name: str) -> Any:
    return members[name].value if name in members else None
