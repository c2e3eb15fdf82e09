"""Files of interactions, line by line, in each format that the importer reads.

A line of a file always gets the same id, so an import that was cut off, or is done twice, records
nothing twice. The id comes from the line's text and number: two equal lines are two interactions.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, cast
from uuid import UUID

import zstandard

from reviewapp.formats.batch import read_batch, read_batch_requests
from reviewapp.formats.interchange import InvalidInteraction, Recorded, read_interaction
from reviewapp.formats.otlp import InvalidCall, call_name, read_call, read_spans
from reviewapp.pure import rawjson
from reviewapp.pure.ids import derived_id, named_id

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: the interaction in it, or why there is none."""

    number: int
    recorded: Recorded | None = None
    reason: str = ""
    # Tells this line from every other of the file, and is the same next time.
    digest: bytes = b""
    # What the interaction is called wherever it comes from, where it has such a name.
    name: str = ""


@dataclass(slots=True)
class Source:
    """A file, or standard input, decompressed where it is gzip or zstd; knows how far it was read."""

    name: str
    stdin: IO[bytes]
    size: int | None = None
    _raw: IO[bytes] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> IO[bytes]:
        if self.name == "-":
            raw: IO[bytes] = self.stdin
        else:
            raw = self._stack.enter_context(Path(self.name).open("rb"))
            self.size = Path(self.name).stat().st_size
            self._raw = raw
        buffered = io.BufferedReader(cast(Any, raw), 1024 * 1024)
        start = buffered.peek(4)[:4]
        if start.startswith(_GZIP):
            return cast("IO[bytes]", self._stack.enter_context(gzip.open(buffered)))
        if start.startswith(_ZSTD):
            reader = zstandard.ZstdDecompressor().stream_reader(buffered, read_across_frames=True)
            return io.BufferedReader(cast(Any, self._stack.enter_context(reader)), 1024 * 1024)
        return cast("IO[bytes]", buffered)

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def done(self) -> float | None:
        """The share that was read, from 0 to 1; None where the size is not known."""
        if self._raw is None or not self.size:
            return None
        return min(self._raw.tell() / self.size, 1.0)


Reader = Callable[[IO[bytes], IO[bytes] | None], Iterator[Line]]


def read_jsonl(file: IO[bytes], _: IO[bytes] | None) -> Iterator[Line]:
    """Interactions in the app's own shape, one a line."""
    for number, raw in enumerate(file, start=1):
        if not raw.strip():
            continue
        try:
            recorded = read_interaction(rawjson.decode(raw))
        except (InvalidInteraction, rawjson.InvalidJson) as error:
            yield Line(number, reason=str(error))
        else:
            yield Line(number, recorded, digest=_digest(number, raw.strip()))


def read_openai_batch(file: IO[bytes], requests: IO[bytes] | None) -> Iterator[Line]:
    """The output of an OpenAI batch; the requests come from its input file."""
    asked = read_batch_requests(_text(requests)) if requests is not None else None
    for number, reason in asked.wrong if asked is not None else ():
        yield Line(number, reason=f"(of the requests) {reason}")
    for row in read_batch(_text(file), requests=asked):
        if row.recorded is None:
            yield Line(row.line, reason=row.reason or "It holds no answer.")
        else:
            said = f"{row.recorded.request_text}\n{row.recorded.response_text}"
            yield Line(row.line, row.recorded, digest=_digest(row.line, rawjson.to_bytes(said)))


def read_otlp_json(file: IO[bytes], _: IO[bytes] | None) -> Iterator[Line]:
    """The calls of models among spans: one export request, an array, or one of them a line."""
    data = file.read()
    try:
        values = [(1, rawjson.parse(data))]
    except rawjson.InvalidJson as error:
        lines = [(number, line) for number, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
        if len(lines) < 2:
            yield Line(1, reason=str(error))
            return
        values = []
        for number, line in lines:
            try:
                values.append((number, rawjson.parse(line)))
            except rawjson.InvalidJson as broken:
                yield Line(number, reason=str(broken))
    for number, value in values:
        export = read_spans(value)
        yield from (Line(number, reason=reason) for reason in export.refused)
        for span in export.spans:
            try:
                recorded = read_call(span)
            except InvalidCall as error:
                yield Line(number, reason=str(error))
            else:
                if recorded is not None:
                    yield Line(number, recorded, name=call_name(span))


READERS: Final[dict[str, Reader]] = {
    "jsonl": read_jsonl,
    "openai-batch": read_openai_batch,
    "otlp-json": read_otlp_json,
}


def _text(file: IO[bytes]) -> Iterable[str]:
    # Bytes that are not UTF-8 are kept as half surrogates, like everywhere.
    return (line.decode("utf-8", "surrogateescape") for line in file)


def _digest(number: int, text: bytes) -> bytes:
    return hashlib.sha256(b"%d\n%s" % (number, text)).digest()


def id_of(line: Line) -> UUID | None:
    """The id that the line states."""
    return line.recorded.id if line.recorded is not None else None


def made_id(line: Line, *, project: UUID, scope: str) -> UUID:
    """An id that the line always gets within `scope`, so that importing twice records once; time-ordered.

    What has a name of its own gets the id that it gets by every other way into the project.
    """
    started_at = line.recorded.started_at if line.recorded is not None else None
    at_ms = 0 if started_at is None else (started_at - _EPOCH) // timedelta(milliseconds=1)
    if line.name:
        return named_id(line.name, project=project, at_ms=at_ms)
    return derived_id(hashlib.sha256(scope.encode() + line.digest).digest(), at_ms=at_ms)


def placed(recorded: Recorded, *, source: str | None, provider: str | None) -> Recorded:
    """With the source and provider given on the command line, where the line names none."""
    return replace(recorded, source=recorded.source or source, provider=recorded.provider or provider)
