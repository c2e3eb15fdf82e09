"""The comparison of everything that was recorded: it must never fail, and an answer is its own equal."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from reviewapp.formats.openai import read_exchange
from reviewapp.pure.canonical import request_hash
from reviewapp.pure.differences.calls import compare_calls
from reviewapp.pure.differences.rows import side_by_side, unified
from reviewapp.pure.differences.words import compare_texts
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts import VerdictKind, compare, summarise
from tests.recordings import recorded_rows


def recorded(shared: Path) -> list[Exchange]:
    return [
        read_exchange(
            endpoint=row["endpoint"],
            request=row["request"],
            response=row["response"],
            chunks=row.get("chunks"),
            status=row["status"],
            error=row.get("error"),
        )
        for row in recorded_rows(shared)
    ]


def test_each_recorded_answer_is_identical_to_itself(shared: Path) -> None:
    for exchange in recorded(shared):
        assert compare(exchange, exchange).kind in (VerdictKind.IDENTICAL, VerdictKind.FAILED)


def test_recordings_of_equal_requests_are_summed_up(shared: Path) -> None:
    same = defaultdict(list)
    for exchange in recorded(shared):
        same[request_hash(exchange.endpoint, exchange.request)].append(exchange)
    repeated = [exchanges for exchanges in same.values() if len(exchanges) > 1]

    verdicts = [summarise(first, others[:10]) for first, *others in repeated]

    assert len(verdicts) > 100
    assert all(verdict.sentence for verdict in verdicts)


def test_recorded_answers_are_laid_out_beside_each_other(shared: Path) -> None:
    exchanges = [exchange for exchange in recorded(shared) if exchange.reply.choices]

    for one, other in zip(exchanges[::10], exchanges[5::10], strict=False):
        difference = compare_texts(one.reply.text, other.reply.text)
        rows = side_by_side(difference)
        compare_calls(one.reply.choices[0].tool_calls, other.reply.choices[0].tool_calls)
        assert "\n".join(row.left.text for row in rows if row.left) == one.reply.text
        assert "\n".join(u.line.text for u in unified(rows) if u.kind != "removed") == other.reply.text
