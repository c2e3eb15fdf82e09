"""Signing in: the accounts library's adapter, and links that sign a person in once."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from reviewapp.stages import administer


class AccountAdapter(DefaultAccountAdapter):
    """People come in by invitation only: there is no open sign-up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def populate_username(self, request: HttpRequest, user: Any) -> None:
        """There are no user names."""


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
    login(request, person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return redirect("home")


@require_safe
def no_project(request: HttpRequest) -> HttpResponse:
    """Signed in, but a member of nothing yet."""
    return render(request, "account/no_project.html")
