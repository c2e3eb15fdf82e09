"""When each session was last seen, for the list of one's sessions; and the end of those that lasted.

A session ends after so many hours without a request, and after so many in all, however busy.

allauth notes it at every request: five statements and a commit that waits for the disk, which an annotator
who goes through hundreds of items an hour waits for each time. To the minute is enough, and a client
that changed is noted at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from reviewapp.models.composed import Composed

FRESH: Final = timedelta(minutes=1)
# Every request of somebody who is signed in asks this.
_SEEN: Final = Composed(lambda key, person: UserSession.objects.filter(session_key=key, user=person)[:1])


class ActivityMiddleware:
    """Notes the session once a minute, and when its address or its browser changed; ends it at its time."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        key = request.session.session_key
        if key and request.user.is_authenticated:
            now = timezone.now()
            seen = _SEEN.first(key=key, person=request.user.pk)
            if seen is not None and _has_lasted(seen, now):
                seen.delete()
                logout(request)
            elif seen is None or not _is_noted(request, seen, now):
                UserSession.objects.create_from_request(request)
        was_there = request.user.is_authenticated
        answer = self.get_response(request)
        if was_there and settings.NO_STORE:
            # What was read lies in no browser's cache for whoever uses the machine next.
            answer.headers.setdefault("Cache-Control", "no-store")
        if was_there and not request.user.is_authenticated:
            # Drafts and what could not be sent lie in the browser, which somebody else may use next.
            answer.headers["Clear-Site-Data"] = '"storage"'
        return answer


def _has_lasted(seen: UserSession, now: datetime) -> bool:
    return now - seen.last_seen_at > timedelta(
        hours=settings.SESSION_IDLE_HOURS
    ) or now - seen.created_at > timedelta(hours=settings.SESSION_HOURS)


def _is_noted(request: HttpRequest, seen: UserSession, now: datetime) -> bool:
    browser = request.headers.get("User-Agent", "")[: UserSession._meta.get_field("user_agent").max_length]
    return (
        seen.ip == get_adapter().get_client_ip(request)
        and seen.user_agent == browser
        and now - seen.last_seen_at < FRESH
    )
