"""What people browse and count is what was asked for them: the app's own canaries stay out of it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from reviewapp.models import NotAllowed, actor_for_key
from reviewapp.models import overview as home
from reviewapp.models.composed import Composed
from reviewapp.models.filters import read_filter
from reviewapp.models.overview import overview
from reviewapp.stages import administer, export
from tests import factories
from tests.factories import NOW


@pytest.fixture
def client(client: Client, admin) -> Client:
    client.force_login(admin.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def question(project) -> Any:
    """A question of the app's own canaries, as preparing records it."""
    source = factories.make_source(project=project, name="canaries")
    return factories.make_interaction(
        project=project, source=source, tags=["canary"], prompt="Name three rivers."
    )


@pytest.fixture
def asked(project) -> Any:
    source = factories.make_source(project=project)
    return factories.make_interaction(project=project, source=source, prompt="When is my refund due?")


def told(admin: Any) -> Any:
    return overview(actor=admin, since=NOW - timedelta(days=1), now=NOW + timedelta(days=1))


def test_home_neither_shows_nor_counts_canary_questions(admin, asked, question):
    found = told(admin)

    assert [one.pk for one in found.newest] == [asked.pk]
    assert found.recorded == 1
    assert [source.name for source in found.new_sources] == [asked.source.name]


def test_what_canaries_ask_by_schedule_is_no_part_of_reproducibility(project, admin):
    factories.make_run(project=project, verdicts=["identical", "nondeterministic"])
    factories.make_run(project=project, kind="canary", verdicts=["identical"] * 5)

    (model,) = told(admin).reproducibility

    assert (model.replays, model.identical) == (2, 1)


def test_reproducibility_is_told_of_the_newest_replays_alone_and_says_so(
    project, admin, client, asked, monkeypatch
):
    monkeypatch.setattr(home, "BOUND", 3)
    monkeypatch.setattr(home, "_REPLAYED", Composed(home._replayed))
    factories.make_run(project=project, verdicts=["nondeterministic"] * 2 + ["identical"] * 3)

    bounded = told(admin)
    monkeypatch.undo()
    whole = told(admin)

    assert ([row.replays for row in bounded.reproducibility], bounded.has_more_replays) == ([3], True)
    assert ([row.replays for row in whole.reproducibility], whole.has_more_replays) == ([5], False)


def test_home_counts_to_its_bound_and_no_further(project, admin, asked, monkeypatch):
    for number in range(4):
        factories.make_interaction(project=project, source=asked.source, status=500, seed=number)
    whole = told(admin)
    monkeypatch.setattr(home, "BOUND", 3)
    monkeypatch.setattr(home, "_FIGURES", Composed(home._figures))

    bounded = told(admin)

    assert (whole.recorded, whole.errors) == (5, 4)
    assert (bounded.recorded, bounded.errors) == (3, 3)


def test_home_tells_nothing_to_who_may_not_read(project, asked):
    key, _ = administer.create_api_key(project=project, name="app", scopes=["ingest"], now=NOW)

    with pytest.raises(NotAllowed):
        told(actor_for_key(key=key))


def test_the_list_shows_canary_questions_only_when_asked(client, asked, question):
    usual = client.get(reverse("interactions")).content.decode()
    with_them = client.get(reverse("interactions") + "?q=is:canary").content.decode()
    of_their_source = client.get(reverse("interactions") + "?source=canaries").content.decode()

    assert str(asked.pk) in usual
    assert str(question.pk) not in usual
    assert str(question.pk) in with_them
    assert str(asked.pk) not in with_them
    assert str(question.pk) in of_their_source


def test_all_that_match_are_those_that_are_shown(client, asked, question):
    page = client.get(reverse("interactions")).content.decode()

    assert f"{reverse('replay-new')}?canaries=no" in page
    assert f"{reverse('export-new')}?canaries=no" in page


def test_a_list_that_only_canary_questions_match_offers_them(client, question):
    page = client.get(reverse("interactions") + "?model=gpt-4o-mini").content.decode()

    assert "Only canary questions match" in page
    assert f"{reverse('interactions')}?model=gpt-4o-mini&amp;canaries=yes" in page


def test_what_an_unknown_filter_is_changed_into_leaves_terms_that_it_is_a_part_of(client, asked):
    page = client.get(reverse("interactions"), {"q": "xmodle:a modle:a"}).content.decode()

    assert f"{reverse('interactions')}?q=xmodle%3Aa+%22modle%3Aa%22" in page


def test_an_unknown_filter_is_named_with_the_nearest_and_a_way_to_search_for_its_words(client, asked):
    page = client.get(reverse("interactions"), {"q": "refund modle:gpt-4o"}).content.decode()

    assert "There is no filter “modle”" in page
    assert f"{reverse('interactions')}?q=refund+model%3Agpt-4o" in page
    assert f"{reverse('interactions')}?q=refund+%22modle%3Agpt-4o%22" in page


