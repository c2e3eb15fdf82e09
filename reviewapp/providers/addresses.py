"""Connecting only where the operator lets the app go.

A check before the connection proves little: the name may lead elsewhere when it is asked again. So
the check stands where the socket is made. The resolver looks at what a name leads to, and refuses
the name if any of it is not allowed; the socket factory looks at the number that is about to be
connected to, which also covers addresses written as numbers. What was looked at is what is used.

A proxy that the operator set in the environment is connected to instead of the address, and then it
is the proxy that decides; the calls that go by way of it are its own to check.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from django.utils.translation import gettext

from reviewapp.pure.addresses import AddressRule, read_address
from reviewapp.pure.said import said
from reviewapp.pure.said.templates import TEMPLATES

AddressInfo: TypeAlias = tuple[Any, Any, int, str, tuple[Any, ...]]
Lookup: TypeAlias = Callable[[str], Sequence[str]]


class AddressRefused(OSError):
    """The app may not connect there; the sentence says why and who can change that.

    `address` is what the name `where` leads to.
    """

    def __init__(self, where: str, why: str, *, address: str = "") -> None:
        self.sentence = (
            said("address_behind_name", where=where, address=address, address_kind=why)
            if address
            else said("address_refused", where=where, address_kind=why)
        )
        super().__init__(errno.EACCES, self.sentence)

    def __str__(self) -> str:
        return self.sentence

    def words(self) -> str:
        """The sentence in the language of who asks."""
        (message,) = self.sentence.parts
        places = {
            place: gettext(str(value)) if place == "address_kind" else value
            for place, value in message.params.items()
        }
        return gettext(str(TEMPLATES[message.key])) % places


class UnknownHost(OSError):
    """The name leads nowhere."""

    def __init__(self, host: str) -> None:
        super().__init__(errno.ENOENT, f"The host name {host} is not known")


def operators_rule() -> AddressRule:
    """What the settings of this installation allow."""
    rule: AddressRule = settings.ADDRESS_RULE
    return rule


def check_addresses(*, host: str, addresses: Iterable[str], rule: AddressRule) -> None:
    """Raise AddressRefused if one of these, to which the name leads, is not allowed."""
    for text in addresses:
        address = read_address(text)
        if address is None:
            raise AddressRefused(host, "not led to an address")
        why = rule.refusal(address)
        if why is not None:
            raise AddressRefused(host, why, address="" if text == host.strip("[]") else str(address))


def check_written(*, host: str) -> None:
    """What can be told without asking anybody: whether an address written as a number is allowed.

    For forms, so that a person hears of it while typing. Raises AddressRefused.
    """
    host = host.strip("[]").lower().rstrip(".")
    written = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
    address = read_address(written)
    why = None if address is None else operators_rule().refusal(address)
    if why is not None:
        raise AddressRefused(host, why)


def look_up(host: str) -> Sequence[str]:
    """The addresses of a name, from the machine's resolver. Raises UnknownHost."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnknownHost(host) from None
    return [str(info[4][0]) for info in found]


def check_host(*, host: str, rule: AddressRule | None = None, lookup: Lookup = look_up) -> None:
    """Look beforehand, where the connection itself is out of reach. Raises AddressRefused, UnknownHost."""
    host = host.strip("[]")
    addresses = [host] if read_address(host) is not None else lookup(host)
    check_addresses(host=host, addresses=addresses, rule=rule or operators_rule())


class GuardedResolver(AbstractResolver):
    """Resolves names as `inner` does, and refuses those that lead where the rule forbids."""

    def __init__(self, *, rule: AddressRule, inner: AbstractResolver) -> None:
        self._rule = rule
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        check_addresses(host=host, addresses=(one["host"] for one in found), rule=self._rule)
        return found

    async def close(self) -> None:
        await self._inner.close()


def guarded_connector(
    *, rule: AddressRule | None = None, resolver: AbstractResolver | None = None, **options: Any
) -> aiohttp.TCPConnector:
    """A connection pool that keeps to the rule. Make it where the event loop runs.

    The rule is looked at when a connection is made; calls over an open one cost nothing more.
    """
    given = rule or operators_rule()

    def make_socket(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, where = info
        check_addresses(host=str(where[0]), addresses=[str(where[0])], rule=given)
        return socket.socket(family=family, type=kind, proto=protocol)

    return aiohttp.TCPConnector(
        resolver=GuardedResolver(rule=given, inner=resolver or aiohttp.DefaultResolver()),
        socket_factory=make_socket,
        **options,
    )


def refusal_in(error: BaseException | None) -> AddressRefused | None:
    """The refusal that an error of the connection comes from, if it does."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, AddressRefused):
            return error
        inner = getattr(error, "os_error", None)
        if isinstance(inner, AddressRefused):
            return inner
        error = error.__cause__ or error.__context__
    return None
