"""Argilla's records, as `Dataset.to_disk` writes them."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reviewapp.formats.imports.judged.gathering import OWN, Gathered, content_of, rubric_key
from reviewapp.formats.imports.lines import Line, NotImportable
from reviewapp.formats.openai.fields import list_of, object_of, objects_in, text_of
from reviewapp.formats.said import (
    InvalidSaid,
    Said,
    moment_of,
    read_judgement,
    read_said,
    uuid_of,
    who_of,
)
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import JsonObject
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.said import text_of as reason_of


def is_argilla(value: Any) -> bool:
    """Whether the value is a record."""
    record = object_of(value)
    return isinstance(record.get("fields"), dict) and "responses" in record and "suggestions" in record


def argilla(value: Any) -> Iterator[Line]:
    """Records of a dataset on disk."""
    for number, record in enumerate(objects_in(value if isinstance(value, list) else [value]), start=1):
        about = _about(record)
        try:
            recorded = content_of(about.get("content"), object_of(record.get("fields")), "fields")
        except NotImportable as error:
            yield Line(number, reason=reason_of(error))
            continue
        name = f"argilla {record['_server_id']}" if record.get("_server_id") and not about else ""
        yield Line(number, recorded, name=name, said=_records_said(record, about) or None)


def _about(record: JsonObject) -> JsonObject:
    text = text_of(object_of(record.get("metadata")).get("reviewapp"))
    try:
        return object_of(rawjson.parse(text)) if text else {}
    except rawjson.InvalidJson:
        return {}


def _records_said(record: JsonObject, about: JsonObject) -> Said:
    beside = read_said({"rubrics": about.get("rubrics"), "queues": about.get("queues")})
    wrong = list(beside.wrong)
    gathered: dict[str, Gathered] = defaultdict(Gathered)
    names = object_of(about.get("names"))
    people, told = object_of(about.get("people")), object_of(about.get("judgements"))
    for name, responses in object_of(record.get("responses")).items():
        for response in objects_in(responses):
            user, status = str(response.get("user_id")), response.get("status")
            # A judgement that left something out went as a draft.
            if status == "discarded" or (status == "draft" and user not in told):
                continue
            _respond(gathered[user], name, response.get("value"), names)
    judgements = []
    for user, one in gathered.items():
        own = object_of(told.get(user))
        for span, note in zip(one.spans, list_of(own.get("notes")), strict=False):
            span["note"] = note
        at = moment_of(own.get("created_at"))
        try:
            judgements.append(
                one.judgement(
                    id=uuid_of(own.get("id")),
                    who=who_of(people.get(user) or {"name": f"Argilla user {user}"}, None),
                    rubric=rubric_key(own.get("rubric")),
                    at=at,
                    edited_at=moment_of(own.get("updated_at")) or at,
                    version=own["version"] if isinstance(own.get("version"), int) else 1,
                    authoritative=own.get("authoritative") is True,
                )
            )
        except (InvalidSaid, InvalidAnswer) as error:
            wrong.append(f"responses of {user}: {error}")
    for earlier in objects_in(about.get("earlier")):
        try:
            judgements.append(read_judgement(earlier))
        except (InvalidSaid, InvalidAnswer) as error:
            wrong.append(f"earlier: {error}")
    return replace(beside, judgements=tuple(judgements), wrong=tuple(wrong))


def _respond(gathered: Gathered, name: str, value: Any, names: JsonObject) -> None:
    """One person's answer to one question."""
    if name == f"{OWN}marks" or (isinstance(value, list) and value and isinstance(value[0], dict)):
        for span in objects_in(value):
            place = {"start": span.get("start"), "end": span.get("end"), "label": span.get("label")}
            gathered.spans.append({**place, "note": ""})
        return
    if gathered.take(name, value):
        return
    known = names.get(name)
    key, kind = known if isinstance(known, list) and len(known) == 2 else (name, "")
    if kind == "boolean" or (not kind and value in ("true", "false")):
        value = value == "true"
    elif kind == "number" and isinstance(value, str):
        with contextlib.suppress(rawjson.InvalidJson):
            value = rawjson.parse(value)
    elif isinstance(value, list):
        # Several labels, or a ranking.
        value = ", ".join(str(object_of(one).get("value", one)) for one in value)
    gathered.scores[str(key)] = value
