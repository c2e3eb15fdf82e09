"""Deeds that can't be undone want to know once more who is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def knows_who_is_there(view: View) -> View:
    """The page is done only by who gave password or second factor within the last minutes.

    The library asks for it, and goes on with the request that it held back. Who came by a link and has
    neither is sent to choose a password first.
    """
    asked = reauthentication_required(view)

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not get_reauthentication_flows(request.user):
            messages.error(request, _("Choose a password first: this has to be sure who you are."))
            return redirect("account_set_password")
        answer: HttpResponseBase = asked(request, *args, **kwargs)
        return answer

    return wrapped  # type: ignore[return-value]  # the same to call
