"""Every recorded exchange through the readers and writers: nothing gets lost, nothing breaks."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from typing import Any

from reviewapp.formats.interchange import (
    read_interaction,
    read_interactions,
    read_recorded,
    write_interaction,
)
from reviewapp.formats.openai import read_reply, read_request
from reviewapp.pure.canonical import request_hash
from tests.recordings import recorded_lines, recorded_rows


def keys_of(value: Any, name: str) -> list[Any]:
    """Every value that stands under this name, at any depth; found without the code under test."""
    if isinstance(value, dict):
        found = [value[name]] if name in value else []
        return found + [hit for item in value.values() for hit in keys_of(item, name)]
    if isinstance(value, list):
        return [hit for item in value for hit in keys_of(item, name)]
    return []


def test_every_recorded_exchange_comes_back_as_it_was(shared):
    for line, row in zip(recorded_lines(shared), recorded_rows(shared), strict=True):
        written = write_interaction(read_interaction(line))

        again = json.loads(written)
        assert "\n" not in written
        for name in (
            "request",
            "response",
            "chunks",
            "status",
            "error",
            "endpoint",
            "source",
            "provider",
            "started_at",
        ):
            assert again.get(name) == row.get(name)
        assert again["metadata"] == {"recording": row["recording"]}


def test_every_recorded_text_comes_back_byte_for_byte(shared):
    for line in recorded_lines(shared):
        recorded = read_interaction(line)

        written = write_interaction(recorded)

        for text in (recorded.request_text, recorded.response_text, recorded.chunks_text):
            assert text is None or (text in line and text in written)
        assert read_interaction(written) == recorded


def test_an_array_of_recorded_exchanges_reads_like_its_lines(shared):
    lines = recorded_lines(shared)[::10]

    assert read_interactions(f"[{','.join(lines)}]") == [read_interaction(line) for line in lines]


def test_every_seed_fingerprint_and_log_probability_is_found(shared, capsys):
    counts: Counter[str] = Counter()
    for number, row in enumerate(recorded_rows(shared)):
        endpoint, request, response = row["endpoint"], row["request"], row["response"]
        where = f"line {number}"

        view = read_request(endpoint, request)
        reply = read_reply(endpoint, response, row["status"], request=request)

        counts["exchanges"] += 1
        counts["model asked for"] += view.model is not None
        assert view.seed == next(
            (request[name] for name in ("seed", "random_seed") if name in request), None
        ), where
        counts["seed"] += view.seed is not None
        told = {name: value for name, value in (response or {}).items() if name != "metadata"}
        named = [value for value in keys_of(told, "system_fingerprint") if value]
        # What a caller sent along says nothing of the backend. xAI uses that place all the same.
        if not keys_of(request.get("metadata"), "system_fingerprint"):
            beside = keys_of((response or {}).get("metadata"), "system_fingerprint")
            counts["fingerprint in the metadata only"] += bool(beside and not named)
            named += beside
        assert named[:1] == ([reply.fingerprint] if reply.fingerprint else []), where
        counts["fingerprint"] += reply.fingerprint is not None
        assert reply.echoed_seed == next(iter(keys_of(response, "seed")), None), where
        counts["echoed seed"] += reply.echoed_seed is not None
        chances = [
            value for name in ("logprob", "token_logprobs") for value in keys_of(without_tops(response), name)
        ]
        found = [token.logprob for choice in reply.choices for token in choice.tokens]
        assert found == [
            value for item in chances for value in (item if isinstance(item, list) else [item])
        ], where
        counts["log probabilities"] += bool(found)
        counts["tokens with log probabilities"] += len(found)
        alternatives = sum(len(token.alternatives) for choice in reply.choices for token in choice.tokens)
        counts["alternatives"] += alternatives
        assert (reply.error is not None) >= (row["status"] != 200), where
        counts["errors"] += reply.error is not None
        counts["finish reason"] += reply.finish_reason is not None
        counts["usage"] += reply.usage.output_tokens is not None
    with capsys.disabled():
        sys.stdout.write(f"\n    recorded exchanges: {dict(counts)}\n")

    assert counts["exchanges"] == 4718
    assert counts["seed"] == 235
    assert counts["fingerprint"] == 3065 + 28
    assert counts["fingerprint in the metadata only"] == 28
    assert counts["log probabilities"] == 24


def without_tops(value: Any) -> Any:
    """The value without the lists of alternatives, whose log probabilities are not the answer's."""
    if isinstance(value, dict):
        return {name: without_tops(item) for name, item in value.items() if name != "top_logprobs"}
    return [without_tops(item) for item in value] if isinstance(value, list) else value


