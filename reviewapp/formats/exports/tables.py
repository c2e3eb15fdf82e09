"""Formats of rows and columns."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from reviewapp.formats.exports.rows import COLUMNS, ExportRow
from reviewapp.pure.rawjson import from_bytes
from reviewapp.pure.words import storable

# A cell that begins so is a formula to a spreadsheet, and what models and users wrote must not be one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def formula_safe(text: str) -> str:
    """The text as a spreadsheet shows it and does not run it (OWASP: CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


class CsvWriter:
    """One line an interaction, for spreadsheets: UTF-8 with a byte order mark, RFC 4180."""

    suffix = "csv"

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="", buffering=1 << 20)
        self._writer = csv.writer(self._file)
        self._writer.writerow([name for name, _ in COLUMNS])
        self.skipped: Counter[str] = Counter()

    def add(self, row: ExportRow) -> int:
        self._writer.writerow([_cell(row.columns.get(name)) for name, _ in COLUMNS])
        return 1

    def close(self, manifest: Mapping[str, Any]) -> None:
        self._file.close()

    def abandon(self) -> None:
        self._file.close()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return formula_safe(storable(value))
    return str(value)


def _column_text(body: bytes) -> bytes | str:
    """A body as a column of texts takes it; one without anything odd as it is."""
    return body if body.isascii() and b"\0" not in body else storable(from_bytes(body))


class ParquetMissing(Exception):
    """The optional package for Parquet is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Parquet exports need the package pyarrow: install reviewapp with the extra “parquet”."
        )


class ParquetWriter:
    """Apache Parquet, zstd, in row groups of some thousand rows, with the bodies as JSON texts."""

    suffix = "parquet"
    ROWS = 4_000
    BYTES = 12 << 20

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise ParquetMissing from None
        kinds = {
            "text": pyarrow.string(),
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "boolean": pyarrow.bool_(),
            "time": pyarrow.timestamp("us", tz="UTC"),
        }
        self._fields = [*COLUMNS, ("request", "text"), ("response", "text")]
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in self._fields])
        self._pyarrow = pyarrow
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._columns: dict[str, list[Any]] = {name: [] for name, _ in self._fields}
        self._bytes = 0
        self.skipped: Counter[str] = Counter()

    def add(self, row: ExportRow) -> int:
        columns = row.columns
        for name, kind in COLUMNS:
            value = columns[name]
            self._columns[name].append(
                storable(value) if kind == "text" and isinstance(value, str) else value
            )
        request, response = row.request_body, row.response_body
        self._columns["request"].append(_column_text(request))
        self._columns["response"].append(None if response is None else _column_text(response))
        self._bytes += len(request) + len(response or b"")
        if len(self._columns["id"]) >= self.ROWS or self._bytes >= self.BYTES:
            self._flush()
        return 1

    def _flush(self) -> None:
        if self._columns["id"]:
            self._writer.write_table(self._pyarrow.table(self._columns, schema=self._schema))
            self._columns = {name: [] for name, _ in self._fields}
            self._bytes = 0

    def close(self, manifest: Mapping[str, Any]) -> None:
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        self._writer.close()
