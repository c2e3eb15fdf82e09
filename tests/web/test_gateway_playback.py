"""Every recorded exchange played back through the gateway: what is stored is what was said.

A provider on a socket answers each call with the recorded answer, as JSON or as a stream; then
every stored row is held against its line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
from aiohttp import web

from reviewapp.formats.openai import read_reply
from reviewapp.models import Interaction
from reviewapp.pure import rawjson
from tests.formats.test_recorded_streams import LOST_BY_THE_RECORDER
from tests.recordings import recorded_rows
from tests.serving import settle

PATHS = {
    "chat.completions": "/v1/chat/completions",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}
AT_ONCE = 16


def as_stream(row: dict[str, Any]) -> bytes:
    """The chunks as the vendor sent them."""
    events = []
    for chunk in row["chunks"]:
        name = f"event: {chunk['type']}\n" if row["endpoint"] == "responses" and "type" in chunk else ""
        events.append(f"{name}data: {json.dumps(chunk)}\n\n")
    if row["recording"].get("sse_done"):
        events.append("data: [DONE]\n\n")
    return "".join(events).encode()


def as_body(row: dict[str, Any]) -> bytes:
    text = row["recording"].get("response_text")
    return (text if text is not None else json.dumps(row["response"])).encode()


def test_every_recorded_exchange_is_stored_as_it_was(gateway, provider, shared, capsys):
    rows = recorded_rows(shared)

    async def play(request: web.Request) -> web.StreamResponse:
        row = rows[int(request.headers["X-Line"])]
        kept = {k: v for k, v in row["recording"]["headers"].items() if k.startswith(("x-", "openai-"))}
        if "chunks" not in row:
            kind = row["recording"]["headers"].get("content-type", "application/json")
            return web.Response(
                body=as_body(row), status=row["status"], headers={**kept, "Content-Type": kind}
            )
        response = web.StreamResponse(
            status=row["status"], headers={**kept, "Content-Type": "text/event-stream"}
        )
        await response.prepare(request)
        body = as_stream(row)
        for start in range(0, len(body), 1000):
            await response.write(body[start : start + 1000])
        return response

    provider.handle_raw = play

    answers = asyncio.run(_ask_all(gateway, rows))
    provider.asked.clear()
    settle()

    wrong: list[str] = []
    for number, (row, (id_, body)) in enumerate(zip(rows, answers, strict=True)):
        found = Interaction.objects.select_related("source", "provider", "body").get(id=id_)
        sent = as_stream(row) if "chunks" in row else as_body(row)
        wrong += [
            f"line {number + 1}: {what}"
            for what in differences(row, found)
            if not (number in LOST_BY_THE_RECORDER and what.startswith("tool calls"))
        ]
        if body != sent:
            wrong.append(f"line {number + 1}: the client got another body")
    with capsys.disabled():
        sys.stdout.write(
            f"\n    {len(rows):,} recorded exchanges through the gateway, {len(wrong)} differences\n"
        )
    assert wrong == []
    assert Interaction.objects.count() == len(rows)


async def _ask_all(gateway: Any, rows: tuple[dict[str, Any], ...]) -> list[tuple[str, bytes]]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int, session: aiohttp.ClientSession) -> tuple[str, bytes]:
        row = rows[number]
        url, body = PATHS[row["endpoint"]], json.dumps(row["request"])
        headers = {
            "Authorization": f"Bearer {gateway.key}",
            "X-Review-Source": row["source"],
            "X-Line": str(number),
        }
        async with (
            slots,
            session.post(url, data=body, headers=headers) as response,
        ):
            assert response.status == row["status"]
            return response.headers["X-Review-Interaction"], await response.read()

    async with aiohttp.ClientSession(str(gateway.base_url)) as session:
        return await asyncio.gather(*(ask(number, session) for number in range(len(rows))))


def differences(row: dict[str, Any], found: Interaction) -> list[str]:
    """Where the stored interaction says something else than the recorded exchange."""
    body = found.body
    request = rawjson.parse(body.request_text)
    pairs = {
        "endpoint": (found.endpoint, row["endpoint"]),
        "source": (found.source.name, row["source"]),
        "status": (found.status, row["status"]),
        "error": (found.error, row["error"]),
        "request": (request, row["request"]),
        "model": (found.model, row["request"].get("model") or ""),
        "streamed": (found.streamed, "chunks" in row),
    }
    if "chunks" in row:
        pairs["chunks"] = (rawjson.parse(body.chunks_text), row["chunks"])
        merged = read_reply(row["endpoint"], rawjson.parse(body.response_text), row["status"])
        expected = read_reply(row["endpoint"], row["response"], row["status"])
        for name in ("id", "model", "fingerprint", "text", "finish_reason", "tokens"):
            pairs[name] = (getattr(merged, name), getattr(expected, name))
        pairs["tool calls"] = (
            [choice.tool_calls for choice in merged.choices],
            [choice.tool_calls for choice in expected.choices],
        )
        told = read_reply(row["endpoint"], row["response"], row["status"], request=row["request"])
        pairs["stored fingerprint"] = (found.fingerprint, told.fingerprint)
    else:
        text = row["recording"].get("response_text")
        if text is not None:
            pairs["response"] = (body.response_text.decode(), text)
        else:
            expected = read_reply(row["endpoint"], row["response"], row["status"])
            pairs["response"] = (rawjson.parse(body.response_text), row["response"])
            told = read_reply(row["endpoint"], row["response"], row["status"], request=row["request"])
            pairs["stored fingerprint"] = (found.fingerprint, told.fingerprint)
            pairs["stored finish reason"] = (found.finish_reason, expected.finish_reason)
    return [
        f"{name}: {got!r:.200} is not {want!r:.200}" for name, (got, want) in pairs.items() if got != want
    ]
