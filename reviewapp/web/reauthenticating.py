"""Deeds that open doors, or can't be undone, want to know once more who is there.

Which ones, the table of `web/deeds.py` says. Two kinds. What touches other people's data (erasing, looking up
a pseudonym) is done by nobody who can't show it. What an admin does to the project (keys, members, providers,
channels, rules), and what takes data along, asks who can be asked: who came by a link and has no password, no
passkey and no second factor goes on, so that a first start without an account leads to a key at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY, get_reauthentication_flows
from allauth.core.exceptions import ReauthenticationRequired
from allauth.core.internal.httpkit import serialize_request
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from reviewapp.web.deeds import Asks

# For how long somebody is known to be there, in seconds, since they signed in or were asked.
KNOWN_FOR: Final = 15 * 60
# And who opened a form as known may take their time to fill it in.
FORM_OPEN_FOR: Final = 60 * 60

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
        try:
            answer: HttpResponseBase = asked(request, *args, **kwargs)
        except ReauthenticationRequired:
            return _asked_first(request)
        return answer

    return _marked(view, wrapped, Asks.EVERYBODY)


def is_no_trial(request: HttpRequest) -> bool:
    """Whether it was sent to be done, not with the button that only tries it out."""
    return "try" not in request.POST


def asks_who_is_there(view: View, *, when: Callable[[HttpRequest], bool] = lambda request: True) -> View:
    """A deed by POST: who has not shown for long who they are is asked, and then it goes on by itself.

    Only `when` that is true of what was sent, where an address does harmless things, too.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        does_it = request.method == "POST" and when(request)
        if does_it and not _is_known(request, seconds=KNOWN_FOR):
            return _asked_first(request)
        return view(request, *args, **kwargs)

    return _marked(view, wrapped, Asks.WHO_CAN)


def asks_before_the_form(view: View) -> View:
    """The same where a form takes a secret: one is asked before it opens.

    A deed that is held back waits in the session, as it was sent, and secrets are not to lie there.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            if not _is_known(request, seconds=FORM_OPEN_FOR):
                messages.error(
                    request, _("The form was open for long: nothing is changed. Fill it in again.")
                )
                return redirect(request.path)
        elif not _is_known(request, seconds=KNOWN_FOR):
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return _marked(view, wrapped, Asks.BEFORE_THE_FORM)


def _marked(view: View, wrapped: Any, asks: Asks) -> View:
    """`wrapped`, the same to call as `view`, with a mark that decorators around it carry on."""
    wrapped.asks = asks
    return cast(View, wrapped)


def _asked_first(request: HttpRequest) -> HttpResponseBase:
    """To where one shows who one is, with the request held back until then.

    As the library does it, but for the address to go on at. The library takes up a deed only where that
    address is its path, and names the one with its query: a deed sent to `…/?q=key` would be lost. The query
    is kept with the deed. Raises ReauthenticationRequired, for the library to answer, where nobody is signed
    in and where a page is only read, whose query belongs to its address.
    """
    ways = get_adapter().get_reauthentication_methods(request.user)
    if request.method != "POST" or not ways:
        raise ReauthenticationRequired
    request.session[STATE_SESSION_KEY] = {"request": serialize_request(request)}
    return redirect(f"{ways[0]['url']}?{urlencode({'next': request.path})}")


def _is_known(request: HttpRequest, *, seconds: float) -> bool:
    """Whether this session gave what one signs in by so lately, or the person has nothing to give."""
    if not request.user.is_authenticated:
        return False
    records = get_authentication_records(request, request.user)
    if any(time.time() - one["at"] < seconds for one in records):
        return True
    return not get_reauthentication_flows(request.user)
