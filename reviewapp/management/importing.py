"""The file that a command imports: opened, decompressed, and read with how far it was."""

from __future__ import annotations

import gzip
import io
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, cast

import zstandard

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


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
