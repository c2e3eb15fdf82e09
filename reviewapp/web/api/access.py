"""Who calls the API: a key in `Authorization: Bearer ra_…`, as an Actor of its project."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from reviewapp.models import Actor, ApiKey, Permission, actor_for_key
from reviewapp.stages import administer
from reviewapp.web import encrypted
from reviewapp.web.api.problems import Problem
from reviewapp.web.limiting import address_of, limits


class ApiRequest(HttpRequest):
    """A request with a good key."""

    auth: Actor


class KeyAuth(HttpBearer):
    """A bearer key that may do one kind of deed: `@router.get("…", auth=KeyAuth(Permission.READ))`.

    Without a key, or with one that is unknown, revoked or expired, the answer is 401; with one that
    lacks the scope it is 403 and names the scope. Further permissions are as good as the first: who
    may start something may see how far it is.
    """

    def __init__(self, permission: Permission, *or_else: Permission) -> None:
        super().__init__()
        self.permission = permission
        self.or_else = or_else

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        if encrypted.is_refused(request):
            raise Problem(403, encrypted.IN_THE_CLEAR)
        now = timezone.now()
        key = administer.find_key(secret=token.strip(), now=now)
        address = address_of(request)
        if key is None:
            limits.try_wrong(address=address)
            return None
        if not getattr(request, "scope", {}).get("counted"):
            limits.come(key=key.pk, address=address)
        actor = actor_for_key(key=key)
        if not any(map(actor.may, self.or_else)):
            actor.check(self.permission)
        # It is kept to the minute: what stands there already need not be asked for at every call.
        if key.last_used_at is None or now - key.last_used_at > timedelta(minutes=1):
            administer.note_key_use(keys=[key.pk], now=now)
        return actor


def key_of(actor: Actor) -> ApiKey:
    """The key behind an actor of the API."""
    assert actor.key is not None
    return actor.key
