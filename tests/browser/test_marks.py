"""Marks on words of an answer: what a person selects is what is kept, however the page draws it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from reviewapp.models import Annotation
from reviewapp.stages import review
from tests import factories
from tests.browser.conftest import OpenPage
from tests.factories import NOW

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
    page.keyboard.press("w")
    expect(page.locator("[data-span-list] li")).to_have_count(1)
    judge(page)

    (span,) = Annotation.objects.get().spans
    assert answer[span["start"] : span["end"]] == marked


def test_a_mark_given_before_is_shown_on_the_same_words(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project, answer="One.\r\nTwo.\r\nThree.")
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)
    page.evaluate(SELECT, ["Three", "Three"])
    page.keyboard.press("w")
    judge(page)

    page.reload()

    expect(page.locator(".judgement mark")).to_have_text("ThreeWrong")
    expect(page.locator("[data-span-list] mark")).to_contain_text("Three")
    assert json.loads(page.locator("[name=spans]").input_value())[0]["start"] == 12


def judge(page: Page) -> None:
    page.get_by_label("Good", exact=True).check()
    page.get_by_label("Yes", exact=True).check()
    page.get_by_role("button", name="Save judgement").click()
    expect(page.locator(".judgement")).to_have_count(1)


def test_marks_of_others_are_drawn_on_the_answer(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project, answer="It is **very** wrong.\r\n\r\nAnd late.")
    other = factories.make_actor(project=project, role="reviewer")
    marks = [{"start": 8, "end": 20, "label": "wrong"}, {"start": 29, "end": 33, "label": "good"}]
    review.annotate(
        actor=other, interaction=one, scores={"verdict": "bad", "correct": False}, spans=marks, now=NOW
    )

    page = open_page(f"/interactions/{one.pk}/", person=admin.person)

    drawn = page.locator("[data-judged] mark[data-mark]")
    expect(drawn).to_have_text(["very", " wrong", "late"])
    expect(drawn.nth(1)).to_have_attribute("title", re.compile("^Wrong, "))
    expect(page.locator(".judgement mark").first).to_contain_text("Wrong")
    expect(page.locator("[data-judged] .message-body")).to_have_text(
        re.compile("It is very wrong.\\s*And late.")
    )


def test_a_mark_of_ones_own_is_drawn_while_it_is_made(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project, answer="One wrong word, and one more wrong word.")
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)
    page.evaluate(SELECT, ["more", "word"])

    page.keyboard.press("w")

    drawn = page.locator("[data-judged] mark[data-mark]")
    expect(drawn).to_have_text(["more wrong word"])
    page.locator("[data-span-list] button").click()
    expect(drawn).to_have_count(0)


def test_words_within_marks_can_be_marked_too(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project, answer="One wrong word.")
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)
    page.evaluate(SELECT, ["One", "word"])
    page.keyboard.press("w")
    page.evaluate(SELECT, ["wrong", "wrong"])
    page.keyboard.press("o")
    expect(page.locator("[data-span-list] li")).to_have_count(2)

    judge(page)

    spans = [(one["start"], one["end"], one["label"]) for one in Annotation.objects.get().spans]
    assert spans == [(0, 14, "wrong"), (4, 9, "unsupported")]


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


def test_e_corrects_and_n_comments_as_in_focus_mode_and_the_keys_say_so(open_page: OpenPage, project, admin):
    one = factories.make_interaction(project=project, answer="Within five days.")
    page = open_page(f"/interactions/{one.pk}/", person=admin.person)
    page.wait_for_load_state("load")

    page.keyboard.press("e")
    expect(page.get_by_label("The answer as it should be")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.get_by_label("Comment")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")

    rows = page.locator("[data-keys=screen] .keys-row").all_inner_texts()
    told = dict(row.rsplit("\n", 1) for row in rows)
    assert (told["Correct the answer"], told["Write a comment"]) == ("e", "n")
    assert [key for label, key in told.items() if label.startswith("Mark as")] == ["w", "o", "b", "d"]
