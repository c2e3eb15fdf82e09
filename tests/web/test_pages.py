"""What holds on every page: the cost of a list, fragments and whole pages, bad addresses, hostile texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reviewapp.models import Export, Fingerprint, Project
from reviewapp.models.filters import Filter
from reviewapp.stages import export, review
from tests import counting, factories
from tests.factories import NOW

HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(client: Client, admin) -> Client:
    client.force_login(admin.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


# --- What a list costs ----------------------------------------------------------------------------


def many_interactions(project: Project, admin: Any, count: int) -> None:
    for number in range(count):
        one = factories.make_interaction(project=project, seed=number, tags=[f"t{number}"])
        review.flag(actor=admin, interaction=one, reason="Wrong", now=NOW)
        review.annotate(actor=admin, interaction=one, scores={"verdict": "good", "correct": True}, now=NOW)


def many_runs(project: Project, admin: Any, count: int) -> None:
    for _ in range(count):
        factories.make_run(project=project, verdicts=["identical", "nondeterministic"], failed=1)


def many_exports(project: Project, admin: Any, count: int) -> None:
    for _ in range(count):
        made = export.start_export(actor=admin, format="jsonl", wanted=Filter(flagged="yes"), now=NOW)
        Export.objects.filter(pk=made.pk).update(state="done", rows=1, bytes=1)


def many_members(project: Project, admin: Any, count: int) -> None:
    for _ in range(count):
        factories.make_member(project=project)


def many_keys(project: Project, admin: Any, count: int) -> None:
    for _ in range(count):
        factories.make_key(project=project)


def many_providers(project: Project, admin: Any, count: int) -> None:
    for number in range(count):
        name = f"{count} {number}"
        provider = factories.make_provider(project=project, name=name)
        source = factories.make_source(project=project, name=name)
        factories.make_interaction(project=project, provider=provider, source=source)


LISTS: dict[str, Callable[[Project, Any, int], None]] = {
    "home": many_interactions,
    "interactions": many_interactions,
    "replays": many_runs,
    "exports": many_exports,
    "settings-members": many_members,
    "settings-keys": many_keys,
    "settings-providers": many_providers,
    "settings-sources": many_providers,
    "settings-audit": many_keys,
}


@pytest.mark.parametrize(("name", "make"), LISTS.items(), ids=LISTS)
def test_a_list_costs_the_same_queries_however_long_it_is(client, project, admin, name, make):
    make(project, admin, 5)
    client.get(reverse(name))
    few = queries_of(client, reverse(name))

    make(project, admin, 45)
    many = queries_of(client, reverse(name))

    assert len(many) <= len(few), "\n".join(sql for sql in many if many.count(sql) > few.count(sql))


def test_an_interaction_costs_the_same_queries_however_much_was_said_about_it(client, project, admin):
    one = factories.make_interaction(project=project)

    def judge(count: int) -> None:
        for _ in range(count):
            reviewer = factories.make_actor(project=project, role="reviewer")
            review.flag(actor=reviewer, interaction=one, reason="Wrong", now=NOW)
            review.annotate(
                actor=reviewer, interaction=one, scores={"verdict": "good", "correct": True}, now=NOW
            )
            run = factories.make_run(project=project)
            factories.make_attempt(run=run, original=one, verdict="identical")

    judge(2)
    client.get(reverse("interaction", args=[one.pk]))
    few = queries_of(client, reverse("interaction", args=[one.pk]))

    judge(18)
    many = queries_of(client, reverse("interaction", args=[one.pk]))

    assert len(many) <= len(few), "\n".join(sql for sql in many if many.count(sql) > few.count(sql))


def queries_of(client: Client, address: str) -> list[str]:
    """The queries of one page, values left out."""
    with CaptureQueriesContext(connection) as caught:
        answer = client.get(address)
    assert answer.status_code == 200
    return [re.sub(r"'[^']*'|\b\d+\b", "?", query["sql"]) for query in caught.captured_queries]


# --- Fragments and whole pages --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["interactions", "exports"])
def test_htmx_gets_the_part_that_it_swaps(client, project, name):
    factories.make_interaction(project=project)

    whole = client.get(reverse(name))
    part = client.get(reverse(name), headers=HTMX)

    assert b"<html" in whole.content
    assert b"<html" not in part.content
    assert b"<nav" not in part.content.split(b"pagination")[0]


@pytest.mark.parametrize("name", ["interactions", "exports", "replays"])
def test_a_cache_keeps_fragments_and_pages_apart(client, name):
    for headers in ({}, HTMX):
        answer = client.get(reverse(name), headers=headers)

        assert "HX-Request" in answer.headers["Vary"]


@pytest.mark.parametrize("name", ["interactions", "exports", "replays"])
def test_going_back_gets_a_whole_page(client, name):
    answer = client.get(reverse(name), headers={**HTMX, "HX-History-Restore-Request": "true"})

    assert b"<html" in answer.content


# --- Addresses that somebody mangled ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("seed=abc", "seed: must be a whole number"),
        ("seed=5..x", "seed: must be a whole number"),
        ("status=fine", "status: must be"),
        ("since=yesterday-ish", "since: must be"),
        ("until=2026-13-45", "until: must be"),
        ("flagged=perhaps", "flagged: must be"),
        ("request_hash=12", "request_hash: must be"),
    ],
)
def test_a_filter_that_cannot_be_is_told_by_its_field(client, project, query, sentence):
    factories.make_interaction(project=project, prompt="When is my refund due?")

    answer = client.get(f"{reverse('interactions')}?{query}")

    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert "When is my refund due?" not in answer.content.decode()


@pytest.mark.parametrize("cursor", ["x", "%00", "b2xk", "..%2F..%2Fetc", "9" * 400, "%F0%9F%98%80"])
@pytest.mark.parametrize("name", ["interactions", "exports", "settings-audit"])
def test_a_cursor_that_nobody_gave_out_starts_the_list_again(client, project, name, cursor):
    factories.make_interaction(project=project)

    answer = client.get(f"{reverse(name)}?cursor={cursor}", follow=True)

    assert answer.status_code == 200
    assert answer.content.count(b"<tr") == client.get(reverse(name)).content.count(b"<tr")


def test_a_filter_that_cannot_be_stays_to_be_mended(client, project):
    page = client.get(reverse("interactions"), {"seed": "abc", "model": "m"}).content.decode()

    assert '<input class="input" name="seed" value="abc" form="chip-seed"' in page
    assert '<input type="hidden" name="model" value="m">' in page


@pytest.mark.parametrize(
    "query",
    ["q=%00", "q=%22", "q=((", "q=a%3A", "source=%00", "q=" + "x" * 5000, "limit=-1", "column=nothing"],
)
def test_no_address_breaks_the_list(client, project, query):
    factories.make_interaction(project=project)

    answer = client.get(f"{reverse('interactions')}?{query}")

    counting.tried(status=answer.status_code)
    assert answer.status_code in {200, 422}


# --- What a model wrote ---------------------------------------------------------------------------

HOSTILE = """
<script>alert(1)</script>

