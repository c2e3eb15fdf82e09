"""An app that an instrumentation watches: asks a provider a few questions and exports its spans.

    python -m tests.web.instrumented KIND PROVIDER_URL

Runs in a process of its own: instrumentations patch the openai SDK for good. Where the spans go, the
environment says, as in any instrumented app (OTEL_EXPORTER_OTLP_ENDPOINT and _HEADERS).
"""

from __future__ import annotations

import sys
from contextlib import suppress

from openai import NotFoundError, OpenAI
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def instrument(kind: str, tracing: TracerProvider) -> None:
    if kind == "openai-v2":
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    elif kind == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor
    else:
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument(tracer_provider=tracing)


def main(kind: str, provider: str) -> None:
    tracing = TracerProvider()
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(compression=Compression.Gzip)))
    instrument(kind, tracing)
    client = OpenAI(base_url=provider, api_key="sk-any", max_retries=0)
    say = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
    client.chat.completions.create(model="sim-small", messages=say, seed=42, temperature=0, max_tokens=20)
    for _ in client.chat.completions.create(model="sim-small", messages=say, seed=43, stream=True):
        pass
    with suppress(NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=say, seed=44)
    tracing.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
