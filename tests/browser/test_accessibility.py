"""Every page for everybody: checked by axe with data and without, in both themes, on desk and phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.test import Client, modify_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from reviewapp.models import (
    Actor,
    AlertChannel,
    AlertDelivery,
    Attempt,
    BackendChange,
    BulkWork,
    CanaryCheck,
    CanarySet,
    Erasure,
    Export,
    FailedMessage,
    FileImport,
    Interaction,
    Person,
    Project,
    Provider,
    Queue,
    QueueItem,
    ReplayRun,
    Source,
    Study,
)
from reviewapp.models.filters import Filter
from reviewapp.stages import discuss, export, find, privacy, review, watch
from reviewapp.stages.privacy.retaining import RuleValues
from tests import emptying, factories
from tests.browser.conftest import OpenPage, opening, session_cookie
from tests.factories import NOW
from tests.web.test_access import PAGES as MATRIX

# The tests only look: what they look at is made once, by `site`, and stays for all of them.
pytestmark = [pytest.mark.browser, pytest.mark.django_db]

LONG = "Dear team, " + "the parcel that I ordered on the third has not arrived and nobody answers. " * 8
ANSWER = """I am *sorry* about that.

- one
- two

| order | state |
|---|---|
| 4471 | on its way |

```python
print("a line of code that is long enough to need room of its own, or to be scrolled sideways")
```
"""


@dataclass(frozen=True)
class World:
    """Who looks, and at what."""

    person: Person
    project: Project


@dataclass(frozen=True)
class Site:
    """A server, what it shows, and whom it knows as signed in."""

    url: str
    empty: World
    full: World
    cookies: dict[int, Any]


@pytest.fixture(scope="module")
def site(django_db_setup, django_db_blocker) -> Iterator[Site]:
    """Committed, so that the server sees it; once, since to make it takes longer than to look."""
    with django_db_blocker.unblock(), modify_settings(ALLOWED_HOSTS={"append": "localhost"}):
        server = LiveServer("localhost")
        try:
            worlds = make_empty(), make_full()
            cookies = {
                world.person.pk: session_cookie(person=world.person, url=server.url) for world in worlds
            }
            yield Site(server.url, *worlds, cookies)
        finally:
            server.stop()
            emptying.empty()


@pytest.fixture
def empty(site: Site) -> World:
    return site.empty


@pytest.fixture
def full(site: Site) -> World:
    return site.full


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[OpenPage]:
    with opening(browser, url=site.url, cookie=lambda person: site.cookies[person.pk]) as open_page:
        yield open_page


def make_empty() -> World:
    project = factories.make_project(name="Empty")
    return World(factories.make_member(project=project, role="admin"), project)


def make_full() -> World:
    project = factories.make_project(name="Customer support of the northern region")
    actor = factories.make_actor(project=project)
    other = factories.make_actor(project=project, role="reviewer")
    assert actor.person is not None
    for number, severity in enumerate(("low", "medium", "high", "critical")):
        one = factories.make_interaction(project=project, prompt=LONG, answer=ANSWER, tags=["a", "b" * 40])
        review.flag(actor=actor, interaction=one, reason="Wrong", severity=severity, note=LONG, now=NOW)
        judge(one, actor)
        judge(one, other)
        factories.make_interaction(project=project, fingerprint=None, seed=None, prompt=f"{number}" * 90)
    factories.make_interaction(project=project, status=500, response={"error": {"message": "It broke"}})
    run = factories.make_run(
        project=project,
        verdicts=["identical", "equivalent", "nondeterministic", "backend_changed", "inconclusive"],
        failed=2,
    )
    factories.make_attempt(run=run, original=one, verdict="nondeterministic")
    made = export.start_export(actor=actor, format="jsonl", wanted=Filter(flagged="yes"), now=NOW)
    Export.objects.filter(pk=made.pk).update(
        state="done",
        file_name="flagged.jsonl",
        rows=4,
        bytes=4096,
        sha256="ab" * 32,
        finished_at=NOW,
        manifest={"rows": 4},
    )
    factories.make_change(project=project, run=run)
    factories.make_key(project=project)
    canaries = factories.make_canaries(project=project, changed_at=NOW, retires_on=NOW.date())
    factories.make_session(canaries=canaries)
    factories.make_check(canaries=canaries)
    factories.make_check(canaries=canaries, verdict="backend_changed", effect=0.02, alarmed=True)
    factories.make_seed_range(source=Source.objects.filter(project=project).latest("pk"))
    factories.make_channel(project=project, name="A channel of a team with rather a long name")
    FileImport.objects.create(
        project=project,
        file_name="runs-of-last-year.json",
        bytes=123_456,
        format="langsmith",
        state="checked",
        found={
            "taken": {"chat.completions": 1200},
            "left_out": {"chain run of LangSmith": 300},
            "wrong": [[7, "The run has no outputs; its end is not in this file."]],
            "wrong_count": 2,
            "seeds": 12,
            "fingerprints": 1100,
        },
        created_by=actor.person,
        created_at=NOW,
    )
    FailedMessage.objects.create(project=project, payload=b"x", digest=b"x" * 32, error=LONG, created_at=NOW)
    privacy.add_rule(actor=actor, values=RuleValues(days=30, verdict="identical", flagged="no"), now=NOW)
    privacy.place_hold(actor=actor, reason=LONG[:300], interaction=one.pk, now=NOW)
    privacy.choose_pseudonyms(actor=actor, now=NOW)
    erasure = privacy.start_erasure(actor=actor, name="user-4711", now=NOW)
    privacy.erase(erasure_id=erasure.pk, clock=lambda: NOW)
    factories.make_alert(project=project, severity="critical", title=LONG, text=LONG)
    alert = factories.make_alert(project=project, severity="info")
    watch.acknowledge(actor=other, alert=alert, now=NOW)
    AlertDelivery.objects.filter(alert=alert).update(state="failed", tries=9, status_code=503, error=LONG)
    factories.make_view(project=project, name=LONG[:80])
    review.add_tag(actor=actor, interaction=one, name="golden " * 10, now=NOW)
    find.start_bulk(
        actor=actor, deed="tag", wanted=Filter(flagged="yes"), parameters={"tag": "golden"}, now=NOW
    )
    make_studies(project)
    fill_queues(actor, other, factories.make_actor(project=project, role="reviewer"))
    talk(actor, other, one)
    return World(actor.person, project)


def make_studies(project: Project) -> None:
    """One of each kind, of an interaction whose provider could be asked."""
    provider = factories.make_provider(project=project, name="acme", base_url="http://127.0.0.1:9/v1")
    asked = factories.make_interaction(project=project, provider=provider, prompt=LONG, answer=ANSWER)
    edits = [
        ({"kind": kind, "size": size, "text": LONG}, [1.0 if size < 0.1 else size / 2] * 3)
        for kind in ("white_space", "case", "punctuation", "typo", "synonym", "reorder", "append")
        for size in (0.004, 0.03, 0.12, 0.6)
    ]
    factories.make_study(
        project=project,
        interaction=asked,
        name=LONG[:200],
        conditions=[({"kind": "none", "size": 0.0}, [1.0, 1.0, 0.9]), *edits],
    )
    seeds = [
        ({"seed": seed, "temperature": warm}, [warm and seed / 40] * 4)
        for warm in (0.0, 1.0)
        for seed in range(1, 21)
    ]
    factories.make_study(project=project, interaction=asked, kind="seeds", conditions=seeds)
    arms = [({"provider": name, "model": ""}, [1.0, 0.5]) for name in ("", "acme", "a-provider" * 8)]
    factories.make_study(project=project, interaction=asked, kind="providers", conditions=arms)


def fill_queues(admin: Actor, first: Actor, second: Actor) -> None:
    """One queue in which two people disagree about an item, and one with replays beside their originals."""
    project = admin.project
    samples = factories.make_queue(project=project, judgements_needed=2)
    factories.fill_queue(
        samples, *[factories.make_interaction(project=project, prompt=LONG, answer=ANSWER) for _ in range(2)]
    )
    for actor, verdict in ((first, "good"), (second, "bad")):
        slot = review.take(actor=actor, queue=samples, now=NOW)
        assert slot is not None
        judgement = review.Judgement(scores={"verdict": verdict, "correct": True}, comment=LONG)
        review.judge(actor=actor, slot_id=slot.pk, judgement=judgement, now=NOW)
    review.save_rule(
        actor=admin, queue=samples, values=review.RuleValues(name="All", filter={"q": "parcel"}), now=NOW
    )
    changed = factories.make_queue(project=project, name="Changed answers")
    entries = [
        review.Entry(attempt.original_id, attempt.pk)
        for attempt in Attempt.objects.filter(project=project, comparison__verdict="backend_changed")
    ]
    review.enqueue(queue=changed, entries=entries, reason="The backend changed", now=NOW)


def talk(first: Actor, second: Actor, one: Interaction) -> None:
    """Threads on words and on the whole, changed, removed, resolved; and somebody is named."""
    assert first.person is not None
    words = discuss.Anchor(start=7, end=12)
    asked = discuss.start_thread(actor=second, interaction=one, text=LONG, anchor=words, now=NOW)
    name = first.person.short_name
    discuss.reply(actor=second, thread=asked, text=f"@{name}, **look**:\n\n- `one`\n- {LONG}", now=NOW)
    post = discuss.reply(actor=first, thread=asked, text="I did.", now=NOW)
    discuss.edit_post(actor=first, post=post, text=LONG, version=1, now=NOW)
    gone = discuss.reply(actor=second, thread=asked, text="Oh.", now=NOW)
    discuss.remove_post(actor=second, post=gone, now=NOW)
    settled = discuss.start_thread(actor=first, interaction=one, text="All of it?", now=NOW)
    discuss.move_thread(actor=second, thread=settled, to="resolved", now=NOW)


def judge(one: Interaction, actor: Any) -> None:
    review.annotate(
        actor=actor,
        interaction=one,
        scores={"verdict": "minor", "correct": True},
        spans=[{"start": 0, "end": 4, "label": "wrong", "note": "here"}],
        correction=ANSWER.replace("one", "the first"),
        comment=LONG,
        now=NOW,
    )


def by_id(model: Any) -> Callable[[World], str]:
    """The newest of the project."""
    return lambda world: str(model.objects.filter(project=world.project).latest("pk").pk)


def judged(world: World) -> str:
    return str(Interaction.objects.filter(project=world.project, flags__isnull=False).latest("pk").pk)


def filled_queue(world: World) -> str:
    return str(Queue.objects.get(project=world.project, name="Samples").pk)


def changed_queue(world: World) -> str:
    return str(Queue.objects.get(project=world.project, name="Changed answers").pk)


def study_of(kind: str) -> Callable[[World], str]:
    return lambda world: str(Study.objects.get(project=world.project, kind=kind).pk)


def disputed_item(world: World) -> str:
    return str(QueueItem.objects.get(project=world.project, state="adjudication").pk)


# Name of the page, what its address needs, and what follows the address.
PAGES: dict[str, tuple[str, Callable[[World], str] | None, str]] = {
    "home": ("home", None, ""),
    "interactions": ("interactions", None, ""),
    "interactions, filtered": ("interactions", None, "?flagged=yes&model=gpt-4o-mini"),
    "interactions, nothing found": ("interactions", None, "?model=none-such"),
    "interactions, refused filter": ("interactions", None, "?seed=abc"),
    "interactions, found": ("interactions", None, "?q=parcel"),
    "interactions, unknown filter": ("interactions", None, "?q=parcel+modle:gpt-4o+bogus:1"),
    "bulk-new": ("bulk-new", None, "?deed=annotate&flagged=yes"),
    "bulk-new, untag": ("bulk-new", None, "?deed=untag"),
    "bulk": ("bulk", by_id(BulkWork), ""),
    "interaction": ("interaction", judged, ""),
    "interaction, source": ("interaction", judged, "?source"),
    "interaction, tokens": ("interaction", judged, "?view=tokens"),
    "interaction, json": ("interaction", judged, "?view=json"),
    "interaction, error": ("interaction", by_id(Interaction), ""),
    "review": ("review", None, ""),
    "review-queue": ("review-queue", filled_queue, ""),
    "review-queue, beside": ("review-queue", changed_queue, ""),
    "review-queue-new": ("review-queue-new", None, ""),
    "review-queue-edit": ("review-queue-edit", filled_queue, ""),
    "review-queue-items": ("review-queue-items", filled_queue, ""),
    "review-queue-agreement": ("review-queue-agreement", filled_queue, "?now=yes"),
    "review-queue-rules": ("review-queue-rules", filled_queue, ""),
    "review-item": ("review-item", disputed_item, ""),
    "review-person": ("review-person", lambda world: str(world.person.pk), ""),
    "people": ("people", None, ""),
    "notifications": ("notifications", None, ""),
    "notifications-mail": ("notifications-mail", None, ""),
    "fingerprints": ("fingerprints", None, ""),
    "fingerprints, zoomed": ("fingerprints", None, "?from=2026-11-22T11:00&to=2026-11-22T13:00"),
    "canary-check": ("canary-check", by_id(CanaryCheck), ""),
    "replays": ("replays", None, ""),
    "replay-new": ("replay-new", None, ""),
    "replay-new, chosen": ("replay-new", None, "?flagged=yes"),
    "replay-run": ("replay-run", by_id(ReplayRun), ""),
    "compare": ("compare", by_id(Attempt), ""),
    "changes": ("changes", None, ""),
    "change": ("change", by_id(BackendChange), ""),
    "alerts": ("alerts", None, ""),
    "alerts, nothing found": ("alerts", None, "?kind=canary"),
    "exports": ("exports", None, ""),
    "export-new": ("export-new", None, "?flagged=yes"),
    "export": ("export", by_id(Export), ""),
    "studies": ("studies", None, ""),
    "study, deviation": ("study", study_of("deviation"), ""),
    "study, seeds": ("study", study_of("seeds"), ""),
    "study, providers": ("study", study_of("providers"), ""),
    "study-new": ("study-new", None, ""),
    "study-new, nothing chosen": ("study-new", None, "?kind=providers"),
    "study-new, several chosen": ("study-new", None, "?everything=yes"),
    "study-new, providers": ("study-new", None, "?kind=providers&provider=acme"),
    "project-new": ("project-new", None, ""),
    "settings": ("settings", None, ""),
    "settings-members": ("settings-members", None, ""),
    "settings-keys": ("settings-keys", None, ""),
    "settings-providers": ("settings-providers", None, ""),
    "settings-provider-new": ("settings-provider-new", None, ""),
    "settings-provider": ("settings-provider", by_id(Provider), ""),
    "settings-sources": ("settings-sources", None, ""),
    "settings-source-new": ("settings-source-new", None, ""),
    "settings-source": ("settings-source", by_id(Source), ""),
    "settings-import": ("settings-import", None, ""),
    "settings-import-file": ("settings-import-file", by_id(FileImport), ""),
    "settings-canaries": ("settings-canaries", None, ""),
    "settings-canary-new": ("settings-canary-new", None, ""),
    "settings-canary-set": ("settings-canary-set", by_id(CanarySet), ""),
    "settings-seeds": ("settings-seeds", None, ""),
    "seed": ("seed", lambda world: "5", ""),
    "settings-rubrics": ("settings-rubrics", None, ""),
    "settings-alerts": ("settings-alerts", None, ""),
    "settings-alert-new": ("settings-alert-new", None, ""),
    "settings-alert": ("settings-alert", by_id(AlertChannel), ""),
    "settings-privacy": ("settings-privacy", None, ""),
    "settings-privacy-erasure": ("settings-privacy-erasure", by_id(Erasure), ""),
    "settings-operations": ("settings-operations", None, ""),
    "settings-audit": ("settings-audit", None, ""),
}
WITHOUT_DATA = [
    name for name, (_, needs, after) in PAGES.items() if needs is None and not after
]  # fmt: skip
# What answers with a fragment, a file, or a redirect; and the style guide, which has a test of its own.
NOT_PAGES = {
    "palette", "running", "interactions-suggest", "replay-estimate", "export-download", "style",
    "study-estimate", "study-points",
    "sign-in-link", "alerts-bell", "review-slot", "review-slot-replay", "settings-operations-parts",
    "discussion", "people-names", "notification", "own-data",
}  # fmt: skip
WIDTHS = (1440, 390)
THEMES = ("light", "dark")
# A theme changes nothing else, and these are half of what axe has to do.
OF_COLOUR = ["color-contrast", "link-in-text-block"]
# Even a transition of no length ends with a frame.
SETTLED = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  await Promise.allSettled(document.getAnimations().map((one) => one.finished));
}"""

