"""Messages to people by e-mail, chat and what else Apprise knows, each from a process of its own.

See messenger_process.py for why. The process gets the message on its standard input, never on its
command line, which others can read; of the environment it gets only what concerns the network. It is
ended when it takes too long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Final

from django.conf import settings

from reviewapp.providers.addresses import AddressRefused, operators_rule
from reviewapp.providers.webhooks import Sending, refused_sending
from reviewapp.pure.said import figure, said

SECONDS: Final = 30
_PASSED: Final = frozenset(
    [
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "HOME",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
    ]
)
# How Apprise calls what we call a severity.
_TYPES: Final = {"info": "info", "warning": "warning", "critical": "failure"}


def is_understood(*, url: str) -> bool:
    """Whether Apprise knows what to do with this address."""
    answer = _run({"url": url, "only_read": True, "seconds": SECONDS, "app_url": ""})
    return bool(answer.get("understood"))


def send(*, url: str, title: str, body: str, severity: str) -> Sending:
    """Send one message once."""
    answer = _run(
        {
            "url": url,
            "title": title,
            "body": body,
            "type": _TYPES[severity],
            "rule": str(operators_rule()),
            "seconds": SECONDS,
            "app_url": settings.APP_ADDRESS,
        }
    )
    if answer.get("ok"):
        return Sending(ok=True)
    if answer.get("refused"):
        where, why = answer["refused"]
        return refused_sending(AddressRefused(where, why))
    if answer.get("late"):
        return Sending(ok=False, error=said("send_slow", seconds=figure(SECONDS, "g")))
    if not answer.get("understood", True):
        sentence = said("send_not_understood")
        return Sending(ok=False, error=sentence, may_pass=False)
    return Sending(ok=False, error=answer.get("error") or said("send_refused"))


def _run(given: dict[str, Any]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "reviewapp.providers.messenger_process"],
            input=json.dumps(given).encode(),
            capture_output=True,
            timeout=SECONDS + 10,
            check=False,
            cwd=settings.BASE_DIR,
            env={name: value for name, value in os.environ.items() if name in _PASSED},
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"late": True}
    except (OSError, ValueError):
        return {"error": "The program that sends messages could not be run."}
    return answer
