"""Files that a selection of interactions is written to. Values in, bytes out; no Django.

Every writer takes rows one at a time and keeps none, so that a million rows need no more memory
than one. `add` says how many records it wrote for the row: none where the format has no place
for it, and then `skipped` counts the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from reviewapp.formats.exports.argilla import ArgillaWriter
from reviewapp.formats.exports.bundle import BundleWriter
from reviewapp.formats.exports.evaluations import EvaluationsWriter
from reviewapp.formats.exports.file import ExportFile
from reviewapp.formats.exports.labelstudio import LabelStudioWriter
from reviewapp.formats.exports.lines import (
    BatchWriter,
    FineTuningWriter,
    JsonLinesWriter,
    PreferencesWriter,
)
from reviewapp.formats.exports.rows import ExportRow, Stored
from reviewapp.formats.exports.tables import CsvWriter, ParquetMissing, ParquetWriter


class Writer(Protocol):
    """What all of them have in common."""

    suffix: str
    file: ExportFile
    skipped: Counter[str]

    def add(self, row: ExportRow) -> int: ...

    def close(self, manifest: Mapping[str, Any]) -> None: ...

    def abandon(self) -> None: ...


WRITERS: dict[str, type[Any]] = {
    "jsonl": JsonLinesWriter,
    "csv": CsvWriter,
    "parquet": ParquetWriter,
    "openai-batch": BatchWriter,
    "fine-tuning": FineTuningWriter,
    "preferences": PreferencesWriter,
    "label-studio": LabelStudioWriter,
    "argilla": ArgillaWriter,
    "otlp-evaluations": EvaluationsWriter,
    "bundle": BundleWriter,
}


def open_writer(*, format: str, path: Path) -> Writer:  # noqa: A002
    """A writer of that format to a new file. Raises ParquetMissing where pyarrow is not installed."""
    writer: Writer = WRITERS[format](path)
    return writer


__all__ = ["WRITERS", "ExportRow", "ParquetMissing", "Stored", "Writer", "open_writer"]