# Only what is wrong comes back: to hand over what axe says of all its rules takes longer than some of them.
FAULTS = """async (options) => {
  const { violations } = await axe.run(options);
  const told = ({ id, nodes }) => nodes.slice(0, 3).map(({ html }) => `${id}: ${html.slice(0, 200)}`);
  return violations.flatMap(told);
}"""


@pytest.mark.parametrize("name", PAGES)
def test_nothing_stands_in_anybodys_way(open_page: OpenPage, full: World, name: str):
    look(open_page, full, name)


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_nothing_stands_in_the_way_where_there_is_no_data_yet(open_page: OpenPage, empty: World, name: str):
    look(open_page, empty, name)


@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/accounts/link/none-such/", "/accounts/password/reset/"]
)
def test_nothing_stands_in_the_way_of_who_is_not_signed_in(open_page: OpenPage, path: str):
    assert hindrances(open_page, path, person=None) == {}


# Of what has the focus, whether something else lies over all of it.
IS_COVERED = """() => {
  const one = document.activeElement;
  if (one === document.body) return "";
  const { left, right, top, bottom } = one.getBoundingClientRect();
  const over = [0.1, 0.5, 0.9].flatMap((x) => [0.1, 0.5, 0.9].map((y) =>
    document.elementFromPoint(left + x * (right - left), top + y * (bottom - top))));
  const seen = over.some((other) => other && (other.contains(one) || one.contains(other)));
  return seen ? "" : one.outerHTML.slice(0, 160);
}"""


