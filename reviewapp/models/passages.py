"""Which words of its rows a list found: read from the bodies of one page, never from the index.

What the index holds of a text (positions or none, written at once or later) is of no matter here.
Bodies that are large, and what comes after them once a page has read enough, are left out: such a
row shows its usual preview.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models.functions import Coalesce, Length

from reviewapp.formats.openai import output_text, prompt_text, read_reply
from reviewapp.formats.openai.quick import quick_answer
from reviewapp.models.interaction import Interaction, InteractionBody
from reviewapp.pure import rawjson
from reviewapp.pure.passages import Passage, passage_of, pattern_of

# Packed bytes: of one interaction, and of a page.
LARGEST: Final = 200_000
MOST: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Passages:
    """Where a search matched: in the prompt, in what came back."""

    prompt: Passage = ()
    answer: Passage = ()


def passages_of(interactions: Sequence[Interaction], search: str) -> dict[UUID, Passages]:
    """By interaction, its passages; without those that have none or are too large to read."""
    pattern = pattern_of(search) if search else None
    if pattern is None or not interactions:
        return {}
    bodies = (
        InteractionBody.objects.filter(interaction__in=[one.pk for one in interactions])
        .annotate(size=Length("request") + Coalesce(Length("response"), 0))
        .filter(size__lte=LARGEST)
        .only("interaction_id", "request", "response", "response_is_json")
    )
    rows = {one.pk: one for one in interactions}
    found: dict[UUID, Passages] = {}
    read = 0
    for body in bodies:
        read += len(body.request) + len(body.response or b"")
        if read > MOST:
            break
        one = rows[body.interaction_id]
        prompt, answer = _texts(one, body)
        # A line that shows it already stays as it is but for the marks.
        passages = Passages(
            prompt=passage_of(one.prompt_preview, pattern) or passage_of(prompt, pattern),
            answer=passage_of(one.answer_preview, pattern) or passage_of(answer, pattern),
        )
        if passages.prompt or passages.answer:
            found[one.pk] = passages
    return found


def _texts(one: Interaction, body: InteractionBody) -> tuple[str, str]:
    endpoint = one.endpoint
    prompt = prompt_text(endpoint, rawjson.parse(body.request_text))  # type: ignore[arg-type]  # a check constraint holds it to the endpoints
    response = body.response_text if body.response_is_json else None
    if response is None:
        return prompt, ""
    said = quick_answer(endpoint, response, one.status)  # type: ignore[arg-type]  # as above
    if said is not None:
        return prompt, str(rawjson.parse(said))
    reply = read_reply(endpoint, rawjson.parse(response), one.status)  # type: ignore[arg-type]  # as above
    others = [choice.text for choice in reply.choices[1:] if choice.text]
    return prompt, "\n".join([output_text(reply), *others])
