"""Marks on words of an answer: what a person selects is what is kept, however the page draws it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from reviewapp.models import Annotation
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Draws a selection from the first to the last of some words, across elements, as a mouse does.
SELECT = """([first, last]) => {
  const body = document.querySelector("[data-judged] .message-body");
  const walk = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const from = node.data.indexOf(first), to = node.data.lastIndexOf(last);
    if (from >= 0) range.setStart(node, from);
    if (to >= 0) range.setEnd(node, to + last.length);
  }
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


@pytest.mark.parametrize(
    ("answer", "first", "last", "marked"),
    [
        ("One.\r\nTwo.\r\nThree wrong words.", "wrong", "words", "wrong words"),
        ("One.\r\nTwo.\r\n\r\nThree.", "Two", "Three", "Two.\r\n\r\nThree"),
        ("It is **very** wrong.", "very", "wrong", "very** wrong"),
        ("Fünf 🙂 Tage\r\nsind zu viele.", "zu", "viele", "zu viele"),
        ("a b. a b. a b.", "a", "b", "a b. a b. a b"),
    ],
)
def test_the_words_selected_are_the_words_marked(
    open_page: OpenPage, project, admin, answer: str, first: str, last: str, marked: str
):
    one = factories.make_interaction(project=project, answer=answer)
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)

    page.evaluate(SELECT, [first, last])
    page.keyboard.press("s")
    page.keyboard.press("1")
    expect(page.locator("[data-span-list] li")).to_have_count(1)
    judge(page)

    (span,) = Annotation.objects.get().spans
    assert answer[span["start"] : span["end"]] == marked


def test_a_mark_given_before_is_shown_on_the_same_words(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project, answer="One.\r\nTwo.\r\nThree.")
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)
    page.evaluate(SELECT, ["Three", "Three"])
    page.keyboard.press("s")
    page.keyboard.press("1")
    judge(page)

    page.reload()

    expect(page.locator(".judgement mark")).to_contain_text("Three")
    expect(page.locator("[data-span-list] mark")).to_contain_text("Three")
    assert json.loads(page.locator("[name=spans]").input_value())[0]["start"] == 12


def judge(page: Page) -> None:
    page.get_by_label("Good", exact=True).check()
    page.get_by_label("Yes", exact=True).check()
    page.get_by_role("button", name="Save judgement").click()
    expect(page.locator(".judgement")).to_have_count(1)


def test_digits_answer_the_questions_after_a_came_to_them(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project)
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)
    page.wait_for_load_state("load")

    for key in ("a", "2", "1", "4"):
        page.keyboard.press(key)
    expect(page.get_by_label("Minor problems")).to_be_checked()
    expect(page.get_by_label("Yes", exact=True)).to_be_checked()
    expect(page.get_by_label("4", exact=True)).to_be_checked()
    page.keyboard.press("Control+Enter")

    expect(page.locator(".judgement")).to_contain_text("Minor problems")
    assert Annotation.objects.get().scores == {"verdict": "minor", "correct": True, "helpful": 4}


def test_digits_change_the_view_where_nobody_is_in_the_form(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project)
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)
    page.wait_for_load_state("load")
    page.keyboard.press("a")
    page.locator("#conversation").click()

    page.keyboard.press("3")

    page.wait_for_url(re.compile("view=json"))


def test_the_arrow_keys_stay_within_a_question(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project)
    page = open_page(f"/interactions/{one.pk}/#annotate", person=admin.person)
    expect(page.get_by_label("Good", exact=True)).to_be_focused()

    page.keyboard.press("ArrowDown")

    expect(page.get_by_label("Minor problems")).to_be_focused()
    expect(page.get_by_label("Minor problems")).to_be_checked()


def test_the_key_a_goes_to_the_first_question(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project)
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)

    page.keyboard.press("a")

    expect(page.get_by_label("Good", exact=True)).to_be_focused()
