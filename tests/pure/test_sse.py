from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.sse import SseEvent, SseParser, parse_sse

STREAM = (
    'event: a\ndata: {"n": 1, "text": "é😀"}\n\n: ping\n\ndata: {"n": 2}\ndata: {"m": 3}\n\ndata: [DONE]\n\n'
)


def fed(*pieces):
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


# ---- events ----


def test_a_stream_is_its_payloads_and_its_end():
    stream = parse_sse(b'data: {"a": 1.0}\n\ndata:{"a":2}\n\ndata: [DONE]\n\n')

    assert stream.chunks == ('{"a": 1.0}', '{"a":2}')
    assert stream.done
    assert stream.errors == ()


def test_a_stream_without_its_end_mark_is_not_done():
    assert not parse_sse(b"data: {}\n\n").done


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_lines_end_in_any_of_three_ways(end):
    events = fed(STREAM.replace("\n", end).encode())

    assert [event.data for event in events] == ['{"n": 1, "text": "é😀"}', '{"n": 2}\n{"m": 3}', "[DONE]"]


def test_an_event_may_have_a_name():
    assert fed(b"event: response.created\ndata: {}\n\ndata: []\n\n") == [
        SseEvent("{}", "response.created"),
        SseEvent("[]"),
    ]


def test_a_name_without_data_is_no_event_and_names_no_other():
    assert fed(b"event: ping\n\ndata: {}\n\n") == [SseEvent("{}")]


def test_several_data_lines_are_one_payload():
    assert fed(b"data: a\ndata:\ndata:  b\n\n") == [SseEvent("a\n\n b")]


def test_comments_ids_and_retries_are_left_out():
    assert parse_sse(b": OPENROUTER PROCESSING\n\nid: 7\nretry: 10\ndata: {}\n\n").chunks == ("{}",)
    assert parse_sse(b": OPENROUTER PROCESSING\n\n").errors == ()


def test_a_byte_order_mark_is_left_out():
    assert fed(b"\xef\xbb\xbfdata: {}\n\n") == [SseEvent("{}")]


# ---- pieces ----


@given(
    st.lists(st.integers(0, len(STREAM.encode()) + 10), max_size=12), st.sampled_from(["\n", "\r", "\r\n"])
)
def test_where_the_bytes_are_cut_makes_no_difference(cuts, end):
    data = STREAM.replace("\n", end).encode()
    edges = [0, *sorted(cuts), len(data) + 20]

    pieces = [data[left:right] for left, right in itertools.pairwise(edges)]

    assert fed(*pieces) == fed(data)


def test_an_event_is_given_as_soon_as_it_ends():
    parser = SseParser()

    assert parser.feed(b"data: {}\n") == []
    assert parser.feed(b"\n") == [SseEvent("{}")]


def test_an_event_that_ends_in_a_carriage_return_does_not_wait():
    parser = SseParser()

    assert parser.feed(b"data: {}\r\r") == [SseEvent("{}")]
    assert parser.feed(b"\ndata: []\r\n\r") == [SseEvent("[]")]


def test_a_long_line_in_many_pieces_is_read_in_no_time():
    parser = SseParser()
    for piece in [b"data: "] + [b"x" * 100] * 50_000:
        parser.feed(piece)

    (event,) = parser.feed(b"\n\n")

    assert len(event.data) == 5_000_000


# ---- what is wrong ----


def test_an_event_that_the_end_cut_off_is_given_when_its_payload_looks_whole():
    assert parse_sse(b'data: {"a": 1}').chunks == ('{"a": 1}',)
    assert parse_sse(b"data: [DONE]\n").done


def test_an_event_that_was_cut_off_within_its_payload_is_an_error():
    stream = parse_sse(b'data: {"a": 1}\n\ndata: {"a": "hel')

    assert stream.chunks == ('{"a": 1}',)
    assert stream.errors == ('The stream ends within an event: {"a": "hel',)


def test_what_is_no_event_is_an_error():
    stream = parse_sse(b'<html>502 Bad Gateway</html>\n{"error": "x"}\n\ndata: {}\n\n')

    assert stream.chunks == ("{}",)
    assert stream.errors == (
        "A line is no part of an event: <html>502 Bad Gateway</html>",
        'A line is no part of an event: {"error": "x"}',
    )


def test_bytes_that_are_no_utf_8_are_kept():
    (text,) = parse_sse(b'data: {"a": "\xff"}\n\n').chunks

    assert text.encode("utf-8", "surrogateescape") == b'{"a": "\xff"}'


def test_separators_of_unicode_end_no_line():
    assert parse_sse('data: {"a": "x\u2028y\x85z\x0b"}\n\n'.encode()).chunks == (
        '{"a": "x\u2028y\x85z\x0b"}',
    )


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_any_bytes_are_read(pieces):
    assert isinstance(fed(*pieces), list)
