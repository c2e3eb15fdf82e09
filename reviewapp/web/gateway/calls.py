"""One call to the gateway: who asks, which source and provider, and the request as it will go out.

The body goes on byte for byte, except for what the source's policy adds where the request does
not say otherwise: a seed, log probabilities. It is read only to know whether it is a JSON object
and which seed it carries.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID

import orjson

from reviewapp.formats.interchange import CONTEXT_LIMIT, NAME_LIMIT, TAG_LIMIT, TAGS_LIMIT
from reviewapp.formats.openai.requests import seed_of
from reviewapp.pure import rawjson
from reviewapp.pure.canonical import SEED_FIELDS
from reviewapp.pure.exchange import Endpoint
from reviewapp.web import encrypted
from reviewapp.web.gateway import errors
from reviewapp.web.gateway.directory import Directory, KeyEntry, ProviderEntry, Snapshot, SourceEntry
from reviewapp.web.limiting import TooOften, address_in, limits

BODY_LIMIT: Final = 32 * 1024 * 1024
REUSE: Final = ("off", "valid", "reviewed")
# Servers that forbid 0, and clients that break above 2^53, all take these.
_SEEDED: Final = frozenset(["chat.completions", "completions"])

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Context:
    """What the X-Review headers say."""

    source: str | None
    provider: str | None
    reuse: str | None
    trace: str | None
    session: str | None
    user: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call comes from and goes to."""

    project: UUID
    source_name: str | None
    source: SourceEntry | None
    provider: ProviderEntry


@dataclass(frozen=True, slots=True)
class Call:
    """A call that can be made: the request as it goes out, and its seed."""

    id: UUID
    endpoint: Endpoint
    route: Route
    context: Context
    request: bytes
    seed: int | None
    started_at: datetime


async def authenticate(
    directory: Directory, headers: Headers, *, now: datetime, scope: Mapping[str, Any]
) -> KeyEntry:
    """The caller's key. Raises GatewayError."""
    if encrypted.is_refused_in(scope):
        raise errors.in_the_clear()
    try:
        return await _authenticate(directory, headers, now=now, scope=scope)
    except TooOften as error:
        raise errors.too_often(error) from None


async def _authenticate(
    directory: Directory, headers: Headers, *, now: datetime, scope: Mapping[str, Any]
) -> KeyEntry:
    address = address_in(scope)
    scheme, _, secret = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        limits.try_wrong(address=address)
        raise errors.wrong_key()
    key = directory.key(secret, now=now)
    if key is None:
        await directory.refreshed()
        if directory.snapshot is None:
            raise errors.not_ready()
        key = directory.key(secret, now=now)
        if key is None:
            limits.try_wrong(address=address)
            raise errors.wrong_key()
    limits.come(key=key.id, address=address)
    if not key.may_ingest:
        raise errors.missing_scope()
    return key


def read_context(headers: Headers) -> Context:
    """What the X-Review headers say. Raises GatewayError."""
    reuse = _text(headers, "X-Review-Reuse", limit=NAME_LIMIT)
    if reuse is not None and reuse not in REUSE:
        raise errors.invalid_header("X-Review-Reuse", f"must be one of {', '.join(REUSE)}.")
    return Context(
        source=_text(headers, "X-Review-Source", limit=NAME_LIMIT),
        provider=_text(headers, "X-Review-Provider", limit=NAME_LIMIT),
        reuse=reuse,
        trace=_text(headers, "X-Review-Trace", limit=CONTEXT_LIMIT),
        session=_text(headers, "X-Review-Session", limit=CONTEXT_LIMIT),
        user=_text(headers, "X-Review-User", limit=CONTEXT_LIMIT),
        tags=_tags(headers),
    )


def _text(headers: Headers, name: str, *, limit: int) -> str | None:
    raw = headers.get(name.lower().encode())
    if raw is None:
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "%" in text:
        # HTTP libraries refuse what is not ASCII, so those characters may come percent-encoded.
        text = unquote(text)
    text = text.strip()
    if len(text) > limit:
        raise errors.invalid_header(name, f"has {len(text):,} characters, at most {limit} fit.")
    if not text.isprintable():
        raise errors.invalid_header(name, "holds a control character; leave it out.")
    return text or None


