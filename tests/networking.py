"""Two hosts on one machine: Linux network namespaces with a cable between them that a test pulls out.

The first host is where the test itself runs, with all that it starts; programs of the second are started
through `second`. Sockets in the file system are of no network, so this run's database and broker serve the
first host as they are; for the second `offered` passes them on over TCP, and lets go of a peer that has not
been heard of for some seconds, as a server with `tcp_keepalives_idle` does.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

FIRST, SECOND = "10.77.0.1", "10.77.0.2"
_NEW_NETWORK = 0x40000000
_GONE_SECONDS = 6


@dataclass(frozen=True)
class Hosts:
    """Both hosts, and the cable."""

    name: str

    @property
    def address(self) -> str:
        """Of the first host, as the second sees it."""
        return FIRST

    @property
    def second(self) -> list[str]:
        """What stands before a command that is to run on the second host."""
        return ["nsenter", f"--net=/run/netns/{self.name}b", "--"]

    def pull(self) -> None:
        """From now on nothing passes, and neither host is told."""
        _ip("-n", f"{self.name}a", "link", "set", "cable", "down")

    def plug(self) -> None:
        _ip("-n", f"{self.name}a", "link", "set", "cable", "up")


@contextmanager
def two_hosts() -> Iterator[Hosts]:
    """The thread that asks is on the first host until the block ends. Skips where there can be none."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"):
        pytest.skip("two hosts are network namespaces: needs Linux, root, ip (iproute2) and nsenter")
    hosts = Hosts(f"ra{secrets.token_hex(3)}")
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        try:
            _lay(hosts)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not allowed here: {error.stderr.strip()}")
        inside = os.open(f"/run/netns/{hosts.name}a", os.O_RDONLY)
        _enter(inside)
        os.close(inside)
        try:
            yield hosts
        finally:
            _enter(outside)
    finally:
        os.close(outside)
        for side in "ab":
            subprocess.run(["ip", "netns", "delete", hosts.name + side], capture_output=True, check=False)


def _lay(hosts: Hosts) -> None:
    for side in "ab":
        _ip("netns", "add", hosts.name + side)
        _ip("-n", hosts.name + side, "link", "set", "lo", "up")
    cable = ["link", "add", "cable", "netns", f"{hosts.name}a", "type", "veth"]
    _ip(*cable, "peer", "name", "cable", "netns", f"{hosts.name}b")
    for side, address in (("a", FIRST), ("b", SECOND)):
        _ip("-n", hosts.name + side, "address", "add", f"{address}/30", "dev", "cable")
        _ip("-n", hosts.name + side, "link", "set", "cable", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)


def _enter(namespace: int) -> None:
    """This thread's network from now on, and that of the threads and programs it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def offered(path: Path | str) -> Iterator[int]:
    """The server that listens at a socket in the file system, on a port of this host."""
    with socket.create_server(("0.0.0.0", 0)) as door:
        threading.Thread(target=_let_in, args=(door, str(path)), daemon=True).start()
        yield int(door.getsockname()[1])
        with suppress(OSError):
            # Ends the waiting in accept.
            door.shutdown(socket.SHUT_RDWR)


def _let_in(door: socket.socket, path: str) -> None:
    while True:
        try:
            guest, _ = door.accept()
        except OSError:
            return
        guest.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _GONE_SECONDS // 2)
        guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _GONE_SECONDS // 2)
        guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_SECONDS * 1000)
        house = socket.socket(socket.AF_UNIX)
        try:
            house.connect(path)
        except OSError:
            guest.close()
            house.close()
            continue
        for one, other in ((guest, house), (house, guest)):
            threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    # The end of one is the end of both; the other thread finds it out, and closes what it reads from.
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    one.close()
