from __future__ import annotations

import contextlib
import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure import rawjson
from reviewapp.pure.rawjson import MAX_DEPTH, InvalidJson, RawMember

TEXT = st.text(st.sampled_from('aé😀\ud83d\x00"\\/ \n{}[]:,'), max_size=6)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


# ---- members and items ----


def test_each_member_keeps_its_text():
    found = rawjson.members(' { "a" : 1.50 , "b":[1, {"c" :2}],"d":"\\u00e9"} ')

    assert found == {
        "a": RawMember(1.5, "1.50"),
        "b": RawMember([1, {"c": 2}], '[1, {"c" :2}]'),
        "d": RawMember("é", '"\\u00e9"'),
    }


def test_each_item_keeps_its_text():
    assert rawjson.items(' [ 1.0 ,{"a":1 }, "x"] ') == [(1.0, "1.0"), ({"a": 1}, '{"a":1 }'), ("x", '"x"')]


@pytest.mark.parametrize("text", ["{}", " { } ", "\n{\t}\r"])
def test_an_object_may_be_empty(text):
    assert rawjson.members(text) == {}


@pytest.mark.parametrize("text", ["[]", " [ ] ", "\n[\t]\r"])
def test_an_array_may_be_empty(text):
    assert rawjson.items(text) == []


def test_of_a_key_given_twice_the_last_counts():
    assert rawjson.members('{"a": 1, "a": 2}') == {"a": RawMember(2, "2")}


def test_the_name_of_a_member_may_be_escaped():
    assert rawjson.members('{"\\u0061\\"": 1}') == {'a"': RawMember(1, "1")}


def test_rows_of_an_array_come_with_their_members():
    rows = rawjson.items_members('[{"a": 1.0}, 7, {}]')

    assert rows == [{"a": RawMember(1.0, "1.0")}, RawMember(7, "7"), {}]


@given(st.dictionaries(TEXT, ANY_JSON, max_size=4), st.sampled_from([None, 2]))
def test_members_agree_with_the_standard_library(value, indent):
    text = json.dumps(value, indent=indent)

    found = rawjson.members(text)

    assert {name: member.value for name, member in found.items()} == value
    assert {name: json.loads(member.text) for name, member in found.items()} == value


@given(st.lists(ANY_JSON, max_size=4))
def test_items_agree_with_the_standard_library(value):
    found = rawjson.items(json.dumps(value))

    assert [item.value for item in found] == value
    assert [json.loads(item.text) for item in found] == value


# ---- what is accepted ----


def test_nan_and_the_infinities_are_read():
    values = rawjson.parse("[NaN, Infinity, -Infinity]")

    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, 2**64 + 1, -(2**200), 10**4299])
def test_big_integers_are_exact(number):
    assert rawjson.parse(str(number)) == number


def test_an_escaped_nul_is_kept():
    assert rawjson.members('{"a": "x\\u0000y"}') == {"a": RawMember("x\0y", '"x\\u0000y"')}


def test_half_a_surrogate_pair_is_kept():
    assert rawjson.parse('"\\ud83d"') == "\ud83d"


def test_a_byte_order_mark_is_left_out():
    assert rawjson.parse(b"\xef\xbb\xbf[1]") == [1]
    assert rawjson.members('\ufeff{"a": 1}') == {"a": RawMember(1, "1")}


def test_nesting_is_read_down_to_the_bound():
    assert rawjson.parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_many_brackets_are_not_deep():
    text = "[" + ",".join(["[{}]"] * 5000) + "]"

    assert len(rawjson.parse(text)) == 5000


@given(ANY_JSON, st.booleans(), st.integers(1, 4))
def test_how_deep_a_text_is_shows_in_its_brackets_outside_of_strings(value, ascii_only, levels):
    text = json.dumps(value, ensure_ascii=ascii_only)

    assert rawjson.looks_shallow(text, levels=levels) == (depth(value) <= levels)


def depth(value):
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


def test_brackets_in_strings_hide_no_depth():
    text = '["]", ' * 3 + "1" + ', "["]' * 3

    assert json.loads(text)
    assert not rawjson.looks_shallow(text, levels=2)


