"""The quick reader of members gives what pure/rawjson gives, whatever the text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.formats import quickjson
from reviewapp.pure import rawjson
from reviewapp.pure.rawjson import MAX_DEPTH, InvalidJson

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
INDENTS = st.sampled_from([None, 1])


def outcome(read, text):
    """What a reader makes of a text, comparable: values as JSON, since NaN is not equal to itself."""
    try:
        found = read(text)
    except InvalidJson as error:
        return str(error)
    rows = found if isinstance(found, list) else [found]
    return [
        {name: (json.dumps(member.value), member.text) for name, member in row.items()}
        if isinstance(row, dict)
        else (json.dumps(row.value), row.text)
        for row in rows
    ]


def assert_same(text):
    assert outcome(quickjson.members, text) == outcome(rawjson.members, text)
    assert outcome(quickjson.items_members, text) == outcome(rawjson.items_members, text)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), INDENTS, st.booleans())
def test_members_are_the_same(value, indent, ascii_only):
    assert_same(json.dumps(value, indent=indent, ensure_ascii=ascii_only))


@given(st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3) | VALUES, max_size=4), INDENTS)
def test_items_are_the_same(value, indent):
    assert_same(json.dumps(value, indent=indent))


@given(st.text('[]{}":,0a\\ uNe-.1tr', max_size=40))
def test_what_is_almost_json_is_the_same(text):
    assert_same("{" + text + "}")
    assert_same("[{" + text + "}]")


@pytest.mark.parametrize(
    "value",
    [
        "01", "1.", ".5", "-", "-0", "1e400", "NaN", "-Infinity", '"\\ud800"', '"\ud800"', '"\\x"', '"\x01"',
        "9" * 4300, "9" * 4301, "-" + "9" * 4301, "[" + "9" * 9000 + "]", '"' + "9" * 5000 + '"',
        "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1), "[" * MAX_DEPTH + "]" * MAX_DEPTH,
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "[" * 3000 + "]" * 3000,
        '{"a":1,"a":2}', "\ufeff1", "1/**/", '{"a" : [ 1 , 2 ] }', "tru", "nul", "null ", " null",
    ],
)  # fmt: skip
def test_odd_values_are_the_same(value):
    assert_same(f'{{"a": {value}}}')
    assert_same(f'[{{"b": 1, "a":{value} }}, {{}}]')
    assert_same(f"[{value}]")


@pytest.mark.parametrize("at", [0, 1, 200, 4095, 4096, 4097, 8191])
@pytest.mark.parametrize("digits", [4300, 4301, 8192])
def test_an_endless_integer_is_found_wherever_it_stands(at, digits):
    assert_same(f'{{"text": "{"x" * at}", "number": {"7" * digits}}}')


@pytest.mark.parametrize("text", ["", " ", "\ufeff{}", "\ufeff[{}]", "{} x", "[{}] x", "{", "[{}", "null"])
def test_odd_documents_are_the_same(text):
    assert_same(text)


def test_a_member_given_twice_is_its_last():
    (row,) = quickjson.items_members('[{"a": 1, "b": 2, "a": 3}]')

    assert {name: member.text for name, member in row.items()} == {"a": "3", "b": "2"}


def test_a_value_is_read_as_the_exact_reader_reads_it():
    assert quickjson.members('{"seed": 123456789012345678901234567890}')["seed"].value == (
        123456789012345678901234567890
    )
