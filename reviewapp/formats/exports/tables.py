"""Formats of rows and columns."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from reviewapp.formats.exports.file import PIECE, ExportFile
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
        self.file = ExportFile(path)
        self._text = io.TextIOWrapper(
            io.BufferedWriter(self.file, PIECE), encoding="utf-8-sig", newline="", write_through=True
        )
        self._text.write(_line(name for name, _ in COLUMNS))
        self.skipped: Counter[str] = Counter()

    def add(self, row: ExportRow) -> int:
        values = zip(_CELLS, row.columns.values(), strict=True)
        self._text.write(_line("" if value is None else cell(value) for cell, value in values))
        return 1

    def close(self, manifest: Mapping[str, Any]) -> None:
        self._text.close()

    def abandon(self) -> None:
        self._text.detach().detach()
        self.file.discard()


def _line(cells: Iterable[str]) -> str:
    """A line of RFC 4180. The standard library's writer looks up each character of each cell by itself."""
    return ",".join(cells) + "\r\n"


def _quoted(cell: str) -> str:
    """The cell, in quotes where it must be."""
    if '"' in cell:
        return '"' + cell.replace('"', '""') + '"'
    return f'"{cell}"' if "," in cell or "\n" in cell or "\r" in cell else cell


# How a value of each kind is written.
_WRITTEN: Final[dict[str, Callable[[Any], str]]] = {
    "text": lambda text: _quoted(formula_safe(text)),
    "integer": str,
    "number": str,
    "boolean": lambda value: "true" if value else "false",
    "time": datetime.isoformat,
}
_CELLS: Final = tuple(_WRITTEN[kind] for _, kind in COLUMNS)


def _column_text(body: bytes) -> bytes | str:
    """A body as a column of texts takes it; one without anything odd as it is."""
    return body if body.isascii() and b"\0" not in body else storable(from_bytes(body))


class ParquetMissing(Exception):
    """The optional package for Parquet is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Parquet exports need the package pyarrow: install reviewapp with the extra “parquet”."
        )


# Columns with few values, which Parquet keeps as numbers into a list of them.
_FEW_VALUES = (
    *("source", "provider", "endpoint", "model", "response_model", "system_fingerprint", "finish_reason"),
    *("tags", "flags", "annotations", "last_verdict"),
)
# Columns by whose least and greatest value a reader may skip a row group; of long texts they are no help.
_ORDERED = ("id", "started_at", "source", "provider", "model", "system_fingerprint", "seed", "status")


class ParquetWriter:
    """Apache Parquet, zstd, in row groups of some thousand rows, with the bodies as JSON texts.

    Columns are made of a group's rows at once, and packed in a thread of their own while the next group is
    read: packing needs most of the time and none of Python's lock.
    """

    suffix = "parquet"
    ROWS = 4_000
    BYTES = 8 << 20

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
        # The allocator that all else uses: Arrow's own would keep what it has freed beside what others have.
        pyarrow.set_memory_pool(pyarrow.system_memory_pool())
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in self._fields])
        self._pyarrow = pyarrow
        self.file = ExportFile(path)
        self._buffer = io.BufferedWriter(self.file, PIECE)
        self._writer = pyarrow.parquet.ParquetWriter(
            self._buffer,
            self._schema,
            compression="zstd",
            use_dictionary=list(_FEW_VALUES),
            write_statistics=list(_ORDERED),
        )
        self._packer = ThreadPoolExecutor(1, thread_name_prefix="export-parquet")
        self._packed: Future[None] | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0
        self.skipped: Counter[str] = Counter()

    def add(self, row: ExportRow) -> int:
        request, response = row.request_body, row.response_body
        self._rows.append(
            (
                *row.columns.values(),
                _column_text(request),
                None if response is None else _column_text(response),
            )
        )
        self._bytes += len(request) + len(response or b"")
        if len(self._rows) >= self.ROWS or self._bytes >= self.BYTES:
            self._flush()
        return 1

    def _flush(self) -> None:
        if self._rows:
            columns = [
                self._pyarrow.array(values, type=field.type)
                for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
            ]
            self._rows = []
            self._bytes = 0
            table = self._pyarrow.Table.from_arrays(columns, schema=self._schema)
            self._wait()
            self._packed = self._packer.submit(self._writer.write_table, table)

    def _wait(self) -> None:
        if self._packed is not None:
            self._packed.result()

    def close(self, manifest: Mapping[str, Any]) -> None:
        self._flush()
        self._wait()
        self._packer.shutdown()
        self._writer.close()
        self._buffer.close()

    def abandon(self) -> None:
        self._packer.shutdown(cancel_futures=True)
        # It writes an end that nobody will read, if there is room for it.
        with contextlib.suppress(OSError, ValueError):
            self._writer.close()
        self._buffer.detach()
        self.file.discard()
