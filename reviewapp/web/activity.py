"""When each session was last seen, for the list of one's sessions.

allauth notes it at every request: five statements and a commit that waits for the disk, which an annotator
who goes through hundreds of items an hour waits for each time. To the minute is enough, and a client
that changed is noted at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

FRESH: Final = timedelta(minutes=1)


class ActivityMiddleware:
    """Notes the session once a minute, and when its address or its browser changed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        key = request.session.session_key
        if key and request.user.is_authenticated and not _is_noted(request, key):
            UserSession.objects.create_from_request(request)
        return self.get_response(request)


def _is_noted(request: HttpRequest, key: str) -> bool:
    browser = request.headers.get("User-Agent", "")[: UserSession._meta.get_field("user_agent").max_length]
    return UserSession.objects.filter(
        session_key=key,
        user=request.user.pk,
        ip=get_adapter().get_client_ip(request),
        user_agent=browser,
        last_seen_at__gt=timezone.now() - FRESH,
    ).exists()