@pytest.mark.parametrize("name", ["compare", "review-queue", "interaction, flag"])
def test_what_has_the_focus_is_seen_at_twice_the_size(open_page: OpenPage, full: World, name: str):
    """In the half of a screen that is left at 200 %: bars that stay in sight don't cover it."""
    view, needs, _ = PAGES[name.partition(",")[0]]
    assert needs is not None
    page = open_page(
        reverse(view, args=[needs(full)]), person=full.person, width=720, height=450, forced_colors="active"
    )
    if name.endswith("flag"):
        page.keyboard.press("f")
        page.locator("#flag-dialog").wait_for(state="visible")

    covered = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        page.evaluate(SETTLED)
        if found := page.evaluate(IS_COVERED):
            covered.add(found)

    assert {one for one in covered if "skip-link" not in one} == set()


# A number of a machine: where a drawing stands, what a field of numbers holds.
# What is of the person, not of a project.
OWN = ["email/", "password/set/", "2fa/", "2fa/totp/activate/", "2fa/webauthn/", "sessions/"]


@pytest.mark.parametrize("path", OWN)
def test_nothing_stands_in_the_way_on_ones_own_pages(open_page: OpenPage, full: World, path: str):
    assert hindrances(open_page, f"/accounts/{path}", person=full.person) == {}


