"""The shape of a request: which of its parameters may lead it to another backend.

Temperature, seed or the messages do not choose a backend; whether tools, a schema, log
probabilities or a service tier were asked for may. Few parameters take part on purpose: each
shape has to learn its values anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reviewapp.pure.said import Joined, said

# The endpoints whose answers can carry a fingerprint; the others' never do, which is no event.
REPORTING: Final = ("chat.completions", "completions")
_SEPARATOR: Final = "+"


def shape_of(endpoint: str, request: Any) -> str:
    """The endpoint, and what was asked for: `chat.completions+tools+json`."""
    parts = [endpoint]
    if isinstance(request, Mapping):
        if request.get("tools") or request.get("functions"):
            parts.append("tools")
        wanted = request.get("response_format")
        if isinstance(wanted, Mapping) and wanted.get("type") in ("json_object", "json_schema"):
            parts.append("json")
        if request.get("logprobs") not in (None, False):
            parts.append("logprobs")
        for name in ("reasoning_effort", "service_tier"):
            value = request.get(name)
            if isinstance(value, str) and value not in ("", "auto", "default"):
                parts.append(f"{name}={value[:40].replace(_SEPARATOR, ' ')}")
    return _SEPARATOR.join(parts)


def shape_words(shape: str) -> str:
    """The shape for people: `chat completions with tools, json`."""
    endpoint, *parts = shape.split(_SEPARATOR)
    words = endpoint.replace(".", " ")
    features = Joined(tuple(part.replace("_", " ").replace("=", " ") for part in parts))
    return said("shape_with", endpoint=words, features=features) if parts else words
