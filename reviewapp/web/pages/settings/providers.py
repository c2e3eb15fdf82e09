"""Providers and sources."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.models import Permission, Provider, Reuse, ReusePolicy, Source, UnreadableSecret
from reviewapp.models.fingerprint import states_of
from reviewapp.providers.errors import CallFailed
from reviewapp.stages import administer, reuse
from reviewapp.stages.administer import ProviderValues, SourceValues
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section
from reviewapp.web.pages.settings.redacting import form_of as redaction_form_of
from reviewapp.web.reauthenticating import asks_before_the_form, asks_who_is_there

# A person waits for the answer.
TEST_SECONDS = 20
EXAMPLE_PRICE = "gpt-4o-mini 0.15 0.60"


class ProviderForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    base_url = forms.CharField(
        label=gettext_lazy("Base URL"),
        max_length=500,
        required=False,
        help_text=gettext_lazy(
            "Such as https://api.openai.com/v1. Without one it can be recorded, not called."
        ),
    )
    api_key = forms.CharField(
        label=gettext_lazy("Key"),
        max_length=500,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Kept encrypted and never shown. Empty keeps the present one."),
    )
    forget_key = forms.BooleanField(label=gettext_lazy("Forget the stored key"), required=False)
    max_concurrency = forms.IntegerField(
        label=gettext_lazy("Calls at once"), min_value=1, max_value=1000, initial=20
    )
    requests_per_minute = forms.IntegerField(
        label=gettext_lazy("Requests a minute"),
        min_value=1,
        required=False,
        help_text=gettext_lazy("Empty: no limit."),
    )
    tokens_per_minute = forms.IntegerField(
        label=gettext_lazy("Tokens a minute"),
        min_value=1,
        required=False,
        help_text=gettext_lazy("Empty: no limit."),
    )
    timeout_seconds = forms.IntegerField(
        label=gettext_lazy("Time-out in seconds"), min_value=1, max_value=3600, initial=120
    )
    verifies_by_itself = forms.BooleanField(
        label=gettext_lazy("Verify backend changes by itself"),
        required=False,
        help_text=gettext_lazy(
            "As soon as a change is seen, approved and flagged answers are asked again, without an admin."
        ),
    )
    probe_every_hours = forms.IntegerField(
        label=gettext_lazy("Hours between probes of the seed"),
        min_value=1,
        max_value=8_760,
        required=False,
        help_text=gettext_lazy(
            "Asks each model that is used with seeds some 9 to 33 short questions and says whether the seed "
            "counts. Empty: only when you press Test."
        ),
    )
    prices = forms.CharField(
        label=gettext_lazy("Prices"),
        required=False,
        max_length=50_000,
        widget=forms.Textarea(
            attrs={"class": "textarea mono", "rows": 4, "spellcheck": "false", "placeholder": EXAMPLE_PRICE}
        ),
        help_text=gettext_lazy(
            "A line for each model: its name, then US dollars for a million input and a million output "
            "tokens. With them a replay run says beforehand what it will cost."
        ),
    )

    def clean_prices(self) -> dict[str, dict[str, float]]:
        """The lines as `{model: {"input", "output"}}`."""
        found = {}
        for number, line in enumerate(self.cleaned_data["prices"].splitlines(), start=1):
            if not line.strip():
                continue
            *name, given, answered = line.split() if len(line.split()) >= 3 else ("", "", "")
            try:
                price = {"input": float(given), "output": float(answered)}
            except ValueError:
                price = {}
            if not name or not price or not all(0 <= value < 1e6 for value in price.values()):
                raise forms.ValidationError(
                    _("Line %(n)s: write a name and two prices, such as “%(example)s”."),
                    params={"n": number, "example": EXAMPLE_PRICE},
                )
            found[" ".join(name)] = price
        return found


def price_lines(prices: dict[str, Any]) -> str:
    """The prices as the form shows them."""
    return "\n".join(
        f"{model} {price.get('input', 0):g} {price.get('output', 0):g}"
        for model, price in sorted(prices.items())
    )


@needs(Permission.ADMIN)
@require_safe
def providers(request: AppRequest) -> HttpResponse:
    """The project's providers."""
    rows = Provider.objects.visible_to(request.actor).order_by("-is_default", "name")
    return section(request, "pages/settings/providers.html", "settings-providers", providers=rows)


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@asks_before_the_form
def provider(request: AppRequest, id: UUID | None = None) -> HttpResponse:  # noqa: A002
    """Connect a provider, or change one."""
    found = get_object_or_404(Provider.objects.visible_to(request.actor), pk=id) if id else None
    initial = (
        {}
        if found is None
        else {
            name: getattr(found, name)
            for name in ProviderForm.base_fields
            if name != "api_key" and hasattr(found, name)
        }
        | {"prices": price_lines(found.prices)}
    )
    form = ProviderForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        values: dict[str, Any] = dict(form.cleaned_data)
        forget = values.pop("forget_key")
        values["api_key"] = "" if forget else values["api_key"] or None
        values["is_simulated"] = found.is_simulated if found else False
        try:
            saved = administer.save_provider(
                actor=request.actor, values=ProviderValues(**values), provider=found, now=timezone.now()
            )
        except administer.Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, _("%(name)s saved.") % {"name": saved.name})
            return redirect("settings-provider", id=saved.pk)
    return section(
        request,
        "pages/settings/provider.html",
        "settings-providers",
        form=form,
        provider=found,
        simulator_page=found.base_url.removesuffix("/v1") + "/" if found and found.base_url else "",
        status=422 if form.errors else 200,
    )


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def make_default(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Where calls go that name no provider."""
    found = get_object_or_404(Provider.objects.visible_to(request.actor), pk=id)
    try:
        administer.make_default_provider(actor=request.actor, provider=found, now=timezone.now())
    except administer.Refused as error:
        messages.error(request, str(error))
    return redirect("settings-providers")


@needs(Permission.ADMIN)
@require_POST
def test(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Ask the provider a few things, and say what worked."""
    # Here, not above: the SDK takes 33 MB, which a server shall pay only when somebody presses the button.
    from reviewapp.providers.client import Target
    from reviewapp.providers.probe import Finding, Tested, probe

    found = get_object_or_404(Provider.objects.visible_to(request.actor), pk=id)
    if not found.can_be_called:
        return redirect("settings-provider", id=found.pk)
    try:
        target = Target(
            name=found.name,
            base_url=found.base_url,
            api_key=found.api_key,
            timeout_seconds=min(found.timeout_seconds, TEST_SECONDS),
        )
        tested = asyncio.run(probe(target=target, model=request.POST.get("model", "").strip()))
    except (CallFailed, UnreadableSecret) as error:
        tested = Tested([Finding("reachable", False, str(error))])
    seed = None
    if (seen := tested.seed) is not None:
        seed = administer.SeedSeen(seen.model, seen.trials, seen.honoured, seen.sentence)
    administer.note_test(
        actor=request.actor,
        provider=found,
        findings=[finding.as_json() for finding in tested.findings],
        seed=seed,
        now=timezone.now(),
    )
    if not request.htmx:
        return redirect("settings-provider", id=found.pk)
    found.refresh_from_db(fields=["tested"])
    return render(request, "pages/settings/provider-test.html", {"provider": found})


class SourceForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    provider = forms.ModelChoiceField(
        empty_label=gettext_lazy("The project's default"),
        label=gettext_lazy("Provider"),
        queryset=Provider.objects.none(),
        required=False,
        help_text=gettext_lazy("Where its calls go. Empty: the project's default."),
    )
    add_seed = forms.BooleanField(
        label=gettext_lazy("Give a seed to requests that bring none"), required=False
    )
    add_logprobs = forms.BooleanField(
        label=gettext_lazy("Ask for log probabilities on every call"), required=False
    )
    reuse = forms.ChoiceField(
        label=gettext_lazy("Serve a stored answer to an equal request with the same seed"),
        choices=ReusePolicy.choices,
        initial=ReusePolicy.OFF,
        required=False,
        help_text=gettext_lazy("A call can say otherwise with the header X-Review-Reuse."),
    )
    reuse_days = forms.IntegerField(
        label=gettext_lazy("Serve none older than, in days"),
        required=False,
        min_value=1,
        max_value=36_500,
        help_text=gettext_lazy("Empty: as long as its fingerprint is valid."),
    )

    def __init__(self, *args: Any, request: AppRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Provider.objects.visible_to(request.actor).exclude(base_url="").order_by("name")
        self.fields["provider"].queryset = rows  # type: ignore[attr-defined]


@needs(Permission.ADMIN)
@require_safe
def sources(request: AppRequest) -> HttpResponse:
    """The project's sources."""
    rows = list(Source.objects.visible_to(request.actor).select_related("provider").order_by("name"))
    spared = reuse.saved(sources=[row.pk for row in rows], now=timezone.now())
    return section(
        request,
        "pages/settings/sources.html",
        "settings-sources",
        sources=[(row, spared.get(row.pk)) for row in rows],
    )


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@asks_who_is_there
def source(request: AppRequest, id: UUID | None = None) -> HttpResponse:  # noqa: A002
    """Add a source, or change one."""
    found = get_object_or_404(Source.objects.visible_to(request.actor), pk=id) if id else None
    form = source_form(request, found, sent=request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            administer.save_source(
                actor=request.actor,
                values=SourceValues(
                    **form.cleaned_data | {"reuse": form.cleaned_data["reuse"] or ReusePolicy.OFF}
                ),
                source=found,
                now=timezone.now(),
            )
        except administer.Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, _("%(name)s saved.") % {"name": form.cleaned_data["name"]})
            return redirect("settings-sources")
    return source_page(request, found, form=form, status=422 if form.errors else 200)


def source_page(
    request: AppRequest,
    found: Source | None,
    *,
    form: SourceForm | None = None,
    status: int = 200,
    **said: Any,
) -> HttpResponse:
    """The source's page; `said` is what the form of what is hidden has to say."""
    context: dict[str, Any] = {"source": found}
    if found is not None:
        served = list(Reuse.objects.filter(source=found).select_related("interaction").order_by("-at")[:10])
        states = states_of([one.interaction for one in served])
        context |= {
            "spared": reuse.saved(sources=[found.pk], now=timezone.now()).get(found.pk),
            "served": [(one, states.get(one.interaction_id, "")) for one in served],
            "redaction_form": redaction_form_of(found),
        }
    context["form"] = form if form is not None else source_form(request, found)
    return section(request, "pages/settings/source.html", "settings-sources", status=status, **context | said)


def source_form(request: AppRequest, found: Source | None, *, sent: Any = None) -> SourceForm:
    """The form, with what the source is now."""
    initial = {} if found is None else {name: getattr(found, name) for name in SourceForm.base_fields}
    return SourceForm(sent, initial=initial, request=request)


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def purge_reuse(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Serve nothing again that was asked before now."""
    found = get_object_or_404(Source.objects.visible_to(request.actor), pk=id)
    reuse.purge(actor=request.actor, source=found, now=timezone.now())
    messages.success(
        request, _("From now on %(name)s gets no answer again that was stored before.") % {"name": found.name}
    )
    return redirect("settings-source", id=found.pk)
