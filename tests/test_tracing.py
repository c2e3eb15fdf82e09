"""Traces of the app itself: a request, the task it sets off and what both ask the database are one trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

from tests.environment import corner

# In a process of its own: what OpenTelemetry wraps it keeps wrapped.
PROGRAM = """
import asyncio, json, sys
from reviewapp.asgi import product
from django.test.utils import override_settings
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry import trace
from reviewapp import tracing

kept = InMemorySpanExporter()
plain = tracing.start
tracing.start = lambda *, service: plain(service=service, exporter=kept)
answer = tracing.traced(product, service="reviewapp-web")

async def get(path, query=b""):
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
             "path": path, "raw_path": path.encode(), "query_string": query, "scheme": "http",
             "headers": [(b"host", b"localhost")], "server": ("localhost", 80), "client": ("127.0.0.1", 1)}
    sent, asked = [], False
    async def receive():
        nonlocal asked
        if asked: await asyncio.sleep(3600)
        asked = True
        return {"type": "http.request", "body": b""}
    async def send(message): sent.append(message)
    await answer(scope, receive, send)
    return sent[0]["status"]

async def main():
    said = [await get("/accounts/link/a-secret-token/"), await get("/api/v1/fingerprints", b"q=hidden"),
            await get("/healthz")]
    from reviewapp import tasks
    from django.utils import timezone
    from reviewapp.stages import review
    with trace.get_tracer("test").start_as_current_span("outer"):
        tasks.review_sweep.apply_async()
        await asyncio.to_thread(lambda: review.return_expired(now=timezone.now()))
    trace.get_tracer_provider().force_flush()
    print(json.dumps({"statuses": said, "spans": [
        {"name": s.name, "trace": s.context.trace_id, "attributes": dict(s.attributes)}
        for s in kept.get_finished_spans()]}, default=str))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def told(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        database = connection.settings_dict
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            # Not the web process: its static files are collected by the start of the product.
            "REVIEWAPP_ROLE": "test",
            "REVIEWAPP_TRACES_PERCENT": "100",
            "REVIEWAPP_DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}",
            "REVIEWAPP_BROKER_URL": f"{settings.BROKER_URL.partition('?')[0]}?virtual_host={corner(2)}",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_span_has_its_routes_name_and_nothing_of_the_address(told):
    names = [span["name"] for span in told["spans"]]

    assert "GET /accounts/link/<str:token>/" in names
    assert "GET /api/v1/fingerprints" in names
    assert "a-secret-token" not in json.dumps(told["spans"])
    assert "hidden" not in json.dumps(told["spans"])


def test_health_checks_are_not_traced(told):
    assert told["statuses"][2] == 200
    assert not [span for span in told["spans"] if "healthz" in json.dumps(span)]


def test_a_task_and_the_statements_belong_to_the_trace_that_set_them_off(told):
    [outer] = [span for span in told["spans"] if span["name"] == "outer"]
    within = [span["name"] for span in told["spans"] if span["trace"] == outer["trace"]]

    assert any("review_sweep" in name for name in within)
    assert any(name.startswith(("SELECT", "UPDATE", "WITH", "DELETE")) for name in within)