# ---- what is refused ----


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "[1",
        "[1,]",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        "{1:2}",
        '{"a":1}x',
        "nul",
        "'a'",
        '"\n"',
        "01",
    ],
)
@pytest.mark.parametrize("read", [rawjson.parse, rawjson.members, rawjson.items])
def test_what_is_no_json_is_refused(read, text):
    with pytest.raises(InvalidJson):
        read(text)


@pytest.mark.parametrize("deep", ["[" * 300 + "]" * 300, "[" * 200_000, '{"a":' * 200_000])
def test_deep_nesting_is_refused(deep):
    with pytest.raises(InvalidJson, match="nested deeper than 200"):
        rawjson.parse(deep)
    with pytest.raises(InvalidJson, match="nested deeper than 200"):
        rawjson.members(f'{{"a": {deep}}}')


def test_one_level_beyond_the_bound_is_refused():
    with pytest.raises(InvalidJson):
        rawjson.parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


@pytest.mark.parametrize("text", ["[" * 199 + "]" * 199, '{"a":' * 198 + '["' + "[" * 300 + '"]' + "}" * 198])
def test_a_value_fits_where_the_levels_around_it_leave_room(text):
    value = rawjson.parse(text)

    assert rawjson.fits(value, text, within=1)
    assert not rawjson.fits(value, text, within=2)


def test_depth_is_seen_behind_siblings():
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)

    with pytest.raises(InvalidJson):
        rawjson.parse(f'[{{"a": [1, 2]}}, {{"b": {deep}}}]')


def test_an_integer_of_too_many_digits_is_refused_fast():
    # What this thread computes, whatever else the machine does.
    begun = time.thread_time()

    with pytest.raises(InvalidJson, match="4,300 digits"):
        rawjson.parse("9" * 1_000_000)

    assert time.thread_time() - begun < 1


def test_bytes_that_are_no_utf_8_are_refused():
    with pytest.raises(InvalidJson, match="not UTF-8"):
        rawjson.parse(b'{"a": "\xff"}')


def test_an_error_says_where():
    with pytest.raises(InvalidJson, match="line 3, column 8"):
        rawjson.members('{\n "a": 1,\n "b": [}\n}')


WHOLE = '{"a": [1, {"b": "\\u00e9\\n"}], "c": "d", "e": -1.5, "f": [true, null, false]}'


@pytest.mark.parametrize("end", ["", "\n", " \r\n"])
@pytest.mark.parametrize("at", range(1, len(WHOLE)))
def test_a_text_that_is_cut_off_is_told_so(at, end):
    for read in (rawjson.parse, rawjson.members):
        with pytest.raises(InvalidJson, match="The text ends before its JSON does") as told:
            read(WHOLE[:at] + end)
        assert told.value.is_cut


@pytest.mark.parametrize(
    "text", ["", " ", '{"a": }', '{"a": "\t"}', '{"a": 1}}', '{"a": "\\x"}', '{"a": nil']
)
def test_what_is_wrong_before_the_end_is_not_cut_off(text):
    with pytest.raises(InvalidJson) as told:
        rawjson.members(text)

    assert not told.value.is_cut


def test_of_a_single_line_the_column_is_told():
    with pytest.raises(InvalidJson, match=r"^Invalid control character at column 8\.$"):
        rawjson.members('{"a": "\t"}\n')


def test_a_value_of_another_kind_is_refused_in_words():
    with pytest.raises(InvalidJson, match="An object"):
        rawjson.members("[1]")
    with pytest.raises(InvalidJson, match="An array"):
        rawjson.items("{}")


@given(st.text(st.characters(), max_size=60))
def test_any_text_is_read_or_refused(text):
    for read in (rawjson.parse, rawjson.members, rawjson.items, rawjson.items_members):
        with contextlib.suppress(InvalidJson):
            read(text)


@given(st.text('[]{}":,0a\\ u', max_size=40))
def test_text_that_is_almost_json_is_read_or_refused_as_by_the_standard_library(text):
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(InvalidJson):
            rawjson.parse(text)
    else:
        assert rawjson.parse(text) == expected


# ---- splicing ----


