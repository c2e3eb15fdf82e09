"""Lets the model answer a request: text, JSON or calls of tools, as often as the request wants."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from reviewapp.providers.simulated.asking import Ask
from reviewapp.providers.simulated.behaviour import Serving
from reviewapp.providers.simulated.chance import key_of
from reviewapp.providers.simulated.language import Prompt, Weights, Written, write
from reviewapp.providers.simulated.prompts import prompt_of, topic_of, wants_json
from reviewapp.providers.simulated.sampling import Sampling
from reviewapp.providers.simulated.schemas import Tool, called_tools, free_schema, json_prompt, tool_prompt

_MOST_TOKENS = 4096
_REMEMBERED = 512
# Topics whose answer is not JSON although the question speaks of it.
_NOT_JSON = frozenset({"python", "sql", "explain", "followup"})


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a tool; what was written are its arguments."""

    id: str
    name: str
    written: Written


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice."""

    index: int
    written: Written | None
    calls: tuple[Called, ...]
    finish_reason: str

    @property
    def tokens(self) -> int:
        """How many tokens were written."""
        if self.written is not None:
            return len(self.written.positions)
        return sum(8 + len(call.written.positions) for call in self.calls)


@dataclass(frozen=True, slots=True)
class _Question:
    prompt: Prompt
    weights: Weights
    sampling: Sampling
    tie_margin: float


class Writer:
    """Writes answers, and remembers the last ones: replays and canaries ask the same again and again."""

    def __init__(self) -> None:
        self._remembered: OrderedDict[object, Written] = OrderedDict()

    def answers(self, ask: Ask, serving: Serving) -> list[Answer]:
        """All choices of a request."""
        topic = topic_of(ask.messages)
        prompt = prompt_of(ask.messages, topic=topic, fullness=ask.model.fullness, extra=_extra(ask))
        seed = seed_of(ask, serving)
        calls = self._chosen_tools(ask)
        if not calls:
            if ask.wants_json:
                schema = ask.schema or free_schema(ask.messages)
                prompt = json_prompt(prompt, schema, ask.messages, topic=topic, pretty=ask.schema is None)
            elif topic not in _NOT_JSON and wants_json(ask.messages):
                prompt = json_prompt(
                    prompt, free_schema(ask.messages), ask.messages, topic=topic, pretty=True
                )
        answers = []
        for index in range(ask.n):
            sampling = _sampling(ask, key_of("seed", seed, index))
            if not calls:
                written = self._written(
                    _Question(prompt, serving.weights, sampling, ask.model.tie_margin), serving
                )
                answers.append(Answer(index, written, (), written.finish_reason))
                continue
            made = []
            for tool in calls:
                asked = tool_prompt(prompt, tool, ask.messages, topic=topic)
                question = _Question(asked, serving.weights, sampling, ask.model.tie_margin)
                call_id = "call_" + key_of(serving.key, "call", index, tool.name).hex()[:24]
                made.append(Called(call_id, tool.name, self._written(question, serving)))
            # As the real API does, a call that the request named ends with "stop".
            reason = "stop" if ask.tool_choice.startswith("=") else "tool_calls"
            if any(call.written.finish_reason == "length" for call in made):
                reason = "length"
            answers.append(Answer(index, None, tuple(made), reason))
        return answers

    def _chosen_tools(self, ask: Ask) -> list[Tool]:
        if ask.tool_choice.startswith("="):
            return [tool for tool in ask.tools if "=" + tool.name == ask.tool_choice][:1]
        if ask.tool_choice == "none" or ask.messages[-1].role in ("tool", "function"):
            return []
        return list(called_tools(ask.tools, ask.messages, forced=ask.tool_choice == "required"))

    def _written(self, question: _Question, serving: Serving) -> Written:
        written = self._once(question, None)
        if serving.flip and written.ties:
            written = self._once(question, written.ties[int(serving.flip_at * len(written.ties))])
        return written

    def _once(self, question: _Question, flip_at: int | None) -> Written:
        key = (question.prompt.key, question.weights, question.sampling, question.tie_margin, flip_at)
        known = self._remembered.get(key)
        if known is not None:
            self._remembered.move_to_end(key)
            return known
        written = write(
            prompt=question.prompt,
            weights=question.weights,
            sampling=question.sampling,
            tie_margin=question.tie_margin,
            flip_at=flip_at,
        )
        self._remembered[key] = written
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return written


def seed_of(ask: Ask, serving: Serving) -> int:
    """The seed that an answer is drawn with: the request's, or the server's own."""
    return serving.seed if ask.seed is None or ask.model.seed == "ignored" else ask.seed


def _extra(ask: Ask) -> dict[str, object]:
    extra: dict[str, object] = dict(ask.extra)
    if ask.tools:
        extra["tools"] = [[tool.name, tool.description, tool.parameters] for tool in ask.tools]
    if ask.wants_json:
        extra["schema"] = ask.schema
    return extra


def _sampling(ask: Ask, seed_key: bytes) -> Sampling:
    return Sampling(
        seed_key=seed_key,
        temperature=ask.temperature,
        top_p=ask.top_p,
        max_tokens=_MOST_TOKENS if ask.max_tokens is None else ask.max_tokens,
        frequency_penalty=ask.frequency_penalty,
        presence_penalty=ask.presence_penalty,
        stop=ask.stop,
    )
