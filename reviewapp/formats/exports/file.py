"""The file that an export is written to.

Its digest is counted on the way, so that a file of gigabytes need not be read again; and both that and the
writing happen in a thread of their own, where neither needs Python's lock: the next rows are made meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Pieces that may wait to be written: what is made faster than the disk takes it must not pile up.
_WAITING: Final = 4
PIECE: Final = 1 << 20


class ExportFile(io.RawIOBase):
    """A new file, written from its beginning to its end in pieces of about `PIECE`.

    A piece that can't be written raises its OSError at a later write or at the close.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._digest = hashlib.sha256()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="export-file")
        self._pending: deque[Future[None]] = deque()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of the whole file, once it is closed."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        piece = data if type(data) is bytes else bytes(data)
        if len(self._pending) >= _WAITING:
            self._pending.popleft().result()
        self._pending.append(self._worker.submit(self._append, piece))
        self.size += len(piece)
        return len(piece)

    def _append(self, piece: bytes) -> None:
        self._digest.update(piece)
        left = memoryview(piece)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """End the file: it lies safely on the disk then."""
        if self.closed:
            return
        try:
            while self._pending:
                self._pending.popleft().result()
            os.fsync(self._file.fileno())
        finally:
            self.discard()

    def discard(self) -> None:
        """Close it as it is."""
        if not self.closed:
            self._worker.shutdown(cancel_futures=True)
            self._file.close()
            super().close()
