"""JSON values as folding trees: whatever a provider answers, a page can show it."""

from __future__ import annotations

from reviewapp.templatetags.jsontree import MOST_ITEMS, json_tree


def test_members_and_items_fold():
    html = json_tree({"messages": [{"role": "user"}]})

    assert html.count("<details") == 3
    assert "messages" in html


def test_markup_in_keys_and_values_stays_text():
    html = json_tree({"<b>": "<script>alert(1)</script>"})

    assert "<script" not in html
    assert "<b>" not in html


def test_a_long_array_is_cut_with_a_note():
    html = json_tree(list(range(MOST_ITEMS + 7)))

    assert "and 7 more" in html


def test_a_very_deep_value_is_cut():
    value: object = 1
    for _ in range(500):
        value = [value]

    assert "…" in json_tree(value)


def test_a_number_that_python_refuses_to_write_is_told_of():
    assert "a number of more than" in json_tree(10**5000)


def test_half_a_character_can_be_sent():
    assert json_tree({"a": "\udc00"}).encode("utf-8")


def test_empty_ones_differ_from_each_other():
    html = json_tree([{}, []])

    assert ">{}</span>" in html
    assert ">[]</span>" in html
