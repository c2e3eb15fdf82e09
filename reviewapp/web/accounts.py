"""Signing in: the accounts library's adapter, links that sign a person in once, and their projects."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import perform_login
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.adapter import get_adapter as second_factors
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.views import DeactivateTOTPView
from allauth.mfa.webauthn.views import RemoveWebAuthnView
from allauth.usersessions.views import ListUserSessionsView
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language

from reviewapp.models import Person
from reviewapp.models.provider import cipher
from reviewapp.stages import administer, privacy
from reviewapp.web.reauthenticating import asks_who_is_there

# How a sealed text begins: its version. Seeds are base 32 or hexadecimal, and never begin so.
_SEALED = "gAAAA"


class AccountAdapter(DefaultAccountAdapter):
    """People come in by invitation only: there is no open sign-up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Wrong passwords are counted by axes: by name alone, as here, anybody could lock out anybody."""

    def populate_username(self, request: HttpRequest, user: Any) -> None:
        """There are no user names."""


class SecondFactorAdapter(DefaultMFAAdapter):
    """What second factors are checked by is encrypted in the tables, as other secrets are."""

    def encrypt(self, text: str) -> str:
        return cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """What was written before it was encrypted is read as it stands."""
        if not encrypted_text.startswith(_SEALED):
            return encrypted_text
        return cipher().decrypt(encrypted_text.encode()).decode()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Who must have a second factor keeps the last one; another may take its place."""
        return authenticator.type == Authenticator.Type.RECOVERY_CODES or administer.may_drop_factor(
            person=authenticator.user
        )


class RemovePasskey(RemoveWebAuthnView):
    """Removes a passkey, unless it is the last second factor of who must have one.

    The library asks the adapter only where an authenticator app goes.
    """

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        administer.hold_factors(person=cast(Person, self.request.user))
        if not second_factors().can_delete_authenticator(self.get_object()):
            messages.error(
                self.request, _("You must have a second factor, and this is your last: add another first.")
            )
            return redirect("mfa_list_webauthn")
        answer: HttpResponse = super().form_valid(form)
        return answer


class RemoveApp(DeactivateTOTPView):
    """Removes an authenticator app; the library looks whether it may go, but others may go meanwhile."""

    @transaction.atomic
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        administer.hold_factors(person=cast(Person, request.user))
        self.authenticator = get_object_or_404(Authenticator, pk=self.authenticator.pk)
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer


# A list to look at; who ends sessions from it is the person, not who found their browser.
sessions = asks_who_is_there(ListUserSessionsView.as_view())


@login_not_required
@require_http_methods(["GET", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """A link from `make run` or an invitation. Used up by the POST, so that a preview does not spend it."""
    if request.method == "GET":
        if not administer.sign_in_link_is_good(token=token, now=timezone.now()):
            return render(request, "account/link_used.html", status=410)
        return render(request, "account/link.html", {"token": token})
    person = administer.use_sign_in_link(token=token, now=timezone.now())
    if person is None:
        return render(request, "account/link_used.html", status=410)
    # As after a password: who has a second factor is asked for it.
    answer: HttpResponse = perform_login(
        request, person, email_verification="none", redirect_url=reverse("home")
    )
    return answer


@require_POST
def language(request: HttpRequest) -> HttpResponseBase:
    """The language that the person reads, kept in a cookie of this browser; and back to where they were."""
    return set_language(request)


@require_safe
def no_project(request: HttpRequest) -> HttpResponse:
    """Signed in, but a member of nothing yet."""
    return render(request, "account/no_project.html")


@require_safe
def own_data(request: HttpRequest) -> HttpResponse:
    """All that is kept of who asks, as a file."""
    kept = privacy.account_data(person=cast(Person, request.user))
    answer = JsonResponse(kept, json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = 'attachment; filename="reviewapp-my-data.json"'
    return answer


class ProjectForm(forms.Form):
    """What a project is called."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)


@require_http_methods(["GET", "HEAD", "POST"])
def new_project(request: HttpRequest) -> HttpResponse:
    """Begin a project, as anybody who is signed in may; whoever begins it is its admin."""
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = administer.found_project(
                person=cast(Person, request.user), name=form.cleaned_data["name"], now=timezone.now()
            )
        except administer.Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            request.session["project"] = str(made.pk)
            messages.success(request, _("%(name)s is made, and you are its admin.") % {"name": made.name})
            return redirect("settings")
    status = 422 if form.errors or request.method == "POST" else 200
    return render(request, "account/project_new.html", {"form": form}, status=status)
