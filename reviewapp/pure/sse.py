"""Server-sent events as they come over the wire, in pieces of any size.

Follows the WHATWG description (lines end in LF, CR or CRLF; comments; several data lines are one
payload), and is lenient where recording asks for it: an event that the stream's end cut off is
given all the same when its payload looks whole, and what is no event at all is told as an error
instead of being dropped in silence, because proxies put HTML and JSON errors into streams.

The payload is the text as it came: bytes that are not UTF-8 become lone surrogates
(`surrogateescape`), so that even those can be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DONE: Final = "[DONE]"
_ERROR_PREVIEW: Final = 120
_FIELDS: Final = frozenset(["event", "id", "retry"])


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its payload as it came, and its name where it has one."""

    data: str
    name: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is the mark that ends the streams of chat completions."""
        return self.data.strip() == DONE


@dataclass(frozen=True, slots=True)
class SseEvents:
    """A whole stream: the payloads without the end mark, whether that came, and what was wrong."""

    chunks: tuple[str, ...] = ()
    done: bool = False
    errors: tuple[str, ...] = ()


class SseParser:
    """Takes bytes as they arrive and gives the events that they complete."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._pieces: list[bytes] = []
        self._after_cr = False
        self._started = False
        self._name: str | None = None
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that end in these bytes."""
        if self._after_cr and data:
            # A CRLF that came in two pieces is one line's end.
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\n" not in data and b"\r" not in data:
            if data:
                self._pieces.append(data)
            return []
        self._pieces.append(data)
        lines = b"".join(self._pieces).splitlines(keepends=True)
        self._pieces = [] if lines[-1].endswith((b"\n", b"\r")) else [lines.pop()]
        self._after_cr = data.endswith(b"\r")
        found = (self._line(line.rstrip(b"\r\n")) for line in lines)
        return [event for event in found if event is not None]

    def close(self) -> list[SseEvent]:
        """The event that the end of the stream cut off, where its payload looks whole."""
        events = []
        if self._pieces:
            rest, self._pieces = b"".join(self._pieces), []
            if (event := self._line(rest)) is not None:
                events.append(event)
        if self._data:
            if "".join(self._data).rstrip().endswith(("}", "]")):
                events.append(self._event())
            else:
                self._wrong("The stream ends within an event", "\n".join(self._data))
                self._data = []
        return events

    def _line(self, raw: bytes) -> SseEvent | None:
        if not self._started:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
            self._started = True
        if not raw:
            if self._data:
                return self._event()
            self._name = None
            return None
        if raw.startswith(b":"):
            return None
        line = raw.decode("utf-8", "surrogateescape")
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value or None
        elif field not in _FIELDS:
            self._wrong("A line is no part of an event", line)
        return None

    def _event(self) -> SseEvent:
        event = SseEvent("\n".join(self._data), self._name)
        self._data = []
        self._name = None
        return event

    def _wrong(self, what: str, text: str) -> None:
        shown = text if len(text) <= _ERROR_PREVIEW else text[:_ERROR_PREVIEW] + "…"
        self.errors.append(f"{what}: {shown}")


def parse_sse(data: bytes) -> SseEvents:
    """The events of a whole stream."""
    parser = SseParser()
    events = parser.feed(data) + parser.close()
    return SseEvents(
        chunks=tuple(event.data for event in events if event.data and not event.is_done),
        done=any(event.is_done for event in events),
        errors=tuple(parser.errors),
    )
