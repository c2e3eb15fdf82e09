"""Many at once, by keys alone and by several people: flagged, queued, tagged, exported, taken back."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from reviewapp.models import (
    Actor,
    AddedTag,
    Annotation,
    BulkWork,
    Export,
    Flag,
    Interaction,
    Queue,
    QueueItem,
)
from reviewapp.stages import export, find, review
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FOUND = 3


@pytest.fixture
def refunds(project: Any) -> list[Interaction]:
    """What a search for “refund” finds, between what it does not."""
    asked = ["When is my refund due?", "Where is my parcel?"] * FOUND
    rows = [factories.make_interaction(project=project, prompt=words, answer="Soon.") for words in asked]
    return rows[::2]


def press(page: Page, *keys: str) -> None:
    page.wait_for_load_state("load")  # the modules that listen have run
    for key in keys:
        page.keyboard.press(key)


def find_refunds(open_page: OpenPage, actor: Actor) -> Page:
    """The list with what somebody typed into its search box."""
    page = open_page("/interactions/", person=actor.person)
    press(page, "/")
    page.keyboard.type("refund")
    press(page, "Enter")
    page.wait_for_url(re.compile("q=refund"))
    expect(page.locator("[data-row]")).to_have_count(FOUND)
    return page


def choose(page: Page, deed: str) -> None:
    """From the menu of what can be done to all that match."""
    press(page, "A")
    entry = page.get_by_role("link", name=deed)
    # Opened, the menu lists them all; the arrows come to each of them.
    for _ in range(10):
        press(page, "ArrowDown")
        if entry.evaluate("one => one === document.activeElement"):
            break
    press(page, "Enter")
    page.wait_for_url(re.compile("/new/"))


def work_on(page: Page) -> BulkWork:
    """What a worker does, once the page shows that it is waited for."""
    page.wait_for_url(re.compile("/interactions/bulk/[0-9a-f-]{36}/"))
    expect(page.get_by_role("progressbar")).to_be_visible()
    work = BulkWork.objects.get(pk=page.url.split("/")[-2])
    while find.step(work_id=work.pk, now=timezone.now() + timedelta(seconds=1)):
        pass
    return work


def test_two_people_flag_and_queue_all_that_match_at_once(
    open_page: OpenPage, project: Any, refunds: list[Interaction], admin: Actor, reviewer: Actor
):
    queue: Queue = factories.make_queue(project=project, name="Refunds")
    flags, queues = find_refunds(open_page, reviewer), find_refunds(open_page, admin)

    choose(flags, "Flag them")
    expect(flags.get_by_text("3 interactions")).to_be_visible()
    flags.get_by_label("Wrong", exact=True).press("Space")
    press(flags, "Control+Enter")
    choose(queues, "Put them into a queue")
    press(queues, "Control+Enter")
    work_on(flags)
    work_on(queues)

    # Each page looks again by itself.
    for page in (flags, queues):
        expect(page.get_by_role("heading", name="Done")).to_be_visible()
    wanted = {row.pk for row in refunds}
    assert set(Flag.objects.filter(reason="Wrong").values_list("interaction", flat=True)) == wanted
    assert set(QueueItem.objects.filter(queue=queue).values_list("interaction", flat=True)) == wanted

    # What somebody has in hand meanwhile stays.
    judging = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    expect(judging.locator("[data-item]")).to_contain_text("refund")
    press(queues, "z")
    work_on(queues)
    expect(queues.get_by_role("heading", name="Taken back")).to_be_visible()
    expect(queues.get_by_text("What somebody worked on meanwhile was left as it is.")).to_be_visible()
    # The item that is open, and the one that is ready to come after it.
    assert 1 <= QueueItem.objects.filter(queue=queue).count() <= 2
    assert Flag.objects.filter(state="open").count() == FOUND


def test_all_that_match_are_tagged_and_only_who_did_it_takes_it_back(
    open_page: OpenPage, project: Any, refunds: list[Interaction], reviewer: Actor
):
    other = factories.make_actor(project=project, role="reviewer")
    page = find_refunds(open_page, reviewer)
    choose(page, "Tag them")
    expect(page.get_by_label("Tag", exact=True)).to_be_focused()
    page.keyboard.type("golden")
    press(page, "Enter")
    work = work_on(page)
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert set(AddedTag.objects.values_list("interaction", "name")) == {(row.pk, "golden") for row in refunds}

    looks = open_page(f"/interactions/bulk/{work.pk}/", person=other.person)
    expect(looks.get_by_role("heading", name="Done")).to_be_visible()
    expect(looks.get_by_role("button", name="Undo")).to_have_count(0)
    press(page, "z")
    expect(page.get_by_text("Taking it back")).to_be_visible()
    work_on(page)

    expect(page.get_by_role("heading", name="Taken back")).to_be_visible()
    assert not AddedTag.objects.exists()


def test_all_that_match_are_judged_alike_but_what_one_judged_oneself(
    open_page: OpenPage, refunds: list[Interaction], reviewer: Actor
):
    bad = {"verdict": "bad", "correct": False}
    review.annotate(actor=reviewer, interaction=refunds[0], scores=bad, now=timezone.now())
    page = find_refunds(open_page, reviewer)

    choose(page, "Judge them alike")
    page.get_by_role("radio", name="Good").press("Space")
    page.get_by_role("radio", name="Yes").press("Space")
    press(page, "Control+Enter")
    work_on(page)

    expect(page.get_by_text("the others were yours already")).to_be_visible()
    said = dict(Annotation.objects.values_list("interaction", "scores__verdict"))
    assert said == {refunds[0].pk: "bad", refunds[1].pk: "good", refunds[2].pk: "good"}


def test_some_chosen_by_hand_are_tagged(open_page: OpenPage, refunds: list[Interaction], reviewer: Actor):
    page = open_page("/interactions/", person=reviewer.person)

    press(page, "j", "x", "j", "x", "t")
    page.get_by_label("Tag", exact=True).fill("golden")
    press(page, "Enter")
    work_on(page)

    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert AddedTag.objects.filter(name="golden").count() == 2


def test_all_that_match_are_exported_in_the_background(
    open_page: OpenPage, refunds: list[Interaction], reviewer: Actor, tmp_path: Path
):
    page = find_refunds(open_page, reviewer)
    choose(page, "Export them")
    expect(page.get_by_text("about 3 interactions")).to_be_visible()
    press(page, "Control+Enter")
    page.wait_for_url(re.compile("/exports/[0-9a-f-]{36}/"))
    expect(page.get_by_role("progressbar")).to_be_visible()
    export.make_export(export_id=Export.objects.get().pk)

    # The page looks again by itself.
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    with page.expect_download() as taken:
        press(page, "d")
    file = tmp_path / "taken.jsonl"
    taken.value.save_as(file)
    told = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert sorted(told) == sorted(str(row.pk) for row in refunds)
