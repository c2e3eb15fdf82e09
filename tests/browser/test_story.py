"""One answer's way through the real product: asked, flagged, judged, asked again, taken out, brought in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE
from tests.embedded.processes import eventually
from tests.product import Running, product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("story")]

QUESTION = "How many days do I have to return the tangerine sandals?"
CORRECTION = "You have thirty days, unworn."
SEED = 4_242_424_242_424


@pytest.fixture(scope="module")
def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    # `browser` first: without one there is nothing to start.
    with product(tmp_path_factory.mktemp("story"), demo=True) as running:
        yield running


@pytest.fixture(scope="module")
def key(running: Running) -> str:
    """What a developer is given."""
    made = running.manage(
        "create_api_key", "--project", "demo", "--name", "story", "--scopes", "ingest,read,review"
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def page(browser: Browser, running: Running) -> Iterator[Page]:
    """One person's browser, signed in by the printed link; nothing on the way may log an error."""
    context = browser.new_context(base_url=running.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
    page.on("console", lambda told: note(told.type, told.text))

    def note(kind: str, text: str) -> None:
        # An answer that is refused is logged as one that failed.
        if kind == "error" and "422" not in text:
            errors.append(f"{page.url}: {text}")

    page.goto(running.sign_in_link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{running.url}/")
    yield page
    context.close()
    assert errors == []


@pytest.fixture(scope="module")
def asked(running: Running, key: str) -> Any:
    """The answer as the application that asked got it, and the id under which it is recorded."""
    with OpenAI(base_url=f"{running.url}/v1", api_key=key) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="sim-steady",
            messages=[{"role": "user", "content": QUESTION}],
            seed=SEED,
            logprobs=True,
            top_logprobs=3,
            extra_headers={"X-Review-Source": "sandal-bot", "X-Review-Tags": "story"},
        )
    return {"id": raw.headers["X-Review-Interaction"], "response": json.loads(raw.text)}


def words(asked: Any) -> str:
    text: str = asked["response"]["choices"][0]["message"]["content"]
    return text


def test_a_call_through_the_gateway_appears_in_the_list(page: Page, asked: Any):
    page.goto("/interactions/?source=sandal-bot")
    row = page.locator("[data-row]")

    # Recorded in the background, so perhaps a moment later.
    eventually(lambda: bool(page.reload()) and row.count() == 1, seconds=120)

    expect(row).to_have_count(1)
    expect(row).to_contain_text(QUESTION)
    expect(row).to_contain_text(str(SEED))
    expect(row).to_contain_text(asked["response"]["system_fingerprint"])


def test_enter_opens_it_with_what_was_asked_and_answered(page: Page, asked: Any):
    page.goto("/interactions/?source=sandal-bot")

    page.keyboard.press("j")
    expect(page.locator("#preview-body")).to_contain_text(words(asked)[:40])
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile(f"/interactions/{asked['id']}/"))
    expect(page.locator("#conversation")).to_contain_text(words(asked)[:40])


def test_it_is_flagged_by_keys_alone(page: Page, asked: Any):
    page.goto(f"/interactions/{asked['id']}/")

    page.keyboard.press("f")
    choice = page.get_by_label("Needs reproducing")
    page.keyboard.press(choice.get_attribute("data-key") or "")
    expect(choice).to_be_checked()
    page.get_by_label("Note").focus()
    page.keyboard.type("Thirty days, says the policy.")
    page.keyboard.press("Control+Enter")

    expect(page.locator("#flags")).to_contain_text("Needs reproducing")
    expect(page.locator("#flags")).to_contain_text("Thirty days, says the policy.")
    expect(page.locator("#flag-dialog")).to_be_hidden()


def test_a_flag_can_be_undone_from_the_toast_and_given_again(page: Page):
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#flags")).to_contain_text("Nobody flagged this.")

    page.keyboard.press("f")
    page.get_by_label("Needs reproducing").check()
    page.locator("#flag-dialog").get_by_role("button", name="Flag", exact=True).click()

    expect(page.locator("#flags .flag-row")).to_have_count(1)


def test_a_judgement_has_a_mark_on_words_and_a_correction(page: Page, asked: Any):
    page.goto(f"/interactions/{asked['id']}/")
    page.get_by_label("Minor problems").check()

    marked = select_a_word(page)
    page.keyboard.press("w")
    expect(page.locator("[data-span-list] mark")).to_contain_text(marked)
    page.get_by_text("Correct the answer").click()
    page.get_by_label("The answer as it should be").fill(CORRECTION)
    page.get_by_role("button", name="Save judgement").click()
    # A question was left out: it is said, and nothing that was written is lost.
    expect(page.get_by_text("Not saved")).to_be_visible()
    page.get_by_label("Yes", exact=True).check()
    page.get_by_role("button", name="Save judgement").click()

    judgement = page.locator(".judgement")
    expect(judgement.locator("mark")).to_contain_text(marked)
    expect(judgement.locator("ins").first).to_be_visible()


