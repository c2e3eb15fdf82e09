from __future__ import annotations

import pytest

from reviewapp.providers.client import Target
from reviewapp.providers.probe import probe
from reviewapp.providers.simulated import server


@pytest.fixture(scope="module")
def base_url():
    with server.running() as url:
        yield url


async def findings(base_url, model):
    found = await probe(target=Target(name="sim", base_url=base_url, timeout_seconds=20), model=model)
    return {finding.name: finding for finding in found.findings}


async def test_a_good_provider_is_told_as_one(base_url):
    found = await findings(base_url, "sim-steady")

    assert [found[name].good for name in ("reachable", "answers", "fingerprint", "logprobs", "seed")] == [
        True
    ] * 5


async def test_a_provider_that_ignores_the_seed_is_found_out(base_url):
    found = await findings(base_url, "sim-no-seed")

    assert found["seed"].good is False
    assert "ignores the seed" in found["seed"].text


async def test_a_provider_without_fingerprints_is_told_as_one(base_url):
    found = await findings(base_url, "sim-silent")

    assert found["fingerprint"].good is False


async def test_an_unknown_model_is_named(base_url):
    found = await findings(base_url, "no-such-model")

    assert found["answers"].good is False
    assert "no-such-model" in found["answers"].text


async def test_a_provider_that_is_away_is_not_reachable():
    found = await findings("http://127.0.0.1:9/v1", "")

    assert list(found) == ["reachable"]
    assert found["reachable"].good is False
