"""A file read by the format it is of, thing by thing.

The app's own lines and batch outputs are read as they stream by, however large. All other formats are one
document, or lines that belong together, so they are read whole, up to `DOCUMENT_LIMIT`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from reviewapp.formats.batch import read_batch, read_batch_requests
from reviewapp.formats.imports import cassettes, evaluations, platforms, tracing
from reviewapp.formats.imports.lines import Line, NotImportable
from reviewapp.formats.imports.recognising import FORMATS, format_of, seems_yaml, unrecognised
from reviewapp.formats.interchange import InvalidInteraction, read_exported, read_exported_array
from reviewapp.formats.otlp import InvalidExport, read_protobuf
from reviewapp.pure import rawjson

AUTO: Final = "auto"
DOCUMENT_LIMIT: Final = 512 * 1024 * 1024
# So much of a first line is looked at to tell its format.
_FIRST_LINE: Final = 32 * 1024 * 1024
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_SQLITE: Final = b"SQLite format 3\x00"
_ZIP: Final = b"PK\x03\x04"

_DOCUMENTS: Final[dict[str, Callable[[Any], Iterator[Line]]]] = {
    "otlp-json": tracing.otlp_spans,
    "stored-completions": platforms.stored_completions,
    "openai-evals": platforms.openai_evals,
    "openai-agents": tracing.openai_agents,
    "litellm": platforms.litellm,
    "langfuse": tracing.langfuse,
    "langsmith": tracing.langsmith,
    "phoenix": tracing.phoenix,
    "promptfoo": evaluations.promptfoo,
    "inspect": evaluations.inspect_log,
    "cassette": cassettes.cassette,
}


def read_file(
    lines: Iterable[bytes],
    *,
    format: str = AUTO,  # noqa: A002
    requests: Iterable[bytes] | None = None,
) -> tuple[str, Iterator[Line]]:
    """The format, and the things in the file; `requests` is a batch's input file. Raises NotImportable."""
    lines = iter(lines)
    if format != AUTO and format not in FORMATS:
        raise NotImportable(f"“{format}” is no format; choose from {', '.join(FORMATS)}.")
    if format == AUTO:
        format, lines = _recognised(lines)  # noqa: A001
    return format, _digested(_read(format, lines, requests))


def _read(format: str, lines: Iterator[bytes], requests: Iterable[bytes] | None) -> Iterator[Line]:  # noqa: A002
    if format == "jsonl":
        return _own(lines)
    if format == "openai-batch":
        return _batch(lines, requests)
    if format == "otlp-protobuf":
        return _protobuf(_whole(lines))
    if format == "llm-logs":
        return platforms.llm_logs(_whole(lines))
    data = _whole(lines)
    if format == "inspect" and data.startswith(_ZIP):
        return evaluations.inspect_archive(data)
    return _document(format, data)


def _recognised(lines: Iterator[bytes]) -> tuple[str, Iterator[bytes]]:
    """The format that the beginning shows, and all of the lines again."""
    seen: list[bytes] = []
    content: list[bytes] = []
    for line in lines:
        seen.append(line)
        if line.strip(_BLANK):
            content.append(line)
        if len(content) == 2 or len(line) > _FIRST_LINE:
            break
    again = chain(seen, lines)
    if not content:
        raise NotImportable("The file is empty.")
    head = b"".join(seen)
    if head.startswith(_SQLITE):
        return "llm-logs", again
    if head.startswith(_ZIP):
        return "inspect", again
    value = _value(content[0])
    if isinstance(value, dict) and (found := format_of(value)) in ("jsonl", "openai-batch"):
        # Lines, or the only line of a file; a document on one line is read by the same reader.
        return found, again
    data = _whole(again)
    return _of_whole(data), iter(data.splitlines(keepends=True))


def _of_whole(data: bytes) -> str:
    value = _value(data)
    if value is None and data.lstrip()[:1] in (b"{", b"["):
        values = [found for line in data.splitlines()[:50] if (found := _value(line)) is not None]
        # Broken lines among good ones are told one by one; a file of nothing else is said to be none.
        found = format_of(values)
        if found is None and not values:
            raise NotImportable("The file begins as JSON but is none: neither as a whole nor by lines.")
        if found is None:
            raise NotImportable(unrecognised(values))
        return found
    if value is not None:
        found = format_of(value)
        if found is None:
            raise NotImportable(unrecognised(value))
        return found
    if seems_yaml(data):
        return "cassette"
    if (data[:1] == b"\n" and b"\x00" in data[:4096]) or _is_protobuf(data):
        return "otlp-protobuf"
    raise NotImportable("No format is recognised: the file is neither JSON, YAML, SQLite, zip nor OTLP.")


