"""What of the simulated provider can be configured, checked strictly.

A configuration is one JSON object. Its models are laid over the catalogue's (`catalogue.py`) field by
field, so that `{"models": {"sim-small": {"flip_share": 0.5}}}` is a whole configuration; `extends` makes a
new model from another. docs/simulated-provider.md describes each field for its reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from reviewapp.providers.simulated.catalogue import DEFAULT_SEED, MODELS
from reviewapp.providers.simulated.fields import Fields, InvalidConfig

FINGERPRINT_KINDS = ("pool", "constant", "random", "null", "absent")
STREAM_PLACES = ("all", "first", "last", "not_first")
SEED_ECHOES = ("none", "choices", "x_groq", "details")
FAULTS = (
    "rate_limited",
    "quota",
    "server_error",
    "bad_gateway",
    "overloaded",
    "timeout",
    "hang_up",
    "truncated",
    "ended_early",
    "malformed",
    "stream_error",
    "slow",
)


@dataclass(frozen=True, slots=True)
class Member:
    """One backend of a pool: the fingerprint it reports and its share of the requests.

    `shift` is by how much its logits differ from the model's own, in nats.
    """

    fingerprint: str | None
    share: float
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Phase:
    """The pool from a moment on: so many seconds after the start, or so many requests."""

    members: tuple[Member, ...]
    after_seconds: float | None = None
    after_requests: int | None = None


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What a model reports as its fingerprint."""

    kind: str = "pool"
    members: tuple[Member, ...] = ()
    schedule: tuple[Phase, ...] = ()
    repeat_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Time to the first token, log-normal, and the time between tokens."""

    median_ms: float = 0.0
    p95_ms: float = 0.0
    token_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Limits a minute, for each key and model."""

    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """One model and how it behaves."""

    name: str
    kind: str = "chat"
    snapshot: str = "2026-11-01"
    backend: str = "r1"
    fullness: float = 1.0
    fingerprints: Fingerprints = Fingerprints()
    fingerprint_in_stream: str = "all"
    seed: str = "honoured"
    echo_seed: str = "none"
    flip_share: float = 0.0
    tie_margin: float = 0.03
    replicas: int = 1
    noise: float = 0.0
    noise_reaches_text: bool = False
    top_p: float = 1.0
    logprobs: bool = True
    max_top_logprobs: int = 20
    sampled_first: bool = False
    dimensions: int = 256
    latency: Latency = Latency()
    rate_limit: RateLimit = RateLimit()
    faults: Mapping[str, float] = field(default_factory=dict)
    timeout_seconds: float = 600.0
    retry_after_seconds: float = 1.0
    fast: bool = False

    @property
    def served_name(self) -> str:
        """The name that responses carry."""
        return f"{self.name}-{self.snapshot}"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `time_scale` stretches all latencies; 0 makes answers immediate."""

    models: Mapping[str, Model]
    seed: int = DEFAULT_SEED
    api_keys: frozenset[str] = frozenset()
    time_scale: float = 1.0
    strict_parameters: bool = False
    little: float = 0.02
    lot: float = 0.8

    def model(self, name: str) -> Model | None:
        """The model of this name, or of the name with its snapshot."""
        found = self.models.get(name)
        if found is None:
            found = next((model for model in self.models.values() if model.served_name == name), None)
        return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """A model's settings laid over another's; latency, limits and faults field by field."""
    found = {**below, **above}
    for name in ("latency", "rate_limit", "faults"):
        if isinstance(below.get(name), Mapping) and isinstance(above.get(name), Mapping):
            found[name] = {**below[name], **above[name]}
    return found


def parse_config(value: Any) -> Config:
    """Checks a configuration. Raises InvalidConfig, which names the field and says what would be right."""
    fields = Fields(value, "")
    with_catalogue = fields.flag("catalogue", True)
    sizes = Fields(fields.any("change_sizes", {}), "change_sizes")
    little = sizes.number("little", 0.02, low=0, high=10)
    lot = sizes.number("lot", 0.8, low=0, high=10)
    sizes.done()
    raw: dict[str, Any] = dict(MODELS) if with_catalogue else {}
    for name, path, item in fields.table("models"):
        if not isinstance(item, Mapping):
            raise InvalidConfig(path, "expected an object with the model's settings")
        below = item.get("extends", name)
        if "extends" in item and below not in raw:
            raise InvalidConfig(f"{path}.extends", f"there is no model {below!r} before this one")
        own = {key: each for key, each in item.items() if key != "extends"}
        raw[name] = merged(raw.get(below, {}), own)
    if not raw:
        raise InvalidConfig("models", 'there is no model; leave out "catalogue": false, or add one')
    keys = fields.items("api_keys")
    for path, key in keys:
        if not isinstance(key, str) or not key:
            raise InvalidConfig(path, "expected a text")
    config = Config(
        models={name: _model(name, f"models.{name}", item) for name, item in raw.items()},
        seed=fields.whole("seed", DEFAULT_SEED, low=0, high=2**63 - 1),
        api_keys=frozenset(key for _, key in keys),
        time_scale=fields.number("time_scale", 1.0, low=0, high=1000),
        strict_parameters=fields.flag("strict_parameters", False),
        little=little,
        lot=lot,
    )
    fields.done()
    return config


def read_settings(path: Path) -> dict[str, Any]:
    """Reads a configuration file, and checks it. Raises InvalidConfig."""
    try:
        value = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InvalidConfig("", f"{path} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise InvalidConfig("", f"{path} is not valid JSON: {error}") from error
    parse_config(value)
    return dict(value)


def _model(name: str, path: str, value: Any) -> Model:
    if not name or len(name) > 100 or not name.isprintable() or "/" in name or " " in name:
        raise InvalidConfig(path, "a model's name has 1 to 100 characters, and no space or slash")
    fields = Fields(value, path)
    model = Model(
        name=name,
        kind=fields.one_of("kind", "chat", ("chat", "embedding")),
        snapshot=fields.text("snapshot", "2026-11-01", most=40),
        backend=fields.text("backend", "r1"),
        fullness=fields.number("fullness", 1.0, low=0, high=3),
        fingerprints=_fingerprints(fields.any("fingerprint", {"kind": "null"}), fields.path("fingerprint")),
        fingerprint_in_stream=fields.one_of("fingerprint_in_stream", "all", STREAM_PLACES),
        seed=fields.one_of("seed", "honoured", ("honoured", "ignored")),
        echo_seed=fields.one_of("echo_seed", "none", SEED_ECHOES),
        flip_share=fields.number("flip_share", 0.0, low=0, high=1),
        tie_margin=fields.number("tie_margin", 0.03, low=0, high=1),
        replicas=fields.whole("replicas", 1, low=1, high=1000),
        noise=fields.number("noise", 0.0, low=0, high=5),
        noise_reaches_text=fields.flag("noise_reaches_text", False),
        top_p=fields.number("top_p", 1.0, low=0.01, high=1),
        logprobs=fields.flag("logprobs", True),
        max_top_logprobs=fields.whole("max_top_logprobs", 20, low=0, high=20),
        sampled_first=fields.flag("sampled_first", False),
        dimensions=fields.whole("dimensions", 256, low=1, high=4096),
        latency=_latency(fields.any("latency", {}), fields.path("latency")),
        rate_limit=_rate_limit(fields.any("rate_limit", {}), fields.path("rate_limit")),
        faults=parse_fault_shares(fields.any("faults", {}), fields.path("faults")),
        timeout_seconds=fields.number("timeout_seconds", 600.0, low=0, high=86_400),
        retry_after_seconds=fields.number("retry_after_seconds", 1.0, low=0, high=3600),
        fast=fields.flag("fast", False),
    )
    fields.done()
    return model


def _fingerprints(value: Any, path: str) -> Fingerprints:
    fields = Fields(value, path)
    kind = fields.one_of("kind", "pool", FINGERPRINT_KINDS)
    if kind == "constant":
        constant = fields.any("value")
        if not isinstance(constant, str) or len(constant) > 200:
            raise fields.wrong("value", "a constant fingerprint needs a text of at most 200 characters")
        fields.done()
        return Fingerprints(kind=kind, members=(Member(constant, 1.0),))
    if kind != "pool":
        fields.done()
        return Fingerprints(kind=kind, members=(Member(None, 1.0),))
    members = tuple(_member(item, where) for where, item in fields.items("members"))
    if not members or sum(member.share for member in members) <= 0:
        raise fields.wrong("members", "a pool needs a member with a share above 0")
    schedule = tuple(_phase(item, where) for where, item in fields.items("schedule"))
    repeat = fields.number("repeat_seconds", 0, low=0, high=1e8)
    fields.done()
    return Fingerprints(kind=kind, members=members, schedule=schedule, repeat_seconds=repeat)


def _member(value: Any, path: str) -> Member:
    fields = Fields(value, path)
    fingerprint = fields.any("fingerprint")
    if fingerprint is not None and (not isinstance(fingerprint, str) or len(fingerprint) > 200):
        raise fields.wrong("fingerprint", "expected a text of at most 200 characters, or null")
    member = Member(
        fingerprint,
        fields.number("share", 1.0, low=0, high=1e6),
        fields.number("shift", 0.0, low=0, high=10),
    )
    fields.done()
    return member


def _phase(value: Any, path: str) -> Phase:
    fields = Fields(value, path)
    if ("after_seconds" in fields) == ("after_requests" in fields):
        raise InvalidConfig(path, "a phase needs after_seconds or after_requests, and only one of them")
    seconds = fields.number("after_seconds", 0, low=0, high=1e8) if "after_seconds" in fields else None
    requests = fields.whole("after_requests", 0, low=0, high=10**12) if "after_requests" in fields else None
    members = tuple(_member(item, where) for where, item in fields.items("members"))
    if sum(member.share for member in members) <= 0:
        raise fields.wrong("members", "a phase needs a member with a share above 0")
    fields.done()
    return Phase(members, seconds, requests)


def _latency(value: Any, path: str) -> Latency:
    fields = Fields(value, path)
    median = fields.number("median_ms", 0, low=0, high=3.6e6)
    latency = Latency(
        median,
        fields.number("p95_ms", median, low=0, high=3.6e6),
        fields.number("token_ms", 0, low=0, high=60_000),
    )
    if latency.p95_ms < latency.median_ms:
        raise fields.wrong("p95_ms", "must not be below median_ms")
    fields.done()
    return latency


def _rate_limit(value: Any, path: str) -> RateLimit:
    fields = Fields(value, path)
    limit = RateLimit(
        fields.whole("requests_per_minute", 0, low=0, high=10**9),
        fields.whole("tokens_per_minute", 0, low=0, high=10**12),
    )
    fields.done()
    return limit


def parse_fault_shares(value: Any, path: str) -> dict[str, float]:
    """Shares of the requests by kind of fault; together at most 1."""
    fields = Fields(value, path)
    shares = {name: share for name in FAULTS if (share := fields.number(name, 0, low=0, high=1))}
    fields.done()
    if sum(shares.values()) > 1 + 1e-9:
        raise InvalidConfig(path, f"the shares add up to {sum(shares.values()):g}; they may not exceed 1")
    return shares
