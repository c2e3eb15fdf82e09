"""What backends do over time, and the configuration that says so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from reviewapp.providers.simulated.behaviour import ModelState, RateLimiter
from reviewapp.providers.simulated.config import parse_config
from reviewapp.providers.simulated.fields import InvalidConfig


def state(name: str = "m", **model: Any) -> ModelState:
    config = parse_config({"catalogue": False, "models": {name: {"fingerprint": {"kind": "null"}, **model}}})
    return ModelState(config.models[name], config, now=0.0)


def pool(**shares: float) -> dict[str, Any]:
    return {
        "kind": "pool",
        "members": [{"fingerprint": name, "share": share} for name, share in shares.items()],
    }


def drawn(model: ModelState, times: int, *, now: float = 0.0) -> Counter[str | None]:
    return Counter(model.serve(now=now).fingerprint for _ in range(times))


def test_fingerprints_come_in_their_shares():
    seen = drawn(state(fingerprint=pool(a=3, b=1)), 4000)

    assert 2850 < seen["a"] < 3150


def test_the_same_configuration_draws_the_same_again():
    first, second = (
        state(fingerprint=pool(a=1, b=1), flip_share=0.3),
        state(fingerprint=pool(a=1, b=1), flip_share=0.3),
    )

    assert [first.serve(now=0) for _ in range(50)] == [second.serve(now=0) for _ in range(50)]


def test_shares_follow_the_schedule_by_time_and_begin_again():
    phases = [{"after_seconds": 0, **pool(a=1)}, {"after_seconds": 60, **pool(b=1)}]
    for phase in phases:
        del phase["kind"]
    model = state(fingerprint={**pool(a=1), "schedule": phases, "repeat_seconds": 120})

    assert drawn(model, 5, now=10) == {"a": 5}
    assert drawn(model, 5, now=70) == {"b": 5}
    assert drawn(model, 5, now=130) == {"a": 5}


def test_shares_follow_the_schedule_by_requests():
    members = pool(b=1)["members"]
    model = state(fingerprint={**pool(a=1), "schedule": [{"after_requests": 10, "members": members}]})

    assert drawn(model, 20) == {"a": 10, "b": 10}


def test_flips_come_in_their_share():
    model = state(flip_share=0.1)

    flips = sum(model.serve(now=0).flip for _ in range(3000))

    assert 230 < flips < 370


def test_a_rollout_grows_over_its_time():
    model = state(fingerprint=pool(a=1))
    model.change(size=0.1, fingerprint="b", now=100, share=0.8, over=60)

    shares = [
        {each.fingerprint: each.share for each in model.backends(now=now)} for now in (100, 130, 160, 500)
    ]

    assert shares[0] == {"a": 1.0}
    assert shares[1] == pytest.approx({"a": 0.6, "b": 0.4})
    assert shares[2] == shares[3] == pytest.approx({"a": 0.2, "b": 0.8})


def test_a_second_change_lies_over_the_first():
    model = state(fingerprint=pool(a=1))
    model.change(size=0.1, fingerprint="new", now=0)
    model.change(size=0.2, fingerprint="same", now=1)

    (backend,) = model.backends(now=2)

    assert [layer.size for layer in backend.weights.layers] == [0.1, 0.2]
    assert backend.fingerprint is not None


def test_members_of_a_pool_may_behave_differently():
    members = [{"fingerprint": "a"}, {"fingerprint": "b", "shift": 0.05}]
    model = state(fingerprint={"kind": "pool", "members": members})

    sizes = {
        each.fingerprint: [layer.size for layer in each.weights.layers] for each in model.backends(now=0)
    }

    assert sizes == {"a": [], "b": [0.05]}


def test_replicas_are_as_many_as_configured():
    model = state(replicas=3, noise=0.01)

    assert len({model.serve(now=0).noise for _ in range(100)}) == 3


def test_noise_that_reaches_the_text_is_part_of_the_weights():
    serving = state(replicas=3, noise=0.01, noise_reaches_text=True).serve(now=0)

    assert serving.noise is None
    assert [layer.size for layer in serving.weights.layers] == [0.01]


def test_latencies_are_spread_as_configured():
    model = state(latency={"median_ms": 100, "p95_ms": 400})

    waits = sorted(model.serve(now=0).latency for _ in range(2000))

    assert 0.09 < waits[1000] < 0.11
    assert 0.33 < waits[1900] < 0.48


def test_a_bucket_fills_again_with_time():
    config = parse_config({"models": {"sim-small": {"rate_limit": {"requests_per_minute": 60}}}})
    limiter, model = RateLimiter(), config.models["sim-small"]
    for _ in range(60):
        limiter.take(model=model, key="k", tokens=1, now=0)

    refused = limiter.take(model=model, key="k", tokens=1, now=0)
    later = limiter.take(model=model, key="k", tokens=1, now=1)

    assert refused is not None
    assert refused.wait == pytest.approx(1)
    assert later is not None
    assert later.wait == 0


def test_a_model_can_be_made_from_another():
    config = parse_config({"models": {"mine": {"extends": "sim-small", "flip_share": 0.5}}})

    assert config.models["mine"].flip_share == 0.5
    assert config.models["mine"].fingerprints == config.models["sim-small"].fingerprints


def test_the_catalogue_can_be_left_out():
    assert list(parse_config({"catalogue": False, "models": {"only": {}}}).models) == ["only"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([], "expected an object, got a list"),
        ({"modles": {}}, "modles: is not a setting; did you mean 'models'?"),
        ({"seed": "x"}, "seed: expected a number from 0 to 9.22337e+18, got a text"),
        ({"models": {"m": {"flip_share": 2}}}, "models.m.flip_share: must be from 0 to 1, is 2"),
        ({"models": {"m": {"seed": "maybe"}}}, "models.m.seed: must be one of honoured, ignored; is 'maybe'"),
        ({"models": {"m": {"extends": "gone"}}}, "models.m.extends: there is no model 'gone'"),
        ({"models": {"a b": {}}}, "models.a b: a model's name has 1 to 100 characters"),
        ({"models": {"m": {"fingerprint": {"kind": "pool"}}}}, "models.m.fingerprint.members: a pool needs"),
        ({"models": {"m": {"fingerprint": {"kind": "constant"}}}}, "models.m.fingerprint.value: a constant"),
        ({"models": {"m": {"latency": {"median_ms": 9, "p95_ms": 3}}}}, "models.m.latency.p95_ms: must not"),
        ({"models": {"m": {"faults": {"timeout": 0.7, "quota": 0.7}}}}, "models.m.faults: the shares add up"),
        ({"models": {"m": 3}}, "models.m: expected an object"),
        ({"catalogue": False}, "models: there is no model"),
        ({"api_keys": [1]}, "api_keys[0]: expected a text"),
        ({"change_sizes": {"little": -1}}, "change_sizes.little: must be from 0 to 10"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_by_the_name_of_the_field(settings, message):
    with pytest.raises(InvalidConfig) as caught:
        parse_config(settings)

    assert str(caught.value).startswith(message)


def test_a_phase_needs_one_moment():
    phase = {"members": pool(a=1)["members"], "after_seconds": 1, "after_requests": 1}

    with pytest.raises(InvalidConfig, match="only one of them"):
        state(fingerprint={**pool(a=1), "schedule": [phase]})
