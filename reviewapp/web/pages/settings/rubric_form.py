"""A rubric as a form: each question is a group of fields, and a button that changes their number or order
posts the whole form, which comes back changed and not yet saved. So nothing here needs JavaScript.

A question keeps its key, and a choice its value, when their words are mended: answers are kept under them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _

from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.web.refusals import reason_of, words_of

QUESTIONS_LIMIT: Final = 50
_FIELDS: Final = ("key", "label", "kind", "help", "choices", "was", "min", "max", "step")


@dataclass(slots=True)
class Draft:
    """A question as the form has it: texts, whatever was typed."""

    key: str = ""
    label: str = ""
    kind: str = "choice"
    required: bool = False
    help: str = ""
    # One choice a line; `was` holds those that came with the form, to know a mended word again.
    choices: str = ""
    # Whether they go from one end to the other.
    ordered: bool = False
    was: str = "[]"
    min: str = "1"
    max: str = "5"
    step: str = "1"
    error: str = ""


def drafts_of(questions: Sequence[Mapping[str, Any]]) -> list[Draft]:
    """The form of stored questions."""
    return [
        Draft(
            key=question["key"],
            label=question["label"],
            kind=question["kind"],
            required=bool(question.get("required")),
            help=question.get("help") or "",
            choices="\n".join(choice["label"] for choice in question.get("choices", [])),
            ordered=bool(question.get("ordered")),
            was=json.dumps(question.get("choices", []), ensure_ascii=False),
            **{name: f"{question[name]:g}" for name in ("min", "max", "step") if name in question},
        )
        for question in questions
    ]


def posted_drafts(post: Mapping[str, str]) -> list[Draft]:
    """The form as it was sent."""
    found = []
    for number in range(QUESTIONS_LIMIT + 1):
        if f"question-{number}-label" not in post:
            break
        values = {name: post.get(f"question-{number}-{name}", "") for name in _FIELDS}
        found.append(
            Draft(
                **values,
                required=f"question-{number}-required" in post,
                ordered=f"question-{number}-ordered" in post,
            )
        )
    return found


def changed(drafts: list[Draft], deed: str) -> int | None:
    """Add, remove or move a question in place; the number of the one to stand at then."""
    word, _colon, place = deed.partition(":")
    if word == "add":
        drafts.append(Draft(required=True))
        return len(drafts) - 1
    at = int(place) if place.isdecimal() else -1
    if not 0 <= at < len(drafts):
        return None
    if word == "remove":
        del drafts[at]
        return min(at, len(drafts) - 1)
    to = at + {"up": -1, "down": 1}.get(word, 0)
    if not 0 <= to < len(drafts):
        return at
    drafts[at], drafts[to] = drafts[to], drafts[at]
    return to


def questions_of(drafts: Sequence[Draft]) -> list[dict[str, Any]]:
    """The questions that the form says. Raises InvalidAnswer."""
    taken = {draft.key for draft in drafts if draft.key}
    found: list[dict[str, Any]] = []
    for number, draft in enumerate(drafts):
        key = draft.key or _name(draft.label, taken, otherwise="question")
        taken.add(key)
        question: dict[str, Any] = {
            "key": key,
            "label": draft.label,
            "kind": draft.kind,
            "required": draft.required,
            "help": draft.help.strip(),
        }
        if draft.kind == "choice":
            question |= {
                "choices": _named(draft.choices, draft.was, name="value"),
                "ordered": draft.ordered,
            }
        if draft.kind == "number":
            question |= {
                name: _number(number, getattr(draft, name), label)
                for name, label in (("min", _("From")), ("max", _("To")), ("step", _("In steps of")))
            }
        found.append(question)
    return found


def labels_of(text: str, was: str) -> list[dict[str, str]]:
    """The labels for marks, one a line."""
    return _named(text, was, name="key")


def tell(drafts: Sequence[Draft], error: InvalidAnswer) -> str:
    """Put the error at the question it is about; the sentence to show above the form."""
    at = re.match(r"questions\.([0-9]+)", error.field)
    if at is None or int(at[1]) >= len(drafts):
        return words_of(error)
    draft = drafts[int(at[1])]
    draft.error = _("It %(reason)s.") % {"reason": reason_of(error).rstrip(".")}
    return _("Question %(n)d can't be saved. It %(reason)s.") % {
        "n": int(at[1]) + 1,
        "reason": reason_of(error).rstrip("."),
    }


def _named(text: str, was: str, *, name: str) -> list[dict[str, str]]:
    """Words, each with the name under which answers keep it."""
    words = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    before = _before(was, name)
    known = {one["label"]: one[name] for one in before}
    # As many as before: the words were mended where they stand.
    beside = before if len(before) == len(words) else []
    found: list[dict[str, str]] = []
    taken: set[str] = set()
    gone = {one[name] for one in before if one["label"] not in words}
    for place, word in enumerate(words):
        kept = known.get(word) or (beside[place][name] if beside and beside[place][name] in gone else "")
        if not kept or kept in taken:
            kept = _name(word, taken | set(known.values()), otherwise=name)
        taken.add(kept)
        found.append({name: kept, "label": word})
    return found


def _before(text: str, name: str) -> list[dict[str, str]]:
    try:
        given = json.loads(text or "[]")
    except ValueError:
        return []
    rows = given if isinstance(given, list) else []
    return [
        {name: row[name], "label": row["label"]}
        for row in rows
        if isinstance(row, dict) and isinstance(row.get(name), str) and isinstance(row.get("label"), str)
    ]


def _name(words: str, taken: Collection[str], *, otherwise: str) -> str:
    plain = unicodedata.normalize("NFKD", words.lower()).encode("ascii", "ignore").decode()
    base = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].strip("_") or otherwise
    base = f"q_{base}" if base[0].isdigit() else base
    found, number = base, 2
    while found in taken:
        found, number = f"{base[:36]}_{number}", number + 1
    return found


def _number(place: int, text: str, label: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        raise InvalidAnswer(
            f"questions.{place}", _("needs a number at “%(field)s”") % {"field": label}
        ) from None
    return int(value) if value.is_integer() else value
