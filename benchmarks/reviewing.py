"""Reviewing by the whole product, 100,000 items queued: what a reviewer waits for, and what a client does.

The items are rows like those that recording writes, multiplied inside of the database. A step is measured in
Chromium: from the key to the next item painted. The floors of the same run: the emptiest answer of the same
process, one client or eight; and for a step, the browser painting a changed word.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

from benchmarks.lines import Line
from benchmarks.product import Product, running
from benchmarks.sockets import request, send_all
from benchmarks.workload import texts
from reviewapp.embedded import paths

ITEMS: Final = 100_000
ORIGINALS: Final = 100
ROUNDS: Final = 60
STEPS: Final = 40
CLIENTS: Final = 8
# Where Debian has it; Playwright's own is taken where that is not there.
_CHROMIUM: Final = "/usr/bin/chromium"
_QUEUE: Final = """
from django.utils import timezone
from reviewapp.models import Interaction, Person, Project, actor_for_person
from reviewapp.models.people import Person
from reviewapp.stages import administer, review
project = Project.objects.get(slug="demo")
person = Person.objects.filter(memberships__project=project).order_by("joined_at").first()
queue = review.save_queue(
    actor=actor_for_person(person=person, project=project),
    values=review.QueueValues(name="Bench", judgements_needed=2),
    now=timezone.now(),
)
link = administer.create_sign_in_link(person=person, now=timezone.now())
print(queue.pk, project.pk, link)
"""
# What a step takes: the key is stamped before anything hears it, and the frame after the new item counts.
_WATCH: Final = """() => {
    window.steps = [];
    addEventListener("keydown", (event) => {
        if (event.key === "Enter") window.pressed = performance.now();
    }, true);
    document.addEventListener("answer-shown", () =>
        requestAnimationFrame(() => setTimeout(() => window.steps.push(performance.now() - window.pressed))));
}"""
# Playwright's own waiting evaluates texts within the page, which the page's policy forbids.
_NOTED: Final = """(before) => new Promise((resolve) => {
    function look() { window.steps.length > before ? resolve() : setTimeout(look, 5); }
    look();
})"""
_PAINT: Final = """() => new Promise((resolve) => {
    const times = [], word = document.querySelector("h1") ?? document.body.firstElementChild;
    function again() {
        if (times.length === 40) return resolve(times);
        const pressed = performance.now();
        word.title = String(pressed);
        requestAnimationFrame(() => setTimeout(() => { times.push(performance.now() - pressed); again(); }));
    }
    again();
})"""


def measure(*, rows: int) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="ra-bench-") as folder, running(Path(folder)) as product:
        key = product.make_key()
        written = texts(ORIGINALS, start=70_000_000)
        body = f"[{','.join(written)}]".encode()
        asyncio.run(
            send_all(product.port, [request(product.port, "/api/v1/interactions", key, body)], clients=1)
        )
        queue, project, link = product.manage("shell", "-v", "0", "-c", _QUEUE).split()[-3:]
        fill(product, queue, project)
        person = Session(product.port, link)
        yield from _next_items(product, person, queue)
        yield from _annotations(product, key, rows)
        yield from _steps(product, queue, person)


def fill(product: Product, queue: str, project: str) -> None:
    """Interactions and items, a hundred thousand of each."""
    with psycopg.connect(paths.database_url(product.data)) as connection:
        deadline = time.monotonic() + 120
        while connection.execute("SELECT count(*) FROM reviewapp_interaction").fetchone() != (ORIGINALS,):
            if time.monotonic() > deadline:
                raise TimeoutError("the interactions are not recorded")
            connection.rollback()
            time.sleep(0.1)
        connection.execute(
            "CREATE TEMPORARY TABLE made AS SELECT gen_random_uuid() AS made, id AS source_id, "
            "row_number() OVER () AS number FROM reviewapp_interaction CROSS JOIN generate_series(1, %s)",
            [ITEMS // ORIGINALS],
        )
        for table, key, moved in (
            (
                "reviewapp_interaction",
                "id",
                {"started_at": "one.started_at + made.number * interval '1 second'"},
            ),
            ("reviewapp_interactionbody", "interaction_id", {}),
        ):
            names = [
                row[0]
                for row in connection.execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
                    "AND is_generated = 'NEVER' ORDER BY ordinal_position",
                    [table],
                )
            ]
            values = ", ".join(
                "made.made" if name == key else moved.get(name, f"one.{name}") for name in names
            )
            columns = ", ".join(names)
            connection.execute(
                f"INSERT INTO {table} ({columns}) SELECT {values} FROM made "
                f"JOIN {table} one ON one.{key} = made.source_id"
            )
        connection.execute(
            "INSERT INTO reviewapp_queueitem "
            "(id, project_id, queue_id, interaction_id, reason, rank, position, "
            "state, free, round, created_at) SELECT gen_random_uuid(), %s, %s, made, 'bench', 0, number, "
            "'pending', 2, 1, now() FROM made",
            [project, queue],
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE reviewapp_queueitem")
        connection.execute("ANALYZE")


class Session:
    """A person who signed in, on one connection that stays open."""

    def __init__(self, port: int, link: str) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.answer = ""
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        path = f"/accounts/link/{link}/"
        self.call("GET", path)
        self.call("POST", path)
        assert "sessionid" in self.cookies, "the link signs nobody in"

    def call(self, method: str, path: str, body: str = "") -> tuple[float, int]:
        """Milliseconds until all of the answer is there, and its status; `answer` keeps what it said."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if method == "POST":
            headers |= {
                "X-CSRFToken": self.cookies.get("csrftoken", ""),
                "Content-Type": "application/x-www-form-urlencoded",
                "HX-Request": "true",
                "Origin": f"http://127.0.0.1:{self.port}",
            }
        started = time.perf_counter()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        self.answer = answer.read().decode()
        took = (time.perf_counter() - started) * 1000
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self.cookies[cookie] = content
        return took, answer.status