def test_a_member_is_set_in_its_place():
    spliced = rawjson.splice('{ "a": 1.0,\n  "seed" : null , "b": NaN }', set={"seed": "123"})

    assert spliced == '{ "a": 1.0,\n  "seed" : 123 , "b": NaN }'


def test_a_new_member_comes_last():
    assert rawjson.splice('{ "a": 1 }\n', set={"b": "[2]", "c": "3"}) == '{ "a": 1,"b":[2],"c":3 }\n'


def test_an_empty_object_takes_members():
    assert rawjson.splice("{ }", set={"a": "1"}) == '{"a":1 }'


def test_a_member_given_twice_is_set_at_both_places():
    assert rawjson.splice('{"seed":1,"a":2,"seed":3}', set={"seed": "9"}) == '{"seed":9,"a":2,"seed":9}'


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('{"a": 1.0, "stream": true, "b": 2}', {"a": 1.0, "b": 2}),
        ('{"stream": true, "a": 1}', {"a": 1}),
        ('{"a": 1, "stream": true, "stream": false}', {"a": 1}),
        ('{"stream": true}', {}),
    ],
)
def test_a_member_is_dropped(text, rest):
    assert json.loads(rawjson.splice(text, drop=["stream"])) == rest


def test_what_is_kept_beside_a_dropped_member_keeps_its_text():
    spliced = rawjson.splice(
        '{"a": 1.00, "stream": true, "b": [ 1 ], "a": 2}', drop=["stream"], set={"seed": "5"}
    )

    assert spliced == '{"a":1.00,"b":[ 1 ],"a":2,"seed":5}'


def test_dropping_what_is_not_there_changes_nothing():
    assert rawjson.splice('{ "a" : 1 }', drop=["stream"]) == '{ "a" : 1 }'


def test_what_is_set_must_be_json():
    with pytest.raises(InvalidJson):
        rawjson.splice("{}", set={"a": "1, "})


def test_a_name_is_written_as_json():
    assert json.loads(rawjson.splice("{}", set={'a"\n': "1"})) == {'a"\n': 1}


@given(
    st.dictionaries(TEXT, ANY_JSON, max_size=4),
    st.dictionaries(TEXT, ANY_JSON, max_size=4),
    st.lists(TEXT, max_size=3),
)
def test_splicing_is_updating(value, news, dropped):
    spliced = rawjson.splice(
        json.dumps(value, indent=1), set={name: json.dumps(item) for name, item in news.items()}, drop=dropped
    )

    kept = {name: item for name, item in value.items() if name not in dropped}
    assert json.loads(spliced) == {**kept, **news}


# ---- text and bytes ----


@given(st.text(st.characters()))
def test_text_with_half_surrogate_pairs_is_stored_and_read_back(text):
    assert rawjson.from_bytes(rawjson.to_bytes(text)) == text


def test_a_json_body_is_kept_as_it_came():
    assert rawjson.read_body('{ "a" : "é" }\n'.encode()) == ('{ "a" : "é" }\n', True)


@given(st.binary(max_size=30))
def test_no_body_is_lost(body):
    text, is_json = rawjson.read_body(body)

    if not is_json:
        assert text.encode("utf-8", "surrogateescape") == body


def test_a_body_that_is_no_json_is_text():
    assert rawjson.read_body(b"<html>") == ("<html>", False)


# ---- cost ----


def test_rows_of_an_array_cost_no_more_than_a_few_times_loading_them():
    message = {"role": "user", "content": "words " * 40, "tool_calls": [], "name": None}
    row = {"request": {"model": "m", "seed": 1, "messages": [message] * 12}, "status": 200, "tags": ["a"]}
    text = json.dumps([row] * 500)

    ours = min(_seconds(rawjson.items_members, text) for _ in range(5))
    floor = min(_seconds(json.loads, text) for _ in range(5))

    # About 2 on a quiet machine, of which most is keeping the text; the rest is room for a busy one.
    assert ours < 8 * floor, f"{ours / floor:.2f} times json.loads"


def _seconds(work, text):
    begun = time.thread_time()
    work(text)
    return time.thread_time() - begun
