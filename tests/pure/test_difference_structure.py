from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.canonical import canonical_json
from reviewapp.pure.differences.calls import compare_calls
from reviewapp.pure.differences.equivalence import Equivalence, answer_digest, likeness, same_text
from reviewapp.pure.differences.settings import figures, setting_differences
from reviewapp.pure.differences.structure import Node, compare_json, read_structure, written_path
from reviewapp.pure.differences.words import TextDifference
from reviewapp.pure.exchange import Choice, Reply, ToolCall
from tests.pure.exchanges import answer

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=True), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.sampled_from(["a", "b", "id"]), inner, max_size=3)
    ),
    max_leaves=15,
)


def told(left: Any, right: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.path) for change in compare_json(left, right).changes]


def rebuilt(node: Node, side: str) -> Any:
    """The value of one side, put together again from the tree."""
    if node.kind != "inside":
        return getattr(node, side)
    key = f"{side}_key"
    present = [child for child in node.children if getattr(child, key) is not None]
    if isinstance(getattr(node, side), dict):
        return {getattr(child, key): rebuilt(child, side) for child in present}
    return [rebuilt(child, side) for child in sorted(present, key=lambda child: getattr(child, key))]


@given(values, values)
def test_the_tree_holds_both_values(left: Any, right: Any) -> None:
    tree = compare_json(left, right).tree

    assert canonical_json(rebuilt(tree, "left")) == canonical_json(left)
    assert canonical_json(rebuilt(tree, "right")) == canonical_json(right)


@given(values, values)
def test_there_are_changes_exactly_where_values_differ(left: Any, right: Any) -> None:
    difference = compare_json(left, right)

    assert difference.equal == (canonical_json(left) == canonical_json(right))
    assert difference.equal == (not difference.changes)


def test_the_order_of_keys_says_nothing() -> None:
    assert told({"a": 1, "b": 2}, {"b": 2, "a": 1}) == []


def test_a_changed_value_has_its_path() -> None:
    left = {"items": [{"price": 1}, {"price": 2}]}
    right = {"items": [{"price": 1}, {"price": 3}]}

    assert told(left, right) == [("changed", "items[1].price")]


def test_added_and_removed_keys_are_told() -> None:
    assert told({"a": 1, "b": 2}, {"a": 1, "c": 3}) == [("removed", "b"), ("added", "c")]


def test_an_item_put_in_front_is_one_addition() -> None:
    assert told([1, 2, 3], [0, 1, 2, 3]) == [("added", "[0]")]


