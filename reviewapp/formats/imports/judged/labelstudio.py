"""Label Studio's tasks, as they are imported or exported as JSON: https://labelstud.io/guide/task_format"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from reviewapp.formats.imports.judged.gathering import Gathered, content_of, rubric_key
from reviewapp.formats.imports.lines import Line, NotImportable
from reviewapp.formats.openai.fields import filled, list_of, object_of, objects_in, text_of
from reviewapp.formats.said import (
    InvalidSaid,
    Said,
    SaidItem,
    SaidJudgement,
    SaidPlace,
    SaidRubric,
    Who,
    moment_of,
    read_said,
    uuid_of,
    who_of,
)
from reviewapp.pure.exchange import JsonObject
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.said import text_of as reason_of

_ITEMS: Final = UUID("0d0d9f5e-5a0c-4a3e-8f0c-3c3f4d1d5a11")


def is_label_studio(value: Any) -> bool:
    """Whether the value is a task."""
    task = object_of(value)
    return isinstance(task.get("data"), dict) and isinstance(task.get("annotations"), list)


def label_studio(value: Any) -> Iterator[Line]:
    """Tasks, as they are imported or exported as JSON."""
    for number, task in enumerate(objects_in(value if isinstance(value, list) else [value]), start=1):
        data = object_of(task.get("data"))
        about = object_of(data.get("reviewapp"))
        try:
            recorded = content_of(about.get("content"), data, "data")
        except NotImportable as error:
            yield Line(number, reason=reason_of(error))
            continue
        name = f"label-studio {task.get('project')} {task['id']}" if task.get("id") and not about else ""
        yield Line(number, recorded, name=name, said=_tasks_said(task, about, name) or None)


def _tasks_said(task: JsonObject, about: JsonObject, name: str) -> Said:
    beside = read_said({"rubrics": about.get("rubrics"), "queues": about.get("queues")})
    judgements: list[SaidJudgement] = []
    skipped: list[tuple[Who, datetime | None]] = []
    wrong = list(beside.wrong)
    for index, one in enumerate(objects_in(task.get("annotations"))):
        who = _completed_by(one.get("completed_by"))
        if one.get("was_cancelled"):
            skipped.append((who, moment_of(one.get("created_at"))))
            continue
        try:
            judgements.append(_annotation(one, who, object_of(about.get("names")), beside.rubrics))
        except (InvalidSaid, InvalidAnswer) as error:
            wrong.append(f"annotations.{index}: {error}")
    items = beside.items or _item("Label Studio", name, judgements, skipped)
    return replace(beside, judgements=tuple(judgements), items=items, wrong=tuple(wrong))


def _completed_by(value: Any) -> Who:
    """The annotator: an address, or the number that they have in Label Studio."""
    if isinstance(value, dict):
        names = (filled(value.get("first_name")), filled(value.get("last_name")))
        name = " ".join(part for part in names if part)
        return who_of({"email": value.get("email"), "name": name or value.get("email")}, None)
    return who_of({"name": f"Label Studio user {value}"} if value is not None else None, None)


def _annotation(
    one: JsonObject, who: Who, names: JsonObject, rubrics: tuple[SaidRubric, ...]
) -> SaidJudgement:
    gathered = Gathered()
    notes: dict[str, str] = {}
    for result in objects_in(one.get("result")):
        name, kind = text_of(result.get("from_name")) or "", result.get("type")
        value = object_of(result.get("value"))
        if kind in ("labels", "hypertextlabels"):
            for label in list_of(value.get(kind)):
                span = {"start": value.get("start"), "end": value.get("end"), "label": label}
                gathered.spans.append({**span, "region": result.get("id")})
        elif kind == "textarea" and "start" in value:
            notes[str(result.get("id"))] = "\n".join(map(str, list_of(value.get("text"))))
        elif (found := _result(str(kind), value)) is not None and not gathered.take(name, found):
            gathered.scores[text_of(names.get(name)) or name] = found
    for span in gathered.spans:
        span["note"] = notes.get(str(span.pop("region")), "")
    own = object_of(one.get("reviewapp"))
    rubric = rubric_key(own.get("rubric"))
    for asked in (question for known in rubrics if known.key == rubric for question in known.questions):
        if asked["kind"] == "choice" and isinstance(gathered.scores.get(asked["key"]), bool):
            # A choice that is called so.
            gathered.scores[asked["key"]] = str(gathered.scores[asked["key"]]).lower()
    at = moment_of(one.get("created_at"))
    return gathered.judgement(
        id=uuid_of(one.get("unique_id")),
        who=who,
        rubric=rubric,
        at=at,
        edited_at=moment_of(one.get("updated_at")) or at,
        version=own["version"] if isinstance(own.get("version"), int) else 1,
        authoritative=one.get("ground_truth") is True,
    )


def _result(kind: str, value: JsonObject) -> Any:
    if kind == "choices":
        chosen = [choice for choice in list_of(value.get("choices")) if isinstance(choice, str)]
        if chosen in (["true"], ["false"]):
            return chosen == ["true"]
        return ", ".join(chosen) or None
    if kind == "textarea":
        return "\n".join(map(str, list_of(value.get("text")))) or None
    if kind in ("rating", "number"):
        found = value.get(kind)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else None
    return None


def _item(
    queue: str, name: str, judgements: list[SaidJudgement], skipped: list[tuple[Who, datetime | None]]
) -> tuple[SaidItem, ...]:
    """What skips and a judgement that counts make of a task: an item of a queue called like the tool."""
    counting = next((one for one in judgements if one.authoritative and one.id is not None), None)
    if counting is None and not skipped:
        return ()
    places = [
        SaidPlace(who=one.who, state="judged", round=1, at=one.at, judgement=one.id)
        for one in judgements
        if one.id is not None
    ]
    places += [SaidPlace(who=who, state="skipped", round=1, at=at, judgement=None) for who, at in skipped]
    state = "done" if judgements else "skipped"
    told = f"{name} {counting.id if counting else ''} {[place.who.key for place in places]}"
    return (
        SaidItem(
            id=uuid5(_ITEMS, told),
            queue={"name": queue, "judgements_needed": max(1, min(10, len(judgements)))},
            reason=queue,
            state=state,
            round=1,
            authoritative=None if counting is None else counting.id,
            adjudicated_by=None,
            created_at=min((place.at for place in places if place.at), default=None),
            finished_at=max((place.at for place in places if place.at), default=None),
            places=tuple(places),
        ),
    )
