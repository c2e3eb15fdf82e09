"""Calls to any OpenAI-compatible endpoint; nothing else imports the openai SDK.

A request goes out as the bytes it is given: a recorded request is asked again exactly, unknown
fields and all. So of the SDK only its pool of connections is used and the headers by which providers
know it, which are the same in each call. Its methods do for each call what is for typed parameters,
and that costs three quarters of a call's processor time. What comes back is kept as bytes too; reading
it is others' work. A streamed answer is read to its end and kept whole: nobody watches a replay token
by token.

There are no retries here: there is one retry policy, that of the replay stage.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAIError

from reviewapp.providers.addresses import guarded_connector, operators_rule, refusal_in
from reviewapp.providers.errors import BadRequest, CallFailed, NotCallable, ProviderDown, TimedOut, error_of
from reviewapp.providers.retry_after import read_retry_after
from reviewapp.pure.addresses import AddressRule
from reviewapp.pure.exchange import Endpoint
from reviewapp.pure.said import Message, figure, said, say

PATHS: Final[Mapping[Endpoint, str]] = {
    "chat.completions": "/chat/completions",
    "completions": "/completions",
    "responses": "/responses",
    "embeddings": "/embeddings",
}
# Response headers that tell which backend answered, or help its vendor to find the call again.
IDENTITY_HEADERS: Final = frozenset(
    [
        "apim-request-id",
        "azureml-model-session",
        "cf-ray",
        "openai-model",
        "openai-processing-ms",
        "openai-version",
        "request-id",
        "server",
        "via",
        "x-groq-region",
        "x-inference-time",
        "x-litellm-model-id",
        "x-model-version",
        "x-ms-deployment-name",
        "x-ms-region",
        "x-request-id",
        "x-served-by",
        "x-together-version",
    ]
)
CONNECT_SECONDS: Final = 10.0
BODY_LIMIT: Final = 64 * 1024 * 1024
_HEADER_KEPT: Final = 500
# Reading who is trusted takes a hundred times what else a client takes; a renewed list is to be seen, too.
_TRUSTED_SECONDS: Final = 600
# The SDK reads these from the environment of whoever starts the worker; a call carries only its own.
_NOT_OURS: Final = frozenset(["OpenAI-Organization", "OpenAI-Project"])


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to call. Its text never shows the key."""

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 120.0
    max_connections: int = 1000
    # Where that may be: what the operator allows, unless the operator names the address here and now.
    rule: AddressRule = field(default_factory=operators_rule)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as it came: the body's bytes, and the headers that are part of an identity."""

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str
    latency_ms: int

    @property
    def is_stream(self) -> bool:
        """Whether the body is server-sent events."""
        return self.content_type.partition(";")[0].strip().lower() == "text/event-stream"


@lru_cache(maxsize=1)
def _trusted(_period: int) -> ssl.SSLContext:
    """The certificates that this machine trusts, as the SDK's transport would read them for each client."""
    return httpx2.create_ssl_context()


