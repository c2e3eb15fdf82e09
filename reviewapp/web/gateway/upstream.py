"""The provider's side of a call: one connection pool for the process, and which headers pass through.

The client's credentials never go on; the provider's own key takes their place. Answers are asked
for without compression: they are recorded as text, and the client gets the first bytes sooner.
"""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterable, Mapping
from typing import Final

import aiohttp
from yarl import URL

from reviewapp.providers.addresses import guarded_connector, refusal_in
from reviewapp.web.gateway.directory import ProviderEntry

_PROXIES: Final = frozenset(["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"])
CONNECT_SECONDS: Final = 10.0
# Shorter than the idle time after which common servers (5 s) close a connection: no call meets a closed one.
KEEPALIVE_SECONDS: Final = 4.0

_AT_ONCE: Final = 512 * 1024
# What asking a provider raises when it is not our fault; a timeout is told apart before.
FAILED: Final = (aiohttp.ClientError, OSError, ValueError)

_HOP_BY_HOP: Final = frozenset(
    [
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ]
)
_NOT_TO_PROVIDER: Final = _HOP_BY_HOP | frozenset(
    [
        b"host",
        b"content-length",
        b"accept-encoding",
        b"expect",
        b"cookie",
        b"forwarded",
        b"via",
        b"x-real-ip",
        # Credentials, and what belongs to the account behind them.
        b"authorization",
        b"api-key",
        b"x-api-key",
        b"openai-organization",
        b"openai-project",
    ]
)
_NOT_TO_CLIENT: Final = _HOP_BY_HOP | frozenset(
    [
        b"content-length",
        b"content-encoding",
        b"set-cookie",
        b"server",
        b"date",
        b"alt-svc",
        b"strict-transport-security",
    ]
)


def open_session() -> aiohttp.ClientSession:
    """The session of the process. Without limits of its own: the server before us bounds the connections."""
    return aiohttp.ClientSession(
        # Looks at an address when it connects to it: a call over an open connection costs nothing more.
        connector=guarded_connector(
            limit=0,
            keepalive_timeout=KEEPALIVE_SECONDS,
            ttl_dns_cache=60,
            family=socket.AF_UNSPEC,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
        # Looked at once: asking the environment at each call costs more than the call.
        trust_env=not _PROXIES.isdisjoint(os.environ),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None),
    )


def address(provider: ProviderEntry, path: str, query: str) -> URL:
    """Where to ask: the provider's base URL ends before what the API's own paths begin with."""
    return URL(f"{provider.base_url}{path}" + (f"?{query}" if query else ""), encoded=True)


def timeout_of(provider: ProviderEntry) -> aiohttp.ClientTimeout:
    """So long to connect, and so long between two pieces of an answer (the first one included)."""
    return aiohttp.ClientTimeout(
        total=None,
        connect=2 * CONNECT_SECONDS,
        sock_connect=CONNECT_SECONDS,
        sock_read=provider.timeout_seconds,
    )


def payload(body: bytes) -> bytes | io.BytesIO:
    """The body for the session: a large one is written in pieces, so that it does not hold up the others."""
    return body if len(body) <= _AT_ONCE else io.BytesIO(body)


def request_headers(headers: Iterable[tuple[bytes, bytes]], provider: ProviderEntry) -> list[tuple[str, str]]:
    """What goes on of the client's headers, with the provider's key."""
    passed = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name not in _NOT_TO_PROVIDER and not name.startswith((b"x-review-", b"x-forwarded-"))
    ]
    passed.append(("Accept-Encoding", "identity"))
    if provider.api_key is not None:
        passed.append(("Authorization", f"Bearer {provider.api_key}"))
    return passed


def response_headers(raw: Iterable[tuple[bytes, bytes]], own: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What passes through of the provider's headers, with the gateway's own."""
    passed = [
        (lower, value)
        for name, value in raw
        if (lower := name.lower()) not in _NOT_TO_CLIENT and not lower.startswith(b"x-review-")
    ]
    passed += [(name.lower().encode(), value.encode()) for name, value in own.items()]
    return passed


def reason_of(error: Exception) -> str:
    """Why a provider could not be asked, in a few words and without its key."""
    refused = refusal_in(error)
    if refused is not None:
        return refused.sentence
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name is not known."
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return f"the encrypted connection failed ({type(error).__name__})."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{os.strerror(error.errno) if error.errno else 'the connection failed'}."
    if isinstance(error, aiohttp.InvalidURL):
        return "its address is no URL."
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "it closed the connection."
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer ended too early."
    if isinstance(error, aiohttp.ClientResponseError):
        return "it answered what is no HTTP."
    return f"{type(error).__name__}."
