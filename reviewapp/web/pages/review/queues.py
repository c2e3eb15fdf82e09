"""The queues: all of them with what waits, one of them with its items, and the form that makes one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.models import (
    ItemState,
    Membership,
    Permission,
    Person,
    Queue,
    QueueItem,
    QueueKind,
    QueueOrder,
    QueueState,
    Role,
    Rubric,
)
from reviewapp.models.discussing import open_counts
from reviewapp.models.queue import MOST_JUDGEMENTS
from reviewapp.models.reviewing import adjudicated_by, open_to, progress_of, to_do
from reviewapp.stages import review
from reviewapp.stages.administer import Refused
from reviewapp.web.frame import AppRequest, find_or_404, needs, vary_on_htmx

PAGE_SIZE = 50


class QueueForm(forms.Form):
    """What `review.QueueValues` holds, and how each question may differ."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    instructions = forms.CharField(
        label=gettext_lazy("Instructions"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Stand beside every item. Empty: those of the rubric."),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What is shown"),
        choices=QueueKind.choices,
        help_text=gettext_lazy(
            "Two answers: original and replay as A and B, in random order and without fingerprints."
        ),
    )
    order = forms.ChoiceField(label=gettext_lazy("Order"), choices=QueueOrder.choices, initial="oldest")
    judgements_needed = forms.IntegerField(
        label=gettext_lazy("How many people judge each item"),
        min_value=1,
        max_value=MOST_JUDGEMENTS,
        initial=1,
    )
    reviewers = forms.MultipleChoiceField(
        label=gettext_lazy("Reviewers"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Nobody ticked: everybody who may review."),
    )
    adjudicators = forms.MultipleChoiceField(
        label=gettext_lazy("Who decides where they disagree"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Nobody ticked: the project’s admins."),
    )
    blind = forms.BooleanField(
        label=gettext_lazy("Hide others’ judgements until one has given one’s own"),
        required=False,
        initial=True,
    )
    due_on = forms.DateField(
        label=gettext_lazy("Due on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(
        self,
        data: Any,
        *,
        rubric: Rubric | None,
        people: list[Person],
        kept_rubric: Rubric | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data, **kwargs)
        self.kept_rubric = kept_rubric
        choices = [(str(person.pk), person.short_name) for person in people]
        for name in ("reviewers", "adjudicators"):
            field = self.fields[name]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = choices
        for question in rubric.questions if rubric else []:
            if question["kind"] == "text":
                continue
            self.fields[f"differ-{question['key']}"] = forms.ChoiceField(
                label=_("Disagreement on “%(question)s”") % {"question": question["label"]},
                choices=_rules(question),
                required=False,
            )

    @property
    def values(self) -> review.QueueValues:
        """As the stage takes them; the form doesn't ask for the rubric, so the queue's own stays."""
        data = self.cleaned_data
        rules = {
            name.removeprefix("differ-"): float(value) if value.replace(".", "", 1).isdigit() else value
            for name, value in data.items()
            if name.startswith("differ-") and value
        }
        return review.QueueValues(
            name=data["name"],
            instructions=data["instructions"],
            rubric=self.kept_rubric,
            order=data["order"],
            kind=data["kind"],
            judgements_needed=data["judgements_needed"],
            due_on=data["due_on"],
            blind=data["blind"],
            reviewers=[UUID(pk) for pk in data["reviewers"]],
            adjudicators=[UUID(pk) for pk in data["adjudicators"]],
            disagreement=rules,
        )


def _rules(question: dict[str, Any]) -> list[tuple[str, str]]:
    if question["kind"] != "number":
        return [("", _("any difference")), ("never", _("never"))]
    step = question.get("step", 1)
    beyond = [(f"{step * n:g}", _("more than %(n)g apart") % {"n": step * n}) for n in (2, 3)]
    return [
        ("", _("more than %(n)g apart") % {"n": step}),
        ("any", _("any difference")),
        *beyond,
        ("never", _("never")),
    ]


@needs(Permission.READ)
@require_safe
def queues(request: AppRequest) -> HttpResponse:
    """What waits for me, and how far each queue is."""
    actor = request.actor
    found = list(
        Queue.objects.visible_to(actor).prefetch_related("reviewers").order_by("state", "due_on", "name")
    )
    progress, mine = progress_of(found), to_do(actor=actor)
    may = set(open_to(actor).values_list("pk", flat=True))
    decides = set(adjudicated_by(actor).values_list("pk", flat=True))
    rows = [
        {
            "queue": queue,
            "progress": progress[queue.pk],
            "mine": mine.get(queue.pk, 0),
            "may": queue.pk in may,
            "decides": queue.pk in decides and progress[queue.pk].adjudication,
        }
        for queue in found
    ]
    by_due = request.GET.get("sort") == "due"
    # By their dates, those without one last; what waits for me goes before, unless dates are asked for.
    rows.sort(key=lambda row: (row["queue"].state != QueueState.OPEN, not by_due and not row["mine"]))
    return render(
        request,
        "pages/review/queues.html",
        {
            "rows": rows,
            "waiting": sum(mine.values()),
            "disputed": sum(row["progress"].adjudication for row in rows if row["decides"]),
            "by_due": by_due,
        },
    )


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def queue_form(request: AppRequest, id: UUID | None = None) -> HttpResponse:  # noqa: A002
    """Make a queue, or change one."""
    queue = find_queue(request, id) if id else None
    rubric = review.rubric_of(queue) if queue is not None else review.default_rubric(request.actor)
    may = Q(
        pk__in=Membership.objects.filter(
            project=request.actor.project, role__in=[Role.REVIEWER, Role.ADMIN]
        ).values("person")
    )
    if queue is not None:
        # Whoever was named and may review no more stays to be seen, and to be unticked.
        may |= Q(pk__in=queue.reviewers.values("pk")) | Q(pk__in=queue.adjudicators.values("pk"))
    people = list(Person.objects.filter(may).order_by("name", "email"))
    initial = _initial(queue) if queue is not None else {}
    form = QueueForm(
        request.POST or None,
        rubric=rubric,
        people=people,
        kept_rubric=queue.rubric if queue is not None else None,
        initial=initial,
    )
    if queue is None:
        # Who came by the key types on; where a queue is changed the digits still change the tab.
        form.fields["name"].widget.attrs["autofocus"] = True
    if request.method == "POST" and form.is_valid():
        try:
            saved = review.save_queue(
                actor=request.actor, values=form.values, queue=queue, now=timezone.now()
            )
        except Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, _("%(name)s saved.") % {"name": saved.name})
            return redirect("review-queue-rules", id=saved.pk) if queue is None else redirect("review")
    status = 422 if form.is_bound and not form.is_valid() else 200
    context = {"form": form, "queue": queue, "here": "edit"}
    return render(request, "pages/review/queue-form.html", context, status=status)


def _initial(queue: Queue) -> dict[str, Any]:
    names = ("name", "instructions", "kind", "order", "judgements_needed", "blind", "due_on")
    return {
        **{name: getattr(queue, name) for name in names},
        "reviewers": [str(pk) for pk in queue.reviewers.values_list("pk", flat=True)],
        "adjudicators": [str(pk) for pk in queue.adjudicators.values_list("pk", flat=True)],
        **{
            f"differ-{key}": f"{rule:g}" if isinstance(rule, int | float) else rule
            for key, rule in queue.disagreement.items()
        },
    }


@needs(Permission.ADMIN)
@require_POST
def queue_state(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """Open, pause or close it."""
    queue = find_queue(request, id)
    if to not in QueueState.values:
        raise Http404
    review.move_queue(actor=request.actor, queue_id=queue.pk, to=to, now=timezone.now())
    return redirect("review")


@needs(Permission.READ)
@require_safe
def items(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """A queue's items in one state, newest first."""
    queue = find_queue(request, id)
    progress = progress_of([queue])[queue.pk]
    states = [(value, label, progress.states.get(value, 0)) for value, label in ItemState.choices]
    state = request.GET.get("state", "")
    if state not in ItemState.values:
        state = next((value for value, _label, count in states if count), ItemState.PENDING)
    rows = QueueItem.objects.filter(queue=queue, state=state).order_by("-id")
    after = request.GET.get("after", "")
    try:
        rows = rows.filter(pk__lt=UUID(after)) if after else rows
    except ValueError:
        raise Http404 from None
    found = list(
        rows.select_related("interaction__source", "adjudicated_by", "attempt").prefetch_related(
            "slots__person"
        )[: PAGE_SIZE + 1]
    )
    marked = open_counts(
        actor=request.actor, interactions=[item.attempt_id or item.interaction_id for item in found]
    )
    older = f"?state={state}&after={found[PAGE_SIZE - 1].pk}" if len(found) > PAGE_SIZE else ""
    return vary_on_htmx(
        render(
            request,
            "pages/review/items.html",
            {
                "queue": queue,
                "here": "items",
                "progress": progress,
                "states": states,
                "state": state,
                "items": [
                    (item, marked.get(item.attempt_id or item.interaction_id, 0))
                    for item in found[:PAGE_SIZE]
                ],
                "older": older,
                "newer": f"?state={state}" if after else "",
            },
        )
    )


def find_queue(request: AppRequest, id_: UUID) -> Queue:
    """The queue, in whichever of the person's projects it is."""
    found: Queue = find_or_404(request, Queue.objects.all(), id=id_)
    return found