def test_what_points_along_the_line_points_left_where_that_is_forth(open_page: OpenPage, full: World):
    source = by_id(Source)(full)
    found = {}
    for code in ("en", "ar"):
        page = open_page(
            f"/settings/sources/{source}/",
            person=full.person,
            extra_http_headers={"accept-language": code},
        )
        back = page.locator("main p > a > .icon").first
        choice = page.locator("select:not([multiple])").first
        found[code] = (
            back.evaluate("icon => getComputedStyle(icon).scale"),
            # Where the mark of what can be chosen stands, away from the words.
            choice.evaluate("one => getComputedStyle(one).backgroundPositionX.startsWith('calc')"),
        )

    assert found == {"en": ("none", True), "ar": ("-1 1", False)}


COMMA_IN_A_NUMBER = re.compile(
    r"""\s(?:x[12]?|y[12]?|c[xy]|r|width|height|d|points|step|min|max|data-at)="-?\d+,\d+(?:%|px)?\""""
    r"""|type="number"[^>]*\svalue="-?\d+,\d+\""""
)


@pytest.mark.parametrize("code", ["de", "ar"])
def test_a_page_in_another_language_keeps_the_numbers_of_machines(site: Site, code: str):
    client = Client(headers={"accept-language": code})
    client.cookies["sessionid"] = site.cookies[site.full.person.pk]["value"]

    found = {}
    for name, (view, needs, after) in PAGES.items():
        page = client.get(reverse(view, args=[needs(site.full)] if needs else []) + after).content.decode()
        assert f'<html lang="{code}"' in page, name
        if wrong := COMMA_IN_A_NUMBER.findall(page):
            found[name] = wrong[:3]

    assert found == {}