<img src="https://evil.example/x.png" onerror="alert(1)">

![picture](https://evil.example/y.png)

[one](javascript:alert(1)) and [two](JaVaScRiPt&colon;alert(1)) and [three](data:text/html,hi)

<a href="javascript:alert(2)">press</a> <iframe src="https://evil.example/"></iframe>

<svg onload="alert(3)"></svg><style>*{display:none}</style><form action="https://evil.example/">

</textarea></pre></script><script>alert(4)</script>

<https://evil.example/?a=<script>>

{{ 7|add:7 }} {% debug %}

```html
<script>alert(5)</script>
```
""".strip()


@pytest.fixture
def hostile(project, admin):
    """An interaction with that text wherever text can be, from the system prompt to a reviewer's note."""
    one = factories.make_interaction(
        project=project,
        prompt=HOSTILE,
        answer=HOSTILE,
        model=HOSTILE[:180],
        fingerprint=HOSTILE[:90],
        tags=[HOSTILE[:60]],
        trace=HOSTILE[:90],
        end_user=HOSTILE[:90],
        request={
            "model": HOSTILE[:180],
            "messages": [
                {"role": "system", "content": HOSTILE},
                {"role": "user", "name": HOSTILE[:60], "content": HOSTILE},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": HOSTILE[:60], "arguments": HOSTILE},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": HOSTILE},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": HOSTILE},
                        {"type": "image_url", "image_url": {"url": "https://evil.example/z.png"}},
                        {"type": "image_url", "image_url": {"url": "javascript:alert(1)"}},
                        {
                            "type": "image_url",
                            "image_url": {"url": "data:image/svg+xml,<svg onload=alert(1)>"},
                        },
                    ],
                },
            ],
        },
    )
    review.flag(actor=admin, interaction=one, reason="Wrong", note=HOSTILE, now=NOW)
    review.annotate(
        actor=admin,
        interaction=one,
        scores={"verdict": "good", "correct": True},
        correction=f"{HOSTILE} or so",
        comment=HOSTILE,
        now=NOW,
    )
    return one


@pytest.mark.parametrize("query", ["", "?view=json", "?view=tokens", "?source"])
def test_nothing_that_a_model_wrote_runs_or_loads(client, hostile, query):
    page = client.get(reverse("interaction", args=[hostile.pk]) + query).content.decode()

    assert harm_in(page) == []


