"""How often a key, and an address with keys, may call; and how often an address may try wrong ones.

Counted in each web process by itself. A wrong key is told only after the right ones were looked for, so who
tries keys from an office locks nobody out there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from reviewapp.pure.rates import Rate

WRONG_KEYS: Final = 300


class TooOften(Exception):
    """The caller has to wait; the message says why, `seconds` how long."""

    def __init__(self, reason: str, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"{reason} Try again in {self.seconds} s.")


class Limits:
    """The counts of one process."""

    def __init__(self, *, by_key: int, by_address: int) -> None:
        self.by_key = Rate(by_key)
        self.by_address = Rate(by_address)
        self.wrong = Rate(WRONG_KEYS)

    def come(self, *, key: UUID, address: str) -> None:
        """A call with a good key. Raises TooOften."""
        now = time.monotonic()
        for rate, name, what in (
            (self.by_address, address, "This address"),
            (self.by_key, key, "This key"),
        ):
            if wait := rate.take(name, now=now):
                raise TooOften(f"{what} may call {rate.per_minute:,} times a minute.", wait)

    def try_wrong(self, *, address: str) -> None:
        """A call with a key that is none. Raises TooOften."""
        if wait := self.wrong.take(address, now=time.monotonic()):
            raise TooOften(f"Too many wrong keys came from this address ({WRONG_KEYS} a minute).", wait)


limits = Limits(by_key=settings.KEY_RATE, by_address=settings.ADDRESS_RATE)


def address_in(scope: Mapping[str, Any]) -> str:
    """Where a call of the gateway or a receiver comes from; behind a trusted proxy, where the proxy says."""
    if settings.TRUST_PROXY:
        told = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        # Some proxies add a line of their own below the one that the caller sent.
        if told and (last := told[-1].decode("latin-1").rsplit(",", 1)[-1].strip()):
            return str(last)
    return str((scope.get("client") or ("",))[0])


def address_of(request: HttpRequest) -> str:
    """Where a request for a page or the API comes from."""
    told = request.headers.get("X-Forwarded-For", "") if settings.TRUST_PROXY else ""
    return told.rsplit(",", 1)[-1].strip() or str(request.META.get("REMOTE_ADDR", ""))
