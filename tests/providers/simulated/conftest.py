"""A simulated provider for each module that asks for one, and clients of the real SDK."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import openai
import pytest

from reviewapp.providers.simulated.server import running


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The catalogue, without waiting."""
    with running() as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sk-any", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def http(base_url: str) -> Iterator[httpx2.Client]:
    """Plain HTTP to the same server, for what the SDK hides and for the controls."""
    with httpx2.Client(base_url=base_url.removesuffix("/v1"), timeout=120) as plain:
        plain.post("/_sim/reset", json={})
        yield plain
