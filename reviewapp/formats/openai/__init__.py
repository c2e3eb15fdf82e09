"""The OpenAI API's requests and responses, and those of the many who speak it, to and from Exchange."""

from __future__ import annotations

from reviewapp.formats.openai.endpoints import PATHS, endpoint_of_url, infer_endpoint
from reviewapp.formats.openai.headers import kept_headers
from reviewapp.formats.openai.messages import Message, Part, part_text
from reviewapp.formats.openai.replies import EMBEDDING, read_identity, read_reply
from reviewapp.formats.openai.requests import (
    RequestView,
    Tool,
    output_text,
    preview,
    prompt_text,
    read_exchange,
    read_request,
    seed_of,
)

__all__ = [
    "EMBEDDING",
    "PATHS",
    "Message",
    "Part",
    "RequestView",
    "Tool",
    "endpoint_of_url",
    "infer_endpoint",
    "kept_headers",
    "output_text",
    "part_text",
    "preview",
    "prompt_text",
    "read_exchange",
    "read_identity",
    "read_reply",
    "read_request",
    "seed_of",
]