def test_changing_a_judgement_keeps_the_earlier_one(page: Page):
    page.get_by_label(re.compile("^Comment")).fill("Checked with the policy of March.")
    page.get_by_role("button", name="Save judgement").click()

    judgement = page.locator(".judgement")
    expect(judgement).to_contain_text("Checked with the policy of March.")
    expect(judgement).to_contain_text("edited")
    expect(judgement.get_by_text("Earlier versions")).to_be_visible()


def test_five_attempts_with_the_same_seed_are_asked_and_compared(page: Page, asked: Any):
    page.goto(f"/interactions/{asked['id']}/")

    page.keyboard.press("r")
    page.wait_for_url(re.compile("/replays/new/"))
    page.locator("[name=ask-attempts][value='5']").check(force=True)
    expect(page.locator("#estimate")).to_contain_text("5 calls")
    page.keyboard.press("Control+Enter")

    page.wait_for_url(re.compile(r"/replays/[0-9a-f-]{36}/"))
    expect(page.locator("[data-row]")).to_have_count(5)
    expect(page.locator("[data-row] [data-verdict=identical]")).to_have_count(5)


def test_the_comparison_says_what_happened_and_shows_both_answers(page: Page, asked: Any):
    page.locator("[data-row] [data-open]").first.click()

    page.wait_for_url(re.compile(r"/compare/[0-9a-f-]{36}/"))
    expect(page.locator(".verdict-sentence").first).to_contain_text(re.compile("identical|the same", re.I))
    expect(page.get_by_text(words(asked)[:30]).first).to_be_visible()
    assert page.get_by_text(words(asked)[:30]).count() >= 2


def test_the_replays_stand_beside_the_answer(page: Page, asked: Any):
    page.goto(f"/interactions/{asked['id']}/")

    expect(page.locator("#replays [data-verdict=identical]")).to_have_count(5)


@pytest.fixture(scope="module")
def exported(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the flagged answers, as the browser saved it."""
    page.goto("/exports/")
    page.get_by_role("link", name="Flagged set").click()
    page.get_by_role("button", name="Make the export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    file = tmp_path_factory.mktemp("export") / "flagged.jsonl"
    download.value.save_as(file)
    return file


def lines(file: Path) -> dict[int, Any]:
    """The exported interactions by seed, which in the demo and here is one for each."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return {row["seed"]: row for row in rows}


def test_the_flagged_answers_are_taken_out_with_their_judgements(exported: Path, asked: Any):
    mine = lines(exported)[SEED]

    assert mine["id"] == asked["id"]
    assert mine["response"] == asked["response"]
    assert mine["request"]["messages"] == [{"role": "user", "content": QUESTION}]
    assert [flag["reason"] for flag in mine["flags"]] == ["Needs reproducing"]
    assert [one["correction"] for one in mine["annotations"]] == [CORRECTION]
    assert len(mine["replays"]) == 5


def test_imported_into_an_empty_project_and_taken_out_again_it_is_the_same(
    running: Running, exported: Path, tmp_path: Path
):
    again = tmp_path / "again.jsonl"
    running.manage("create_api_key", "--project", "second", "--name", "unused")

    brought = running.manage("import_interactions", str(exported), "--project", "second", "--wait")
    taken = running.manage(
        "export_interactions", "--format", "jsonl", "--out", str(again), "--project", "second"
    )

    assert (brought.returncode, taken.returncode) == (0, 0), brought.stderr + taken.stderr
    assert recorded(lines(again)) == recorded(lines(exported))


# What the app gives (its id, the project, when it was written, the cost by the prices that it knows) is
# each project's own, and so is what people and replays added.
GIVEN = {"id", "project", "created_at", "cost", "flags", "annotations", "replays", "queues"}


def recorded(rows: dict[int, Any]) -> dict[int, Any]:
    return {
        seed: {name: value for name, value in row.items() if name not in GIVEN} for seed, row in rows.items()
    }


def select_a_word(page: Page) -> str:
    """Select a word of the answer as a person does, by a double click."""
    body = page.locator("[data-judged] .message-body p").first
    body.dblclick(position={"x": 12, "y": 10})
    word = page.evaluate("getSelection().toString().trim()")
    assert isinstance(word, str)
    assert word
    return word
