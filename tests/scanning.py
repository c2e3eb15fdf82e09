"""Looks for a text in all that the database holds: every column of every table, packed ones unpacked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import zstandard
from django.db import connection

_MAGIC = zstandard.FRAME_HEADER


def where(needle: str, *, but: tuple[str, ...] = ()) -> list[str]:
    """The columns, as `table.column`, that hold the text however it is written; not of the tables `but`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables "
            "USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' "
            "ORDER BY 1, 2"
        )
        columns = cursor.fetchall()
        found = []
        for table, column in columns:
            if table in but:
                continue
            cursor.execute(f'SELECT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL')
            if any(_holds(value, needle) for (value,) in cursor.fetchall()):
                found.append(f"{table}.{column}")
    return found


def _holds(value: Any, needle: str) -> bool:
    return any(needle.lower().encode() in said for said in _said(value))


def _said(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes | memoryview):
        yield from _unpacked(bytes(value))
    elif isinstance(value, str):
        yield value.lower().encode("utf-8", "replace")
    else:
        yield json.dumps(value, default=str, ensure_ascii=False).lower().encode("utf-8", "replace")


def _unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed anywhere in them."""
    yield data.lower()
    at = data.find(_MAGIC)
    while at >= 0:
        try:
            inner = zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
        except zstandard.ZstdError:
            inner = b""
        if inner:
            yield from _unpacked(inner)
        at = data.find(_MAGIC, at + 1)
