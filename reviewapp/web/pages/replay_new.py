"""A new replay run: what was chosen, how to ask, and what it will cost before it starts.

The selection comes by the address (ids, a filter, or some of another run's attempts) and travels
through the form as hidden fields of the same names; how to ask has the prefix `ask-`, since a
filter too may name a model or a seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from reviewapp.models import Attempt, Interaction, Permission, Provider, ReplayRun
from reviewapp.models.filters import InvalidFilter, apply, read_filter
from reviewapp.models.probing import Probed, probed_of, together
from reviewapp.models.replaying import WAITING
from reviewapp.pure import rawjson
from reviewapp.stages import replay
from reviewapp.stages.administer import Refused
from reviewapp.stages.replay import Estimate
from reviewapp.tasks import replay_nudge
from reviewapp.web.frame import AppRequest, find_or_404, needs, vary_on_htmx
from reviewapp.web.pages.interactions import Chip, chips
from reviewapp.web.pages.listing import filter_values

ATTEMPTS = (1, 3, 5, 10, 20, 50)
EXAMPLES = 4
# More models than that are not told one by one.
MOST_PROBED = 5
MOST_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which interactions. `value` is what the stage takes, None before anything was chosen; `fields`
    are the names and values that say the same again."""

    value: dict[str, Any] | None = None
    fields: list[tuple[str, str]] = field(default_factory=list)
    chips: list[Chip] = field(default_factory=list)
    of_run: ReplayRun | None = None
    show: str = ""

    @property
    def query(self) -> str:
        return urlencode(self.fields)


class HowForm(forms.Form):
    """How to ask again. Empty fields ask exactly as it was recorded."""

    attempts = forms.TypedChoiceField(
        label=gettext_lazy("Attempts each"),
        choices=[(n, str(n)) for n in ATTEMPTS],
        coerce=int,
        initial=1,
        widget=forms.RadioSelect,
    )
    note = forms.CharField(label=gettext_lazy("Why"), max_length=2_000, required=False)
    provider = forms.ModelChoiceField(
        label=gettext_lazy("Provider"),
        queryset=Provider.objects.none(),
        required=False,
        empty_label=gettext_lazy("as recorded"),
        to_field_name="name",
    )
    model = forms.CharField(label=gettext_lazy("Model"), max_length=200, required=False)
    seed = forms.IntegerField(label=gettext_lazy("Seed"), required=False)
    parameters = forms.CharField(
        label=gettext_lazy("Other parameters"),
        required=False,
        help_text=gettext_lazy("A JSON object; each member takes the place of the request's own."),
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": '{"temperature": 0}', "spellcheck": "false"}),
    )
    parameters.widget.attrs["class"] = "textarea mono"

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        request: AppRequest,
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, prefix="ask", initial=initial)
        callable_ones = Provider.objects.visible_to(request.actor).exclude(base_url="").order_by("name")
        self.fields["provider"].queryset = callable_ones  # type: ignore[attr-defined]
        placeholder = str(_("as recorded"))
        for name in ("model", "seed"):
            self.fields[name].widget.attrs["placeholder"] = placeholder
        self.fields["note"].widget.attrs["placeholder"] = str(_("What do you want to find out?"))

    def clean_parameters(self) -> dict[str, Any]:
        """The parameters as an object."""
        text = self.cleaned_data["parameters"].strip()
        if not text:
            return {}
        try:
            value = rawjson.parse(text)
        except rawjson.InvalidJson as error:
            raise forms.ValidationError(_("This is no JSON: %(error)s"), params={"error": error}) from None
        if not isinstance(value, dict):
            raise forms.ValidationError(_('This must be a JSON object, such as {"temperature": 0}.'))
        return value

    @property
    def overrides(self) -> dict[str, Any]:
        """What is asked otherwise than it was recorded."""
        values = self.cleaned_data
        result = dict(values.get("parameters") or {})
        if values.get("provider"):
            result["provider"] = values["provider"].name
        if values.get("model", "").strip():
            result["model"] = values["model"].strip()
        if values.get("seed") is not None:
            result["seed"] = values["seed"]
        return result

    @property
    def asks_otherwise(self) -> bool:
        """Whether the fold of overrides holds something, right or wrong."""
        names = ("provider", "model", "seed", "parameters")
        return any(self[name].errors or self.data.get(self[name].html_name) for name in names)


@needs(Permission.REPLAY)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: AppRequest) -> HttpResponse:
    """The form; posted, it starts the run."""
    data = request.POST if request.method == "POST" else request.GET
    initial = {"attempts": request.GET.get("attempts", 1), "note": request.GET.get("why", "")}
    form = HowForm(request.POST if request.method == "POST" else None, initial=initial, request=request)
    selection = Selection()
    problem: Exception | None = None
    try:
        selection = read_selection(request, data)
        if request.method == "POST" and selection.value is not None and form.is_valid():
            with transaction.atomic():
                run = replay.start_run(
                    actor=request.actor,
                    selection=selection.value,
                    attempts=form.cleaned_data["attempts"],
                    overrides=form.overrides,
                    note=form.cleaned_data["note"],
                    now=timezone.now(),
                )
                transaction.on_commit(lambda: replay_nudge.delay(run_id=str(run.pk)))
            return redirect("replay-run", id=run.pk)
    except (InvalidFilter, Refused) as error:
        problem = error
    return render(
        request,
        "pages/replay-new.html",
        {
            "form": form,
            "selection": selection,
            "problem": problem,
            "examples": _examples(request, selection),
            "presets": presets_of(request) if selection.value is None else [],
            **_estimate(request, selection, form),
        },
        status=422 if problem or form.errors else 200,
    )


