"""Which network addresses the app may connect to on somebody's word.

Admins of projects enter addresses of providers and webhooks; the app connects to them from inside
the operator's network. So it goes to public addresses only, unless the operator allows others. What
counts is the number that is connected to, never the name that led there.

An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is as good as what it carries.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Where clouds tell a machine its credentials. They are given out only when named, never with "all private".
METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # Amazon's containers
        "169.254.170.23",
        "168.63.129.16",  # Azure's wire server: a public number
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # Amazon
        "fd00:ec2::23",
        "fd20:ce::254",  # Google
    )
)
# What "private addresses are allowed" means: one's own machine and networks, nothing stranger.
PRIVATE: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
# Reserved ranges that not every Python knows as such.
_ODD: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "::/96",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)


class WrongNetwork(ValueError):
    """A text that names no network; the message says which."""


@dataclass(frozen=True, slots=True)
class AddressRule:
    """What the operator allows beyond public addresses."""

    private: bool = False
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> AddressRule:
        """From a setting: 1 or 0 for all private networks, or a list of networks. Raises WrongNetwork."""
        wanted = text.strip().lower()
        if wanted in {"1", "true", "yes", "on"}:
            return cls(private=True)
        if wanted in {"", "0", "false", "no", "off"}:
            return cls()
        networks: list[Network] = []
        for part in wanted.split(","):
            try:
                networks.append(ipaddress.ip_network(part.strip()))
            except ValueError:
                raise WrongNetwork(part.strip()) from None
        return cls(networks=tuple(networks))

    def __str__(self) -> str:
        """What `of` reads."""
        if self.networks:
            return ",".join(str(network) for network in self.networks)
        return "1" if self.private else "0"

    def refusal(self, address: Address) -> str | None:
        """Why the app may not connect there, as "a private address"; None: it may."""
        kind = _kind(address)
        if kind is None:
            return None
        # The carried address decides, but whoever names the carrier means it.
        if any(_within(one, self.networks) for one in (address, _carried(address))):
            return None
        carried = _carried(address)
        if self.private and carried not in METADATA and _within(carried, PRIVATE):
            return None
        return kind


ANYWHERE: Final = AddressRule(
    private=True, networks=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
)


def read_address(text: str) -> Address | None:
    """The address that a text is, as sockets and URLs write it; None for a name."""
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _carried(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, or the address itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or address in _LOCAL_NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _kind(address: Address) -> str | None:
    """What makes the address one that is not for everybody; None for a public one."""
    carried = _carried(address)
    if carried != address and carried not in METADATA and (kind := _kind(carried)) is not None:
        return f"{kind} inside an IPv6 one"
    if carried in METADATA:
        return "an address that gives out a machine's credentials"
    if carried.is_loopback:
        return "this machine's own address"
    if carried.is_link_local:
        return "a link-local address"
    if carried.is_multicast:
        return "a multicast address"
    if carried.is_unspecified:
        return "no address of a machine"
    if carried != address:
        return None
    if address.is_private and not _within(address, _ODD):
        return "a private address"
    if not address.is_global or address.is_reserved or _within(address, _ODD):
        return "a reserved address"
    return None
