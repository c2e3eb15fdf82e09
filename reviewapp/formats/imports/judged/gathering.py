"""What the tools in which people judge have in common: an answer, and what one person said of it."""

from __future__ import annotations

import json
from typing import Any, Final

from reviewapp.formats.imports.lines import NotImportable, call
from reviewapp.formats.interchange import InvalidInteraction, Recorded, read_interaction
from reviewapp.formats.openai.fields import filled, object_of, text_of
from reviewapp.formats.said import (
    SaidJudgement,
    check_says_something,
    kept_text,
    scores_of,
)
from reviewapp.pure.exchange import JsonObject
from reviewapp.pure.rubrics import check_spans
from reviewapp.pure.said import said as tell
from reviewapp.pure.said import text_of as reason_of

_ANY_LENGTH: Final = 2**31
_PROMPTS: Final = ("prompt", "question", "instruction", "input", "messages", "dialogue", "text")
_ANSWERS: Final = ("answer", "response", "output", "completion", "generation", "text")
OWN: Final = "reviewapp-"


def content_of(value: Any, fields: JsonObject, where: str) -> Recorded:
    """The interaction: as it was recorded, or put together from the texts that the tool showed."""
    content = object_of(value)
    if content:
        try:
            return read_interaction(json.dumps(content))
        except InvalidInteraction as error:
            raise NotImportable(reason_of(error)) from None
    answer = next((text for name in _ANSWERS if (text := filled(fields.get(name)))), None)
    prompt = next((fields[name] for name in _PROMPTS if fields.get(name) and fields[name] != answer), None)
    if answer is None:
        raise NotImportable(tell("file_no_answer", choices=", ".join(_ANSWERS), where=where))
    model = filled(fields.get("model"))
    messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": text_of(prompt) or ""}]
    return call(
        request={"model": model or "unknown", "messages": messages if prompt else []},
        response={
            "object": "chat.completion",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
            ],
            **({"model": model} if model else {}),
        },
        endpoint="chat.completions",
    )


class Gathered:
    """A judgement on its way: what is read of it so far."""

    def __init__(self) -> None:
        self.scores: dict[str, Any] = {}
        self.spans: list[dict[str, Any]] = []
        self.correction: str | None = None
        self.comment = ""
        self.preference: str | None = None

    def judgement(self, **about: Any) -> SaidJudgement:
        """The judgement. Raises InvalidSaid, InvalidAnswer."""
        said = SaidJudgement(
            scores=scores_of(self.scores),
            spans=check_spans(spans=self.spans, length=_ANY_LENGTH),
            correction=None if self.correction is None else kept_text(self.correction, "correction"),
            comment=kept_text(self.comment, "comment"),
            preference=self.preference,
            **about,
        )
        check_says_something(said)
        return said

    def take(self, name: str, value: Any) -> bool:
        """Take what no rubric asks, by the name that the exports give it; whether it was that."""
        if name == f"{OWN}correction":
            self.correction = text_of(value)
        elif name == f"{OWN}comment":
            self.comment = text_of(value) or ""
        elif name == f"{OWN}preference":
            self.preference = text_of(value)
        else:
            return False
        return True


def rubric_key(value: Any) -> tuple[str, int] | None:
    name, version = text_of(object_of(value).get("name")), object_of(value).get("version")
    return (name, version) if name and isinstance(version, int) else None
