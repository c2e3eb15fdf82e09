"""An interaction's rows as the values that everything is decided from."""

from __future__ import annotations

from reviewapp.formats.interchange import Recorded, read_recorded
from reviewapp.formats.openai import output_text, read_reply
from reviewapp.models.interaction import Interaction, InteractionBody
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Exchange, Reply


def recorded_of(interaction: Interaction) -> Recorded:
    """The interaction as it arrived. Reads `source`, `provider` and `body`: select them with it."""
    body: InteractionBody = interaction.body
    return Recorded(
        endpoint=interaction.endpoint,  # type: ignore[arg-type]  # a check constraint holds it to the endpoints
        request_text=rawjson.from_bytes(body.request_text),
        response_text=_text(body.response_text),
        response_is_json=body.response_is_json,
        chunks_text=_text(body.chunks_text),
        id=interaction.pk,
        source=interaction.source.name,
        provider=interaction.provider.name,
        status=interaction.status,
        error=interaction.error,
        started_at=interaction.started_at,
        latency_ms=interaction.latency_ms,
        trace=interaction.trace,
        session=interaction.session,
        user=interaction.end_user,
        tags=tuple(interaction.tags),
        metadata_text=_text(body.metadata_text),
        headers=body.headers,
    )


def exchange_of(interaction: Interaction) -> Exchange:
    """The interaction's request and reply as values."""
    return read_recorded(recorded_of(interaction))


def reply_of(interaction: Interaction) -> Reply:
    """What came back, as values; a body that is no JSON is a reply without choices."""
    body = interaction.body
    text = body.response_text
    response = rawjson.parse(text) if text is not None and body.response_is_json else None
    return read_reply(interaction.endpoint, response, interaction.status)  # type: ignore[arg-type]


def answer_text(interaction: Interaction) -> str:
    """The text that spans and corrections speak of: `output_text` of the interaction."""
    return output_text(reply_of(interaction))


def _text(data: bytes | None) -> str | None:
    return None if data is None else rawjson.from_bytes(data)
