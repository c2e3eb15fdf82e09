"""The words of a request that a person may change: the last question, and the instructions before it.

Found in whichever shape the endpoint has them, and put back into the same shape, so that nothing else
of the request is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reviewapp.pure.exchange import Endpoint

_SYSTEM_ROLES: Final = frozenset(("system", "developer"))
_TEXT_PARTS: Final = frozenset(("text", "input_text"))


class NoPrompt(Exception):
    """The request has no words that could be changed; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked, in words. `system` is None where the request can't have one, empty where it has none."""

    text: str
    system: str | None


def prompt_of(endpoint: Endpoint, request: Mapping[str, Any]) -> Prompt:
    """The request's words. Raises NoPrompt."""
    if endpoint == "completions":
        return Prompt(_only_text(request.get("prompt")), None)
    if endpoint == "chat.completions":
        messages = _messages(request.get("messages"))
        system = _system_at(messages)
        written = "" if system is None else _text_in(messages[system].get("content"))
        return Prompt(_text_in(messages[_asked_at(messages)].get("content")), written or "")
    if endpoint == "responses":
        instructions = request.get("instructions")
        system_text = instructions if isinstance(instructions, str) else ""
        given = request.get("input")
        if isinstance(given, str):
            return Prompt(_only_text(given), system_text)
        items = _messages(given)
        return Prompt(_text_in(items[_asked_at(items)].get("content")), system_text)
    raise NoPrompt("A request for embeddings asks no question.")


def with_prompt(
    endpoint: Endpoint, request: Mapping[str, Any], *, text: str, system: str | None = None
) -> dict[str, Any]:
    """The members of the request that must be others for it to ask `text`; `system` None leaves that alone.

    Raises NoPrompt.
    """
    before = prompt_of(endpoint, request)
    changed: dict[str, Any] = {}
    if endpoint == "completions":
        if text != before.text:
            changed["prompt"] = [text] if isinstance(request["prompt"], list) else text
        return changed
    other_system = system is not None and system != before.system
    if endpoint == "responses":
        if other_system:
            changed["instructions"] = system
        if text != before.text:
            given = request["input"]
            changed["input"] = text if isinstance(given, str) else _asking(given, text)
        return changed
    messages = request["messages"]
    if text != before.text:
        messages = changed["messages"] = _asking(messages, text)
    if other_system:
        changed["messages"] = _instructed(messages, str(system))
    return changed


def _only_text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str) or not value.strip():
        raise NoPrompt("The request's question is no text.")
    return value


def _messages(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise NoPrompt("The request has no list of messages.")
    return value


def _asked_at(messages: list[dict[str, Any]]) -> int:
    """Where the last message of a person stands that has words."""
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].get("role") == "user" and _text_in(messages[at].get("content")).strip():
            return at
    raise NoPrompt("The request has no message of a user with words in it.")


def _system_at(messages: list[dict[str, Any]]) -> int | None:
    return next((at for at, one in enumerate(messages) if one.get("role") in _SYSTEM_ROLES), None)


def _text_in(content: Any) -> str:
    """A message's text, or the last of its parts that is text."""
    if isinstance(content, str):
        return content
    at = _part_at(content)
    return "" if at is None else str(content[at]["text"])


def _part_at(content: Any) -> int | None:
    if not isinstance(content, list):
        return None
    for at in range(len(content) - 1, -1, -1):
        part = content[at]
        if isinstance(part, dict) and part.get("type") in _TEXT_PARTS and isinstance(part.get("text"), str):
            return at
    return None


def _asking(messages: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    return _with_content(messages, _asked_at(messages), text)


def _instructed(messages: list[dict[str, Any]], system: str) -> list[dict[str, Any]]:
    """With other instructions; none at all where they are empty."""
    at = _system_at(messages)
    if at is None:
        return [{"role": "system", "content": system}, *messages]
    if not system:
        return [*messages[:at], *messages[at + 1 :]]
    return _with_content(messages, at, system)


def _with_content(messages: list[dict[str, Any]], at: int, text: str) -> list[dict[str, Any]]:
    content = messages[at].get("content")
    part = _part_at(content)
    if part is None:
        told: Any = text
    else:
        told = [{**one, "text": text} if number == part else one for number, one in enumerate(content or [])]
    return [*messages[:at], {**messages[at], "content": told}, *messages[at + 1 :]]