@needs(Permission.REPLAY)
@require_POST
def estimate(request: AppRequest) -> HttpResponse:
    """What the form as it stands would ask; changes nothing."""
    form = HowForm(request.POST, request=request)
    try:
        selection = read_selection(request, request.POST)
    except (InvalidFilter, Refused):
        selection = Selection()
    context = {"form": form, "selection": selection, **_estimate(request, selection, form)}
    return vary_on_htmx(render(request, "pages/replay-new.html#estimate", context))


def read_selection(request: AppRequest, data: QueryDict) -> Selection:
    """What the address or the form chooses. Raises InvalidFilter, Refused, Http404."""
    if data.get("run"):
        return _of_run(request, data)
    ids = [part for text in data.getlist("ids") for part in text.split(",") if part]
    if ids:
        value = {"interactions": ids}
        replay.selected(actor=request.actor, selection=value)
        return Selection(value=value, fields=[("ids", id_) for id_ in ids])
    wanted = read_filter(filter_values(data))
    if wanted.is_empty and "everything" not in data:
        return Selection()
    fields = list(wanted.values().items()) or [("everything", "yes")]
    return Selection(value={"filter": wanted.values()}, fields=fields, chips=chips(wanted))


def _of_run(request: AppRequest, data: QueryDict) -> Selection:
    try:
        run: ReplayRun = find_or_404(request, ReplayRun.objects.all(), id=data["run"])
    except (ValueError, forms.ValidationError):
        raise Refused(_("There is no such run."), field="run") from None
    show = data.get("show", "")
    attempts = Attempt.objects.filter(run=run)
    if show and show != WAITING:
        attempts = attempts.filter(comparison__verdict=show)
    ids = list(attempts.order_by().values_list("original", flat=True).distinct()[: MOST_IDS + 1])
    if not ids:
        raise Refused(_("That run has no such attempts."), field="run")
    if len(ids) > MOST_IDS:
        raise Refused(_("That run has more than 10,000 interactions; choose them by a filter."), field="run")
    fields = [("run", str(run.pk)), *([("show", show)] if show else [])]
    return Selection(value={"interactions": ids}, fields=fields, of_run=run, show=show)


def _examples(request: AppRequest, selection: Selection) -> list[Interaction]:
    """Some of what was chosen, so that nobody starts a run on the wrong things."""
    if selection.value is None:
        return []
    rows = replay.selected(actor=request.actor, selection=selection.value)
    return list(rows.select_related("source").order_by("-started_at", "-id")[:EXAMPLES])


def presets_of(request: AppRequest) -> list[tuple[str, str, int]]:
    """Usual choices for who comes without one: words, query, and how many there are (at most 1,000)."""
    project = request.actor.project
    rows = Interaction.objects.visible_to(request.actor)
    choices: list[tuple[str, dict[str, str]]] = [
        (_("What is flagged"), {"flagged": "yes"}),
        (_("Where a backend changed"), {"verdict": "backend_changed"}),
        (_("What the last replay left open"), {"verdict": "inconclusive"}),
        (_("The last 24 hours"), {"since": "24h"}),
    ]
    found = [
        (
            words,
            urlencode(values),
            len(apply(rows, read_filter(values), project=project).values_list("pk")[:1_000]),
        )
        for words, values in choices
    ]
    everything = len(apply(rows, read_filter({}), project=project).values_list("pk")[:1_000])
    return [*found, (_("Everything"), "everything=yes", everything)]


def _estimate(request: AppRequest, selection: Selection, form: HowForm) -> dict[str, Any]:
    """The estimate for the template; without one where the form can't be read, with the reason."""
    attempts, overrides = 1, {}
    if form.is_bound:
        form.is_valid()
        attempts = form.cleaned_data.get("attempts", 1)
        overrides = form.overrides
    else:
        wanted = str(form.initial.get("attempts", 1))
        attempts = int(wanted) if wanted in {str(n) for n in ATTEMPTS} else 1
    context: dict[str, Any] = {"expected": None, "overrides": overrides, "attempts": attempts}
    if selection.value is None:
        return context
    try:
        expected = replay.estimate(
            actor=request.actor, selection=selection.value, attempts=attempts, overrides=overrides
        )
    except (Refused, InvalidFilter) as error:
        return {**context, "estimate_problem": error}
    return {
        **context,
        "expected": expected,
        "least_seconds": _least_seconds(request, expected),
        "probed": _probed(request, selection, overrides),
    }


def _probed(request: AppRequest, selection: Selection, overrides: dict[str, Any]) -> list[Probed]:
    """Whether the seeds count for anything at those that will be asked: what a replay relies on."""
    assert selection.value is not None
    rows = replay.selected(actor=request.actor, selection=selection.value).filter(seed__isnull=False)
    pairs = list(rows.order_by().values_list("provider", "model").distinct()[:MOST_PROBED])
    if "provider" in overrides:
        asked = Provider.objects.visible_to(request.actor).filter(name=overrides["provider"])
        pairs = [(pk, model) for pk in asked.values_list("pk", flat=True) for _, model in pairs]
    return together(
        probed_of(pairs=[(provider, overrides.get("model") or model) for provider, model in pairs])
    )


def _least_seconds(request: AppRequest, expected: Estimate) -> float | None:
    """How long the provider's limits make it at least; told only where one provider is asked."""
    if len(expected.providers) != 1:
        return None
    provider = Provider.objects.visible_to(request.actor).filter(name=expected.providers[0]).first()
    if provider is None:
        return None
    tokens = expected.input_tokens + expected.output_tokens
    minutes = [
        amount / limit
        for amount, limit in (
            (expected.calls, provider.requests_per_minute),
            (tokens, provider.tokens_per_minute),
        )
        if limit
    ]
    return max(minutes) * 60 if minutes and max(minutes) >= 0.2 else None
