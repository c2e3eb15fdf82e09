"""A file read by the format it is of, thing by thing.

The app's own lines and batch outputs are read as they stream by, however large. All other formats are one
document, or lines that belong together, so they are read whole, up to `DOCUMENT_LIMIT`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from reviewapp.formats.batch import read_batch, read_batch_requests
from reviewapp.formats.imports import cassettes, evaluations, judged, platforms, tracing
from reviewapp.formats.imports.lines import Line, NotImportable, whole_of
from reviewapp.formats.imports.own import BLANK, digest_of, own
from reviewapp.formats.imports.recognising import FORMATS, format_of, seems_yaml, unrecognised
from reviewapp.formats.otlp import InvalidExport, read_protobuf
from reviewapp.pure import rawjson
from reviewapp.pure.said import said as tell
from reviewapp.pure.said import text_of as reason_of
from reviewapp.pure.said.templates.marking import gettext_noop

AUTO: Final = "auto"
# So much of a first line is looked at to tell its format.
_FIRST_LINE: Final = 32 * 1024 * 1024
_SQLITE: Final = b"SQLite format 3\x00"
# What the app's own exports are called inside of their zip.
_ZIPPED: Final = {
    "jsonl": "interactions.jsonl",
    "label-studio": "tasks.json",
    "argilla": "records.json",
}
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
    "label-studio": judged.label_studio,
    "argilla": judged.argilla,
    "otlp-evaluations": judged.evaluations,
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
        raise NotImportable(tell("file_format", format=format, choices=", ".join(FORMATS)))
    if format == AUTO:
        format, lines = _recognised(lines)  # noqa: A001
    return format, _digested(_read(format, lines, requests))


def _read(format: str, lines: Iterator[bytes], requests: Iterable[bytes] | None) -> Iterator[Line]:  # noqa: A002
    if format in _ZIPPED:
        lines = _unzipped(lines, _ZIPPED[format])
    if format == "jsonl":
        return own(lines)
    if format == "openai-batch":
        return _batch(lines, requests)
    if format == "otlp-protobuf":
        return _protobuf(whole_of(lines))
    if format == "llm-logs":
        return platforms.llm_logs(whole_of(lines))
    data = whole_of(lines)
    if format == "inspect" and data.startswith(_ZIP):
        return evaluations.inspect_archive(data)
    return _document(format, data)


def _recognised(lines: Iterator[bytes]) -> tuple[str, Iterator[bytes]]:
    """The format that the beginning shows, and all of the lines again."""
    seen: list[bytes] = []
    content: list[bytes] = []
    for line in lines:
        seen.append(line)
        if line.strip(BLANK):
            content.append(line)
        if len(content) == 2 or len(line) > _FIRST_LINE:
            break
    again = chain(seen, lines)
    if not content:
        raise NotImportable(gettext_noop("The file is empty."))
    head = b"".join(seen)
    if head.startswith(_SQLITE):
        return "llm-logs", again
    if head.startswith(_ZIP):
        data = whole_of(again)
        return _of_zip(data), iter(data.splitlines(keepends=True))
    value = _value(content[0])
    if isinstance(value, dict) and (found := format_of(value)) in ("jsonl", "openai-batch"):
        # Lines, or the only line of a file; a document on one line is read by the same reader.
        return found, again
    data = whole_of(again)
    return _of_whole(data), iter(data.splitlines(keepends=True))


def _of_zip(data: bytes) -> str:
    """The format that a zip's members show."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile as error:
        raise NotImportable(tell("file_zip", why=str(error))) from None
    return next((found for found, member in _ZIPPED.items() if member in names), "inspect")


def _unzipped(lines: Iterator[bytes], member: str) -> Iterator[bytes]:
    """The lines of a member where the file is a zip, as the app's own exports are; else the same lines."""
    first = next(lines, b"")
    if not first.startswith(_ZIP):
        yield from chain([first], lines)
        return
    try:
        with zipfile.ZipFile(io.BytesIO(whole_of(chain([first], lines)))) as archive:
            if archive.getinfo(member).file_size > evaluations.ARCHIVE_LIMIT:
                raise NotImportable(gettext_noop("The archive unpacks to more than 1 GiB."))
            with archive.open(member) as file:
                yield from file
    except KeyError:
        raise NotImportable(tell("file_zip_lacks", name=member)) from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise NotImportable(tell("file_zip", why=str(error))) from None


def _of_whole(data: bytes) -> str:
    value = _value(data)
    if value is None and data.lstrip()[:1] in (b"{", b"["):
        values = [found for line in data.splitlines()[:50] if (found := _value(line)) is not None]
        # Broken lines among good ones are told one by one; a file of nothing else is said to be none.
        found = format_of(values)
        if found is None and not values:
            raise NotImportable(
                gettext_noop("The file begins as JSON but is none: neither as a whole nor by lines.")
            )
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
    raise NotImportable(
        gettext_noop("No format is recognised: the file is neither JSON, YAML, SQLite, zip nor OTLP.")
    )


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


def _batch(lines: Iterator[bytes], requests: Iterable[bytes] | None) -> Iterator[Line]:
    """The output of an OpenAI batch; the requests come from its input file."""
    asked = read_batch_requests(_text(requests)) if requests is not None else None
    for number, reason in asked.wrong if asked is not None else ():
        yield Line(number, reason=tell("file_of_requests", ours=reason))
    for row in read_batch(_text(lines), requests=asked):
        if row.recorded is None:
            yield Line(row.line, reason=row.reason or gettext_noop("It holds no answer."))
        else:
            yield Line(row.line, row.recorded)


def _protobuf(data: bytes) -> Iterator[Line]:
    try:
        export = read_protobuf(data)
    except InvalidExport as error:
        raise NotImportable(reason_of(error)) from None
    yield from (Line(1, reason=reason) for reason in export.refused)
    yield from tracing.span_lines(export.spans, 1)


def _document(format: str, data: bytes) -> Iterator[Line]:  # noqa: A002
    """One document, or documents one a line."""
    read = _DOCUMENTS[format]
    value = _value(data)
    if value is None and format == "cassette":
        value = cassettes.read_yaml(data.decode("utf-8", "replace"))
        if not cassettes.is_cassette(value):
            raise NotImportable(
                gettext_noop("No format is recognised: the YAML is no cassette of HTTP exchanges.")
            )
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
            yield Line(number, reason=tell("file_line_cut") if error.is_cut else reason_of(error))
    yield from read(values)


def _digested(lines: Iterator[Line]) -> Iterator[Line]:
    """With a digest where the line has neither that nor a name."""
    for line in lines:
        if line.recorded is not None and not line.digest and not line.name:
            said = f"{line.recorded.request_text}\n{line.recorded.response_text}"
            line = replace(line, digest=digest_of(line.number, rawjson.to_bytes(said)))
        yield line


def _text(file: Iterable[bytes]) -> Iterable[str]:
    # Bytes that are not UTF-8 are kept as half surrogates, like everywhere.
    return (line.decode("utf-8", "surrogateescape") for line in file)
