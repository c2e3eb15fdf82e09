"""Tasks for Label Studio: each answer with all judgements by person, and the labeling configuration for them.

Names that begin with `reviewapp-` are what a rubric does not ask: marks, correction, comment, preference. A
skip is a cancelled annotation, the judgement that counts is ground truth. What Label Studio has no place for
stands in the task's data, which it keeps as it is: so a file that has been there can be brought back.
https://labelstud.io/guide/task_format
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from reviewapp.formats.exports.questions import PREFERENCES, Asked, Control
from reviewapp.formats.exports.rows import ExportRow
from reviewapp.formats.exports.zipped import ZippedRecords, content_of

MARKS: Final = "reviewapp-marks"
MARK_NOTE: Final = "reviewapp-mark-note"
CORRECTION: Final = "reviewapp-correction"
COMMENT: Final = "reviewapp-comment"
PREFERENCE: Final = "reviewapp-preference"
_README: Final = """\
Label Studio import

tasks.json             the answers, with every judgement by person
labeling-config.xml    the questions, as Settings > Labeling Interface > Code takes them
manifest.json          how this was made, and how well the people agree

Make a project, paste labeling-config.xml, then import tasks.json. Label Studio knows people by their
addresses: invite those in the file first, or let unknown ones become yours by
ALLOW_IMPORT_TASKS_WITH_UNKNOWN_EMAILS. Export as JSON to bring the judgements back.
"""


class LabelStudioWriter(ZippedRecords):
    """A zip of tasks and their labeling configuration."""

    records = "tasks.json"

    def record(self, row: ExportRow) -> dict[str, Any]:
        answer = row.answer
        annotations = [_annotation(one, answer, self.asked) for one in row.annotations]
        annotations += _skips(row)
        about = {"queues": list(row.queues), "rubrics": list(row.rubrics), "content": content_of(row)}
        # After the annotations, which may have brought questions of their own.
        if self.asked.renamed:
            about["names"] = self.asked.renamed
        return {
            "data": {
                "id": str(row.stored.id),
                "prompt": row.view.text,
                "answer": answer,
                "model": row.stored.response_model or row.stored.model,
                "fingerprint": row.stored.fingerprint,
                "seed": row.stored.seed,
                "reviewapp": about,
            },
            "annotations": annotations,
            "predictions": [],
        }

    def beside(self, manifest: Mapping[str, Any]) -> dict[str, str]:
        return {"labeling-config.xml": labeling_config(self.asked), "README.txt": _README}


def _annotation(one: Mapping[str, Any], answer: str, asked: Asked) -> dict[str, Any]:
    return {
        "unique_id": one["id"],
        "completed_by": _completed_by(one["person"], one["created_by"]),
        "result": list(_results(one, answer, asked)),
        "was_cancelled": False,
        "ground_truth": one["authoritative"],
        "created_at": one["created_at"],
        "updated_at": one["updated_at"],
        "reviewapp": {"rubric": one["rubric"], "version": one["version"]},
    }


def _completed_by(person: Mapping[str, Any] | None, created_by: str | None) -> dict[str, Any]:
    """By address, as Label Studio looks people up; who has none is told by name."""
    told = person or {"name": created_by or "reviewapp", "email": None}
    return {"email": told["email"] or told["name"], "first_name": told["name"]}


def _results(one: Mapping[str, Any], answer: str, asked: Asked) -> Iterator[dict[str, Any]]:
    for key, value in one["scores"].items():
        control = asked.control_of(key, value)
        yield _result(control.name, *_value(control.kind, value))
    if one["preference"] is not None:
        yield _result(PREFERENCE, "choices", {"choices": [one["preference"]]})
    for name, text in ((CORRECTION, one["correction"]), (COMMENT, one["comment"] or None)):
        if text is not None:
            yield _result(name, "textarea", {"text": [text]})
    for at, span in enumerate(one["spans"]):
        # Label Studio counts characters as Python does.
        place = {"start": span["start"], "end": span["end"], "text": answer[span["start"] : span["end"]]}
        asked.labels.setdefault(span["label"], span["label"])
        yield _result(MARKS, "labels", {**place, "labels": [span["label"]]}, region=f"mark-{at}")
        if span["note"]:
            yield _result(MARK_NOTE, "textarea", {**place, "text": [span["note"]]}, region=f"mark-{at}")


def _value(kind: str, value: Any) -> tuple[str, dict[str, Any]]:
    if kind == "boolean":
        return "choices", {"choices": ["true" if value else "false"]}
    if kind == "choice":
        return "choices", {"choices": [value]}
    if kind == "text":
        return "textarea", {"text": [value]}
    return kind, {kind: value}


def _result(name: str, kind: str, value: dict[str, Any], *, region: str = "") -> dict[str, Any]:
    return {"id": region or name, "from_name": name, "to_name": "answer", "type": kind, "value": value}


def _skips(row: ExportRow) -> list[dict[str, Any]]:
    return [
        {
            "completed_by": _completed_by(place["person"], None),
            "result": [],
            "was_cancelled": True,
            "ground_truth": False,
            "created_at": place["at"],
            "updated_at": place["at"],
        }
        for item in row.queues
        for place in item["places"]
        if place["state"] == "skipped"
    ]


def labeling_config(asked: Asked) -> str:
    """The labeling configuration for these questions."""
    lines = ["<View>"]
    lines += [f"  <Header value={quoteattr(text[:1000])}/>" for text in asked.instructions.values()]
    lines += [
        '  <Header value="Question" size="5"/>',
        '  <Text name="prompt" value="$prompt"/>',
        '  <Header value="Answer" size="5"/>',
    ]
    if asked.labels:
        lines.append(f'  <Labels name="{MARKS}" toName="answer">')
        lines += [
            f"    <Label value={quoteattr(label)} alias={quoteattr(key)}/>"
            for key, label in asked.labels.items()
        ]
        lines.append("  </Labels>")
    lines.append('  <Text name="answer" value="$answer" granularity="symbol"/>')
    if asked.labels:
        lines.append(f'  <TextArea name="{MARK_NOTE}" toName="answer" perRegion="true" placeholder="Why"/>')
    for control in asked.controls.values():
        lines += _control(control)
    lines += _choices(PREFERENCE, "Beside its original", PREFERENCES, required=False)
    for name, label in ((CORRECTION, "The ideal answer"), (COMMENT, "Comment")):
        lines += [
            f'  <Header value="{label}" size="5"/>',
            f'  <TextArea name="{name}" toName="answer" rows="3"/>',
        ]
    return "\n".join([*lines, "</View>", ""])


def _control(control: Control) -> list[str]:
    name, required = quoteattr(control.name), "true" if control.required else "false"
    if control.kind in ("boolean", "choice"):
        choices = {one["value"]: one["label"] for one in control.choices}
        return _choices(control.name, control.label, choices, required=control.required)
    head = f'  <Header value={quoteattr(control.label)} size="5"/>'
    if control.kind == "rating":
        stars = int(control.high or 5)
        return [head, f'  <Rating name={name} toName="answer" maxRating="{stars}" required="{required}"/>']
    if control.kind == "number":
        bounds = "".join(
            f' {what}="{value:g}"'
            for what, value in (("min", control.low), ("max", control.high), ("step", control.step))
            if value is not None
        )
        return [head, f'  <Number name={name} toName="answer"{bounds} required="{required}"/>']
    return [head, f'  <TextArea name={name} toName="answer" rows="3" required="{required}"/>']


def _choices(name: str, label: str, choices: Mapping[str, str], *, required: bool) -> list[str]:
    told = "true" if required else "false"
    return [
        f'  <Header value={quoteattr(label)} size="5"/>',
        f'  <Choices name={quoteattr(name)} toName="answer" choice="single" required="{told}">',
        *(
            f"    <Choice value={quoteattr(word)} alias={quoteattr(value)}/>"
            for value, word in choices.items()
        ),
        "  </Choices>",
    ]
