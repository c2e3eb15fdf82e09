"""Sessions in the database, as Django's own; the query that every request begins with is composed once."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

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
