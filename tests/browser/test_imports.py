"""Bringing a file by dragging it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DROP = """() => {
  const carried = new DataTransfer();
  carried.items.add(new File(['{"request": {"model": "m", "messages": []}}'], "runs.jsonl"));
  for (const type of ["dragover", "drop"]) {
    document.querySelector("h1").dispatchEvent(
      new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: carried })
    );
  }
}"""


def test_a_file_that_is_let_go_anywhere_on_the_page_is_looked_through(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    page = open_page("/settings/import/", person=factories.make_member(project=project, role="admin"))

    page.evaluate(DROP)

    assert page.locator("input[type=file]").evaluate("field => field.files[0].name") == "runs.jsonl"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/settings/import/[0-9a-f-]{36}/"))
    expect(page.locator("body")).to_contain_text("runs.jsonl")
