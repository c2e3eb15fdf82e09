"""Reads requests as OpenAI does: what is missing, of a wrong type or out of bounds is a 400 that names the
parameter.

Every endpoint's request becomes an `Ask`, which says what is wanted without saying in which shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reviewapp.providers.simulated import refusals
from reviewapp.providers.simulated.chance import key_of
from reviewapp.providers.simulated.config import Config, Model
from reviewapp.providers.simulated.grammar import count_tokens
from reviewapp.providers.simulated.offers import read_format, read_tool_choice, read_tools
from reviewapp.providers.simulated.prompts import Message
from reviewapp.providers.simulated.refusals import (
    Refusal,
    integer,
    invalid,
    json_object,
    missing,
    number,
    wrong_type,
)
from reviewapp.providers.simulated.schemas import Tool
from reviewapp.providers.simulated.words import words

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_CONTEXT = 131_072
_MOST_TOKENS = 16_384
_SEEDS = 2**63


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request wants."""

    model: Model
    messages: tuple[Message, ...] = ()
    prompt_tokens: int = 0
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    seed: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    top_logprobs: int = 0
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "none"
    wants_json: bool = False
    schema: dict[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def find_model(body: Mapping[str, Any], config: Config, *, kind: str, status: int = 404) -> Model:
    """The model that a request names."""
    name = refusals.text(body, "model", param="model")
    model = config.model(name)
    if model is None:
        shown = name[:80]
        message = (
            f"The model `{shown}` does not exist or you do not have access to it."
            if status == 404
            else f"The requested model '{shown}' does not exist."
        )
        raise Refusal(status, message, param=None if status == 404 else "model", code="model_not_found")
    if model.kind != kind:
        what = "a chat model" if kind == "chat" else "an embedding model"
        raise Refusal(404, f"`{name}` is not {what} and not supported by this endpoint.", param="model")
    return model


def refuse_unknown(body: Mapping[str, Any], known: frozenset[str], config: Config) -> None:
    """Refuses parameters that the API does not have, where the configuration is strict."""
    if config.strict_parameters:
        for name in body:
            if name not in known:
                raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


_SHARED = """
    model stream stream_options n seed temperature top_p frequency_penalty presence_penalty stop user
    max_tokens logit_bias logprobs metadata service_tier
"""
_CHAT = words(
    f"""{_SHARED} messages max_completion_tokens top_logprobs tools tool_choice parallel_tool_calls store
    response_format functions function_call reasoning_effort modalities prediction audio verbosity
    prompt_cache_key safety_identifier web_search_options prompt_cache_retention"""
)
_COMPLETION = words(f"{_SHARED} prompt best_of echo suffix")


def read_chat(body: Mapping[str, Any], config: Config) -> Ask:
    """Reads a request to /v1/chat/completions."""
    model = find_model(body, config, kind="chat")
    refuse_unknown(body, _CHAT, config)
    messages = _messages(body)
    logprobs = refusals.flag(body, "logprobs")
    top = integer(body, "top_logprobs", None, low=0, high=min(20, model.max_top_logprobs))
    if top is not None and not logprobs:
        raise invalid(
            "The 'logprobs' parameter must be enabled to use 'top_logprobs'.", "top_logprobs", "invalid_value"
        )
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise invalid(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    tools = read_tools(body.get("tools"), nested=True)
    wants_json, schema = read_format(json_object(body, "response_format"), "response_format")
    if wants_json and schema is None and not any("json" in message.text.lower() for message in messages):
        raise invalid(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type"
            " 'json_object'.",
            "messages",
        )
    return _ask(
        body,
        model,
        messages,
        logprobs=logprobs,
        top_logprobs=top or 0,
        max_tokens=integer(body, name, None, low=1, high=_MOST_TOKENS),
        tools=tools,
        tool_choice=read_tool_choice(body.get("tool_choice"), tools),
        wants_json=wants_json,
        schema=schema,
    )


def read_completions(body: Mapping[str, Any], config: Config) -> list[Ask]:
    """Reads a request to /v1/completions: one Ask for each prompt."""
    model = find_model(body, config, kind="chat")
    refuse_unknown(body, _COMPLETION, config)
    prompts = read_texts(body.get("prompt", "<|endoftext|>"), "prompt")
    top = integer(body, "logprobs", None, low=0, high=min(20, model.max_top_logprobs))
    if top is not None and refusals.flag(body, "echo"):
        raise invalid(
            "Setting 'echo' and 'logprobs' at the same time is not supported for this model.",
            "logprobs",
            "invalid_parameter_combination",
        )
    best_of = integer(body, "best_of", None, low=1, high=20)
    if best_of is not None and best_of < (body.get("n") or 1):
        raise invalid("Invalid 'best_of': must be greater than or equal to 'n'.", "best_of", "invalid_value")
    return [
        _ask(
            body,
            model,
            (Message("user", prompt),),
            logprobs=top is not None,
            top_logprobs=top or 0,
            # The endpoint's own default is 16 tokens, as it has been since 2020.
            max_tokens=integer(body, "max_tokens", 16, low=1, high=_MOST_TOKENS),
        )
        for prompt in prompts
    ]


def _ask(body: Mapping[str, Any], model: Model, messages: tuple[Message, ...], **more: Any) -> Ask:
    stream = refusals.flag(body, "stream")
    options = json_object(body, "stream_options")
    if options is not None and not stream:
        raise invalid(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
        )
    if more["logprobs"] and not model.logprobs:
        raise Refusal(403, "You are not allowed to request logprobs from this model.", param="logprobs")
    json_object(body, "logit_bias")
    tokens = 3 + sum(3 + count_tokens(message.text) for message in messages)
    if tokens > _CONTEXT:
        raise invalid(
            f"This model's maximum context length is {_CONTEXT} tokens. However, your messages resulted in"
            f" {tokens} tokens. Please reduce the length of the messages.",
            "messages",
            "context_length_exceeded",
        )
    n = integer(body, "n", 1, low=1, high=128)
    assert n is not None
    return Ask(
        model=model,
        messages=messages,
        prompt_tokens=tokens + sum(8 + count_tokens(tool.description) for tool in more.get("tools", ())),
        stream=stream,
        include_usage=refusals.flag(options or {}, "include_usage"),
        n=n,
        seed=integer(body, "seed", None, low=-_SEEDS, high=_SEEDS - 1),
        temperature=number(body, "temperature", 1.0, low=0, high=2),
        top_p=number(body, "top_p", 1.0, low=0, high=1),
        frequency_penalty=number(body, "frequency_penalty", 0.0, low=-2, high=2),
        presence_penalty=number(body, "presence_penalty", 0.0, low=-2, high=2),
        stop=_stops(body.get("stop")),
        **more,
    )


def _stops(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(each, str) for each in stops):
        raise wrong_type("stop", "a string or an array of strings", value)
    if len(stops) > 4:
        raise invalid(
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with"
            f" length {len(stops)} instead.",
            "stop",
            "array_above_max_length",
        )
    return tuple(each for each in stops if each)


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    raw = body.get("messages")
    if raw is None:
        raise missing("messages")
    if not isinstance(raw, list):
        raise wrong_type("messages", "an array of objects", raw)
    if not raw:
        raise invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array"
            " instead.",
            "messages",
            "empty_array",
        )
    found = []
    called = False
    for index, message in enumerate(raw):
        param = f"messages[{index}]"
        if not isinstance(message, dict):
            raise wrong_type(param, "an object", message)
        if "role" not in message:
            raise missing(f"{param}.role")
        role = refusals.supported(message["role"], _ROLES, f"{param}.role")
        calls = message.get("tool_calls")
        if role == "tool" and not called:
            raise invalid(
                "Invalid parameter: messages with role 'tool' must be a response to a preceding message with"
                " 'tool_calls'.",
                f"{param}.role",
            )
        called = bool(calls) or (called and role == "tool")
        content = message.get("content")
        if content is None and role not in ("assistant", "function"):
            raise missing(f"{param}.content")
        text = text_of_parts(content, f"{param}.content")
        if calls:
            text += f" [called {key_of(calls).hex()}]"
        found.append(Message(role, text))
    return tuple(found)


def text_of_parts(content: Any, param: str) -> str:
    """The text of a message. Pictures and files stand in it as a short mark that differs with their
    content."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong_type(param, "one of a string or array of objects", content)
    texts = []
    for index, part in enumerate(content):
        if not isinstance(part, dict):
            raise wrong_type(f"{param}[{index}]", "an object", part)
        if "type" not in part:
            raise missing(f"{param}[{index}].type")
        text = part.get("text", part.get("refusal"))
        texts.append(text if isinstance(text, str) else f"[{part['type']} {key_of(part).hex()[:8]}]")
    return "\n".join(texts)


def read_texts(value: Any, param: str) -> list[str]:
    """One or several texts, as texts or as arrays of token numbers."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value:
        if all(isinstance(each, str) for each in value):
            return list(value)
        if all(isinstance(each, int) and not isinstance(each, bool) for each in value):
            return [" ".join(map(str, value))]
        if all(isinstance(each, list) and all(isinstance(token, int) for token in each) for each in value):
            return [" ".join(map(str, each)) for each in value]
    if value is None:
        raise missing(param)
    raise invalid(
        f"Invalid '{param}': expected a string, or an array of strings or tokens.", param, "invalid_type"
    )
