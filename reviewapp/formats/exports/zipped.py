"""What the files for other tools of review have in common: a zip of records and what belongs to them.

The document is written as rows go by; what speaks of all of them (the questions that were asked) is known
at the end.
"""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reviewapp.formats.exports.file import PIECE, ExportFile
from reviewapp.formats.exports.questions import Asked
from reviewapp.formats.exports.rows import ExportRow
from reviewapp.pure.rawjson import to_bytes


class ZippedRecords(ABC):
    """A zip with an array of records. `records` names its file."""

    suffix = "zip"
    records = "records.json"

    def __init__(self, path: Path) -> None:
        self.file = ExportFile(path)
        self._buffer = io.BufferedWriter(self.file, PIECE)
        self._zip = zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._records = self._zip.open(self.records, "w", force_zip64=True)
        self._count = 0
        self.asked = Asked()
        self.skipped: Counter[str] = Counter()

    @abstractmethod
    def record(self, row: ExportRow) -> Mapping[str, Any]:
        """What the row becomes."""

    @abstractmethod
    def beside(self, manifest: Mapping[str, Any]) -> Mapping[str, str]:
        """The other files, by their names."""

    def add(self, row: ExportRow) -> int:
        rows = [row, *row.judged_answers.values()]
        for one in rows:
            self.asked.add(one.rubrics)
            text = json.dumps(self.record(one), ensure_ascii=False)
            self._records.write(b"[\n" if self._count == 0 else b",\n")
            self._records.write(to_bytes(text))
            self._count += 1
        return len(rows)

    def close(self, manifest: Mapping[str, Any]) -> None:
        self._records.write(b"\n]\n" if self._count else b"[]\n")
        self._records.close()
        for name, text in self.beside(manifest).items():
            self._zip.writestr(name, to_bytes(text))
        self._zip.writestr("manifest.json", json.dumps(dict(manifest), indent=2))
        self._zip.close()
        self._buffer.close()

    def abandon(self) -> None:
        # Both write an end that nobody will read, if there is room for it.
        with contextlib.suppress(OSError, ValueError):
            self._records.close()
            self._zip.close()
        self._buffer.detach()
        self.file.discard()


def content_of(row: ExportRow) -> dict[str, Any]:
    """Request and response, for a file to be read back into a project that has them not."""
    told = {
        "id": str(row.stored.id),
        "source": row.stored.source,
        "provider": row.stored.provider,
        "endpoint": row.stored.endpoint,
        "request": row.request,
        "status": row.stored.status,
        "error": row.stored.error,
        "started_at": row.stored.started_at.isoformat(),
        "latency_ms": row.stored.latency_ms,
        "trace": row.stored.trace,
        "session": row.stored.session,
        "user": row.stored.user,
        "tags": row.stored.tags,
    }
    if row.stored.response is not None:
        told["response"] = (
            row.recorded_response if row.stored.response_is_json else row.recorded.response_text
        )
    return {name: value for name, value in told.items() if value not in (None, [], {})}
