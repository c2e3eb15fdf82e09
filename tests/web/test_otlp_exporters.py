"""The real exporter and the real instrumentations of the openai SDK, against the app on a socket.

What each of them tells differs: OpenInference keeps the bodies whole, the others attributes only.
The SDK's own tracing settings are all that the app under watch sets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from reviewapp.models import Interaction
from reviewapp.providers.simulated import server
from tests.serving import settle

MODULES = {
    "openai-v2": "opentelemetry.instrumentation.openai_v2",
    "openinference": "openinference.instrumentation.openai",
    "traceloop": "opentelemetry.instrumentation.openai",
}
# Traceloop's tells no seed, and both others than OpenInference's lose the fingerprint of a stream.
SEEDS = {"openai-v2": [42, 43, 44], "openinference": [42, 43, 44], "traceloop": [None, None, None]}
STREAMED_FINGERPRINT = {"openai-v2": False, "openinference": True, "traceloop": False}


def installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("kind", MODULES)
def test_an_instrumented_app_is_recorded(gateway, kind):
    if not installed(MODULES[kind]) or not installed("opentelemetry.exporter.otlp.proto.http"):
        pytest.skip(f"{MODULES[kind]} and the OTLP exporter are not installed (uv sync)")
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{str(gateway.base_url).rstrip('/')}/otlp",
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{gateway.key}",
        "OTEL_SERVICE_NAME": "watched-app",
        # Seconds: what it waits for the app, by default ten.
        "OTEL_EXPORTER_OTLP_TIMEOUT": "120",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        # Traceloop's instrumentation reports home otherwise.
        "TRACELOOP_TELEMETRY": "false",
    }

    with server.running() as provider:
        done = subprocess.run(
            [sys.executable, "-m", "tests.web.instrumented", kind, provider],
            env=os.environ | settings,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    settle()

    assert (done.returncode, "export" in done.stderr) == (0, False), done.stderr
    asked, streamed, failed = Interaction.objects.select_related("source", "body").order_by("started_at")
    assert [asked.seed, streamed.seed, failed.seed] == SEEDS[kind]
    assert asked.fingerprint.startswith("fp_")
    assert bool(streamed.fingerprint) == STREAMED_FINGERPRINT[kind]
    assert (asked.status, failed.status) == (200, 404)
    assert (asked.source.name, asked.model, asked.prompt_preview) == (
        "watched-app",
        "sim-small",
        "Say hello.",
    )
    assert asked.answer_preview
    assert streamed.answer_preview
    assert asked.input_tokens
    assert asked.latency_ms is not None
