"""The response headers worth keeping: what tells which backend answered, and under which name.

Where a vendor reports no fingerprint they are part of the backend's identity; the request ids are
what its support asks for. Limits, cookies, and the ids of accounts are not kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

KEPT: Final = frozenset(
    [
        # Which backend.
        "openai-version",
        "openai-model",
        "azureml-model-session",
        "x-ms-deployment-name",
        "x-ms-region",
        "x-groq-region",
        "x-litellm-model-id",
        "x-litellm-version",
        "x-vercel-id",
        "server",
        "via",
        # Which request.
        "x-request-id",
        "request-id",
        "apim-request-id",
        "mistral-correlation-id",
        "x-ds-trace-id",
        "x-generation-id",
        "cf-ray",
        # How it went.
        "date",
        "content-type",
        "openai-processing-ms",
        "x-envoy-upstream-service-time",
        "x-ms-rai-invoked",
        "retry-after",
    ]
)
_LENGTH: Final = 500


def kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers to keep, by lower-case name; of several with one name, all in one value."""
    kept: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name in KEPT and len(value) <= _LENGTH and value.isprintable():
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept
