"""What the tests of the gateway share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from reviewapp.models import Interaction
from tests import answering, factories
from tests.serving import serving, settle


class Gateway(httpx2.Client):
    """A client of the gateway with a key of `project`."""

    project: object
    key: str

    def recorded(self, response: httpx2.Response) -> Interaction:
        """What was recorded of the call that this is the answer of."""
        settle()
        return Interaction.objects.select_related("source", "provider", "body").get(
            id=response.headers["X-Review-Interaction"]
        )


@pytest.fixture
def provider() -> Iterator[answering.Answering]:
    with answering.answering() as provider:
        yield provider


@pytest.fixture
def gateway(transactional_db, journal, provider) -> Iterator[Gateway]:
    """The gateway on a socket; the tiny provider is its project's default."""
    project = factories.make_project(name="Demo")
    factories.make_provider(
        project=project, name="openai", base_url=provider.base_url, api_key="sk-provider", is_default=True
    )
    key = factories.make_key(project=project)
    headers = {"Authorization": f"Bearer {key}"}
    with serving() as address, Gateway(base_url=address, headers=headers, timeout=120) as client:
        client.project = project
        client.key = key
        yield client
