"""The whole loop in the real product: the backend changes, people hear of it, and judge only what changed."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE
from tests.embedded.processes import eventually
from tests.product import Running, product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("changes")]

MODEL = "sim-steady"
TITLE = f"A new fingerprint answers for {MODEL}"
APPROVED, FLAGGED = 12, 3


@pytest.fixture(scope="module")
def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    # `browser` first: without one there is nothing to start.
    with product(tmp_path_factory.mktemp("changes"), demo=True, wait=False) as running:
        # The demo's own questions teach the pools their values.
        running.program.wait_for("The demo project holds", seconds=900)
        yield running


@pytest.fixture(scope="module")
def key(running: Running) -> str:
    made = running.manage(
        "create_api_key", "--project", "demo", "--name", "loop", "--scopes", "ingest,read,review"
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def page(browser: Browser, running: Running) -> Iterator[Page]:
    """The admin's browser; nothing on the way may log an error."""
    context = browser.new_context(base_url=running.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
    page.on("console", lambda told: errors.append(told.text) if told.type == "error" else None)
    page.goto(running.sign_in_link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{running.url}/")
    yield page
    context.close()
    assert errors == []


def send(url: str, body: Any, key: str = "") -> int:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def changes(running: Running, key: str) -> list[Any]:
    request = urllib.request.Request(f"{running.url}/api/v1/backend-changes?model={MODEL}")
    request.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=120) as answer:
        found: list[Any] = json.load(answer)["items"]
    return found


def ask(running: Running, key: str, question: str, seed: int) -> tuple[str, str]:
    """One call through the gateway: its interaction's id, and the fingerprint that came back."""
    with OpenAI(base_url=f"{running.url}/v1", api_key=key) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=MODEL,
            messages=[{"role": "user", "content": question}],
            seed=seed,
            temperature=0,
            logprobs=True,
            top_logprobs=5,
            extra_headers={"X-Review-Source": "loop-bot"},
        )
    return raw.headers["X-Review-Interaction"], str(raw.parse().system_fingerprint)


@pytest.fixture(scope="module")
def before(running: Running, key: str) -> str:
    """Answers that people approved or flagged; the fingerprint that they came with."""
    fingerprint = ""
    for number in range(APPROVED + FLAGGED):
        id_, fingerprint = ask(running, key, f"May I return order {3000 + number} after a month?", number + 1)
        judged = (
            ("annotations", {"scores": {"verdict": "good", "correct": True}})
            if number < APPROVED
            else ("flags", {"reason": "Wrong", "severity": "high"})
        )
        path = f"{running.url}/api/v1/interactions/{id_}/{judged[0]}"
        # Recorded in the background, so perhaps a moment later.
        eventually(lambda path=path, body=judged[1]: send(path, body, key) == 201, seconds=120)
    return fingerprint


@pytest.fixture(scope="module")
def story(page: Page, running: Running, key: str, before: str) -> str:
    """The backend is changed, and asked a few things more; the address of the change's page."""
    page.goto("/settings/providers/")
    address = page.locator("td.mono").first.inner_text()
    changed = {"model": MODEL, "size": 0.1, "fingerprint": "new"}
    assert send(f"{address.removesuffix('/v1')}/_sim/change", changed) == 200
    for number in range(3):
        _, fingerprint = ask(running, key, f"Where is order {number}?", number + 1)
        assert fingerprint != before
    eventually(lambda: bool(changes(running, key)), seconds=240)
    return f"/changes/{changes(running, key)[0]['id']}/"


def test_the_change_appears_and_waits_for_a_decision(page: Page, story: str, before: str):
    page.goto("/")
    expect(page.get_by_role("link", name=TITLE)).to_be_visible()
    expect(page.get_by_text("waits for a decision")).to_be_visible()

    page.get_by_role("link", name=TITLE).click()

    page.wait_for_url(re.compile(story))
    expect(page.locator(".story")).to_contain_text("A value never seen before")
    expect(page.locator(".story")).to_contain_text(before)
    # Those of this test, and what the demo itself brought.
    judged = re.search(r"(\d+) approved, (\d+) flagged", page.locator(".story").inner_text())
    assert judged is not None
    assert int(judged[1]) >= APPROVED
    assert int(judged[2]) >= FLAGGED


def test_an_alert_tells_of_it(page: Page, story: str):
    page.goto("/alerts/")

    page.get_by_role("link", name=TITLE).first.click()

    page.wait_for_url(re.compile(story))


def test_verifying_asks_what_was_judged_and_says_what_changed(
    page: Page, story: str, running: Running, key: str
):
    page.goto(story)

    page.keyboard.press("v")

    expect(page.get_by_role("heading", name="Verified")).to_be_visible(timeout=5 * PATIENCE)
    found = changes(running, key)[0]["verification"]
    assert found["asked"] == found["approved"] + found["flagged"] >= APPROVED + FLAGGED
    assert found["unmeasured"] == 0
    assert found["kept"] >= 1
    assert found["changed"] >= 3
    outcome = f"{found['kept']} of {found['asked']} judged answers came out the same"
    expect(page.locator(".change-outcome")).to_contain_text(outcome)
    expect(page.locator(".changed-table tbody tr")).to_have_count(
        min(12, found["changed"] + found["unclear"])
    )


