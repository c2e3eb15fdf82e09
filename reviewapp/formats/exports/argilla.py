"""A dataset for Argilla, as `rg.Dataset.from_disk` reads it: settings, and records with all responses.

A response is one person's answer to one question, so of somebody who judged an answer twice the newest
judgement becomes responses. Argilla refuses a whole batch for one submitted response that leaves a required
question out, and a dataset that requires none: so what all submitted responses answer is required, and who
left it out has a draft. Whatever Argilla has no place for stands in a record's metadata, in the app's
own shape. Argilla knows people by ids; who they are is told there too.
https://docs.argilla.io/latest/how_to_guides/import_export
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from reviewapp.formats.exports.questions import PREFERENCES, Control
from reviewapp.formats.exports.rows import ExportRow
from reviewapp.formats.exports.zipped import ZippedRecords, content_of

MARKS: Final = "reviewapp-marks"
CORRECTION: Final = "reviewapp-correction"
COMMENT: Final = "reviewapp-comment"
PREFERENCE: Final = "reviewapp-preference"
# People have no ids in an export; they get these, which hang on their address or name alone.
_PEOPLE: Final = UUID("5b8f5c1e-6b8a-4e1c-9d2e-2f0c6a1b7e55")
# Argilla takes no longer ones.
_GUIDELINES: Final = 10_000
_README: Final = """\
Argilla import

.argilla/settings.json    the fields and the questions
.argilla/dataset.json     the dataset itself
records.json              the answers, with every judgement by person
manifest.json             how this was made, and how well the people agree

Unzip it into an empty folder, then:

    import argilla as rg
    client = rg.Argilla(api_url="...", api_key="...")
    rg.Dataset.from_disk("folder", name="reviewed", workspace="argilla", client=client)

