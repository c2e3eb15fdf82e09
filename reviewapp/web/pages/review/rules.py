"""The rules of a queue: made with a preview of what they would bring, filled back, turned off."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from reviewapp.models import Permission, Queue, RoutingRule, VerdictName
from reviewapp.models.filters import InvalidFilter, read_filter
from reviewapp.stages import review
from reviewapp.stages.administer import Refused
from reviewapp.web.frame import AppRequest, find_or_404, needs
from reviewapp.web.pages.review.queues import find_queue
from reviewapp.web.reauthenticating import asks_who_is_there


class RuleForm(forms.Form):
    """What `review.RuleValues` holds; shares are written in percent."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        help_text=gettext_lazy("Stands beside each item that it brings, such as “Low certainty”."),
    )
    search = forms.CharField(
        label=gettext_lazy("Which interactions"),
        required=False,
        max_length=1000,
        help_text=gettext_lazy(
            "As in the search box: words and field:value, such as "
            "<code>source:support-bot refund</code> or <code>status:error</code>. Empty: all."
        ),
    )
    verdict = forms.ChoiceField(
        label=gettext_lazy("Replays with the verdict"),
        required=False,
        choices=[("", gettext_lazy("– what sources asked, not replays –")), *VerdictName.choices],
        help_text=gettext_lazy("With one chosen, the replay’s answer is judged beside its original."),
    )
    sample = forms.FloatField(
        label=gettext_lazy("Sample, in percent"), min_value=0.001, max_value=100, initial=100
    )
    certainty_below = forms.FloatField(
        label=gettext_lazy("Certainty below, in percent"),
        required=False,
        min_value=0.001,
        max_value=100,
        help_text=gettext_lazy("How probable the answer’s tokens were on the average."),
    )
    token_below = forms.FloatField(
        label=gettext_lazy("Least certain token below, in percent"),
        required=False,
        min_value=0.001,
        max_value=100,
    )
    costs_at_least = forms.DecimalField(
        label=gettext_lazy("Costs at least, in US dollars"),
        required=False,
        min_value=Decimal("0.000000001"),
        max_digits=18,
        decimal_places=9,
        help_text=gettext_lazy("By the provider’s prices when it was recorded, such as 0.01."),
    )
    refused = forms.BooleanField(label=gettext_lazy("Only refusals"), required=False)
    new_fingerprint = forms.BooleanField(
        label=gettext_lazy("Only answers with a new fingerprint"), required=False
    )
    daily_cap = forms.IntegerField(
        label=gettext_lazy("At most a day"),
        required=False,
        min_value=1,
        help_text=gettext_lazy("Empty: no limit."),
    )

    @property
    def values(self) -> review.RuleValues:
        """As the stage takes them. Raises InvalidFilter, Refused."""
        data = self.cleaned_data
        wanted = read_filter({"q": data["search"]}).values()
        if data["verdict"]:
            wanted["verdict"] = data["verdict"]
        if data["costs_at_least"] is not None:
            if "cost" in wanted:
                raise Refused(_("The search says already what it costs."), field="costs_at_least")
            wanted["cost"] = f">={data['costs_at_least'].normalize():f}"
        share = {
            name: None if data[name] is None else data[name] / 100
            for name in ("certainty_below", "token_below")
        }
        return review.RuleValues(
            name=data["name"],
            filter=wanted,
            sample=data["sample"] / 100,
            refused=data["refused"],
            new_fingerprint=data["new_fingerprint"],
            daily_cap=data["daily_cap"],
            **share,
        )


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The queue's rules, and a form for another one."""
    queue = find_queue(request, id)
    form = RuleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            saved = review.save_rule(actor=request.actor, queue=queue, values=form.values, now=timezone.now())
        except (Refused, InvalidFilter) as error:
            _add_error(form, error)
        else:
            if "backfill" in request.POST:
                _told_backfill(request, review.backfill(actor=request.actor, rule=saved, now=timezone.now()))
            else:
                messages.success(request, _("%(name)s saved.") % {"name": saved.name})
            return redirect("review-queue-rules", id=queue.pk)
    found = list(queue.rules.order_by("place", "created_at"))
    context = {
        "queue": queue,
        "here": "rules",
        "form": form,
        "rules": [(rule, read_filter(rule.filter).search_text, rule.items.count()) for rule in found],
    }
    status = 422 if form.is_bound and not form.is_valid() else 200
    return render(request, "pages/review/rules.html", context, status=status)


@needs(Permission.ADMIN)
@require_POST
def preview(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """How many of what is recorded the rule in the form would bring."""
    queue = find_queue(request, id)
    form = RuleForm({**request.POST.dict(), "name": request.POST.get("name") or "-"})
    context: dict[str, Any] = {"queue": queue}
    if form.is_valid():
        try:
            rule = review.draft_rule(actor=request.actor, queue=queue, values=form.values, now=timezone.now())
            context["preview"] = review.preview(rule=rule)
        except (Refused, InvalidFilter) as error:
            context["problem"] = error
    else:
        context["problem"] = " ".join(str(error) for errors in form.errors.values() for error in errors)
    return render(request, "pages/review/rules.html#preview", context)


@needs(Permission.ADMIN)
@require_POST
@partial(asks_who_is_there, when=lambda request: request.POST.get("deed") in {"remove", "off"})
def rule_deed(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """On, off, earlier, back-fill or remove."""
    rule: RoutingRule = find_or_404(request, RoutingRule.objects.select_related("queue"), id=id)
    now = timezone.now()
    deed = request.POST.get("deed", "")
    if deed == "backfill":
        _told_backfill(request, review.backfill(actor=request.actor, rule=rule, now=now))
    elif deed == "remove":
        review.remove_rule(actor=request.actor, rule_id=rule.pk, now=now)
    elif deed == "raise":
        review.raise_rule(actor=request.actor, rule_id=rule.pk, now=now)
    elif deed in {"on", "off"}:
        review.move_rule(actor=request.actor, rule_id=rule.pk, is_active=deed == "on", now=now)
    queue: Queue = rule.queue
    return redirect("review-queue-rules", id=queue.pk)


def _told_backfill(request: AppRequest, added: int) -> None:
    messages.success(
        request,
        ngettext("%(n)d item was put into the queue.", "%(n)d items were put into the queue.", added)
        % {"n": added},
    )


def _add_error(form: RuleForm, error: Refused | InvalidFilter) -> None:
    field = error.field if error.field in form.fields else None
    form.add_error("search" if isinstance(error, InvalidFilter) and field is None else field, str(error))
