"""Our own webhook: a JSON message, signed so that the receiver knows who sent it and when.

It follows the Standard Webhooks convention (standardwebhooks.com), so receivers can use its
libraries: the signature is an HMAC-SHA256 over "id.timestamp.body". The id is the same at every
try of a message, so a receiver can tell one that comes twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import aiohttp
from django.utils.translation import gettext

from reviewapp.providers.addresses import AddressRefused, guarded_connector, refusal_in
from reviewapp.providers.retry_after import read_retry_after
from reviewapp.pure.said import Param, figure, said, say

SECONDS: Final = 15.0
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
_ANSWER_READ: Final = 2048
_AGENT: Final = "reviewapp-webhook/1"


class WrongSecret(ValueError):
    """A secret that is none; the sentence says how one looks."""

    def __init__(self) -> None:
        super().__init__(
            gettext(
                "Write the secret as whsec_ and 24 to 64 bytes in base64, or leave it empty to have one made."
            )
        )


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of one try. `error` is a sentence; `may_pass`: another try may succeed."""

    ok: bool
    status: int | None = None
    error: str = ""
    may_pass: bool = True
    retry_after: float | None = None


def make_secret() -> str:
    """A new secret of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes that sign. Raises WrongSecret."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raise WrongSecret from None
    if not secret.startswith(SECRET_PREFIX) or not 24 <= len(key) <= 64:
        raise WrongSecret
    return key


def headers_for(*, secret: str, message: UUID, body: bytes, now: datetime) -> dict[str, str]:
    """The headers that sign a body."""
    id_, timestamp = f"msg_{message.hex}", str(int(now.timestamp()))
    signed = b".".join([id_.encode(), timestamp.encode(), body])
    signature = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": _AGENT,
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


async def send(*, url: str, secret: str, message: UUID, body: bytes, now: datetime) -> Sending:
    """Post the body once. Any answer of success will do; redirects are not followed."""
    headers = headers_for(secret=secret, message=message, body=body, now=now)
    try:
        async with (
            aiohttp.ClientSession(
                connector=guarded_connector(limit=1, force_close=True),
                timeout=aiohttp.ClientTimeout(total=SECONDS),
                trust_env=any(name in os.environ for name in ("HTTPS_PROXY", "https_proxy")),
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            answered = await response.content.read(_ANSWER_READ)
            return _read_answer(response, answered)
    except TimeoutError:
        return Sending(ok=False, error=said("send_late", seconds=figure(SECONDS, "g")))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        refused = refusal_in(error)
        if refused is not None:
            return refused_sending(refused)
        return Sending(ok=False, error=said("send_unreached", why=_cause(error)))


def refused_sending(error: AddressRefused) -> Sending:
    """The address is not allowed; asking again would not change that."""
    return Sending(ok=False, error=error.sentence, may_pass=False)


def _read_answer(response: aiohttp.ClientResponse, answered: bytes) -> Sending:
    status = response.status
    if 200 <= status < 300:
        return Sending(ok=True, status=status)
    if 300 <= status < 400:
        sentence = said("send_redirect", status=status)
        return Sending(ok=False, status=status, error=sentence)
    if status == 410:
        sentence = said("send_gone")
        return Sending(ok=False, status=status, error=sentence, may_pass=False)
    text = " ".join(answered.decode(errors="replace").split())[:200]
    sentence = said("send_status", status=status)
    if text and text.isprintable():
        sentence = said("send_status_text", status=status, text=text)
    return Sending(ok=False, status=status, error=sentence, retry_after=read_retry_after(response.headers))


def _cause(error: BaseException) -> Param:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return say("send_unknown_host")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return say("send_no_encryption")
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.errno) if error.errno else say("send_no_connection")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return say("send_closed")
    return type(error).__name__
