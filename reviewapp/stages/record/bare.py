"""What is recorded without what its source hides: from texts alone, no database."""

from __future__ import annotations

from dataclasses import replace

from reviewapp.formats.interchange import Recorded
from reviewapp.pure.redaction import Found, Hider, hide_in_json


def hidden_in(recorded: Recorded, hider: Hider) -> tuple[Recorded, Found]:
    """It as it may be stored, and what was hidden. ValueError where a text is no JSON that can be read."""
    found = Found()

    def plain(text: str | None) -> str | None:
        return None if text is None else hider.text(text, found)

    response = recorded.response_text
    if response is not None:
        shown = hide_in_json(hider, response, found) if recorded.response_is_json else plain(response)
    else:
        shown = None
    chunks = recorded.chunks_text
    metadata = recorded.metadata_text
    bare = replace(
        recorded,
        request_text=hide_in_json(hider, recorded.request_text, found),
        response_text=shown,
        chunks_text=None if chunks is None else hide_in_json(hider, chunks, found, is_stream=True),
        metadata_text=None if metadata is None else hide_in_json(hider, metadata, found),
        error=plain(recorded.error),
        trace=plain(recorded.trace),
        session=plain(recorded.session),
        user=plain(recorded.user),
        tags=tuple(dict.fromkeys(hider.text(tag, found) for tag in recorded.tags)),
        headers={name: hider.text(value, found) for name, value in recorded.headers.items()},
    )
    return bare, found