@pytest.mark.parametrize("opens", ["filters", "keys", "palette"])
def test_nothing_stands_in_the_way_in_a_dialog(open_page: OpenPage, full: World, opens: str):
    page = open_page("/interactions/", person=full.person, reduced_motion="reduce")

    page.keyboard.press({"filters": "Shift+F", "keys": "?", "palette": "Control+k"}[opens])
    page.locator(f"#{opens}").wait_for(state="visible")

    assert faults_of(page) == []


def test_every_page_is_looked_at():
    """A new page comes into the list above, or among those that are none."""
    looked_at = {name for name, _, _ in PAGES.values()}
    # What can't be opened, only done: by the matrix of who may what, which every address must stand in.
    posts = {name for name, (least, _) in MATRIX.items() if least is None}

    forgotten = [
        name for name in names_of(get_resolver().url_patterns) if name not in looked_at | NOT_PAGES | posts
    ]

    assert forgotten == []


def names_of(patterns: list[Any]) -> list[str]:
    """The names of our own pages: the account pages are allauth's, the API has no pages."""
    found = []
    for one in patterns:
        if isinstance(one, URLPattern) and one.name and not str(one.pattern).startswith(("accounts/", "v1/")):
            found.append(one.name)
        elif isinstance(one, URLResolver) and str(one.pattern) == "":
            found += names_of(one.url_patterns)
    return found


