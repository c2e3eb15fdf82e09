"""Sessions in the database, as Django's own; the query that every request begins with is composed once.

And a request with a key that is not known takes no cookie away.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.middleware import SessionMiddleware as DjangoMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from reviewapp.models.composed import Composed

_STORED: Final = Composed(
    lambda key, now: DatabaseStore.get_model_class().objects.filter(session_key=key, expire_date__gt=now)
)


class SessionStore(DatabaseStore):
    """A session of a browser."""

    def _get_session_from_db(self) -> Any:
        if self.session_key is None:
            return super()._get_session_from_db()  # type: ignore[misc]  # not in the stubs
        found = _STORED.first(key=self.session_key, now=timezone.now())
        if found is None:
            # As Django does: a key that is none of ours is not given to anybody.
            self._session_key = None
        return found


class SessionMiddleware(DjangoMiddleware):
    """Django's, but that the cookie goes only where somebody signs out.

    Pages ask for news all the time. A question that was on its way when another session began comes with a
    key that is gone; its answer comes last, and would take from the browser the key it has just been given.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session = request.session
        if session.is_empty() and not session.modified:
            patch_vary_headers(response, ("Cookie",))
            return response
        return super().process_response(request, response)
