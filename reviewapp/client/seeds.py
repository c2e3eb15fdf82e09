"""A source's next seeds, taken from the app in blocks, so that hardly a call waits for its seed.

The app gives each seed of a range once, whoever asks and however many at a time; a process that ends
leaves the rest of its block unused. Asking for seeds is the caller's own wish and not recording: what
goes wrong is raised, as `NoSeeds`.
"""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

BLOCK: Final = 64
_TIMEOUT: Final = 10.0


class NoSeeds(Exception):
    """The app gave none; the message says why."""


class Seeds:
    """The next seeds of a source; one for a process is enough, its threads may share it."""

    def __init__(self, url: str, *, key: str, source: str | None = None, block: int = BLOCK) -> None:
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/api/v1/seeds/allocate"
        self._key = key
        self._source = source
        self._block = block
        self._lock = threading.Lock()
        self._left: deque[int] = deque()
        self._process = os.getpid()

    def next(self) -> int:
        """A seed that nobody else gets, by the source's policy. Raises NoSeeds."""
        with self._lock:
            if self._process != os.getpid():
                # Forked: the parent goes on with the block.
                self._left.clear()
                self._process = os.getpid()
            if not self._left:
                self._left.extend(self._taken())
            return self._left.popleft()

    def of(self, request: Mapping[str, Any], *, endpoint: str = "chat.completions") -> int:
        """The seed of this request, for a source whose seeds are derived from it. Raises NoSeeds."""
        return self._allocate({"count": 1, "request": dict(request), "endpoint": endpoint})[0]

    def _taken(self) -> list[int]:
        count = self._block
        while True:
            try:
                return self._allocate({"count": count})
            except _UsedUp as error:
                # Fewer are left than a block: the last ones are good seeds too.
                count //= 2
                if not count:
                    raise NoSeeds(str(error)) from None

    def _allocate(self, wanted: dict[str, Any]) -> list[int]:
        if self._source is not None:
            wanted["source"] = self._source
        request = urllib.request.Request(  # noqa: S310  # the address that the caller gave
            self._url,
            data=json.dumps(wanted).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
                return [int(seed) for seed in json.load(response)["seeds"]]
        except urllib.error.HTTPError as error:
            with error:
                reason = _reason(error)
            if error.code == 409:
                raise _UsedUp(reason) from None
            raise NoSeeds(reason) from None
        except (OSError, ValueError, KeyError) as error:
            raise NoSeeds(f"The app can't be asked for seeds: {error}") from None


class _UsedUp(NoSeeds):
    """Not so many are left."""


def _reason(error: urllib.error.HTTPError) -> str:
    """What the app says of it."""
    try:
        return str(json.load(error)["detail"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"The app answers {error.code}."