def look(open_page: OpenPage, world: World, name: str) -> None:
    view, needs, after = PAGES[name]
    path = reverse(view, args=[needs(world)] if needs else []) + after

    assert hindrances(open_page, path, person=world.person) == {}


def hindrances(open_page: OpenPage, path: str, *, person: Person | None) -> dict[str, list[str]]:
    """What is wrong, by view. `open_page` itself fails when a script breaks or the CSP refuses something."""
    found = {}
    page = open_page(path, person=person, width=WIDTHS[0], reduced_motion="reduce")
    for width in WIDTHS:
        if width != WIDTHS[0]:
            # Loaded anew, as it is on a phone; its files the browser has by now.
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(path)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            page.evaluate(SETTLED)
            rules = None if theme == THEMES[0] else OF_COLOUR
            faults = faults_of(page, rules) and lasting_faults_of(page, rules)
            if page.locator("h1").count() != 1:
                faults.append("not one h1")
            if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
                faults.append(f"{needed} px wide")
            if faults:
                found[f"{width} {theme}"] = faults
    return found


def lasting_faults_of(page: Page, rules: list[str] | None) -> list[str]:
    """What is still wrong when the browser has caught up: on a busy machine it paints a theme late."""
    page.wait_for_timeout(500)
    page.evaluate(SETTLED)
    return faults_of(page, rules)


def faults_of(page: Page, rules: list[str] | None = None) -> list[str]:
    """By all rules, or by these."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found: list[str] = page.evaluate(FAULTS, options)
    return found
