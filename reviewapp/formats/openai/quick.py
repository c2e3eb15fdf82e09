"""What was asked and answered in a usual chat, found in its texts without making values of the rest.

An answer with log probabilities has thousands of values; who only wants its words need not read them.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from reviewapp.pure.exchange import Endpoint


class _Message(msgspec.Struct, gc=False):
    content: msgspec.Raw
    role: str | None = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message
    error: None = None


class _Response(msgspec.Struct, gc=False):
    choices: list[_Choice]
    error: None = None


_decode: Final = msgspec.json.Decoder(_Response).decode
_ORDINARY: Final = ("assistant", None)


def quick_answer(endpoint: Endpoint, body: bytes, status: int | None) -> bytes | None:
    """The words of the first choice as a JSON string, as they stand in this response.

    None where the response is another than a chat completion that succeeded and said something: then
    `read_reply` and `output_text` tell. Where there is an answer, no error is reported beside it.
    """
    if endpoint != "chat.completions" or not (status is None or 200 <= status < 300):
        return None
    try:
        choices = _decode(body).choices
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not choices or choices[0].message.role not in _ORDINARY:
        return None
    content = bytes(choices[0].message.content)
    return content if len(content) > 2 and content.startswith(b'"') else None


class _Turn(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str


class _Request(msgspec.Struct, gc=False):
    messages: list[_Turn]


_decode_request: Final = msgspec.json.Decoder(_Request).decode


def quick_prompt(endpoint: Endpoint, body: bytes) -> str | None:
    """What `prompt_text` says of a chat whose turns are plain texts; None where it is another request."""
    if endpoint != "chat.completions":
        return None
    try:
        turns = _decode_request(body).messages
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return "\n\n".join([f"{turn.role}: {turn.content}" for turn in turns])