# Words that stand in any English sentence of ours; what is quoted are tokens of answers.
ENGLISH = re.compile(
    r"\b(the|of|and|with|from|were|was|are|is|answers|changed|never|since|judged|gave|came|not|their)\b", re.I
)
QUOTED = re.compile("“[^”]*”")


@pytest.fixture
def german(page: Page) -> Iterator[Page]:
    page.set_extra_http_headers({"Accept-Language": "de"})
    yield page
    page.set_extra_http_headers({})


def told(page: Page, selector: str) -> list[str]:
    """The texts of what is told there, each without what it quotes."""
    expect(page.locator(selector).first).to_be_visible()
    return [QUOTED.sub("", text) for text in page.locator(selector).all_inner_texts()]


def test_a_german_reader_reads_alerts_and_the_change_in_german(german: Page, story: str):
    german.goto("/alerts/")
    alerts = told(german, ".alert-told")
    german.goto(story)
    report = told(german, ".story h2, .story .story-body > p, .changed-reason")

    assert any(f"Ein neuer Fingerprint antwortet für {MODEL}" in text for text in alerts)
    assert any("bewerteten Antworten kamen gleich heraus" in text for text in report)
    assert [text for text in [*alerts, *report] if ENGLISH.search(text)] == []


def test_a_german_reader_reads_a_verdict_in_german(german: Page, story: str):
    german.goto(story)
    german.locator(".changed-table a.row-link").first.click()
    german.wait_for_url(re.compile("/compare/"))

    verdict = told(german, ".verdict-sentence p, .verdict-sentence li")

    assert any("Backend geändert" in text for text in verdict)
    assert [text for text in verdict if ENGLISH.search(text)] == []


def test_an_arabic_reader_reads_from_right_to_left(page: Page, story: str):
    page.set_extra_http_headers({"Accept-Language": "ar"})
    try:
        page.goto(story)

        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        expect(page.locator(".story")).to_contain_text("قيمة لم تُرَ من قبل")
        line = page.locator(".change-outcome")
        expect(line).to_contain_text("من الإجابات المقيَّمة")
        assert line.evaluate("node => getComputedStyle(node).direction") == "rtl"
    finally:
        page.set_extra_http_headers({})


def test_kept_answers_carry_their_verdicts(page: Page, story: str):
    page.goto(story)
    page.get_by_role("link", name="All replays of it").click()
    page.goto(f"{page.url}?show=identical")
    page.locator("[data-row] a[data-open]").first.click()
    page.wait_for_url(re.compile("/compare/"))
    answer = page.url.rstrip("/").rsplit("/", 1)[-1]

    page.goto(f"/interactions/{answer}/")

    expect(page.locator("#carried")).to_contain_text("word for word, as the one that was judged")
    expect(page.locator("#carried").get_by_role("link", name=TITLE).first).to_be_visible()


def test_the_changed_answers_and_no_others_are_judged(page: Page, story: str, running: Running, key: str):
    found = changes(running, key)[0]["verification"]
    page.goto(story)
    page.get_by_role("link", name="Changed answers in review").click()
    item = page.locator("[data-item]")
    expect(item).to_be_visible()
    # The keys work when the page's modules have run; what it shows is there earlier.
    page.wait_for_load_state("load")

    for _ in range(found["changed"] + found["unclear"]):
        before = item.get_attribute("data-item")
        # Good, and correct.
        for pressed in ("1", "1", "Enter"):
            page.keyboard.press(pressed)
        expect(item).not_to_have_attribute("data-item", before or "")

    expect(page.locator("[data-nothing]")).to_be_visible()


def test_accepting_keeps_the_old_fingerprint_on_overlap(page: Page, story: str, before: str):
    page.goto(story)

    page.keyboard.press("a")
    page.get_by_label("Why is it fine?").fill("The new answers were judged and are as good.")
    page.locator("#accept-dialog").get_by_role("button", name="Accept").click()

    expect(page.get_by_role("heading", name="Accepted")).to_be_visible()
    expect(page.locator(".story")).to_contain_text("The new answers were judged")
    row = page.locator(".story tr", has_text=before)
    expect(row).to_contain_text("until")
    expect(page.locator(".rail-link", has_text="Changes").locator(".rail-count")).to_be_hidden()


def test_the_old_fingerprint_is_retired(page: Page, story: str, before: str):
    page.goto(f"/fingerprints/?model={MODEL}")
    row = page.locator("tbody tr", has_text=before)
    expect(row).to_contain_text("overlap")

    row.get_by_role("button", name="Retire").click()

    expect(page.locator("tbody tr", has_text=before)).to_contain_text("retired")
