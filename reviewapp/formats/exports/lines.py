"""Formats of one JSON object a line."""

from __future__ import annotations

import abc
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reviewapp.formats.batch import write_batch_request
from reviewapp.formats.exports.file import PIECE, ExportFile
from reviewapp.formats.exports.rows import ExportRow
from reviewapp.pure.rawjson import to_bytes


class LinesWriter(abc.ABC):
    """Writes the lines that a row becomes."""

    suffix = "jsonl"

    def __init__(self, path: Path) -> None:
        self.file = ExportFile(path)
        self.skipped: Counter[str] = Counter()
        self._parts: list[bytes] = []
        self._bytes = 0

    def add(self, row: ExportRow) -> int:
        lines = self.lines(row)
        for line in lines:
            self._write((line if isinstance(line, bytes) else to_bytes(line), b"\n"))
        return len(lines)

    def _write(self, parts: Iterable[bytes]) -> None:
        before = len(self._parts)
        self._parts += parts
        self._bytes += sum(map(len, self._parts[before:]))
        if self._bytes >= PIECE:
            self._flush()

    def _flush(self) -> None:
        self.file.write(b"".join(self._parts))
        self._parts.clear()
        self._bytes = 0

    @abc.abstractmethod
    def lines(self, row: ExportRow) -> Sequence[str | bytes]:
        """The lines of this row; none where the format has no place for it."""

    def close(self, manifest: Mapping[str, Any]) -> None:
        self._flush()
        self.file.close()

    def abandon(self) -> None:
        self.file.discard()


class JsonLinesWriter(LinesWriter):
    """The interfaces' own shape, with flags, annotations and replays; the importer reads it back."""

    def add(self, row: ExportRow) -> int:
        self._write((*row.line_parts(), b"\n"))
        return 1

    def lines(self, row: ExportRow) -> list[bytes]:
        return [row.line_bytes]


class BatchWriter(LinesWriter):
    """Input of the OpenAI Batch API: the requests, which run again as they are."""

    def lines(self, row: ExportRow) -> list[str]:
        return [write_batch_request(row.recorded, custom_id=str(row.recorded.id))]


class FineTuningWriter(LinesWriter):
    """OpenAI's chat fine-tuning format: the conversation, ended by the answer a person corrected."""

    def lines(self, row: ExportRow) -> list[str]:
        if not row.corrections:
            self.skipped["no correction"] += 1
            return []
        example = _conversation(row)
        messages = [*example.pop("messages"), {"role": "assistant", "content": row.corrections[-1]}]
        return [json.dumps({"messages": messages, **example})]


class PreferencesWriter(LinesWriter):
    """OpenAI's preference pairs: the corrected answer preferred to the recorded one, and of an answer and its
    replay the one that people said is better."""

    def lines(self, row: ExportRow) -> list[str]:
        original = row.reply.text
        pairs = [(correction, original) for correction in row.corrections]
        for answer in row.judged_answers.values():
            pairs += _preferred(answer, original)
        told = [pair for pair in dict.fromkeys(pairs) if all(pair) and pair[0] != pair[1]]
        if not told:
            self.skipped["no correction or preference" if original else "no answer in words"] += 1
            return []
        return [
            json.dumps(
                {
                    "input": _conversation(row),
                    "preferred_output": [{"role": "assistant", "content": better}],
                    "non_preferred_output": [{"role": "assistant", "content": worse}],
                }
            )
            for better, worse in told
        ]


def _preferred(answer: ExportRow, original: str) -> list[tuple[str, str]]:
    """The better and the worse text, where people judged a replay's answer beside its original.

    Where one judgement counts, it speaks for all; else each that prefers one.
    """
    counting = answer.authoritative
    said = [counting] if counting is not None else answer.annotations
    text = answer.reply.text
    # A correction of the replay's answer is better than that answer, too.
    found = [(correction, text) for correction in answer.corrections]
    for one in said:
        if one["preference"] in ("original", "regression"):
            found.append((original, text))
        elif one["preference"] == "replay":
            found.append((text, original))
    return found


def _conversation(row: ExportRow) -> dict[str, Any]:
    """Messages and tools as chat completions have them; other endpoints' turns as plain text."""
    if row.recorded.endpoint == "chat.completions" and isinstance(row.request.get("messages"), list):
        kept = {"messages": list(row.request["messages"])}
        if row.request.get("tools"):
            kept["tools"] = row.request["tools"]
        return kept
    return {"messages": [{"role": turn.role, "content": turn.text} for turn in row.view.messages]}
