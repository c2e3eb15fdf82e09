"""Every recorded stream, merged, against the answer that its recorder merged it into."""

from __future__ import annotations

import sys
from collections import Counter

from reviewapp.formats.openai import read_reply
from reviewapp.pure.streams import merge_chunks
from tests.recordings import recorded_rows

# Where the recorder's own merge lost something that the chunks hold; by line, from 0.
LOST_BY_THE_RECORDER = {
    1134: "the names of two tool calls, which stand in their later fragments",
    2565: "the error in mid-stream",
    4644: "the seed that the server says it used",
}


def test_every_recorded_stream_merges_into_its_answer(shared, capsys):
    counts: Counter[str] = Counter()
    for line, row in enumerate(recorded_rows(shared)):
        if "chunks" not in row:
            continue
        endpoint = row["endpoint"]
        expected = read_reply(endpoint, row["response"], row["status"])

        reply = read_reply(endpoint, merge_chunks(endpoint, row["chunks"]), row["status"])

        counts["streams"] += 1
        counts["fingerprints"] += reply.fingerprint is not None
        counts["with tool calls"] += any(choice.tool_calls for choice in reply.choices)
        counts["with log probabilities"] += any(choice.tokens for choice in reply.choices)
        counts["tokens with log probabilities"] += sum(len(choice.tokens) for choice in reply.choices)
        if line in LOST_BY_THE_RECORDER:
            counts["where the recorder lost something"] += 1
            assert reply != expected
        elif reply.usage != expected.usage:
            # Groq's usage stands in x_groq of the last chunk, of which the recorder kept the first.
            counts["with usage that the recorder lost"] += 1
            assert row["provider"] == "groq"
            assert expected.usage == type(expected.usage)()
        elif reply.choices and reply.choices[0].role != expected.choices[0].role:
            counts["without a role"] += 1
            assert expected.choices[0].role is None
        else:
            assert reply == expected, f"line {line}"
    with capsys.disabled():
        sys.stdout.write(f"\n    recorded streams: {dict(counts)}\n")

    assert counts["streams"] == 1013


def test_every_recorded_stream_of_events_merges_without_its_end(shared):
    """The text, the calls and the tokens are in the deltas too: a stream that broke off keeps them."""
    compared = 0
    for row in recorded_rows(shared):
        deltas = [
            event for event in row.get("chunks", ()) if str(event.get("type")).endswith((".delta", ".added"))
        ]
        if row["endpoint"] != "responses" or not deltas:
            continue

        whole = read_reply("responses", row["response"]).choices
        (cut,) = read_reply("responses", merge_chunks("responses", deltas)).choices

        compared += 1
        assert (cut.text, cut.refusal, cut.reasoning, cut.tokens) == (
            whole[0].text,
            whole[0].refusal,
            whole[0].reasoning,
            whole[0].tokens,
        )
    assert compared > 100
