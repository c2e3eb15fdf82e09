"""The API against its own OpenAPI description: what schemathesis makes up is answered as described.

For each operation it makes up requests that keep to the description and requests that break it. None may
end in a server error or in an answer that the description does not name, what breaks the description
is refused, and nothing is answered without a key.

Left out: that whatever keeps to the description is taken, since no description says what a cursor or a
search may be; and, where items are taken one by one or further query parameters mean nothing,
that the whole is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
import schemathesis
from django.core.serializers.json import DjangoJSONEncoder
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from reviewapp.web.api import api
from tests import counting, factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("journal")]


@pytest.fixture
def one_connection() -> Iterator[None]:
    """As Django's own test client does: a request must not close the connection of the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


description = schemathesis.openapi.from_dict(
    orjson.loads(DjangoJSONEncoder().encode(api.get_openapi_schema(path_prefix="/api/v1/")))
)
description.app = get_wsgi_application()


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: object) -> bytes:
    """The description calls lines a text, and so they are sent."""
    return str(value).encode("utf-8", "replace")


@description.parametrize()
@settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
@pytest.mark.usefixtures("one_connection")
def test_whatever_is_sent_is_answered_as_described(case, project):
    key = factories.make_key(project=project)

    answer = case.call_and_validate(
        headers={"Authorization": f"Bearer {key}"},
        excluded_checks=[positive_data_acceptance]
        + ([negative_data_rejection] if case.method == "GET" or case.path == "/api/v1/interactions" else []),
    )
    if case.meta is not None and case.meta.generation.mode.is_negative:
        counting.tried(status=answer.status_code)