@pytest.mark.parametrize("name", ["home", "interactions"])
def test_nothing_that_a_model_wrote_runs_or_loads_in_lists(client, hostile, name):
    page = client.get(reverse(name)).content.decode()

    assert harm_in(page) == []


def test_the_preview_of_a_hostile_answer_is_harmless_too(client, hostile):
    page = client.get(reverse("interaction", args=[hostile.pk]), headers=HTMX).content.decode()

    assert "alert(1)" in page
    assert harm_in(page) == []


def test_the_check_for_harm_finds_harm():
    assert harm_in('<p onclick="x()"></p><script>1</script><a href=" javascript:x">')
    assert harm_in('<img src="https://evil.example/x.png">')
    assert harm_in("<iframe></iframe>")


LOADING = {"src", "srcset", "poster", "action", "formaction"}
GOING = LOADING | {"href", "xlink:href", "data"}
RUNNING = re.compile(r"javascript:|vbscript:|data:(?!image/(png|jpeg|gif|webp);)")
ELSEWHERE = re.compile(r"(https?:)?//")


class Harm(HTMLParser):
    """Elements that would run something or fetch it from elsewhere, as a browser reads the page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: re.sub(r"[\s\x00-\x1f]", "", value or "").lower() for name, value in attrs}
        ours = values.get("src", "").startswith("/static/") or values.get("type") == "importmap"
        harmful = (
            (tag == "script" and not ours)
            or tag in {"iframe", "object", "embed", "base", "style", "frame"}
            or any(name.startswith("on") or name == "style" for name in values)
            or any(RUNNING.match(values[name]) for name in GOING & values.keys())
            or any(ELSEWHERE.match(values[name]) for name in LOADING & values.keys())
        )
        if harmful:
            self.found.append(self.get_starttag_text() or tag)


def harm_in(page: str) -> list[str]:
    reader = Harm()
    reader.feed(page)
    return reader.found


def test_a_turned_writing_direction_stays_within_its_text(client, project):
    """U+202E and its like could make what stands after the text read backwards, file names for instance."""
    one = factories.make_interaction(project=project, prompt="pay \u202egpj.exe", answer="\u2066 left open")

    page = client.get(reverse("interaction", args=[one.pk])).content.decode()
    listed = client.get(reverse("interactions")).content.decode()

    for text in (page, listed):
        for match in re.finditer("[\u202a-\u202e\u2066-\u2069]", text):
            around = text[max(0, match.start() - 400) : match.start()]
            kept_in = ('dir="auto"', "<bdi", "<title>")
            assert any(words in around for words in kept_in), around[-200:]


def test_a_lone_half_of_a_character_does_not_break_a_page(client, project, admin):
    text = "half \ud83d and \x00 nothing"
    said = {"role": "assistant", "content": text}
    one = factories.make_interaction(
        project=project,
        prompt="odd",
        answer="odd",
        request={"model": "m", "messages": [{"role": "user", "content": text}]},
        response={"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]},
    )
    review.annotate(
        actor=admin,
        interaction=one,
        scores={},
        spans=[{"start": 0, "end": 8, "label": "wrong"}],
        correction="whole",
        now=NOW,
    )

    for query in ("", "?view=json", "?source"):
        assert client.get(reverse("interaction", args=[one.pk]) + query).status_code == 200


# --- The state of a fingerprint -------------------------------------------------------------------


def test_every_chip_says_the_state_of_its_fingerprint(client, project):
    provider = factories.make_provider(project=project)
    Fingerprint.objects.create(
        project=project,
        provider=provider,
        model="gpt-4o-mini",
        value="fp_44709d6fcb",
        state="overlap",
        overlap_until=NOW,
        first_seen=NOW,
        last_seen=NOW,
    )
    one = factories.make_interaction(project=project)
    run = factories.make_run(project=project)
    attempt = factories.make_attempt(run=run, original=one, verdict="identical")
    failed = factories.make_attempt(
        run=run, original=one, number=2, state="failed", error="No.", finished_at=NOW
    )

    pages = {
        "home": reverse("home"),
        "list": reverse("interactions"),
        "interaction": reverse("interaction", args=[one.pk]),
        "run": reverse("replay-run", args=[run.pk]),
        "compare": reverse("compare", args=[attempt.pk]),
        "failed": reverse("compare", args=[failed.pk]),
    }

    without = [
        name
        for name, url in pages.items()
        for chip in re.findall(r'<span class="fingerprint hue-[^>]*>', client.get(url).content.decode())
        if 'data-state="overlap"' not in chip
    ]
    assert without == []
