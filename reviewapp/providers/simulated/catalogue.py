"""The models that are there without a configuration: each behaviour by a name of its own."""

from __future__ import annotations

from typing import Any

DEFAULT_SEED = 20261101

_LATENCY = {"median_ms": 60, "p95_ms": 240, "token_ms": 1.5}


def _pool(*members: tuple[str, float]) -> dict[str, Any]:
    return {"kind": "pool", "members": [{"fingerprint": value, "share": share} for value, share in members]}


_ROTATION = (
    "fp_7a31c0de55",
    "fp_19b4e8f206",
    "fp_c05d7713ab",
    "fp_e2a96f4d18",
    "fp_58f30b91c7",
    "fp_b6620ad9e4",
)


def _rotating() -> dict[str, Any]:
    """One value dominates, and every five minutes it is the next one; the last one fades as it does so."""
    phases = []
    for index, value in enumerate(_ROTATION):
        before = _ROTATION[index - 1]
        after = _ROTATION[(index + 1) % len(_ROTATION)]
        members = [(value, 0.79), (before, 0.13), (after, 0.08)]
        phases.append({"after_seconds": 300 * index, "members": _pool(*members)["members"]})
    return {
        "kind": "pool",
        "members": phases[0]["members"],
        "schedule": phases,
        "repeat_seconds": 300 * len(_ROTATION),
    }


MODELS: dict[str, dict[str, Any]] = {
    # An ordinary vendor: a small pool, seeds honoured, now and then a flip between two tokens nearly tied.
    "sim-small": {
        "fingerprint": _pool(("fp_44a1c09e7d", 0.8), ("fp_9be02f6c31", 0.2)),
        "flip_share": 0.02,
        "replicas": 2,
        "noise": 2e-4,
        "latency": _LATENCY,
    },
    # The same with longer answers, slower.
    "sim-large": {
        "fullness": 1.5,
        "fingerprint": _pool(("fp_d3507be1f8", 0.7), ("fp_2c8e914a06", 0.3)),
        "flip_share": 0.03,
        "replicas": 3,
        "noise": 3e-4,
        "latency": {"median_ms": 140, "p95_ms": 600, "token_ms": 4},
    },
    # A self-hosted server: one fingerprint for ever, and bit-identical.
    "sim-steady": {
        "fingerprint": {"kind": "constant", "value": "sim-b7010-c27efd2bd"},
        "latency": _LATENCY,
    },
    # A fleet whose fingerprints rotate on a schedule.
    "sim-rotating": {
        "fingerprint": _rotating(),
        "flip_share": 0.02,
        "replicas": 4,
        "noise": 5e-4,
        "latency": _LATENCY,
    },
    # A fleet whose replicas differ enough to be seen in texts: numeric noise reaches the sampler.
    "sim-fleet": {
        "fingerprint": {"kind": "constant", "value": "fp_sim_fleet"},
        "replicas": 6,
        "noise": 0.02,
        "noise_reaches_text": True,
        "latency": _LATENCY,
    },
    # A gateway that invents a fingerprint for each response.
    "sim-random-fp": {"fingerprint": {"kind": "random"}, "flip_share": 0.02, "latency": _LATENCY},
    # A vendor that reports null.
    "sim-silent": {"fingerprint": {"kind": "null"}, "flip_share": 0.02, "latency": _LATENCY},
    # A vendor that ignores the seed.
    "sim-no-seed": {
        "fingerprint": _pool(("fp_0f3a6e9c52", 1.0)),
        "seed": "ignored",
        "latency": _LATENCY,
    },
    # Everything that goes wrong on the way.
    "sim-flaky": {
        "fingerprint": _pool(("fp_a77e20c4b1", 1.0)),
        "flip_share": 0.02,
        "latency": {"median_ms": 80, "p95_ms": 800, "token_ms": 2},
        "rate_limit": {"requests_per_minute": 600, "tokens_per_minute": 200_000},
        "timeout_seconds": 20,
        "faults": {
            "rate_limited": 0.08,
            "server_error": 0.04,
            "bad_gateway": 0.02,
            "overloaded": 0.03,
            "timeout": 0.01,
            "hang_up": 0.01,
            "truncated": 0.03,
            "ended_early": 0.02,
            "malformed": 0.02,
            "stream_error": 0.02,
            "slow": 0.04,
        },
    },
    # A vendor that says which seed it used.
    "sim-echo": {
        "fingerprint": _pool(("fp_6d10b84e2f", 1.0)),
        "echo_seed": "choices",
        "flip_share": 0.02,
        "latency": _LATENCY,
    },
    # Streams as Azure's (no fingerprint in the first chunk), log probabilities as vLLM's (the sampled token
    # first).
    "sim-late-fp": {
        "fingerprint": {"kind": "constant", "value": "sim-0.24.0-tp4-6d31f84d"},
        "fingerprint_in_stream": "not_first",
        "sampled_first": True,
        "latency": _LATENCY,
    },
    # For benchmarks: one canned answer, made once.
    "sim-fast": {"fingerprint": {"kind": "constant", "value": "fp_sim_fast"}, "fast": True},
    "sim-embed": {
        "kind": "embedding",
        "fingerprint": {"kind": "absent"},
        "latency": {"median_ms": 20, "p95_ms": 60},
    },
}