def _next_items(product: Product, person: Session, queue: str) -> Iterator[Line]:
    person.call("GET", f"/review/{queue}/")
    at_hand = _slot(person)
    empty = [person.call("GET", "/healthz")[0] for _ in range(ROUNDS)]
    took, judging = [], []
    before = product.processor_seconds()
    for _ in range(ROUNDS):
        # As focus mode does it: the next one is fetched, then this one is judged.
        milliseconds, status = person.call("POST", f"/review/{queue}/next/", f"slot={at_hand}")
        assert status == 200, f"the next item answers {status}"
        took.append(milliseconds)
        ahead = _slot(person)
        assert ahead != at_hand, "the next item is the same one"
        said = "score-verdict=good&score-correct=true"
        milliseconds, status = person.call("POST", f"/review/slots/{at_hand}/judge/", said)
        assert status == 200, f"judging answers {status}"
        judging.append(milliseconds)
        at_hand = ahead
    used = product.processor_seconds() - before
    yield Line("next item, 100,000 queued: median", statistics.median(took), statistics.median(empty), "ms")
    yield Line("next item, 100,000 queued: 95th percentile", _late(took), None, "ms", at_most=20)
    yield Line("judging it: median", statistics.median(judging), statistics.median(empty), "ms")
    yield Line("judging it: 95th percentile", _late(judging), None, "ms")
    for name in ("granian", "postgres"):
        yield Line(f"both, processor time of {name}", used[name] / ROUNDS * 1000, None, "ms an item")


def _slot(person: Session) -> str:
    """The slot of the item that the last answer shows."""
    found = re.search(r'data-slot="([0-9a-f-]+)"', person.answer)
    assert found, "no item is shown"
    return found[1]


def _annotations(product: Product, key: str, rows: int) -> Iterator[Line]:
    with psycopg.connect(paths.database_url(product.data)) as connection:
        ids = [str(row[0]) for row in connection.execute("SELECT id FROM reviewapp_interaction LIMIT 500")]
    body = json.dumps({"scores": {"verdict": "good", "correct": True, "helpful": 4}}).encode()
    asked = [
        request(product.port, f"/api/v1/interactions/{ids[at % len(ids)]}/annotations", key, body)
        for at in range(min(rows, 1_000))
    ]
    empty = [request(product.port, "/healthz", key, b"")] * len(asked)
    one = asyncio.run(send_all(product.port, asked[:ROUNDS], clients=1))
    bare = asyncio.run(send_all(product.port, empty[:ROUNDS], clients=1))
    assert not one.failed, f"{one.failed} annotations were refused"
    yield Line(
        "create one annotation: median",
        one.percentile(0.5),
        bare.percentile(0.5),
        "ms",
        at_most=10 / bare.percentile(0.5),
    )
    before = product.processor_seconds()
    many = asyncio.run(send_all(product.port, asked, clients=CLIENTS))
    used = product.processor_seconds() - before
    assert not many.failed, f"{many.failed} annotations were refused"
    yield Line("annotations, 8 clients", len(asked) / many.seconds, None, "annotations/s", at_least=300)
    yield Line(
        "annotations, processor time of the web process", used["granian"] / len(asked) * 1000, None, "ms each"
    )


def _steps(product: Product, queue: str, person: Session) -> Iterator[Line]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        # Only who develops the product has it.
        return
    path = _CHROMIUM if Path(_CHROMIUM).exists() else None
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path) as browser:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        host = urlsplit(f"http://127.0.0.1:{product.port}").hostname or ""
        cookies: list[Any] = [
            {"name": name, "value": value, "domain": host, "path": "/"}
            for name, value in person.cookies.items()
        ]
        context.add_cookies(cookies)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{product.port}/review/{queue}/", wait_until="load")
        page.evaluate(_WATCH)
        painted = page.evaluate(_PAINT)
        for at in range(STEPS):
            # A person reads; meanwhile the next one comes.
            page.wait_for_timeout(300)
            for key in ("1", "1", "Enter"):
                page.keyboard.press(key)
            page.evaluate(_NOTED, at)
        steps = page.evaluate("window.steps")
        page.wait_for_load_state("networkidle")
    yield Line(
        "a step, key to the next item painted: median",
        statistics.median(steps),
        statistics.median(painted),
        "ms",
    )
    yield Line("a step, key to the next item painted: 95th perc.", _late(steps), None, "ms", at_most=100)


def _late(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]
