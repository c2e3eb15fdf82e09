"""Seed ranges: which integers belong to which source, and how far they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from reviewapp.models import Permission, SeedPolicyKind, SeedRange, Source
from reviewapp.models.seeds import NEARLY_USED
from reviewapp.pure.seeds import FIRST_DEFAULT, LAST_DEFAULT
from reviewapp.stages import administer
from reviewapp.stages.administer import RangeValues
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section

LARGEST_FILE: Final = 1_000_000


class RangeForm(forms.Form):
    source = forms.ModelChoiceField(
        label=gettext_lazy("Source"),
        queryset=Source.objects.none(),
        empty_label=gettext_lazy("Choose a source"),
    )
    first = forms.IntegerField(label=gettext_lazy("First seed"))
    last = forms.IntegerField(
        label=gettext_lazy("Last seed"),
        help_text=gettext_lazy("Both included. What is filled in are the first million that are free."),
    )
    policy = forms.ChoiceField(
        label=gettext_lazy("The next seed is"), choices=SeedPolicyKind.choices, initial=SeedPolicyKind.RANDOM
    )
    seed = forms.IntegerField(
        label=gettext_lazy("The seed"), required=False, help_text=gettext_lazy("For “always the same”.")
    )
    start = forms.IntegerField(
        label=gettext_lazy("Start at"), required=False, help_text=gettext_lazy("For a sequence.")
    )
    step = forms.IntegerField(label=gettext_lazy("Step"), required=False, initial=1)
    note = forms.CharField(label=gettext_lazy("Note"), max_length=500, required=False)

    def __init__(self, *args: Any, request: AppRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Source.objects.visible_to(request.actor).order_by("name")
        self.fields["source"].queryset = rows  # type: ignore[attr-defined]


class FileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        help_text=gettext_lazy(
            "A first line with the names of the columns: source, first, last, and if wanted policy "
            "(random, sequence, derived, fixed), seed, start, step, note. All ranges come in, or none."
        ),
    )


@dataclass(frozen=True, slots=True)
class ShownRange:
    """One row of the table."""

    range: SeedRange
    given: int
    left: int | None

    @property
    def share(self) -> float | None:
        """Of its seeds that were given; None where seeds are not used up."""
        return None if self.left is None else min(1.0, self.given / max(1, self.given + self.left))

    @property
    def state(self) -> str:
        """open, nearly (used up), used, closed."""
        if not self.range.is_open:
            return "closed"
        if self.share is None or self.share < NEARLY_USED:
            return "open"
        return "used" if self.left == 0 else "nearly"


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def seeds(request: AppRequest) -> HttpResponse:
    """The project's ranges on a number line and in a table; reserve another."""
    form = _range_form(request)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        source = values.pop("source")
        values["step"] = 1 if values["step"] is None else values["step"]
        try:
            made = administer.reserve_range(
                actor=request.actor, source=source, values=RangeValues(**values), now=timezone.now()
            )
        except administer.Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(
                request, _("%(range)s reserved to %(source)s.") % {"range": made, "source": source.name}
            )
            return redirect("settings-seeds")
    return _page(request, form=form, file_form=FileForm())


def _range_form(request: AppRequest) -> RangeForm:
    free = administer.suggest_range(actor=request.actor)
    initial: dict[str, Any] = {"source": request.GET.get("source")}
    if free is not None:
        initial |= {"first": free.first, "last": free.last}
    return RangeForm(request.POST or None, request=request, initial=initial)


@needs(Permission.ADMIN)
@require_POST
def import_file(request: AppRequest) -> HttpResponse:
    """Reserve the ranges of a CSV file."""
    form = FileForm(request.POST, request.FILES)
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            if file.size > LARGEST_FILE:
                raise administer.Refused(_("The file is larger than 1 MB."), field="file")
            text = file.read().decode("utf-8")
            made = administer.import_ranges(actor=request.actor, text=text, now=timezone.now())
        except UnicodeDecodeError:
            form.add_error("file", _("The file is not UTF-8 text."))
        except administer.Refused as error:
            form.add_error("file", str(error))
        else:
            messages.success(request, _("%(n)d ranges reserved.") % {"n": len(made)})
            return redirect("settings-seeds")
    free = administer.suggest_range(actor=request.actor)
    initial = {} if free is None else {"first": free.first, "last": free.last}
    return _page(request, form=RangeForm(None, request=request, initial=initial), file_form=form)


def _page(request: AppRequest, *, form: RangeForm, file_form: FileForm) -> HttpResponse:
    sources = Source.objects.visible_to(request.actor).values_list("pk", flat=True)
    rows = [_shown(one) for one in administer.ranges_of(sources=sources)]
    line = [
        {
            "name": row.range.source.name,
            "low": row.range.first,
            "high": row.range.last,
            "used": row.share or 0,
        }
        for row in rows
    ]
    return section(
        request,
        "pages/settings/seeds.html",
        "settings-seeds",
        rows=rows,
        line=line,
        low=min([FIRST_DEFAULT, *(one.range.first for one in rows)]),
        high=max([LAST_DEFAULT, *(one.range.last for one in rows)]),
        has_sources=bool(sources),
        form=form,
        file_form=file_form,
        status=422 if form.errors or file_form.errors else 200,
    )


def _shown(one: SeedRange) -> ShownRange:
    given = one.counter.given
    return ShownRange(one, given, max(0, one.rule.length - given) if one.counts else None)


@needs(Permission.ADMIN)
@require_POST
def move(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """Open, close or give back a range."""
    found = get_object_or_404(SeedRange.objects.visible_to(request.actor), pk=id)
    now = timezone.now()
    try:
        if to == "release":
            administer.release_range(actor=request.actor, seed_range=found, now=now)
            messages.success(request, _("%(range)s is free again.") % {"range": found})
        elif to in {"open", "close"}:
            administer.open_range(actor=request.actor, seed_range=found, is_open=to == "open", now=now)
        else:
            raise Http404
    except administer.Refused as error:
        messages.error(request, str(error))
    return redirect("settings-seeds")
