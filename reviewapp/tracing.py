"""Traces of the app itself, over OTLP, where `REVIEWAPP_TRACES_URL` says where to; else never imported.

OpenTelemetry's own instrumentations do the work: a span for each request, each task (as part of the
trace of the request that set it off) and each statement to the database. Bodies, parameters and headers
are not in them: what people ask and models answer stays where it is kept.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.conf import settings

log = logging.getLogger(__name__)

# Machines ask these every few seconds.
_UNTRACED: Final = frozenset(["/healthz", "/readyz", "/metrics"])
MISSING: Final = "REVIEWAPP_TRACES_URL: the packages for it are not installed; install the extra “tracing”"


def start(*, service: str, exporter: Any = None) -> None:
    """Send what this process does from now on. Ends the start where the packages are missing."""
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
    except ImportError:
        raise SystemExit(MISSING) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}),
        # A caller that traces decides for its calls; of the rest a share.
        sampler=ParentBasedTraceIdRatio(settings.TRACES_SHARE),
    )
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(settings.TRACES_URL)))
    trace.set_tracer_provider(provider)
    celery: Any = CeleryInstrumentor
    celery().instrument(tracer_provider=provider)
    PsycopgInstrumentor().instrument(tracer_provider=provider)


def traced(application: Any, *, service: str) -> Any:
    """The ASGI application, with a span for each request."""
    start(service=service)
    from opentelemetry import trace
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    async def whole(scope: Any, receive: Any, send: Any) -> None:
        scope |= scope.pop("untraced", {})
        span = trace.get_current_span()

        async def named(message: Any) -> None:
            # Known only now, and the span ends with the answer's last piece.
            if message["type"] == "http.response.start":
                route = scope.get("route")
                path = f"/{route}" if isinstance(route, str) else "other"
                span.update_name(f"{scope['method']} {path}")
                span.set_attribute("http.route", path)
            await send(message)

        await application(scope, receive, named)

    middleware: Any = OpenTelemetryMiddleware(whole, exclude_spans=["receive", "send"])

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await application(scope, receive, send)
            return
        # An address may hold what somebody searched for, or a sign-in link's secret.
        kept = {name: scope[name] for name in ("path", "raw_path", "query_string") if name in scope}
        await middleware(
            scope | {"path": "/", "raw_path": b"/", "query_string": b"", "untraced": kept}, receive, send
        )

    return answer
