"""What a model's backends do over time: who answers a request, and what goes wrong with it.

The n-th request to a model draws all that is accidental about it (backend, replica, flip, latency, fault)
from a key of the configuration's seed, the model and n. A change of the backend, made at run time, is a
*rollout*: it leads from the backends that were there to the ones that come, at once or over some seconds,
for all requests or for a share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import NormalDist
from typing import Any

from reviewapp.providers.simulated.chance import key_of, uniforms, whole
from reviewapp.providers.simulated.config import Config, Member, Model
from reviewapp.providers.simulated.language import Layer, Weights

_P95 = NormalDist().inv_cdf(0.95)
_NORMAL = NormalDist()
_DRAWS = 8


@dataclass(frozen=True, slots=True)
class Backend:
    """Weights behind a fingerprint, with their share of the requests."""

    fingerprint: str | None
    share: float
    weights: Weights


@dataclass(frozen=True, slots=True)
class Rollout:
    """From the backends before to those after: `share` of the requests, reached after `over` seconds."""

    before: tuple[Backend, ...]
    after: tuple[Backend, ...]
    share: float
    since: float
    over: float

    def share_at(self, now: float) -> float:
        """The share that the new backends have now."""
        return (
            self.share if self.over <= 0 else self.share * min(1.0, max(0.0, (now - self.since) / self.over))
        )


@dataclass(frozen=True, slots=True)
class Serving:
    """All that is accidental about one request."""

    number: int
    fingerprint: str | None
    weights: Weights
    noise: Layer | None
    flip: bool
    flip_at: float
    seed: int
    latency: float
    fault: str | None
    fault_at: float
    key: bytes


class ModelState:
    """One model at run time."""

    def __init__(self, model: Model, config: Config, *, now: float) -> None:
        self.model = model
        self.config = config
        self.started = now
        self.requests = 0
        self.rollout: Rollout | None = None
        self.changes: list[dict[str, Any]] = []
        self.fault_shares = dict(model.faults)
        self.next_faults: deque[str] = deque()
        self._base = key_of(config.seed, model.name, model.backend)

    def reconfigure(self, model: Model, config: Config) -> None:
        """Takes over changed settings; counters and changes made at run time stay, where they still mean
        something."""
        if model.fingerprints != self.model.fingerprints or config.seed != self.config.seed:
            self.rollout = None
        if model.faults != self.model.faults:
            self.fault_shares = dict(model.faults)
        self.model, self.config = model, config
        self._base = key_of(config.seed, model.name, model.backend)

    def backends(self, *, now: float) -> list[Backend]:
        """The backends that answer now, each with its share; the shares add up to 1."""
        if self.rollout is None:
            return self._scheduled(now=now)
        share = self.rollout.share_at(now)
        parts = [(1 - share, self.rollout.before), (share, self.rollout.after)]
        return [
            Backend(each.fingerprint, each.share * part, each.weights)
            for part, backends in parts
            for each in backends
            if each.share * part > 0
        ]

    def _scheduled(self, *, now: float) -> list[Backend]:
        policy = self.model.fingerprints
        members = policy.members
        elapsed = now - self.started
        if policy.repeat_seconds:
            elapsed %= policy.repeat_seconds
        for phase in policy.schedule:
            by_time = phase.after_seconds is not None and elapsed >= phase.after_seconds
            by_count = phase.after_requests is not None and self.requests >= phase.after_requests
            if by_time or by_count:
                members = phase.members
        total = sum(member.share for member in members)
        return [self._backend(member, member.share / total) for member in members if member.share > 0]

    def _backend(self, member: Member, share: float) -> Backend:
        layers: tuple[Layer, ...] = ()
        if member.shift:
            key = key_of(self.config.seed, self.model.name, "member", member.fingerprint)
            layers = (Layer(key, member.shift),)
        return Backend(member.fingerprint, share, Weights(self._base, layers, self.model.top_p))

    def serve(self, *, now: float) -> Serving:
        """Draws what is accidental about the next request."""
        number = self.requests
        config, model = self.config, self.model
        key = key_of(config.seed, model.name, "request", number)
        draws = uniforms(key, _DRAWS)
        backend = _drawn(self.backends(now=now), draws[0])
        self.requests += 1
        weights = backend.weights
        noise = None
        if model.noise:
            replica = int(draws[1] * model.replicas)
            noise = Layer(key_of(config.seed, model.name, "replica", replica), model.noise)
            if model.noise_reaches_text:
                weights = Weights(weights.key, (*weights.layers, noise), weights.top_p)
                noise = None
        fingerprint = backend.fingerprint
        if model.fingerprints.kind == "random":
            fingerprint = new_fingerprint(config.seed, model.name, "random", number)
        fault = self._fault(draws[4])
        latency = self._latency(draws[3])
        return Serving(
            number=number,
            fingerprint=fingerprint,
            weights=weights,
            noise=noise,
            flip=draws[2] < model.flip_share,
            flip_at=draws[5],
            seed=whole(key_of(key, "seed"), bits=31) or 1,
            latency=max(latency * 10, 2 * config.time_scale) if fault == "slow" else latency,
            fault=fault,
            fault_at=draws[6],
            key=key,
        )

    def _fault(self, draw: float) -> str | None:
        if self.next_faults:
            return self.next_faults.popleft()
        for fault, share in self.fault_shares.items():
            if draw < share:
                return fault
            draw -= share
        return None

    def _latency(self, draw: float) -> float:
        latency = self.model.latency
        if not latency.median_ms or not self.config.time_scale:
            return 0.0
        spread = log(latency.p95_ms / latency.median_ms) / _P95
        # Above the 99.9th percentile lies what the faults are for.
        quantile = _NORMAL.inv_cdf(min(0.999, max(0.001, draw)))
        return latency.median_ms * exp(spread * quantile) * self.config.time_scale / 1000

    def change(
        self,
        *,
        size: float,
        fingerprint: str,
        now: float,
        share: float = 1.0,
        over: float = 0.0,
        top_p: float | None = None,
    ) -> dict[str, Any]:
        """Changes the backend. `fingerprint` is "new", "same", "null", or the value to report."""
        before = self.backends(now=now)
        number = len(self.changes) + 1
        layer = Layer(key_of(self.config.seed, self.model.name, "change", number), size)

        def changed(backend: Backend) -> Weights:
            weights = backend.weights
            layers = (*weights.layers, layer) if size else weights.layers
            return Weights(weights.key, layers, top_p if top_p is not None else weights.top_p)

        if fingerprint == "same":
            after = [Backend(each.fingerprint, each.share, changed(each)) for each in before]
            value: str | None = None
        else:
            value = {
                "new": new_fingerprint(self.config.seed, self.model.name, "change", number),
                "null": None,
            }.get(fingerprint, fingerprint)
            largest = max(before, key=lambda backend: backend.share)
            after = [Backend(value, 1.0, changed(largest))]
        self.rollout = Rollout(_merged(before), _merged(after), share, now, over)
        made = {
            "number": number,
            "size": size,
            "top_p": top_p,
            "fingerprint": fingerprint,
            "value": value,
            "share": share,
            "over_seconds": over,
            "at": now,
            "after_requests": self.requests,
        }
        self.changes.append(made)
        return made


def _drawn(backends: Sequence[Backend], draw: float) -> Backend:
    for backend in backends:
        if draw < backend.share:
            return backend
        draw -= backend.share
    return backends[-1]


def _merged(backends: Sequence[Backend]) -> tuple[Backend, ...]:
    """Backends that are equal but for their share, as one."""
    shares: dict[tuple[str | None, Weights], float] = {}
    for backend in backends:
        key = (backend.fingerprint, backend.weights)
        shares[key] = shares.get(key, 0.0) + backend.share
    return tuple(Backend(fingerprint, share, weights) for (fingerprint, weights), share in shares.items())


def new_fingerprint(*parts: object) -> str:
    """A fingerprint in the shape that the largest vendor's have."""
    return "fp_" + key_of("fingerprint", *parts).hex()[:10]