class _GuardedHttpClient(DefaultAioHttpClient):
    """The SDK's aiohttp client on a pool that connects to allowed addresses only.

    Where the environment names a proxy, the SDK goes by way of that, on a pool of its own.
    """

    def __init__(self, *, rule: AddressRule, **options: Any) -> None:
        self._rule = rule
        super().__init__(**options)

    def _init_transport(self, *args: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        transport: Any = super()._init_transport(*args, **options)

        def open_session() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(
                connector=guarded_connector(
                    rule=self._rule,
                    ssl=transport.ssl_context,
                    limit=transport.limits.max_connections or 0,
                    keepalive_timeout=transport.limits.keepalive_expiry,
                )
            )

        transport.client = open_session
        made: httpx2.AsyncBaseTransport = transport
        return made


class Client:
    """Calls to one provider over shared connections. An asynchronous context manager."""

    def __init__(self, target: Target) -> None:
        check_address(name=target.name, base_url=target.base_url)
        self._target = target
        timeout = httpx2.Timeout(target.timeout_seconds, connect=CONNECT_SECONDS, pool=None)
        try:
            self._http = _GuardedHttpClient(
                rule=target.rule,
                timeout=timeout,
                # A redirect means a wrong address, and may lead where no admin sent us.
                follow_redirects=False,
                verify=_trusted(int(time.monotonic() // _TRUSTED_SECONDS)),
                limits=httpx2.Limits(
                    max_connections=target.max_connections,
                    max_keepalive_connections=target.max_connections,
                    keepalive_expiry=15,
                ),
            )
            # Local servers want no key, but the SDK wants one.
            sdk = AsyncOpenAI(
                api_key=target.api_key or "none", base_url=target.base_url, http_client=self._http
            )
            self._base_url = sdk.base_url
            self._headers = _headers(sdk, target)
        except UnicodeError:
            # Its text, which nobody is to read, holds a character of the key.
            raise NotCallable(said("call_unsendable", name=target.name)) from None
        except (OpenAIError, ValueError, TypeError) as error:
            raise NotCallable(said("call_impossible", name=target.name, why=str(error))) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def send(self, *, endpoint: Endpoint, request: bytes) -> Answer:
        """Ask. The answer is returned whatever it says, as long as its status is one of success.

        Raises RateLimited, ProviderDown, TimedOut, BadRequest or NotCallable.
        """
        return await self._call(PATHS[endpoint], request)

    async def list_models(self) -> Answer:
        """What `GET /models` answers. Raises as `send` does."""
        return await self._call("/models", None)

    async def _call(self, path: str, content: bytes | None) -> Answer:
        name, seconds = self._target.name, self._target.timeout_seconds
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                response = await self._http.send(self._request(path, content), stream=True)
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except (ValueError, TypeError) as error:
            # A key with a line break, an address with a space: refused before anything is sent.
            raise NotCallable(said("call_unsendable", name=name)) from error
        except (TimeoutError, httpx2.HTTPError, aiohttp.ClientError) as error:
            # The SDK's transport gives no name of its own to an answer that is no HTTP.
            refused = refusal_in(error)
            if refused is not None:
                why = refused.sentence
                raise NotCallable(said("call_impossible", name=name, why=why)) from error
            raise _lost(error, name=name, seconds=seconds) from error
        if not response.is_success:
            raise error_of(
                status=response.status_code,
                body=body,
                provider=name,
                retry_after=read_retry_after(response.headers),
                location=response.headers.get("location", "")[:200],
            )
        return Answer(
            status=response.status_code,
            body=body,
            headers=_identity(response.headers),
            content_type=response.headers.get("content-type", ""),
            latency_ms=round((time.monotonic() - started) * 1000),
        )

    def _request(self, path: str, content: bytes | None) -> httpx2.Request:
        url = self._base_url.copy_with(raw_path=self._base_url.raw_path + path.lstrip("/").encode())
        if content is None:
            headers = self._headers.copy()
            # The SDK tells of a body in each request, also where there is none.
            headers.pop("Content-Type", None)
            return self._http.build_request("GET", url, headers=headers)
        return self._http.build_request("POST", url, content=content, headers=self._headers)

    async def _read(self, response: httpx2.Response) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > BODY_LIMIT:
                raise BadRequest(
                    said("call_too_long", name=self._target.name, size=BODY_LIMIT // 1024**2),
                    status=response.status_code,
                )
            pieces.append(piece)
        return b"".join(pieces)


def _headers(sdk: AsyncOpenAI, target: Target) -> httpx2.Headers:
    """What each call says of itself, as the SDK says it."""
    told = {
        name: value
        for name, value in sdk.default_headers.items()
        if isinstance(value, str) and name not in _NOT_OURS
    }
    if target.api_key:
        told["Authorization"] = f"Bearer {target.api_key}"
    return httpx2.Headers(told)


def check_address(*, name: str, base_url: str) -> None:
    """Raise NotCallable, with the mend, unless the address is one that can be called."""
    if not base_url:
        raise NotCallable(said("call_no_address", name=name))
    fault = _fault_of(base_url)
    if fault is not None:
        raise NotCallable(said("call_wrong_address", name=name, why=fault))


def _fault_of(address: str) -> Message | None:
    """What keeps an address from being called, if anything does."""
    if any(one.isspace() or not one.isprintable() for one in address):
        return say("address_signs")
    try:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"}:
            return say("address_scheme")
        if not parts.hostname:
            return say("address_no_host")
        if parts.port == 0:
            return say("address_port")
        httpx2.URL(address)
    except (ValueError, httpx2.InvalidURL):
        return say("address_shape")
    return None


def _lost(error: BaseException, *, name: str, seconds: float) -> CallFailed:
    """The connection's error: too slow, or not there.

    The SDK's aiohttp transport calls a broken connection a timeout too, so the first cause decides.
    """
    cause: BaseException | None = error
    causes = []
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__
    if any(isinstance(found, TimeoutError) for found in causes):
        return TimedOut(said("call_timed_out", name=name, seconds=figure(seconds, "g")))
    told = next((text for found in reversed(causes) if (text := _text_of(found))), type(causes[-1]).__name__)
    return ProviderDown(said("call_lost", name=name, why=told[:300]))


def _text_of(error: BaseException) -> str:
    """What an error says, in one line; it may quote what the other side sent."""
    text = " ".join(str(getattr(error, "message", "") or error).split())
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _identity(headers: httpx2.Headers) -> dict[str, str]:
    return {
        name: value[:_HEADER_KEPT]
        for name, value in headers.items()
        if name.lower() in IDENTITY_HEADERS and value.isprintable()
    }