def _is_protobuf(data: bytes) -> bool:
    try:
        return bool(read_protobuf(data).spans)
    except InvalidExport:
        return False


def _value(data: bytes) -> Any:
    try:
        return rawjson.parse(data)
    except rawjson.InvalidJson:
        return None


def _whole(lines: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    for line in lines:
        size += len(line)
        if size > DOCUMENT_LIMIT:
            raise NotImportable("The file is larger than 512 MiB, the most that a document may have.")
        parts.append(line)
    return b"".join(parts)


def _own(lines: Iterator[bytes]) -> Iterator[Line]:
    """Interactions in the app's own shape: one a line, an array of them, or a single one over many lines."""
    peeked: list[bytes] = []
    for line in lines:
        peeked.append(line)
        if len([one for one in peeked if one.strip(_BLANK)]) == 2:
            break
    lines = chain(peeked, lines)
    content = [line.lstrip(_BLANK) for line in peeked if line.strip(_BLANK)]
    if content and content[0].startswith(b"["):
        yield from _own_array(_whole(lines))
    elif len(content) == 2 and content[1].startswith((b'"', b"}")) and _value(content[0]) is None:
        # Indented, as people read it; a line of lines would begin with the next object.
        yield _own_line(1, _whole(lines))
    else:
        for number, raw in enumerate(lines, start=1):
            if raw.strip():
                yield _own_line(number, raw)


def _own_line(number: int, raw: bytes) -> Line:
    try:
        recorded, beside = read_exported(rawjson.decode(raw))
    except (InvalidInteraction, rawjson.InvalidJson) as error:
        return Line(number, reason=str(error))
    return Line(number, recorded, digest=_digest(number, raw.strip()), not_brought=beside)


def _own_array(data: bytes) -> Iterator[Line]:
    try:
        items = read_exported_array(rawjson.decode(data))
    except (InvalidInteraction, rawjson.InvalidJson) as error:
        yield Line(1, reason=str(error))
        return
    for number, item in enumerate(items, start=1):
        if isinstance(item, InvalidInteraction):
            yield Line(number, reason=str(item))
        else:
            yield Line(number, item[0], not_brought=item[1])


def _batch(lines: Iterator[bytes], requests: Iterable[bytes] | None) -> Iterator[Line]:
    """The output of an OpenAI batch; the requests come from its input file."""
    asked = read_batch_requests(_text(requests)) if requests is not None else None
    for number, reason in asked.wrong if asked is not None else ():
        yield Line(number, reason=f"(of the requests) {reason}")
    for row in read_batch(_text(lines), requests=asked):
        if row.recorded is None:
            yield Line(row.line, reason=row.reason or "It holds no answer.")
        else:
            yield Line(row.line, row.recorded)


def _protobuf(data: bytes) -> Iterator[Line]:
    try:
        export = read_protobuf(data)
    except InvalidExport as error:
        raise NotImportable(str(error)) from None
    yield from (Line(1, reason=reason) for reason in export.refused)
    yield from tracing.span_lines(export.spans, 1)


def _document(format: str, data: bytes) -> Iterator[Line]:  # noqa: A002
    """One document, or documents one a line."""
    read = _DOCUMENTS[format]
    value = _value(data)
    if value is None and format == "cassette":
        value = cassettes.read_yaml(data.decode("utf-8", "replace"))
        if not cassettes.is_cassette(value):
            raise NotImportable("No format is recognised: the YAML is no cassette of HTTP exchanges.")
    if value is not None:
        yield from read(value)
        return
    values: list[Any] = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values.append(rawjson.parse(line))
        except rawjson.InvalidJson as error:
            yield Line(number, reason=str(error))
    yield from read(values)


def _digested(lines: Iterator[Line]) -> Iterator[Line]:
    """With a digest where the line has neither that nor a name."""
    for line in lines:
        if line.recorded is not None and not line.digest and not line.name:
            said = f"{line.recorded.request_text}\n{line.recorded.response_text}"
            line = replace(line, digest=_digest(line.number, rawjson.to_bytes(said)))
        yield line


def _digest(number: int, text: bytes) -> bytes:
    return hashlib.sha256(b"%d\n%s" % (number, text)).digest()


def _text(file: Iterable[bytes]) -> Iterable[str]:
    # Bytes that are not UTF-8 are kept as half surrogates, like everywhere.
    return (line.decode("utf-8", "surrogateescape") for line in file)