def test_an_item_at_another_place_is_moved() -> None:
    left = [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    right = [{"name": "c"}, {"name": "a"}, {"name": "b"}]

    assert told(left, right) == [("moved", "[2]")]


def test_named_items_are_compared_with_their_namesakes() -> None:
    left = [{"name": "a", "n": 1}, {"name": "b", "n": 2}]
    right = [{"name": "b", "n": 3}]

    assert told(left, right) == [("removed", "[0]"), ("changed", "[1].n")]


def test_null_and_absent_are_different() -> None:
    assert told({"a": None}, {}) == [("removed", "a")]


def test_odd_keys_are_quoted_in_paths() -> None:
    assert written_path(("a", "odd key", 3)) == 'a["odd key"][3]'


def test_deep_values_are_compared_whole() -> None:
    deep: Any = 1
    other: Any = 2
    for _ in range(150):
        deep, other = [deep], [other]

    assert len(compare_json(deep, other).changes) == 1


def test_only_objects_and_arrays_are_structure() -> None:
    assert read_structure(' {"a": 1} ') == {"a": 1}
    assert read_structure("1.0") is None
    assert read_structure('{"a": 1') is None


# ---- the same answer ----


def reply(text: str | None = None, *calls: ToolCall) -> Reply:
    return Reply(choices=(Choice(text=text, tool_calls=calls),))


def test_equal_texts_are_identical() -> None:
    assert likeness(reply("Yes."), reply("Yes.")).sameness == "identical"


def test_white_space_does_not_matter() -> None:
    found = likeness(reply("Yes,\n  indeed. "), reply("Yes, indeed."))

    assert (found.sameness, found.excuses) == ("equivalent", ("white_space",))


def test_white_space_matters_to_a_project_that_says_so() -> None:
    rules = Equivalence(white_space=False)

    assert likeness(reply("Yes,  indeed."), reply("Yes, indeed."), rules=rules).sameness == "different"


def test_missing_white_space_is_another_text() -> None:
    assert same_text("in deed", "indeed") is None


def test_the_order_of_json_keys_does_not_matter() -> None:
    found = likeness(reply('{"a": 1, "b": [2]}'), reply('{"b":[2.0],"a":1}'))

    assert (found.sameness, found.excuses) == ("equivalent", ("json_layout",))


def test_white_space_inside_json_strings_matters() -> None:
    assert same_text('{"b": 1, "a": "x y"}', '{"a": "x  y!", "b": 1}') is None


def test_ids_of_tool_calls_do_not_matter() -> None:
    one, other = ToolCall("f", "{}", id="call_1"), ToolCall("f", "{}", id="call_2")

    assert likeness(reply(None, one), reply(None, other)).excuses == ("tool_call_ids",)


def test_arguments_of_tool_calls_matter() -> None:
    one, other = ToolCall("f", '{"a":1}'), ToolCall("f", '{"a":2}')

    assert likeness(reply(None, one), reply(None, other)) == likeness(reply("x"), reply("y"))


def test_choices_are_compared_by_their_index() -> None:
    one = Reply(choices=(Choice(index=0, text="a"), Choice(index=1, text="b")))
    other = Reply(choices=(Choice(index=1, text="b"), Choice(index=0, text="a")))

    assert likeness(one, other).sameness == "identical"


def test_the_first_choice_that_differs_is_told() -> None:
    one = Reply(choices=(Choice(index=0, text="a"), Choice(index=1, text="b")))
    other = Reply(choices=(Choice(index=0, text="a"), Choice(index=1, text="c")))

    assert likeness(one, other).choice == 1


def test_reasoning_is_no_part_of_the_answer() -> None:
    one = Reply(choices=(Choice(text="a", reasoning="so"),))

    assert likeness(one, reply("a")).sameness == "identical"


def test_the_digest_of_an_answer_has_a_golden_value() -> None:
    digest = answer_digest(reply("Yes.", ToolCall("f", "{}", id="call_1")))

    assert digest.hex() == "70ea1536630fe3d1c6c7992abc998de2a9ac8c97fe13ae20e85ef19a7a71bd29"


def test_the_digest_leaves_out_tool_call_ids() -> None:
    assert answer_digest(reply(None, ToolCall("f", "{}", id="1"))) == answer_digest(
        reply(None, ToolCall("f", "{}"))
    )


def test_the_digest_tells_a_refusal_from_an_answer() -> None:
    assert answer_digest(Reply(choices=(Choice(refusal="No."),))) != answer_digest(reply("No."))


# ---- tool calls ----


def test_changed_arguments_are_found_by_path() -> None:
    (call,) = compare_calls(
        [ToolCall("weather", '{"city": "Paris", "days": 2}', id="a")],
        [ToolCall("weather", '{"days": 2, "city": "Lyon"}', id="b")],
    )

    assert call.kind == "changed"
    assert call.arguments is not None
    assert not isinstance(call.arguments, TextDifference)
    assert [change.path for change in call.arguments.changes] == ["city"]


def test_a_call_that_only_one_side_makes_is_alone() -> None:
    calls = compare_calls([ToolCall("f", "{}")], [ToolCall("g", "{}"), ToolCall("f", "{}")])

    assert [(call.kind, call.name) for call in calls] == [("added", "g"), ("equal", "f")]


def test_broken_arguments_are_compared_as_text() -> None:
    (call,) = compare_calls([ToolCall("f", '{"a": 1')], [ToolCall("f", '{"a": 2')])

    assert isinstance(call.arguments, TextDifference)


# ---- settings and figures ----


def test_a_setting_that_is_null_was_not_sent() -> None:
    assert setting_differences({"top_p": None}, {}) == ()


def test_settings_that_differ_are_told_with_both_values() -> None:
    (found,) = setting_differences({"temperature": 0, "seed": 1}, {"temperature": 0.5, "seed": 1})

    assert (found.name, found.left, found.right, found.neutral) == ("temperature", 0, 0.5, False)


def test_streaming_is_neutral_and_messages_are_content() -> None:
    found = setting_differences({"stream": True, "messages": [1]}, {"messages": [2]})

    assert [(one.name, one.neutral, one.content) for one in found] == [
        ("stream", True, False),
        ("messages", False, True),
    ]


def test_a_setting_that_no_request_shows_can_be_given() -> None:
    (found,) = setting_differences({}, {}, given={"provider": "other"})

    assert (found.name, found.right) == ("provider", "other")


def test_an_unreported_figure_neither_differs_nor_agrees() -> None:
    states = {
        figure.name: figure.state
        for figure in figures(answer("a"), answer("b", fingerprint=None, finish="length"))
    }

    assert (states["fingerprint"], states["model"], states["finish_reason"]) == (
        "unreported",
        "same",
        "differs",
    )


def test_latencies_are_compared_as_a_change() -> None:
    found = figures(answer("a"), answer("a"), latency_ms=(800, 950))

    assert found[-1].change == 150


@given(values)
def test_a_value_read_from_its_text_is_equivalent_to_itself_laid_out_anew(value: Any) -> None:
    text, pretty = json.dumps({"v": value}), json.dumps({"v": value}, indent=3, sort_keys=True)

    assert same_text(text, pretty) is not None
