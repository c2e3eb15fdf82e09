"""The reproducibility bundle: what was recorded, how it was chosen, and a script that asks again."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reviewapp.formats.exports.file import PIECE, ExportFile
from reviewapp.formats.exports.rows import ExportRow

# Kept as text: it belongs to who unpacks the bundle, and imports what this room may not.
_SCRIPT = (Path(__file__).parent / "rerun.py.txt").read_text(encoding="utf-8")
_README = """\
Reproducibility bundle

interactions.jsonl   what was recorded: request, seed, response, fingerprint, log probabilities,
                     flags, judgements by person, queues and replays; one JSON object a line
agreement.json       how well the people agree, by rubric and question
manifest.json        how it was made: filter, counts, SHA-256, versions
rerun.py             asks everything again with the same request and seed and compares the answers

To ask again:

    pip install openai
    OPENAI_API_KEY=… python rerun.py                                  # the provider's own address
    OPENAI_API_KEY=… python rerun.py --base-url http://host/v1 --attempts 3 --model other-model

rerun.py prints a line for each answer (identical, different, failed) and both fingerprints.
A different answer with another fingerprint may come from a changed backend, one with the same
fingerprint from ordinary nondeterminism; a single answer proves neither.
"""


class BundleWriter:
    """A zip of JSON lines, manifest, script and README."""

    suffix = "zip"

    def __init__(self, path: Path) -> None:
        self.file = ExportFile(path)
        self._buffer = io.BufferedWriter(self.file, PIECE)
        # Level 6 makes such a file a seventh smaller, in three times the time.
        self._zip = zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._lines = self._zip.open("interactions.jsonl", "w", force_zip64=True)
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._parts: list[bytes] = []
        self._waiting = 0
        # Packing needs most of the time and none of Python's lock: the next lines are made meanwhile.
        self._packer = ThreadPoolExecutor(1, thread_name_prefix="export-bundle")
        self._packed: Future[None] | None = None
        self.skipped: Counter[str] = Counter()

    def add(self, row: ExportRow) -> int:
        parts = [*row.line_parts(), b"\n"]
        self._parts += parts
        self._waiting += sum(map(len, parts))
        if self._waiting >= PIECE:
            self._flush()
        return 1

    def _flush(self) -> None:
        piece = b"".join(self._parts)
        self._parts.clear()
        self._bytes += self._waiting
        self._waiting = 0
        self._wait()
        self._packed = self._packer.submit(self._pack, piece)

    def _pack(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._lines.write(piece)

    def _wait(self) -> None:
        if self._packed is not None:
            self._packed.result()

    def close(self, manifest: Mapping[str, Any]) -> None:
        self._flush()
        self._wait()
        self._packer.shutdown()
        self._lines.close()
        agreement = json.dumps(manifest.get("agreement") or {}, indent=2)
        files = [
            {"name": "interactions.jsonl", "bytes": self._bytes, "sha256": self._digest.hexdigest()},
            *(
                {
                    "name": name,
                    "bytes": len(text.encode()),
                    "sha256": hashlib.sha256(text.encode()).hexdigest(),
                }
                for name, text in (
                    ("agreement.json", agreement),
                    ("rerun.py", _SCRIPT),
                    ("README.txt", _README),
                )
            ),
        ]
        self._zip.writestr("manifest.json", json.dumps({**manifest, "files": files}, indent=2))
        self._zip.writestr("agreement.json", agreement)
        self._zip.writestr("rerun.py", _SCRIPT)
        self._zip.writestr("README.txt", _README)
        self._zip.close()
        self._buffer.close()

    def abandon(self) -> None:
        self._packer.shutdown(cancel_futures=True)
        # Both write an end that nobody will read, if there is room for it.
        with contextlib.suppress(OSError, ValueError):
            self._lines.close()
            self._zip.close()
        self._buffer.detach()
        self.file.discard()
