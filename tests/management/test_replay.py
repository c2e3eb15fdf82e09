"""`manage.py replay` and `recompute_verdicts`: runs from the command line, with an exit status."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from reviewapp.models import Comparison, ReplayRun
from tests.answering import answering, completion, refusal
from tests.factories import make_interaction, make_project, make_provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider():
    with answering() as running:
        yield running


def run(*arguments: str) -> tuple[int, str]:
    """Exit status and standard output."""
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("replay", *arguments, "--here", stdout=out, stderr=io.StringIO())
    return int(ended.value.code or 0), out.getvalue()


def recorded(project: Any, base_url: str, **fields: Any) -> Any:
    called = make_provider(project=project, name="acme", base_url=base_url)
    return make_interaction(project=project, provider=called, **fields)


def test_equal_answers_end_with_status_zero(project, provider):
    original = recorded(project, provider.base_url, answer="Paris.", fingerprint="fp_one")

    status, told = run("--interaction", str(original.pk), "--attempts", "2")

    assert status == 0
    assert "2  Identical" in told


def test_what_cannot_be_asked_ends_with_status_one(project, provider):
    provider.behave = lambda _: refusal(400, "no such model")
    original = recorded(project, provider.base_url)

    status, told = run("--interaction", str(original.pk))

    assert status == 1
    assert "1  Failed" in told


def test_a_single_different_answer_is_inconclusive_with_status_four(project, provider):
    provider.behave = lambda _: completion("Lyon, I believe.", fingerprint=None)
    original = recorded(project, provider.base_url, answer="Paris.", fingerprint=None, seed=None)

    status, _ = run("--interaction", str(original.pk))

    assert status == 4


def test_an_interaction_says_its_project_itself(project, provider):
    make_project(name="Another")
    interaction = make_interaction(
        project=project, provider=make_provider(project=project, base_url=provider.base_url)
    )

    run("--interaction", str(interaction.pk))

    assert ReplayRun.objects.get().project == project


def test_filters_choose_and_overrides_are_set(project, provider):
    recorded(project, provider.base_url, model="gpt-4o-mini")

    run("--model", "gpt-4o-mini", "--set", "temperature=0.5", "--set", "model=other", "--note", "Why not")

    assert provider.asked[0].json["temperature"] == 0.5
    assert provider.asked[0].json["model"] == "other"
    assert ReplayRun.objects.get().note == "Why not"


def test_the_outcome_as_json_has_the_shape_of_the_api(project, provider):
    original = recorded(project, provider.base_url, answer="Paris.", fingerprint="fp_one")

    _, told = run("--interaction", str(original.pk), "--json")

    assert json.loads(told) == {
        "id": str(ReplayRun.objects.get().pk),
        "state": "done",
        "total": 1,
        "done": 1,
        "failed": 0,
        "verdicts": {"identical": 1},
    }


@pytest.mark.parametrize("arguments", [(), ("--interaction", "x", "--model", "m"), ("--interaction", "x")])
def test_a_selection_that_cannot_be_is_told(project, arguments):
    with pytest.raises(CommandError):
        call_command("replay", *arguments, "--here")

    assert not ReplayRun.objects.exists()


def test_verdicts_of_an_earlier_method_are_judged_again_and_decisions_stay(project, provider):
    original = recorded(project, provider.base_url, answer="Paris.", fingerprint="fp_one")
    run("--interaction", str(original.pk))
    Comparison.objects.update(
        verdict="inconclusive", method=0, decision="same", decided_at="2026-01-01T00:00Z"
    )
    out = io.StringIO()

    call_command("recompute_verdicts", stdout=out)

    judged = Comparison.objects.get()
    assert (judged.verdict, judged.decision) == ("identical", "same")
    assert "1 verdicts changed" in out.getvalue()
