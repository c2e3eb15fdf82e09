"""What runs in the messenger's process: one message through Apprise, under a guard.

Apprise speaks to over a hundred services with a dozen libraries, none of which takes a connector of
ours. So it gets a process to itself, in which Python's own audit events tell of every connection
before it is made: by which library, after which redirect or second look-up it may be. One that the
operator does not allow is refused there. So are local sockets and other programs.

The guard is against addresses that people enter, not against the code of Apprise, which is trusted
as every dependency is. This module must not import Django: it has none of the app's secrets.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from typing import Any, Final

from reviewapp.pure.addresses import AddressRule, read_address

_PROGRAMS: Final = frozenset(
    ["subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"]
)
_CONNECTIONS: Final = frozenset(["socket.connect", "socket.sendto", "socket.sendmsg"])
# These would speak on the server's own desktop or devices.
LOCAL: Final = frozenset(
    [
        "blink1",
        "dbus",
        "deltachat",
        "deltachats",
        "gio",
        "glib",
        "gnome",
        "kde",
        "macosx",
        "qt",
        "syslog",
        "windows",
    ]
)


class Guard:
    """The audit hook; remembers what it refused first."""

    def __init__(self, rule: AddressRule) -> None:
        self._rule = rule
        self.refused: tuple[str, str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CONNECTIONS:
            self._check(arguments[0], arguments[1])
        elif event in _PROGRAMS:
            self._refuse("another program", "not started for an alert")

    def _check(self, given: socket.socket, where: Any) -> None:
        if where is None:
            return  # a datagram over a socket that is connected, which was checked then
        if given.family not in {socket.AF_INET, socket.AF_INET6}:
            self._refuse("a local socket", "inside this machine")
        address = read_address(str(where[0]))
        if address is None:
            self._refuse(str(where[0]), "a name that was not looked up before")
            return
        why = self._rule.refusal(address)
        if why is not None:
            self._refuse(str(address), why)

    def _refuse(self, where: str, why: str) -> None:
        self.refused = self.refused or (where, why)
        raise PermissionError(f"{where} is {why}")


class _Heard(logging.Handler):
    """Keeps the last thing that Apprise complained of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def send(given: dict[str, Any]) -> dict[str, Any]:
    """Send one message; says {"ok", "error", "refused": [where, why] or null, "understood"}."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(storage_mode="memory", service_timeout=float(given["seconds"]))
    asset.http_redirects = False
    asset.pgp_autogen = asset.pem_autogen = False
    asset.app_id, asset.app_desc, asset.app_url = "reviewapp", "reviewapp", given["app_url"]
    # No pictures out of somebody else's house in our messages.
    asset.image_url_mask = asset.image_url_logo = ""
    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.addHandler(heard)
    logger.propagate = False
    messenger = Apprise(asset=asset)
    if given["url"].partition(":")[0].lower() in LOCAL or not messenger.add(given["url"]):
        return {"ok": False, "error": "", "refused": None, "understood": False}
    if given.get("only_read"):
        return {"ok": True, "error": "", "refused": None, "understood": True}
    guard = Guard(AddressRule.of(given["rule"]))
    sys.addaudithook(guard)
    ok = bool(
        messenger.notify(
            title=given["title"], body=given["body"], notify_type=given["type"], body_format="text"
        )
    )
    error = heard.said[-1] if heard.said and not ok else ""
    return {"ok": ok, "error": error[:500], "refused": guard.refused if not ok else None, "understood": True}


def main() -> None:
    """Read one message from standard input, and say on standard output what became of it."""
    given = json.loads(sys.stdin.buffer.read())
    # What a plugin prints must not mix with the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    result = send(given)
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump(result, file)
    # Threads that a plugin left behind would keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