Responses belong to people by id. To keep them, create people of these ids first (records.json names
them under metadata), or import without responses. Those that leave out what is required are drafts.
Dataset.to_disk writes a folder whose records.json can be brought back.
"""


class ArgillaWriter(ZippedRecords):
    """A zip of a dataset's folder."""

    records = "records.json"
    # What every submitted response answers; None before the first one.
    _common: frozenset[str] | None = None

    def record(self, row: ExportRow) -> dict[str, Any]:
        responses: dict[str, list[dict[str, Any]]] = {}
        people: dict[str, Any] = {}
        told: dict[str, dict[str, Any]] = {}
        earlier = []
        newest = {str(one["created_by"]): one for one in row.annotations}
        for one in row.annotations:
            if newest[str(one["created_by"])] is not one:
                earlier.append(dict(one))
                continue
            user = str(uuid5(_PEOPLE, str(one["created_by"])))
            people[user] = one["person"] or {"name": one["created_by"], "email": None}
            told[user] = {
                name: one[name]
                for name in ("id", "rubric", "version", "authoritative", "created_at", "updated_at")
            }
            notes = [span["note"] for span in one["spans"]]
            if any(notes):
                told[user]["notes"] = notes
            answers = dict(self._answers(one))
            status = "submitted" if self._submits(answers) else "draft"
            for name, value in answers.items():
                responses.setdefault(name, []).append({"value": value, "user_id": user, "status": status})
        about = {
            "people": people,
            "judgements": told,
            "earlier": earlier,
            "queues": list(row.queues),
            "rubrics": list(row.rubrics),
            "content": content_of(row),
            "names": {_name(one): [one.key, one.kind] for one in self.asked.controls.values()},
        }
        metadata = {
            "model": row.stored.response_model or row.stored.model,
            "fingerprint": row.stored.fingerprint,
            "seed": None if row.stored.seed is None else str(row.stored.seed),
            # Metadata holds plain values only.
            "reviewapp": json.dumps(about, ensure_ascii=False),
        }
        return {
            "id": str(row.stored.id),
            "fields": {"prompt": row.view.text, "answer": row.answer},
            "metadata": {name: value for name, value in metadata.items() if value is not None},
            "suggestions": {},
            "responses": responses,
            "vectors": {},
        }

    def _answers(self, one: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, value in one["scores"].items():
            control = self.asked.control_of(key, value)
            if control.kind == "boolean":
                yield _name(control), "true" if value else "false"
            else:
                # Argilla rates in whole steps; other numbers are written out.
                yield _name(control), json.dumps(value) if control.kind == "number" else value
        for name, value in (
            (PREFERENCE, one["preference"]),
            (CORRECTION, one["correction"]),
            (COMMENT, one["comment"] or None),
        ):
            if value is not None:
                yield name, value
        if one["spans"]:
            for span in one["spans"]:
                self.asked.labels.setdefault(span["label"], span["label"])
            yield (
                MARKS,
                [
                    {"start": span["start"], "end": span["end"], "label": span["label"]}
                    for span in one["spans"]
                ],
            )

    def _submits(self, answers: Mapping[str, Any]) -> bool:
        """Whether these answers can be submitted beside the others."""
        required = {_name(one) for one in self.asked.controls.values() if one.required}
        common = frozenset(answers) & (required or answers.keys())
        if self._common is not None:
            common &= self._common
        if common:
            self._common = common
        return bool(common)

    def beside(self, manifest: Mapping[str, Any]) -> dict[str, str]:
        dataset = {
            "name": f"reviewapp-{manifest['project']}",
            "guidelines": self._guidelines(),
            "allow_extra_metadata": True,
            "distribution": {"strategy": "overlap", "min_submitted": 1},
        }
        settings = {
            "guidelines": dataset["guidelines"],
            "allow_extra_metadata": True,
            "distribution": dataset["distribution"],
            "fields": [
                {
                    "name": name,
                    "title": title,
                    "required": name == "answer",
                    "type": "text",
                    "settings": {"type": "text", "use_markdown": True},
                }
                for name, title in (("prompt", "Question"), ("answer", "Answer"))
            ],
            "questions": self._questions(),
            "metadata": [],
            "vectors": [],
        }
        return {
            ".argilla/settings.json": json.dumps(settings, indent=2, ensure_ascii=False),
            ".argilla/dataset.json": json.dumps(dataset, indent=2, ensure_ascii=False),
            "README.txt": _README,
        }

    def _guidelines(self) -> str | None:
        return "\n\n".join(self.asked.instructions.values())[:_GUIDELINES] or None

    def _questions(self) -> list[dict[str, Any]]:
        found = [
            _question(_name(one), one.label, one.help, _settings(one)) for one in self.asked.controls.values()
        ]
        options = [{"value": value, "text": word} for value, word in PREFERENCES.items()]
        found.append(
            _question(PREFERENCE, "Beside its original", "", {"type": "label_selection", "options": options})
        )
        found.append(_question(CORRECTION, "The ideal answer", "", {"type": "text", "use_markdown": False}))
        found.append(_question(COMMENT, "Comment", "", {"type": "text", "use_markdown": False}))
        if self.asked.labels:
            labels = [{"value": key, "text": word} for key, word in self.asked.labels.items()]
            settings = {"type": "span", "field": "answer", "allow_overlapping": True, "options": labels}
            found.append(_question(MARKS, "Marks", "", {**settings, "visible_options": None}))
        # A dataset must require something.
        required = self._common or {found[0]["name"]}
        for question in found:
            question["required"] = question["name"] in required
        return found


def _question(name: str, title: str, description: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": title, "description": description or None, "settings": settings}


def _settings(control: Control) -> dict[str, Any]:
    if control.kind == "rating":
        return {"type": "rating", "options": [{"value": at} for at in range(1, int(control.high or 5) + 1)]}
    if control.kind in ("boolean", "choice"):
        # Argilla wants a word for each.
        options = [{"value": one["value"], "text": one["label"] or one["value"]} for one in control.choices]
        return {"type": "label_selection", "options": options, "visible_options": None}
    return {"type": "text", "use_markdown": False}


def _name(control: Control) -> str:
    """A name that Argilla takes: small letters, digits, hyphens and underscores."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", control.name.lower()).strip("-_")
    if plain == control.name:
        return plain
    return f"{plain or 'question'}-{uuid5(_PEOPLE, control.name).hex[:6]}"
