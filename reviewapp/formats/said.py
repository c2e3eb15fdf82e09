"""What people said of an interaction, on its way from one project into another, and our own shape of it.

Files of other tools give some of it; the app's own lines give all: judgements by person with the rubric
that they answer, flags, and what became of the interaction in queues. Reading checks what can be checked
without the project; what does not fit is told and the rest is taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from reviewapp.formats.openai.fields import object_of, objects_in, text_of
from reviewapp.pure.rubrics import TEXT_LIMIT, InvalidAnswer, check_labels, check_questions, check_spans
from reviewapp.pure.words import storable

# A file may name anybody; a person's name has this much room.
NAME_LIMIT: Final = 120
_ANY_LENGTH: Final = 2**31
_SCORES_LIMIT: Final = 200


class InvalidSaid(Exception):
    """A judgement or flag that can't be taken; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who judged: known by an address, or by nothing but a name."""

    name: str
    email: str | None = None

    @property
    def key(self) -> str:
        """What tells them from others."""
        return (self.email or self.name).lower()


@dataclass(frozen=True, slots=True)
class SaidRubric:
    """The questions that were asked, as a version of a rubric."""

    name: str
    version: int
    instructions: str = ""
    questions: tuple[dict[str, Any], ...] = ()
    labels: tuple[dict[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.version


@dataclass(frozen=True, slots=True)
class SaidFlag:
    """A mark that the answer needs attention."""

    id: UUID | None
    who: Who
    reason: str
    severity: str = "medium"
    note: str = ""
    state: str = "open"
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SaidJudgement:
    """What one person said. `rubric` names one of the rubrics beside it, or one of the project's."""

    id: UUID | None
    who: Who
    rubric: tuple[str, int] | None = None
    scores: Mapping[str, Any] = field(default_factory=dict)
    spans: Sequence[Mapping[str, Any]] = ()
    correction: str | None = None
    comment: str = ""
    preference: str | None = None
    at: datetime | None = None
    edited_at: datetime | None = None
    version: int = 1
    # Whether it is the one that counts, where nothing says so of a queue.
    authoritative: bool = False

    @property
    def digest(self) -> str:
        """The same for the same judgement of the same person, whatever file it is read from."""
        told = [self.who.key, dict(self.scores), [dict(span) for span in self.spans], self.correction]
        more = [self.comment, self.preference, None if self.at is None else self.at.isoformat()]
        return hashlib.sha256(json.dumps([*told, *more], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SaidPlace:
    """Somebody's place at an item: they judged it, or skipped it."""

    who: Who
    state: str
    round: int
    at: datetime | None
    judgement: UUID | None


@dataclass(frozen=True, slots=True)
class SaidItem:
    """What became of the interaction in a queue."""

    id: UUID
    queue: Mapping[str, Any]
    reason: str
    state: str
    round: int
    authoritative: UUID | None
    adjudicated_by: Who | None
    created_at: datetime | None
    finished_at: datetime | None
    places: tuple[SaidPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """Which interaction is meant, where the file does not hold it: by its id, or by trace and span."""

    interaction: UUID | None = None
    trace: str | None = None
    span: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """All that is said of one interaction, and why some of it can't be taken."""

    judgements: tuple[SaidJudgement, ...] = ()
    flags: tuple[SaidFlag, ...] = ()
    rubrics: tuple[SaidRubric, ...] = ()
    items: tuple[SaidItem, ...] = ()
    about: About | None = None
    wrong: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.judgements or self.flags or self.items or self.wrong)


# ---- the app's own shape ----


def read_said(value: Mapping[str, Any]) -> Said:
    """What stands beside an interaction in the app's own shape."""
    wrong: list[str] = []
    return Said(
        judgements=tuple(_each(value.get("annotations"), read_judgement, "annotations", wrong)),
        flags=tuple(_each(value.get("flags"), _flag, "flags", wrong)),
        rubrics=tuple(_each(value.get("rubrics"), read_rubric, "rubrics", wrong)),
        items=tuple(_each(value.get("queues"), _item, "queues", wrong)),
        wrong=tuple(wrong),
    )


def _each(value: Any, read: Any, name: str, wrong: list[str]) -> list[Any]:
    found = []
    for index, one in enumerate(objects_in(value)):
        try:
            found.append(read(one))
        except (InvalidSaid, InvalidAnswer) as error:
            wrong.append(f"{name}.{index}: {error}")
    return found


def read_judgement(value: Mapping[str, Any]) -> SaidJudgement:
    """An annotation as the interfaces show it. Raises InvalidSaid, InvalidAnswer."""
    rubric = object_of(value.get("rubric"))
    name, version = text_of(rubric.get("name")), rubric.get("version")
    # The project decides whether a mark lies inside of its answer.
    spans = check_spans(spans=value.get("spans") or [], length=_ANY_LENGTH)
    at = moment_of(value.get("created_at"))
    said = SaidJudgement(
        id=uuid_of(value.get("id")),
        who=who_of(value.get("person"), value.get("created_by")),
        rubric=(name, version) if name and isinstance(version, int) else None,
        scores=scores_of(value.get("scores")),
        spans=[{**span, "note": storable(span["note"])} for span in spans],
        correction=None if value.get("correction") is None else kept_text(value["correction"], "correction"),
        comment=kept_text(value.get("comment") or "", "comment", limit=TEXT_LIMIT),
        preference=_preference(value.get("preference")),
        at=at,
        edited_at=moment_of(value.get("updated_at")) or at,
        version=value["version"] if isinstance(value.get("version"), int) and value["version"] > 0 else 1,
        authoritative=value.get("authoritative") is True,
    )
    check_says_something(said)
    return said


def check_says_something(said: SaidJudgement) -> None:
    """Raise InvalidSaid for a judgement that says nothing."""
    if not (said.scores or said.spans or said.comment or said.preference) and said.correction is None:
        raise InvalidSaid("says nothing: it has no score, mark, correction, comment or preference.")


_PREFERENCES: Final = ("same", "regression", "original", "replay", "equal")
_SEVERITIES: Final = ("low", "medium", "high", "critical")
_STATES: Final = ("pending", "in_progress", "adjudication", "done", "skipped", "returned")


def _preference(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if value not in _PREFERENCES:
        raise InvalidSaid(f"has a preference that is none: write one of {', '.join(_PREFERENCES)}.")
    return str(value)


def scores_of(value: Any) -> dict[str, Any]:
    """Answers by question; whatever else stands there is refused. Raises InvalidSaid."""
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _SCORES_LIMIT:
        raise InvalidSaid("must have its scores as an object of answers by question.")
    found: dict[str, Any] = {}
    for key, answer in value.items():
        if answer is None:
            continue
        if not isinstance(answer, bool | int | float | str):
            raise InvalidSaid(f"has an answer to “{key[:60]}” that is no number, text, true or false.")
        found[storable(key)[:60]] = storable(answer) if isinstance(answer, str) else answer
    return found


def kept_text(value: Any, name: str, *, limit: int = 1_000_000) -> str:
    """A text as it is kept. Raises InvalidSaid."""
    if not isinstance(value, str) or len(value) > limit:
        raise InvalidSaid(f"has a {name} that is no text of at most {limit:,} characters.")
    return storable(value)


def _flag(value: Mapping[str, Any]) -> SaidFlag:
    reason = kept_text(value.get("reason") or "", "reason", limit=80).strip()
    if not reason:
        raise InvalidSaid("says no reason.")
    severity, state = value.get("severity", "medium"), value.get("state", "open")
    if severity not in _SEVERITIES:
        raise InvalidSaid(f"has a severity that is none: write one of {', '.join(_SEVERITIES)}.")
    return SaidFlag(
        id=uuid_of(value.get("id")),
        who=who_of(value.get("person"), value.get("created_by")),
        reason=reason,
        severity=severity,
        note=kept_text(value.get("note") or "", "note", limit=10_000),
        state=state if state in ("open", "resolved") else "open",
        at=moment_of(value.get("created_at")),
    )


def read_rubric(value: Mapping[str, Any]) -> SaidRubric:
    """A rubric as an export has it. Raises InvalidSaid, InvalidAnswer."""
    name, version = text_of(value.get("name")), value.get("version")
    if not name or not isinstance(version, int) or not 0 < version < 2**31:
        raise InvalidSaid("must have a name and a version.")
    return SaidRubric(
        name=storable(name)[:NAME_LIMIT],
        version=version,
        instructions=kept_text(value.get("instructions") or "", "text of instructions", limit=TEXT_LIMIT),
        questions=tuple(check_questions(value.get("questions") or [])),
        labels=tuple(check_labels(value.get("labels") or [])),
    )


def _item(value: Mapping[str, Any]) -> SaidItem:
    queue, id_ = object_of(value.get("queue")), uuid_of(value.get("item"))
    name, state = text_of(queue.get("name")), value.get("state")
    if not name or id_ is None or state not in _STATES:
        raise InvalidSaid("must name a queue, an item and its state.")
    adjudicator = value.get("adjudicated_by")
    return SaidItem(
        id=id_,
        queue={**queue, "name": storable(name)[:NAME_LIMIT]},
        reason=storable(text_of(value.get("reason")) or "")[:300],
        state=state,
        round=_round(value.get("round")),
        authoritative=uuid_of(value.get("authoritative")),
        adjudicated_by=who_of(adjudicator, None) if isinstance(adjudicator, dict) else None,
        created_at=moment_of(value.get("created_at")),
        finished_at=moment_of(value.get("finished_at")),
        places=tuple(
            SaidPlace(
                who=who_of(place.get("person"), None),
                state=place["state"],
                round=_round(place.get("round")),
                at=moment_of(place.get("at")),
                judgement=uuid_of(place.get("annotation")),
            )
            for place in objects_in(value.get("places"))
            if place.get("state") in ("judged", "skipped")
        ),
    )


def _round(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < 2**15 else 1


def who_of(person: Any, created_by: Any) -> Who:
    """The person of an exported judgement; one that says nobody is somebody unknown."""
    told = object_of(person)
    email, name = text_of(told.get("email")), text_of(told.get("name"))
    said = text_of(created_by)
    if email is None and said and "@" in said and not said.startswith("key "):
        email = said
    email = storable(email).strip()[:254] if email else None
    if email is not None and "@" not in email:
        email = None
    return Who(name=storable(name or said or email or "somebody unknown").strip()[:NAME_LIMIT], email=email)


def uuid_of(value: Any) -> UUID | None:
    """A UUID, where the value is one."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def moment_of(value: Any) -> datetime | None:
    """A moment as interfaces write it, where the value is one."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
