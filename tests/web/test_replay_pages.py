"""The replay screens: the list of runs, a new run with its estimate, and one run at work."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reviewapp.models import Attempt, AuditEntry, Comparison, ReplayRun
from reviewapp.models.replaying import RunRow
from reviewapp.web.pages.replays import outcome
from tests.factories import (
    make_actor,
    make_attempt,
    make_interaction,
    make_project,
    make_provider,
    make_run,
)

HTMX = {"HX-Request": "true"}


@pytest.fixture
def signed_in(client, reviewer):
    client.force_login(reviewer.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def provider(project):
    prices = {"gpt-4o-mini": {"input": 1000.0, "output": 2000.0}}
    return make_provider(project=project, name="acme", base_url="http://127.0.0.1:9/v1", prices=prices)


def words(answer) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<[^>]*>", " ", answer.content.decode()).replace("\u202f", " ").replace("&#x27;", "'")
    return re.sub(r"\s+", " ", text)


def queries_of(client, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as context:
        assert client.get(address).status_code == 200
    return len(context)


# ---- the list ----


def test_a_run_shows_who_why_what_and_its_gravest_verdict(signed_in, project, reviewer):
    make_run(
        project=project,
        verdicts=["identical", "identical", "backend_changed"],
        note="After the update",
        created_by=reviewer.person,
        selection={"filter": {"flagged": "yes", "model": "gpt-4o"}},
        estimate={"interactions": 3},
    )

    shown = words(signed_in.get(reverse("replays")))

    assert "After the update" in shown
    assert "3 interactions, model gpt-4o, flagged" in shown
    assert reviewer.person.short_name in shown
    assert "1 backend changed" in shown


def test_without_runs_the_list_says_what_a_replay_is(signed_in):
    assert "A replay asks a recorded question again" in words(signed_in.get(reverse("replays")))


@pytest.mark.parametrize(("queued", "polls"), [(0, False), (1, True)])
def test_the_list_polls_only_while_work_remains(signed_in, project, queued, polls):
    make_run(project=project, verdicts=["identical"], queued=queued)

    answer = signed_in.get(reverse("replays"), headers=HTMX)

    assert ("hx-trigger" in answer.content.decode()) is polls


def test_the_list_costs_the_same_queries_however_many_runs(signed_in, project):
    make_run(project=project, verdicts=["identical"])
    few = queries_of(signed_in, reverse("replays"))

    for _ in range(5):
        make_run(project=project, verdicts=["identical", "backend_changed"], failed=1)

    assert queries_of(signed_in, reverse("replays")) == few


def test_runs_of_another_project_are_not_listed(signed_in):
    make_run(project=make_project(), verdicts=["identical"], note="Secret plans")

    assert "Secret plans" not in words(signed_in.get(reverse("replays")))


# ---- a new run ----


def test_who_comes_without_a_choice_is_offered_some(signed_in, project):
    make_interaction(project=project)

    shown = words(signed_in.get(reverse("replay-new")))

    assert "What is flagged 0" in shown
    assert "Everything 1" in shown
    assert "Start" not in shown


def test_chosen_ids_are_named_and_counted(signed_in, project, provider):
    ids = [make_interaction(project=project, provider=provider, prompt=f"Question {n}?").pk for n in (1, 2)]

    shown = words(signed_in.get(reverse("replay-new"), {"ids": f"{ids[0]},{ids[1]}"}))

    assert "2 interactions you chose" in shown
    assert "Question 1?" in shown
    assert "Start 2 replays" in shown


def test_repeated_ids_are_as_good_as_a_list(signed_in, project, provider):
    ids = [str(make_interaction(project=project, provider=provider).pk) for _ in range(2)]

    assert "Start 2 replays" in words(signed_in.get(reverse("replay-new"), {"ids": ids}))


def test_a_filter_is_shown_in_words_and_stays_in_the_form(signed_in, project, provider):
    make_interaction(project=project, provider=provider, model="gpt-4o")

    answer = signed_in.get(reverse("replay-new"), {"model": "gpt-4o"})

    assert "model gpt-4o" in words(answer)
    assert '<input type="hidden" name="model" value="gpt-4o">' in answer.content.decode()


def test_the_estimate_follows_the_form(signed_in, project, provider):
    make_interaction(project=project, provider=provider, input_tokens=1_000, output_tokens=500)

    answer = signed_in.post(
        reverse("replay-estimate"), {"model": "gpt-4o-mini", "ask-attempts": "10"}, headers=HTMX
    )

    shown = words(answer)
    assert "10 calls" in shown
    assert "about 10 k in, 5 k out" in shown
    assert "about $20.00" in shown
    assert not ReplayRun.objects.exists()


def test_without_a_price_the_cost_is_said_to_be_unknown(signed_in, project):
    make_interaction(
        project=project, provider=make_provider(project=project, base_url="http://127.0.0.1:9/v1")
    )

    assert "no price is set for these models" in words(
        signed_in.get(reverse("replay-new") + "?everything=yes")
    )


def test_overrides_are_marked_as_such_before_the_start(signed_in, project, provider):
    make_interaction(project=project, provider=provider)

    shown = words(
        signed_in.post(
            reverse("replay-estimate"),
            {
                "everything": "yes",
                "ask-attempts": "1",
                "ask-seed": "9",
                "ask-parameters": '{"temperature": 0}',
            },
            headers=HTMX,
        )
    )

    assert "Asked differently on purpose." in shown
    assert "temperature → 0" in shown
    assert "seed → 9" in shown


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([1, 2], None),
        ([None], "It was asked without a seed."),
        ([None, None], "All of them were asked without a seed."),
        ([1, None], "1 of them was asked without a seed."),
    ],
)
def test_what_an_unseeded_replay_can_show_is_said_before_the_start(signed_in, project, provider, seeds, said):
    for seed in seeds:
        make_interaction(project=project, provider=provider, seed=seed)

    shown = words(signed_in.get(reverse("replay-new") + "?everything=yes"))

    assert (said or "without a seed") in shown if said else "without a seed" not in shown


def test_a_time_that_the_limits_dictate_is_told(signed_in, project, provider):
    provider.requests_per_minute = 2
    provider.save()
    for _ in range(10):
        make_interaction(project=project, provider=provider)

    assert "at least 5 min" in words(signed_in.get(reverse("replay-new") + "?everything=yes"))


def test_the_form_starts_a_run_with_what_it_says(signed_in, project, provider, reviewer):
    original = make_interaction(project=project, provider=provider)

    answer = signed_in.post(
        reverse("replay-new"),
        {
            "ids": str(original.pk),
            "ask-attempts": "3",
            "ask-note": "Is it steady?",
            "ask-model": "gpt-4o",
            "ask-parameters": '{"temperature": 0}',
        },
    )

    run = ReplayRun.objects.get()
    assert answer.headers["Location"] == reverse("replay-run", args=[run.pk])
    assert (run.attempts, run.note, run.created_by) == (3, "Is it steady?", reviewer.person)
    assert run.overrides == {"temperature": 0, "model": "gpt-4o"}
    assert Attempt.objects.count() == 3


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("ask-parameters", "{temperature", "This is no JSON"),
        ("ask-parameters", "[1]", "must be a JSON object"),
        ("ask-parameters", '{"messages": []}', "a replay asks the same one"),
        ("ask-seed", "x", "whole number"),
        ("ask-attempts", "7", "valid choice"),
        ("ids", "x", "is no interaction id"),
    ],
)
def test_a_run_that_cannot_be_is_told_on_the_form(signed_in, project, provider, field, value, said):
    original = make_interaction(project=project, provider=provider)
    form = {"ids": str(original.pk), "ask-attempts": "1"} | {field: value}

    answer = signed_in.post(reverse("replay-new"), form)

    assert answer.status_code == 422
    assert said in words(answer)
    assert not ReplayRun.objects.exists()


def test_a_filter_that_cannot_be_is_told(signed_in):
    answer = signed_in.get(reverse("replay-new"), {"seed": "many"})

    assert answer.status_code == 422
    assert "must be a whole number, a range" in words(answer)


def test_some_of_a_runs_attempts_can_be_asked_again(signed_in, project, provider):
    run = make_run(project=project, verdicts=["identical", "inconclusive"], note="First look")

    shown = words(
        signed_in.get(reverse("replay-new"), {"run": run.pk, "show": "inconclusive", "attempts": 10})
    )

    assert "inconclusive from First look" in shown
    assert "Start 10 replays" in shown


@pytest.mark.parametrize("value", ["x", "0193d2c0-0000-7000-8000-000000000000"])
def test_a_run_that_is_not_there_is_no_choice(signed_in, value):
    assert signed_in.get(reverse("replay-new"), {"run": value}).status_code in {404, 422}


# ---- one run ----


def test_the_outcome_of_one_answer_is_told_in_the_singular():
    assert (
        outcome(RunRow(run=ReplayRun(), verdicts={"nondeterministic": 1}))
        == "The answer came back different."
    )
    assert outcome(RunRow(run=ReplayRun(), verdicts={"identical": 1})) == "The answer came back the same."


def test_a_run_tells_its_outcome_in_a_sentence(signed_in, project):
    run = make_run(project=project, verdicts=["identical", "equivalent", "backend_changed"], failed=1)

    shown = words(signed_in.get(reverse("replay-run", args=[run.pk])))

    assert (
        "2 of 3 answers came back the same. 1 differs in a way that chance does not explain. 1 got no answer."
    ) in shown


def test_the_worst_attempts_stand_first(signed_in, project):
    run = make_run(project=project, verdicts=["identical", "backend_changed", "nondeterministic"])

    page = signed_in.get(reverse("replay-run", args=[run.pk])).content.decode()

    table = page[page.index("<tbody>") :]
    assert re.findall(r'data-verdict="(\w+)"', table) == ["backend_changed", "nondeterministic", "identical"]


def test_a_verdict_filters_the_attempts(signed_in, project):
    run = make_run(project=project, verdicts=["identical", "backend_changed"])

    page = signed_in.get(reverse("replay-run", args=[run.pk]), {"show": "identical"}).content.decode()

    assert page.count('<tr id="attempt-') == 1


def test_an_attempt_says_what_happened_to_it(signed_in, project):
    run = make_run(project=project, failed=1)
    original = make_interaction(project=project, prompt="Where is it?")
    make_attempt(run=run, original=original, verdict="identical", sentence="The answers are identical.")

    shown = words(signed_in.get(reverse("replay-run", args=[run.pk])))

    assert "Where is it? The answers are identical." in shown
    assert "The provider did not answer within 120 s." in shown


def test_decisions_take_a_column_of_a_run_once_there_is_one(signed_in, project, reviewer):
    run = make_run(project=project, verdicts=["identical", "backend_changed"], failed=1)
    address = reverse("replay-run", args=[run.pk])
    before = signed_in.get(address).content.decode()
    Comparison.objects.filter(verdict="backend_changed").update(
        decision="regression", decided_by=reviewer.person, decided_at=run.created_at
    )

    after = signed_in.get(address).content.decode()

    assert "<th>Decision</th>" not in before
    assert "<th>Decision</th>" in after


@pytest.mark.parametrize(("queued", "polls"), [(0, False), (2, True)])
def test_a_run_polls_only_while_it_works(signed_in, project, queued, polls):
    run = make_run(project=project, verdicts=["identical"], queued=queued)

    answer = signed_in.get(reverse("replay-run", args=[run.pk]), headers=HTMX)

    assert answer.content.decode().strip().startswith('<div id="live"')
    assert ("hx-trigger" in answer.content.decode()) is polls


def test_a_run_polls_on_until_its_answers_are_compared(signed_in, project):
    run = make_run(project=project, verdicts=["identical"])
    Comparison.objects.all().delete()

    answer = signed_in.get(reverse("replay-run", args=[run.pk]), headers=HTMX)

    assert "hx-trigger" in answer.content.decode()
    assert "Comparing the answers" in words(answer)


def test_a_run_costs_the_same_queries_however_many_attempts(signed_in, project):
    short = make_run(project=project, verdicts=["identical"] * 3)
    long = make_run(project=project, verdicts=["identical"] * 20)

    few = queries_of(signed_in, reverse("replay-run", args=[short.pk]))

    assert queries_of(signed_in, reverse("replay-run", args=[long.pk])) == few


def test_a_long_run_comes_in_pages(signed_in, project):
    run = make_run(project=project, verdicts=["identical"] * 60)

    first = signed_in.get(reverse("replay-run", args=[run.pk])).content.decode()

    assert first.count('<tr id="attempt-') == 50
    link = re.search(r'href="(\?cursor=[^"]+)" rel="next"', first)
    assert link is not None
    second = signed_in.get(reverse("replay-run", args=[run.pk]) + link[1]).content.decode()
    assert second.count('<tr id="attempt-') == 10
    assert 'rel="prev"' in second


def test_a_cursor_that_nobody_gave_out_starts_the_list_again(signed_in, project):
    run = make_run(project=project, verdicts=["identical"])

    answer = signed_in.get(reverse("replay-run", args=[run.pk]), {"cursor": "x"})

    assert answer.headers["Location"] == reverse("replay-run", args=[run.pk])


def test_overrides_stand_under_the_title(signed_in, project):
    run = make_run(project=project, verdicts=["identical"], overrides={"temperature": 1.2})

    assert "Asked differently on purpose: temperature → 1.2" in words(
        signed_in.get(reverse("replay-run", args=[run.pk]))
    )


def test_a_run_can_be_cancelled_from_its_page(signed_in, project):
    run = make_run(project=project, queued=3)

    answer = signed_in.post(reverse("replay-cancel", args=[run.pk]), follow=True)

    run.refresh_from_db()
    assert run.state == "cancelled"
    assert "Cancelled; 3 attempts were not asked any more." in words(answer)
    assert AuditEntry.objects.filter(action="replay.cancel").exists()


def test_what_failed_can_be_retried_from_the_page(signed_in, project):
    run = make_run(project=project, verdicts=["identical"], failed=2)

    answer = signed_in.post(reverse("replay-retry", args=[run.pk]), follow=True)

    assert Attempt.objects.filter(state="queued").count() == 2
    assert "2 failed attempts are asked again." in words(answer)


@pytest.mark.parametrize("name", ["replay-cancel", "replay-retry"])
def test_who_only_reads_changes_no_run(client, project, name):
    viewer = make_actor(project=project, role="viewer")
    client.force_login(viewer.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    run = make_run(project=project, queued=1, failed=1)

    assert client.post(reverse(name, args=[run.pk])).status_code == 403

    run.refresh_from_db()
    assert run.state == "running"


@pytest.mark.parametrize("page", ["home", "interactions"])
def test_pages_that_link_to_replays_open(signed_in, project, page):
    make_interaction(project=project)

    assert signed_in.get(reverse(page)).status_code == 200