def test_a_filter_that_is_near_to_none_is_told_which_there_are(client, asked):
    page = client.get(reverse("interactions"), {"q": "bogus:1"}).content.decode()

    assert "There is no filter “bogus”" in page
    assert "source, provider, model, fingerprint" in page


@pytest.mark.parametrize("typed", ["verdict:foo", "seed:abc", "cost:>abc", "flagged:maybe"])
def test_a_filter_with_a_wrong_value_is_one_that_there_is(client, asked, typed):
    response = client.get(reverse("interactions"), {"q": typed})
    page = response.content.decode()

    assert response.status_code == 422
    assert "This filter can't be used" in page
    assert "There is no filter" not in page


def test_words_in_quotes_are_words(client, asked):
    page = client.get(reverse("interactions"), {"q": '"bogus:1" https://example.org'}).content.decode()

    assert "There is no filter" not in page


def test_a_list_on_which_nothing_is_says_which_condition_to_drop(client, asked):
    address = reverse("interactions")
    page = client.get(
        address, {"source": asked.source.name, "q": "refund", "model": "nobody"}
    ).content.decode()

    told = page.partition('class="empty-choices"')[2].partition("</ul>")[0]
    assert told.count("<li>") == 1
    assert f'href="{address}?q=refund&amp;source={asked.source.name}"' in told.replace(
        f"?source={asked.source.name}&amp;q=refund", f"?q=refund&amp;source={asked.source.name}"
    )


def test_where_two_conditions_are_in_the_way_none_is_named(client, asked):
    page = client.get(reverse("interactions"), {"source": "nobody", "model": "nobody"}).content.decode()

    assert "nor all but one of it" in page
    assert "empty-choices" not in page


def test_the_api_lists_canary_questions_with_all_others(project, asked, question):
    key = factories.make_key(project=project)
    headers = {"Authorization": f"Bearer {key}"}

    everything = Client().get("/api/v1/interactions", headers=headers).json()["items"]
    narrowed = Client().get("/api/v1/interactions?canaries=no", headers=headers).json()["items"]

    assert {one["id"] for one in everything} == {str(asked.pk), str(question.pk)}
    assert [one["id"] for one in narrowed] == [str(asked.pk)]


def test_every_flag_dialog_asks_the_same(client, project, asked):
    run = factories.make_run(project=project)
    attempt = factories.make_attempt(run=run, original=asked, verdict="identical")
    addresses = (
        reverse("interactions"),
        reverse("interaction", args=[asked.pk]),
        reverse("compare", args=[attempt.pk]),
    )

    forms = [flag_form(client.get(address).content.decode()) for address in addresses]

    assert forms[0] == forms[1] == forms[2]
    assert ("radio", "reason", "Wrong") in forms[0]


def flag_form(page: str) -> list[tuple[str, ...]]:
    """The fields of a page's one flag form, in order."""
    (form,) = re.findall(r'<form class="flag-form".*?</form>', page, re.DOTALL)
    inputs = re.findall(r'<input type="(radio)" name="(\w+)" value="([^"]*)"', form)
    return (
        inputs
        + re.findall(r'<(select|textarea) [^>]*name="(\w+)"', form)
        + re.findall(r"<legend>.*?</legend>|<label.*?</label>", form)
    )


def test_a_search_marks_what_it_found_and_nothing_recorded_becomes_markup(client, project):
    factories.make_interaction(
        project=project,
        prompt="<script>alert(1)</script> my <b>refund</b>?",
        answer="far away " * 60 + "the <i>refund</i> is due",
    )

    page = client.get(reverse("interactions"), {"q": 'refund "is due" -late refu*'}).content.decode()

    assert '&lt;b&gt;<mark class="found">refund</mark>&lt;/b&gt;' in page
    assert '&lt;i&gt;<mark class="found">refund</mark>&lt;/i&gt;' in page
    assert '<mark class="found">is due</mark>' in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("q", "found"),
    [("refund", 2), ('"refund is due"', 1), ("refund -due", 1), ("ref*", 2), ('refund -"is due"', 1)],
)
def test_page_api_and_export_understand_a_search_alike(client, project, q, found):
    factories.make_interaction(project=project, prompt="My refund?", answer="The refund is due.")
    factories.make_interaction(project=project, prompt="My refund?", answer="Not yet.")
    factories.make_interaction(project=project, prompt="My parcel?", answer="Not yet.")
    key = factories.make_key(project=project)

    page = client.get(reverse("interactions"), {"q": q}).content.decode()
    listed = client.get(
        f"/api/v1/interactions?{urlencode({'q': q})}", headers={"Authorization": f"Bearer {key}"}
    )

    assert page.count("data-row=") == found
    assert len(listed.json()["items"]) == found
    assert export.expected_rows(project=project, wanted=read_filter({"q": q})) == found
