"""Django's cache, as far as it is used: the counts of wrong codes, and the codes that were used.

In the database, for they have to hold over all web processes; and as JSON, for whoever could write what is
unpickled could run code here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.utils import timezone

from reviewapp.stages.administer import counting

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class KeptCache(BaseCache):
    """A cache whose values all processes see at once."""

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return counting.keep_first(
            key=self.make_and_validate_key(key, version=version),
            value=value,
            expires_at=self._end(timeout),
            now=timezone.now(),
        )

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        found = counting.kept(key=self.make_and_validate_key(key, version=version), now=timezone.now())
        return default if found is None else found

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        counting.keep(
            key=self.make_and_validate_key(key, version=version),
            value=value,
            expires_at=self._end(timeout),
        )

    def delete(self, key: Any, version: int | None = None) -> bool:
        return counting.drop(key=self.make_and_validate_key(key, version=version))

    def clear(self) -> None:
        counting.drop_all()

    def _end(self, timeout: Any) -> datetime:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return _NEVER if seconds is None else timezone.now() + timedelta(seconds=float(seconds))
