"""Members and their roles."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from reviewapp.models import Membership, Permission, Role
from reviewapp.stages import administer
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section
from reviewapp.web.reauthenticating import asks_who_is_there


class InviteForm(forms.Form):
    email = forms.EmailField(label=gettext_lazy("E-mail address"))
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.REVIEWER)


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@asks_who_is_there
def members(request: AppRequest) -> HttpResponse:
    """Who belongs to the project; inviting somebody shows their sign-in link once."""
    form = InviteForm(request.POST or None)
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        try:
            member, token = administer.invite(
                actor=request.actor,
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                now=timezone.now(),
            )
        except administer.Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            if token is None:
                messages.success(request, _("%(email)s is a member now.") % {"email": member.person.email})
                return redirect("settings-members")
            link = request.build_absolute_uri(reverse("sign-in-link", args=[token]))
            context = {"invited": member.person.email, "link": link}
            form = InviteForm()
    rows = (
        Membership.objects.filter(project=request.actor.project)
        .select_related("person")
        .order_by("person__email")
    )
    return section(
        request,
        "pages/settings/members.html",
        "settings-members",
        form=form,
        members=rows,
        roles=Role.choices,
        status=422 if form.errors else 200,
        **context,
    )


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def change_role(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Give a member another role."""
    get_object_or_404(Membership, pk=id, project=request.actor.project)
    try:
        administer.change_role(
            actor=request.actor, member_id=id, role=request.POST.get("role", ""), now=timezone.now()
        )
    except administer.Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Role changed."))
    return redirect("settings-members")


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def remove(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """End a membership."""
    get_object_or_404(Membership, pk=id, project=request.actor.project)
    try:
        administer.remove_member(actor=request.actor, member_id=id, now=timezone.now())
    except administer.Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Removed. What this person judged stays."))
    return redirect("settings-members")