def _tags(headers: Headers) -> tuple[str, ...]:
    text = _text(headers, "X-Review-Tags", limit=TAG_LIMIT * TAGS_LIMIT)
    if text is None:
        return ()
    tags = tuple(dict.fromkeys(tag for part in text.split(",") if (tag := part.strip())))
    if len(tags) > TAGS_LIMIT or any(len(tag) > TAG_LIMIT for tag in tags):
        raise errors.invalid_header(
            "X-Review-Tags", f"may name {TAGS_LIMIT} tags of {TAG_LIMIT} characters, separated by commas."
        )
    return tags


async def find_route(directory: Directory, key: KeyEntry, context: Context) -> Route:
    """Source and provider of the call. What is not known is looked up once more. Raises GatewayError."""
    try:
        return _route(_known(directory), key, context)
    except errors.GatewayError:
        await directory.refreshed()
        return _route(_known(directory), key, context)


def _known(directory: Directory) -> Snapshot:
    if directory.snapshot is None:
        raise errors.not_ready()
    return directory.snapshot


def _route(known: Snapshot, key: KeyEntry, context: Context) -> Route:
    name = context.source or key.source
    source = known.sources.get((key.project, name)) if name is not None else None
    provider_id: UUID | None
    if context.provider is not None:
        provider_id = known.provider_names.get((key.project, context.provider))
        if provider_id is None:
            raise errors.unknown_provider(context.provider)
    else:
        provider_id = (source.provider if source else None) or known.default_providers.get(key.project)
    provider = known.providers.get(provider_id) if provider_id is not None else None
    if provider is None:
        raise errors.no_provider()
    if not provider.base_url:
        raise errors.not_callable(provider.name)
    if provider.problem is not None:
        raise errors.unreadable_secret(provider.problem)
    return Route(project=key.project, source_name=name, source=source, provider=provider)


def read_request(body: bytes) -> dict[str, Any]:
    """The request as a value. Raises GatewayError when it is no JSON object."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        # What only the lenient reader takes: NaN, half surrogates, a byte order mark.
        request = _parsed(body)
    if not isinstance(request, dict):
        raise errors.no_json("It is another JSON value.")
    return request


def _parsed(body: bytes) -> Any:
    try:
        return rawjson.parse(body)
    except rawjson.InvalidJson as error:
        raise errors.no_json(str(error)) from None


def wants_seed(endpoint: Endpoint, request: dict[str, Any], source: SourceEntry | None) -> bool:
    """Whether the source's policy gives this request a seed."""
    return source is not None and source.add_seed and endpoint in _SEEDED and seed_of(request) is None


def outgoing(
    endpoint: Endpoint,
    body: bytes,
    request: dict[str, Any],
    source: SourceEntry | None,
    *,
    seed: int | None = None,
) -> tuple[bytes, int | None]:
    """The request as it goes to the provider, and the seed in it. `seed`: the one it is given."""
    additions = dict(_additions(endpoint, request, source)) if source is not None else {}
    if seed is not None:
        additions["seed"] = str(seed)
    if additions:
        text = rawjson.splice(rawjson.decode(body), set=additions)
        body = rawjson.to_bytes(text)
    if "seed" in additions:
        return body, int(additions["seed"])
    if any(isinstance(request.get(name), float) for name in SEED_FIELDS):
        # The fast reader makes floats of integers beyond 64 bits; the seed is told exactly.
        request = _parsed(body)
    return body, seed_of(request)


def _additions(endpoint: Endpoint, request: dict[str, Any], source: SourceEntry) -> Iterable[tuple[str, str]]:
    """What the source's policy adds, as raw JSON by member."""
    if source.add_logprobs and request.get("logprobs") is None:
        if endpoint == "chat.completions":
            yield "logprobs", "true"
        elif endpoint == "completions":
            yield "logprobs", "1"
        elif endpoint == "responses":
            wanted, included = "message.output_text.logprobs", request.get("include") or []
            if isinstance(included, list) and wanted not in included:
                yield "include", json.dumps([*included, wanted])
