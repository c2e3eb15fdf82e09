"""What the API's lists share: `limit` and `cursor` in, `{"items", "next"}` out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpResponse

from reviewapp.web.api.problems import Problem

LIMIT: Final = 50
MOST: Final = 500

# For the OpenAPI text of an operation that reads them itself.
PARAMETERS: Final[list[dict[str, Any]]] = [
    {"name": "cursor", "in": "query", "schema": {"type": "string"}},
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "default": LIMIT, "minimum": 1, "maximum": MOST},
    },
]


def read_limit(text: str) -> int:
    """How many items are wanted. Raises Problem."""
    if not text:
        return LIMIT
    if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= MOST:
        raise Problem(422, f"limit: must be a whole number from 1 to {MOST}.", field="limit")
    return int(text)


def list_of_texts(items: Sequence[str], following: str | None) -> HttpResponse:
    """The list, its items being JSON texts already: recorded JSON goes out as it came in."""
    return json_text(f'{{"items": [{", ".join(items)}], "next": {json.dumps(following)}}}')


def json_text(text: str) -> HttpResponse:
    """A JSON text as an answer. Half a surrogate, which UTF-8 has no bytes for, is escaped."""
    return HttpResponse(text.encode("utf-8", "backslashreplace"), content_type="application/json")
