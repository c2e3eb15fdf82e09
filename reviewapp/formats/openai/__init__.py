"""The OpenAI API's requests and responses, and those of the many who speak it, to and from Exchange."""

from __future__ import annotations

from reviewapp.formats.openai.replies import read_reply
from reviewapp.formats.openai.requests import (
    Message,
    Part,
    RequestView,
    Tool,
    output_text,
    preview,
    prompt_text,
    read_exchange,
    read_request,
)

__all__ = [
    "Message",
    "Part",
    "RequestView",
    "Tool",
    "output_text",
    "preview",
    "prompt_text",
    "read_exchange",
    "read_reply",
    "read_request",
]
