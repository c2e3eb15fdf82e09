"""Which of the endpoints a request went to: told by its address, else by its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reviewapp.pure.exchange import Endpoint

PATHS: Final[dict[Endpoint, str]] = {
    "chat.completions": "/v1/chat/completions",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}

# What a response says that it is.
_ANSWERS: Final[dict[str, Endpoint]] = {
    "chat.completion": "chat.completions",
    "chat.completion.chunk": "chat.completions",
    "response": "responses",
    "text_completion": "completions",
    "list": "embeddings",
}


def endpoint_of_url(url: Any) -> Endpoint | None:
    """The endpoint that an address or a path ends in, wherever a vendor puts its API."""
    if not isinstance(url, str):
        return None
    path = url.partition("?")[0].rstrip("/")
    # Chat completions come first: they end in completions too.
    return next((endpoint for endpoint, end in PATHS.items() if path.endswith(end.removeprefix("/v1"))), None)


def infer_endpoint(request: Mapping[str, Any], response: Any = None) -> Endpoint | None:
    """The endpoint that a request of this shape goes to; None when it can't be told."""
    if "messages" in request:
        return "chat.completions"
    if (answered := _answered_endpoint(response)) is not None:
        return answered
    if "input" in request:
        return "embeddings" if _asks_for_embeddings(request) else "responses"
    if "prompt" in request:
        # A stored prompt of the Responses API is an object with an id.
        return "responses" if isinstance(request["prompt"], dict) else "completions"
    return None


def _asks_for_embeddings(request: Mapping[str, Any]) -> bool:
    """Whether an input is one to embed: by a setting that only embeddings have, the input or the model."""
    if "encoding_format" in request or "dimensions" in request:
        return True
    given, model = request["input"], request.get("model")
    if isinstance(given, list) and given and not any(isinstance(item, dict) for item in given):
        return True
    return isinstance(model, str) and "embed" in model.lower()


def _answered_endpoint(response: Any) -> Endpoint | None:
    kind = response.get("object") if isinstance(response, dict) else None
    return _ANSWERS.get(kind) if isinstance(kind, str) else None