def test_every_answer_has_its_text_and_its_calls(shared):
    """Each text and each function name of a successful answer stands in its reply."""
    for number, row in enumerate(recorded_rows(shared)):
        if row["status"] != 200 or row["response"] is None:
            continue
        reply = read_reply(row["endpoint"], row["response"], 200)

        told = repr([(c.text, c.refusal, c.reasoning, c.tool_calls) for c in reply.choices])
        for choice in row["response"].get("choices") or ():
            message = choice.get("message") or {}
            for text in (message.get("content"), message.get("refusal"), choice.get("text")):
                if isinstance(text, str) and text:
                    assert repr(text)[1:-1] in told, f"line {number}"
            for call in message.get("tool_calls") or ():
                arguments = call["function"].get("arguments", "")
                text = arguments if isinstance(arguments, str) else json.dumps(arguments)
                assert repr(text) in told, f"line {number}"
        for item in row["response"].get("output") or ():
            for part in item.get("content") or ():
                assert repr(part["text"])[1:-1] in told, f"line {number}"
            if item["type"] == "function_call":
                assert repr(item["arguments"]) in told, f"line {number}"


def test_every_message_has_its_parts(shared, capsys):
    kinds: Counter[str] = Counter()
    for number, row in enumerate(recorded_rows(shared)):
        view = read_request(row["endpoint"], row["request"])

        for message in view.messages:
            for part in message.parts:
                kinds[part.kind] += 1
        for text in keys_of(row["request"].get("messages"), "content"):
            if isinstance(text, str) and text:
                assert text in view.text, f"line {number}"
        tools = [name for tool in row["request"].get("tools") or () for name in keys_of(tool, "name")[:1]]
        assert [tool.name for tool in view.tools][: len(tools)] == tools or not all(map(bool, tools)), (
            f"line {number}"
        )
    with capsys.disabled():
        sys.stdout.write(f"\n    parts of messages: {dict(kinds)}\n")

    # Five are deliberately wrong parts in tests of error messages, one is a list of MCP tools.
    assert kinds["unknown"] <= 6


def test_hashes_of_recorded_requests_are_equal_where_the_requests_are(shared):
    """Compared with another way to tell: sorted JSON of the requests without what takes no part."""
    by_hash: dict[str, set[str]] = {}
    by_text: dict[str, set[str]] = {}
    for row in recorded_rows(shared):
        digest = request_hash(row["endpoint"], row["request"])
        apart = ("seed", "random_seed", "stream", "stream_options")
        asked = {name: value for name, value in row["request"].items() if name not in apart}
        text = re.sub(
            r"([:, \[]-?\d+)\.0(?=[,}\]])", r"\1", row["endpoint"] + json.dumps(asked, sort_keys=True)
        )
        by_hash.setdefault(digest, set()).add(text)
        by_text.setdefault(text, set()).add(digest)

    assert all(len(texts) == 1 for texts in by_hash.values())
    assert all(len(digests) == 1 for digests in by_text.values())
    assert len(by_hash) > 2000


def test_the_reply_of_a_recorded_interaction_is_that_of_its_response(shared):
    for line, row in zip(recorded_lines(shared)[::7], recorded_rows(shared)[::7], strict=True):
        exchange = read_recorded(read_interaction(line))

        assert exchange.request == row["request"]
        if row["response"] is not None:
            assert exchange.reply == read_reply(
                row["endpoint"], row["response"], row["status"], request=row["request"]
            )
