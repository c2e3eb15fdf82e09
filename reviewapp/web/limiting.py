"""How often a key, and an address with keys, may call; and how often an address may try wrong ones.

Decided in each web process from memory, and shared with the others once a second, by the thread that keeps
the gateway's directory (stages/administer/counting.py). A wrong key is told only after the right ones were
looked for, so who tries keys from an office locks nobody out there.
"""

from __future__ import annotations

import ipaddress
import math
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from reviewapp.pure.rates import Rate
from reviewapp.stages.administer import counting

_log = structlog.get_logger(__name__)

WRONG_KEYS: Final = 300
FORGET_SECONDS: Final = 60.0
_LONGEST: Final = 100
_WITH_PORT: Final = re.compile(r"\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+")


class TooOften(Exception):
    """The caller has to wait; the message says why, `seconds` how long."""

    def __init__(self, reason: str, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"{reason} Try again in {self.seconds} s.")


class Limits:
    """The counts of one process, and what it heard of the others."""

    def __init__(self, *, by_key: int, by_address: int) -> None:
        self.by_key = Rate(by_key)
        self.by_address = Rate(by_address)
        self.wrong = Rate(WRONG_KEYS)
        # One line a minute for each who comes too often.
        self._logged = Rate(1)
        self._forget_next = 0.0

    def come(self, *, key: UUID, address: str) -> None:
        """A call with a good key. Raises TooOften."""
        now = time.monotonic()
        for rate, name, what in (
            (self.by_address, address, "This address"),
            (self.by_key, str(key), "This key"),
        ):
            if wait := rate.take(name, now=now):
                self._log("key" if rate is self.by_key else "address", name, now)
                raise TooOften(f"{what} may call {rate.per_minute:,} times a minute.", wait)

    def try_wrong(self, *, address: str) -> None:
        """A call with a key that is none. Raises TooOften."""
        now = time.monotonic()
        if wait := self.wrong.take(address, now=now):
            self._log("wrong keys", address, now)
            raise TooOften(f"Too many wrong keys came from this address ({WRONG_KEYS} a minute).", wait)

    def share(self) -> None:
        """Tell the other processes who came, and hear it of them. Raises what the database does."""
        rates = {"key": self.by_key, "address": self.by_address, "wrong": self.wrong}
        now = time.monotonic()
        untold = {kind: rate.untold(now=now) for kind, rate in rates.items()}
        try:
            heard = counting.share_counts(
                came=[
                    counting.Came(f"{kind}:{name}", rates[kind].per_minute, times)
                    for kind, came in untold.items()
                    for name, times in came.items()
                    # The database has no such text.
                    if "\0" not in str(name)
                ]
            )
        except BaseException:
            for kind, came in untold.items():
                rates[kind].tell_later(came)
            raise
        now = time.monotonic()
        for whole, left in heard.items():
            kind, _, name = whole.partition(":")
            rates[kind].hear(name, left, now=now)
        if now >= self._forget_next:
            self._forget_next = now + FORGET_SECONDS
            counting.forget_counts(now=timezone.now())

    def _log(self, what: str, name: str, now: float) -> None:
        if not self._logged.take((what, name), now=now):
            _log.warning("limit.passed", limit=what, of=name)


limits = Limits(by_key=settings.KEY_RATE, by_address=settings.ADDRESS_RATE)


def address_in(scope: Mapping[str, Any]) -> str:
    """Where a call of the gateway or a receiver comes from; behind a trusted proxy, where the proxy says."""
    if settings.TRUST_PROXY:
        told = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        # Some proxies add a line of their own below the one that the caller sent.
        if told and (last := counted(told[-1].decode("latin-1").rsplit(",", 1)[-1])):
            return last
    peer = str((scope.get("client") or ("",))[0])
    return counted(peer) or peer


def address_of(request: HttpRequest) -> str:
    """Where a request for a page or the API comes from."""
    told = request.headers.get("X-Forwarded-For", "") if settings.TRUST_PROXY else ""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    return counted(told.rsplit(",", 1)[-1]) or counted(peer) or peer


@lru_cache(maxsize=10_000)
def counted(told: str) -> str | None:
    """An address as it is counted, or None if it is none.

    Of IPv6 the network of 64 bits: whoever has one address there has all, and might come from another each
    time. Some proxies tell the port, too.
    """
    told = told.strip()
    if len(told) > _LONGEST:
        return None
    if (within := _WITH_PORT.fullmatch(told)) is not None:
        told = within[1] or within[2]
    try:
        address = ipaddress.ip_address(told.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
