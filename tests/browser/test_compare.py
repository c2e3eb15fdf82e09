"""The compare page under somebody's hands: differences, modes, attempts, tokens, decisions; and by axe."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from reviewapp.models import Attempt, Comparison
from reviewapp.stages import compare as stage
from tests import factories
from tests.browser.conftest import OpenPage
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LINES = [f"Paragraph {n} of the answer, long enough to be read as one." for n in range(60)]
FIRST = "\n".join(LINES)
SECOND = "\n".join([*LINES[:3], "Here one is different.", *LINES[4:50], "And here another.", *LINES[51:]])


@pytest.fixture
def project():
    return factories.make_project(name="Demo")


@pytest.fixture
def person(project):
    return factories.make_member(project=project, role="reviewer")


def completion(text: str, *, fingerprint: str = "fp_one") -> dict[str, Any]:
    """An answer with log probabilities: a token a word."""
    content = [
        {
            "token": word,
            "logprob": -0.5,
            "top_logprobs": [{"token": word, "logprob": -0.5}, {"token": " else", "logprob": -1.5}],
        }
        for word in re.findall(r"\s*\S+", text)
    ]
    return {
        "model": "gpt-4o-mini",
        "system_fingerprint": fingerprint,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
                "logprobs": {"content": content},
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": len(content)},
    }


def compared(project: Any, first: str, *others: str) -> list[Attempt]:
    run = factories.make_run(project=project, note="After the update")
    original = factories.make_interaction(project=project, response=completion(first))
    attempts = []
    for number, text in enumerate(others, start=1):
        answer = factories.make_interaction(
            project=project, response=completion(text, fingerprint="fp_two"), replay_of=original
        )
        attempts.append(factories.make_attempt(run=run, original=original, answer=answer, number=number))
    Attempt.objects.update(compared_at=None)
    while stage.compare_new(now=NOW):
        pass
    return attempts


@pytest.fixture
def opened(open_page: OpenPage, project, person) -> Page:
    """The comparison of two long answers that differ in two places; the first of two attempts."""
    attempts = compared(project, FIRST, SECOND, FIRST)
    return open_page(
        reverse("compare", args=[attempts[0].pk]), person=person, reduced_motion="reduce", height=800
    )


def current(page: Page) -> list[str]:
    return page.locator('#bodies [data-difference][aria-current="true"]').all_inner_texts()


def test_n_and_p_step_through_the_differences(opened: Page):
    status = opened.locator("[data-difference-status]")
    expect(status).to_have_text("2 differences")

    opened.keyboard.press("n")
    expect(status).to_have_text("Difference 1 of 2")
    first = current(opened)
    opened.keyboard.press("n")
    expect(status).to_have_text("Difference 2 of 2")
    second = current(opened)
    opened.keyboard.press("n")
    expect(status).to_have_text("Difference 1 of 2")
    opened.keyboard.press("p")

    expect(status).to_have_text("Difference 2 of 2")
    assert any("different" in text for text in first)
    assert any("another" in text for text in second)


def test_the_difference_stepped_to_is_in_sight(opened: Page):
    opened.keyboard.press("p")

    expect(opened.locator('ins[aria-current="true"]')).to_be_in_viewport()


def test_numbers_change_the_mode_and_the_address(opened: Page):
    modes = (
        ("2", "tokens", "Tokens"),
        ("3", "json", "JSON"),
        ("4", "unified", "Unified"),
        ("5", "rendered", "Rendered"),
    )
    for key, mode, name in modes:
        opened.keyboard.press(key)
        expect(opened.locator("#bodies .segment[aria-current]")).to_contain_text(name)
        opened.wait_for_url(re.compile(f"mode={mode}"))

    opened.keyboard.press("1")
    expect(opened.locator("#bodies .segment[aria-current]")).to_contain_text("Words")


def test_going_back_to_another_mode_shows_a_whole_page(opened: Page):
    opened.keyboard.press("4")
    opened.wait_for_url(re.compile("mode=unified"))

    opened.go_back()

    expect(opened.locator("h1")).to_have_count(1)
    expect(opened.locator("#bodies .segment[aria-current]")).to_contain_text("Words")


def test_brackets_go_to_the_other_attempts(opened: Page):
    opened.keyboard.press("]")
    expect(opened.get_by_label("Breadcrumbs")).to_contain_text("Attempt 2 of 2")
    expect(opened.locator(".verdict-sentence")).to_contain_text("Identical")

    opened.keyboard.press("[")

    expect(opened.get_by_label("Breadcrumbs")).to_contain_text("Attempt 1 of 2")


def test_j_and_k_go_through_the_run(opened: Page):
    # The worst first: from the answer that differs on to the identical one.
    opened.keyboard.press("j")
    expect(opened.locator(".verdict-sentence")).to_contain_text("Identical")

    opened.keyboard.press("k")

    expect(opened.locator(".verdict-sentence")).not_to_contain_text("Identical")


def test_pointing_at_a_token_shows_the_alternatives_of_both_answers(opened: Page):
    opened.keyboard.press("2")
    token = opened.locator('.is-divergent[data-of="left"]')

    token.hover()

    panel = opened.locator("#token-panel")
    expect(panel).to_be_visible()
    expect(panel.locator("h4")).to_have_text(["original", "replay"])
    expect(panel).to_contain_text("60.7%")
    expect(panel).to_contain_text("·else")


def test_arrow_keys_move_through_the_tokens_and_across(opened: Page):
    opened.keyboard.press("2")
    opened.locator("[data-tokens]").focus()

    opened.keyboard.press("ArrowRight")
    expect(opened.locator('[data-token="0"][data-of="left"]')).to_be_focused()
    opened.keyboard.press("ArrowRight")
    expect(opened.locator('[data-token="1"][data-of="left"]')).to_be_focused()
    opened.keyboard.press("ArrowDown")
    expect(opened.locator('[data-token="1"][data-of="right"]')).to_be_focused()
    opened.keyboard.press("Escape")

    expect(opened.locator("#token-panel")).to_be_hidden()


def test_a_key_decides_and_the_toast_takes_it_back(opened: Page):
    opened.keyboard.press("c")
    opened.keyboard.type("Only the wording")
    opened.keyboard.press("Escape")
    opened.keyboard.press("s")
    chosen = opened.locator('#decision button[value="same"]')
    expect(chosen).to_have_attribute("aria-pressed", "true")
    kept = Comparison.objects.exclude(decision=None).get()
    assert (kept.decision, kept.decision_note) == ("same", "Only the wording")

    opened.locator(".toast").get_by_role("button", name="Undo").click()

    expect(chosen).to_have_attribute("aria-pressed", "false")
    assert not Comparison.objects.exclude(decision=None).exists()


def test_the_original_can_be_flagged_from_here(opened: Page):
    opened.keyboard.press("f")
    dialog = opened.locator("#flag-dialog")
    expect(dialog).to_be_visible()

    dialog.get_by_role("button", name="Flag").click()

    expect(dialog).to_be_hidden()
    expect(opened.locator(".toast")).to_contain_text("Flagged")


def test_folded_lines_open_where_one_steps_into_them(opened: Page):
    fold = opened.locator(".aligned-fold").first
    expect(fold.locator("summary")).to_contain_text("equal lines")

    fold.locator("summary").click()

    expect(fold.locator(".aligned-row").first).to_be_visible()


def test_on_a_phone_equal_lines_stand_once_and_others_under_each_other(open_page: OpenPage, project, person):
    (attempt,) = compared(project, "Same here.\nOne thing.", "Same here.\nAnother thing.")

    page = open_page(reverse("compare", args=[attempt.pk]), person=person, width=390)

    expect(page.locator(".aligned-row.is-equal .aligned-cell").last).to_be_hidden()
    left, right = (page.locator(".aligned-row:not(.is-equal) .aligned-cell").nth(n) for n in (0, 1))
    one, other = left.bounding_box(), right.bounding_box()
    assert one is not None
    assert other is not None
    assert one["x"] == other["x"]
    assert one["y"] < other["y"]


def test_the_decisions_stay_within_the_margins_of_a_phone(open_page: OpenPage, project, person):
    (attempt,) = compared(project, "One thing.", "Another thing.")

    page = open_page(
        reverse("compare", args=[attempt.pk]),
        person=person,
        width=390,
        extra_http_headers={"accept-language": "de"},
    )

    for box in [one.bounding_box() for one in page.locator("#decision .button-group .button").all()]:
        assert box is not None
        assert box["x"] >= 16
        assert box["x"] + box["width"] <= 390 - 16


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("mode", ["words", "tokens", "json", "unified", "rendered"])
def test_nothing_stands_in_anybodys_way_in_any_mode(
    open_page: OpenPage, project, person, mode: str, width: int, theme: str
):
    attempts = compared(project, FIRST, SECOND, FIRST, SECOND + " And more.")
    page = open_page(
        reverse("compare", args=[attempts[0].pk]) + f"?mode={mode}",
        person=person,
        width=width,
        color_scheme=theme,
        reduced_motion="reduce",
    )
    page.get_by_text("Evidence").click()

    found = Axe().run(page).response["violations"]
    assert [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"][:3]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_stands_in_the_way_where_the_answers_are_json_and_calls(
    open_page: OpenPage, project, person, theme: str
):
    (attempt,) = compared(
        project,
        '{"items": [{"id": 1, "price": 240}, {"id": 2}], "paid": true, "note": "as agreed by phone"}',
        '{"items": [{"id": 1, "price": 250}, {"id": 3}], "paid": false, "note": "as agreed by mail"}',
    )
    page = open_page(
        reverse("compare", args=[attempt.pk]), person=person, color_scheme=theme, reduced_motion="reduce"
    )
    page.get_by_text("Whole response").click()
    page.get_by_text("Whole request").click()

    found = Axe().run(page).response["violations"]
    assert [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"][:3]] == []


def test_a_run_at_work_shows_its_progress_and_stops_asking_when_it_is_done(
    open_page: OpenPage, project, person
):
    run = factories.make_run(project=project, verdicts=["identical"], queued=1)
    page = open_page(reverse("replay-run", args=[run.pk]), person=person)
    expect(page.locator("#live progress")).to_be_visible()
    expect(page.locator("#live")).to_have_attribute("hx-trigger", "every 1s")

    Attempt.objects.filter(state="queued").update(state="failed", error="It broke.", finished_at=NOW)
    type(run).objects.filter(pk=run.pk).update(state="done", finished_at=NOW)

    expect(page.locator("#live progress")).to_have_count(0)
    expect(page.locator("#live")).not_to_have_attribute("hx-trigger", "every 1s")
    expect(page.locator("#live")).to_contain_text("1 got no answer.")


def test_the_estimate_follows_what_one_types(open_page: OpenPage, project, person):
    provider = factories.make_provider(project=project, base_url="http://127.0.0.1:9/v1")
    one = factories.make_interaction(project=project, provider=provider)
    page = open_page(f"{reverse('replay-new')}?ids={one.pk}", person=person)
    estimate = page.locator("#estimate")
    expect(estimate).to_contain_text("1 call")

    page.locator(".segment", has_text="10").click()
    expect(estimate).to_contain_text("10 calls")
    page.get_by_text("Ask differently", exact=True).click()
    page.get_by_label("Other parameters").fill('{"temperature": 0.9}')

    expect(estimate).to_contain_text("Asked differently on purpose.")
    expect(estimate.get_by_role("button")).to_have_text("Start 10 replays")