@dataclass(slots=True)
class _Bucket:
    requests: float
    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a rate limit; `wait` is how long to wait when nothing is."""

    limit_requests: int
    limit_tokens: int
    left_requests: int
    left_tokens: int
    reset_requests: float
    reset_tokens: float
    wait: float = 0.0
    what: str = ""


class RateLimiter:
    """Limits a minute for each key and model, as buckets that fill steadily."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, *, model: Model, key: str, tokens: int, now: float) -> Allowance | None:
        """Takes one request of so many tokens; `wait` is above 0 when there is no room. None without
        limits."""
        limit = model.rate_limit
        if not limit.requests and not limit.tokens:
            return None
        if len(self._buckets) > 10_000:
            self._buckets.clear()
        bucket = self._buckets.setdefault((key, model.name), _Bucket(limit.requests, limit.tokens, now))
        elapsed = max(0.0, now - bucket.at)
        bucket.requests = min(limit.requests, bucket.requests + elapsed * limit.requests / 60)
        bucket.tokens = min(limit.tokens, bucket.tokens + elapsed * limit.tokens / 60)
        bucket.at = now
        wait, what = 0.0, ""
        if limit.requests and bucket.requests < 1:
            wait, what = (1 - bucket.requests) * 60 / limit.requests, "requests"
        if limit.tokens and bucket.tokens < min(tokens, limit.tokens):
            missing = (min(tokens, limit.tokens) - bucket.tokens) * 60 / limit.tokens
            wait, what = max((wait, what), (missing, "tokens"))
        if not wait:
            bucket.requests -= 1
            bucket.tokens -= min(tokens, limit.tokens)
        return Allowance(
            limit_requests=limit.requests,
            limit_tokens=limit.tokens,
            left_requests=max(0, int(bucket.requests)),
            left_tokens=max(0, int(bucket.tokens)),
            reset_requests=_refill(limit.requests, bucket.requests),
            reset_tokens=_refill(limit.tokens, bucket.tokens),
            wait=wait,
            what=what,
        )


def _refill(limit: int, left: float) -> float:
    return (limit - left) * 60 / limit if limit else 0.0
