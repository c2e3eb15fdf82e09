"""What goes out for an attempt, and whether what came back is an answer at all.

A request goes out as it was recorded, byte for byte, but for what was overridden on purpose. An
answer that broke off, or that is an error under a status of success, is a failed call: it must
never be compared as if the model had said so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from reviewapp.formats.openai import read_reply
from reviewapp.providers.client import Answer
from reviewapp.providers.errors import BadRequest, CallFailed, ProviderDown, error_of
from reviewapp.pure import rawjson
from reviewapp.pure.canonical import SEED_FIELDS
from reviewapp.pure.exchange import Endpoint
from reviewapp.pure.said import said, say, together
from reviewapp.pure.streams import merge_chunks, parse_sse

# These take no seed: one that is set for a whole run is left out where a request had none.
_SEEDLESS: frozenset[Endpoint] = frozenset(["responses", "embeddings"])
_ENDS = frozenset(["response.completed", "response.incomplete", "response.failed", "response.cancelled"])


def request_to_send(*, endpoint: Endpoint, request: bytes, overrides: Mapping[str, Any]) -> bytes:
    """The recorded request with the overrides spliced in; a null override leaves the parameter out.

    Raises BadRequest when the recorded request is no JSON object, which nothing can be set in.
    """
    changes = {name: value for name, value in overrides.items() if name != "provider"}
    if not changes:
        return request
    text = rawjson.from_bytes(request)
    try:
        if "seed" in changes:
            _name_seed(endpoint, text, changes)
        new = {name: json.dumps(value) for name, value in changes.items() if value is not None}
        drop = [name for name, value in changes.items() if value is None]
        return rawjson.to_bytes(rawjson.splice(text, set=new, drop=drop))
    except rawjson.InvalidJson as error:
        raise BadRequest(together(say("call_no_object"), str(error))) from None


def _name_seed(endpoint: Endpoint, text: str, changes: dict[str, Any]) -> None:
    """Put the seed under the name that the request gives it."""
    there = rawjson.members(text)
    names = [name for name in SEED_FIELDS if name in there]
    seed = changes.pop("seed")
    if not names and endpoint not in _SEEDLESS:
        names = ["seed"]
    changes.update(dict.fromkeys(names, seed))


def check_answer(*, endpoint: Endpoint, answer: Answer, provider: str) -> int | None:
    """The tokens that the answer used, if it says so. Raises CallFailed unless it is a whole answer."""
    response = _whole_stream(endpoint, answer, provider) if answer.is_stream else _body(answer, provider)
    reply = read_reply(endpoint, _without_logprobs(response), answer.status)
    if reply.error is None:
        usage = reply.usage
        known = usage.input_tokens is not None or usage.output_tokens is not None
        return (usage.input_tokens or 0) + (usage.output_tokens or 0) if known else None
    status = _status_in(response)
    raise error_of(status=status or 502, body=_error_body(response), provider=provider)


def _body(answer: Answer, provider: str) -> Any:
    try:
        response = _quickly(answer.body)
    except rawjson.InvalidJson as error:
        raise ProviderDown(
            together(say("call_answered_no_json", name=provider, status=answer.status), str(error)),
            status=answer.status,
            body=answer.body,
        ) from None
    if not isinstance(response, dict):
        raise ProviderDown(
            said("call_answered_no_object", name=provider, status=answer.status),
            status=answer.status,
            body=answer.body,
        )
    return response


def _quickly(body: bytes) -> Any:
    """The parsed body. What only the strict parser refuses, such as NaN, the other one reads."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return rawjson.parse(body)


def _without_logprobs(response: Any) -> Any:
    """Most of a response is log probabilities, and none of them says whether it is an answer."""
    choices = response.get("choices")
    if not isinstance(choices, list):
        return response
    light = [
        {name: value for name, value in choice.items() if name != "logprobs"}
        for choice in choices
        if isinstance(choice, dict)
    ]
    return {**response, "choices": light}


def _whole_stream(endpoint: Endpoint, answer: Answer, provider: str) -> Any:
    events = parse_sse(answer.body)
    chunks: list[Any] = []
    for text in events.chunks:
        try:
            chunks.append(rawjson.parse(text))
        except rawjson.InvalidJson:
            raise _broken(answer, provider) from None
    for chunk in chunks:
        if isinstance(chunk, dict) and chunk.get("error"):
            return {"error": chunk["error"]}
    if not chunks or not (events.done or any(map(_ends, chunks))):
        raise _broken(answer, provider)
    return merge_chunks(endpoint, chunks)


def _ends(chunk: Any) -> bool:
    """Whether a stream whose last words these are said all it had to say."""
    if not isinstance(chunk, dict):
        return False
    if chunk.get("type") in _ENDS:
        return True
    choices = chunk.get("choices")
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
    )


def _broken(answer: Answer, provider: str) -> CallFailed:
    return ProviderDown(said("call_broke_off", name=provider), status=answer.status, body=answer.body)


def _status_in(response: Any) -> int | None:
    """The status that an error under a 200 names itself, as gateways in front of others do."""
    error = response.get("error") if isinstance(response, dict) else None
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    return code if type(code) is int and 400 <= code < 600 else None


def _error_body(response: Any) -> bytes:
    return json.dumps(response).encode()
