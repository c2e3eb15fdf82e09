"""What the search box offers while one types: fields, their values, and how recorded answers go on."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviewapp import replica
from reviewapp.models import Actor, Permission
from reviewapp.models.browsing import known_values, recent_values, value_counts
from reviewapp.models.completing import completions
from reviewapp.web.frame import AppRequest, needs, vary_on_htmx
from reviewapp.web.pages.interactions import CHOICES, LABELS

TYPED_LIMIT = 200
MOST_VALUES = 12
MOST_FIELDS = 4
# Short for fields with a value; see pure/searching.py.
_IS = ("canary", "replay", "flagged", "error")
_COSTS = (">0.001", ">0.01", ">0.1", "none")
_STATUSES = ("ok", "error", "200", "4xx", "5xx", "none")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line: what it says, and the whole of the box when it is taken."""

    text: str
    full: str
    note: str = ""
    # How many interactions have the value; how probable a completion is.
    count: int | None = None
    share: float | None = None


@needs(Permission.READ)
@require_safe
def suggest(request: AppRequest) -> HttpResponse:
    """Options of the search box's list for what is being typed."""
    return replica.read(lambda: _answered(request))


def _answered(request: AppRequest) -> HttpResponse:
    typed = request.GET.get("q", "")[:TYPED_LIMIT]
    last = typed.rpartition(" ")[2]
    name, colon, start = last.partition(":")
    head = typed[: len(typed) - len(last)]
    if colon and (name in LABELS or name == "is") and name != "q":
        options = _values(request.actor, head, name, start)
    else:
        options = [*_fields(head, last), *_completions(request.actor, typed)]
    return vary_on_htmx(render(request, "pages/suggestions.html", {"options": options}))


def _fields(head: str, last: str) -> list[Suggestion]:
    if not last:
        return []
    return [
        Suggestion(f"{field}:", f"{head}{field}:", _("filter by %(field)s") % {"field": label})
        for field, label in LABELS.items()
        if field != "q" and field.startswith(last.lower())
    ][:MOST_FIELDS]


def _values(actor: Actor, head: str, name: str, start: str) -> list[Suggestion]:
    counts = value_counts(project=actor.project, name=name)
    values = list(CHOICES.get(name, ())) or list(counts)
    values = values or known_values(project=actor.project, name=name)
    # The tags counted are those that people added; others were recorded.
    values = list(dict.fromkeys([*values, *recent_values(project=actor.project, name=name)]))
    if name == "fingerprint":
        values = ["none", *values]
    elif name == "status":
        values = list(_STATUSES)
    elif name == "cost":
        values = list(_COSTS)
    elif name == "is":
        values = list(_IS)
    wanted = start.strip('"').lower()
    return [
        Suggestion(f"{name}:{_quoted(value)}", f"{head}{name}:{_quoted(value)} ", count=counts.get(value))
        for value in values
        if wanted in value.lower()
    ][:MOST_VALUES]


def _completions(actor: Actor, typed: str) -> list[Suggestion]:
    return [
        Suggestion(one.text, one.full + " ", share=one.probability)
        for one in completions(project=actor.project, typed=typed)
    ]


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value
