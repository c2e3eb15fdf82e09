"""What the OpenAPI description says of errors: the same for every operation, so it is said in one place.

An operation's own code names what it answers when all is well; problems.py decides how every error
looks. Here the two meet in the description, so that a generated client knows both.
"""

from __future__ import annotations

from typing import Any, Final

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457). `detail` is a sentence; `field` or `errors` say where.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "error": {"type": "string"}},
            },
        },
    },
}
ALWAYS: Final = {
    401: "No key, or one that is wrong, revoked or expired.",
    403: "The key lacks the scope.",
    422: "The request is invalid; the answer names the field and the mend.",
    429: "The key or its address called too often; try again after `Retry-After` seconds.",
    500: "The app failed at this request; nothing was lost.",
}
NO_SUCH_THING: Final = {404: "There is no such thing in this key's project."}
WITH_A_BODY: Final = {
    400: "The body can't be read as what its type says it is.",
    413: "The body is larger than 16 MiB.",
    415: "The body's type or encoding is none that this takes.",
    503: "It could not be kept; try again after `Retry-After` seconds.",
}


def described(description: str) -> dict[str, Any]:
    """An error in an operation's `responses`."""
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"description": description, "content": {"application/problem+json": problem}}


class DescribedAPI(NinjaAPI):
    """An API whose description names the errors too."""

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(*args, **kwargs)
        schema["components"].setdefault("schemas", {})["Problem"] = PROBLEM
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                errors = ALWAYS | (NO_SUCH_THING if "{" in path else {})
                if "requestBody" in operation:
                    errors |= WITH_A_BODY
                for status, description in errors.items():
                    operation["responses"].setdefault(status, described(description))
        return schema
