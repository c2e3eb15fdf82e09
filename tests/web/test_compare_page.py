"""The compare page: the verdict, the bodies in each mode, attempts without an answer, decisions with undo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.urls import reverse

from reviewapp.models import Attempt, AuditEntry, Comparison, Interaction
from reviewapp.stages import compare as stage
from tests.factories import NOW, make_actor, make_attempt, make_interaction, make_project, make_run

HTMX = {"HX-Request": "true"}


@pytest.fixture
def signed_in(client, reviewer):
    client.force_login(reviewer.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def words(answer) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<[^>]*>", " ", answer.content.decode()).replace("\u202f", " ").replace("&#x27;", "'")
    return re.sub(r"\s+", " ", text)


def message(
    text: str | None, *, probabilities: Sequence[tuple[str, float]] = (), **members: Any
) -> dict[str, Any]:
    """A chat completion; `probabilities` are its tokens with the share each was chosen with."""
    content = [
        {
            "token": token,
            "logprob": -0.1 if share > 0.5 else -1.0,
            "top_logprobs": [
                {"token": token, "logprob": -0.1 if share > 0.5 else -1.0},
                {"token": " other", "logprob": -2.0},
            ],
        }
        for token, share in probabilities
    ]
    return {
        "id": "chatcmpl-x",
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": members.pop("fingerprint", "fp_one"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **members},
                "finish_reason": "stop",
                "logprobs": {"content": content} if content else None,
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
    }


def compared(project, first: dict, *others: dict, **fields: Any) -> list[Attempt]:
    """Attempts with these responses at an interaction with the first, judged as the stage does."""
    run = make_run(project=project, **fields)
    original = make_interaction(project=project, response=first, prompt="When is it due?")
    attempts = []
    for number, response in enumerate(others, start=1):
        answer = make_interaction(
            project=project, response=response, prompt="When is it due?", replay_of=original
        )
        attempt = make_attempt(run=run, original=original, answer=answer, number=number)
        Attempt.objects.filter(pk=attempt.pk).update(compared_at=None)
        attempts.append(attempt)
    while stage.compare_new(now=NOW):
        pass
    return attempts


def page(client, attempt: Attempt, **query: str):
    return client.get(reverse("compare", args=[attempt.pk]), query)


# ---- the verdict and the cards ----


def test_the_verdict_stands_on_top_in_words(signed_in, project):
    (attempt,) = compared(project, message("Within five days."), message("Within five days."))

    answer = page(signed_in, attempt)

    assert "Identical. The answers are identical, word for word." in words(answer)
    assert '<section class="verdict-sentence" data-verdict="identical"' in answer.content.decode()


def test_the_cards_mark_what_differs(signed_in, project):
    (attempt,) = compared(project, message("One."), message("Two.", fingerprint="fp_two"))

    text = page(signed_in, attempt).content.decode()

    different = re.findall(r'<dd class="is-different">(.*?)</dd>', text, re.DOTALL)
    assert len(different) == 1
    assert "fp_two" in different[0]


def test_an_answer_without_a_fingerprint_is_said_to_have_none(signed_in, project):
    (attempt,) = compared(project, message("One.", fingerprint=None), message("One.", fingerprint=None))

    assert "no fingerprint reported" in words(page(signed_in, attempt))


def test_what_was_asked_otherwise_on_purpose_is_said_to_be(signed_in, project):
    (attempt,) = compared(project, message("One."), message("Two."), overrides={"provider": "other"})

    shown = words(page(signed_in, attempt))

    assert "Asked differently" in shown
    assert "on purpose" in shown


def test_the_same_request_is_said_to_be_the_same(signed_in, project):
    (attempt,) = compared(project, message("One."), message("One."))

    assert "the same request, byte for byte" in words(page(signed_in, attempt))


# ---- the bodies ----


def test_words_that_differ_are_marked_on_both_sides(signed_in, project):
    (attempt,) = compared(project, message("Due in five days."), message("Due in two days."))

    text = page(signed_in, attempt).content.decode()

    assert '<del data-difference="1">five</del>' in text
    assert '<ins data-difference="1">two</ins>' in text
    assert "1 difference" in words(page(signed_in, attempt))


def test_long_equal_runs_are_folded(signed_in, project):
    lines = [f"Line {n}" for n in range(40)]
    (attempt,) = compared(project, message("\n".join(lines)), message("\n".join([*lines[:-1], "Line forty"])))

    text = page(signed_in, attempt).content.decode()

    assert "36 equal lines" in text


def test_the_rendered_form_shows_markdown_as_its_readers_see_it(signed_in, project):
    (attempt,) = compared(project, message("It is **five** days."), message("It is **six** days."))

    text = page(signed_in, attempt, mode="rendered").content.decode()

    assert "<strong>five</strong>" in text
    assert "<strong>six</strong>" in text


def test_the_unified_form_has_removed_and_added_lines(signed_in, project):
    (attempt,) = compared(project, message("Due in five days."), message("Due in two days."))

    text = page(signed_in, attempt, mode="unified").content.decode()

    assert text.count("unified-line is-removed") == text.count("unified-line is-added") == 1


def test_tokens_are_tinted_and_the_divergence_marked(signed_in, project):
    shares = [("Due", 0.9), (" in", 0.9), (" five", 0.4)]
    (attempt,) = compared(
        project,
        message("Due in five", probabilities=shares),
        message("Due in two", probabilities=[*shares[:2], (" two", 0.4)]),
    )

    text = page(signed_in, attempt, mode="tokens").content.decode()

    assert len(re.findall(r'class="token is-divergent"', text)) == 2
    assert re.search(r'data-sure="5" data-pair="0"', text)
    assert "[&quot; five&quot;, 0.367879, true]" in text


def test_without_log_probabilities_the_tokens_say_so(signed_in, project):
    (attempt,) = compared(project, message("One."), message("Two."))

    assert "No log probabilities" in words(page(signed_in, attempt, mode="tokens"))


def test_one_side_without_log_probabilities_stands_as_text(signed_in, project):
    (attempt,) = compared(project, message("One", probabilities=[("One", 0.9)]), message("Two."))

    shown = words(page(signed_in, attempt, mode="tokens"))

    assert "The replay reported no log probabilities." in shown
    assert "Two." in shown


def test_structured_answers_are_compared_as_json_at_first(signed_in, project):
    (attempt,) = compared(
        project, message('{"total": 240, "paid": true}'), message('{"paid": true, "total": 250}')
    )

    text = page(signed_in, attempt).content.decode()

    assert re.search(r'aria-current="true">JSON', text)
    assert re.search(r'<del class="is-block" data-difference="1">.*?240', text, re.DOTALL)
    assert re.search(r'<ins class="is-block" data-difference="1">.*?250', text, re.DOTALL)


def test_tool_calls_are_compared_by_their_arguments(signed_in, project):
    def calls(city: str, id_: str) -> dict:
        call = {
            "id": id_,
            "type": "function",
            "function": {"name": "weather", "arguments": f'{{"city": "{city}"}}'},
        }
        return message(None, tool_calls=[call])

    (attempt,) = compared(project, calls("Oslo", "a"), calls("Bergen", "b"))

    answer = page(signed_in, attempt)

    assert "weather" in words(answer)
    assert '<del data-difference="1">Oslo</del>' in answer.content.decode()


def test_answers_that_are_no_json_show_the_whole_response(signed_in, project):
    (attempt,) = compared(project, message("One."), message("Two."))

    shown = words(page(signed_in, attempt, mode="json"))

    assert "The answers are text" in shown
    assert "Whole response" in shown


def test_an_unknown_mode_shows_words(signed_in, project):
    (attempt,) = compared(project, message("One."), message("Two."))

    assert re.search(r'aria-current="true">Words', page(signed_in, attempt, mode="x").content.decode())


def test_another_mode_is_a_fragment_for_htmx(signed_in, project):
    (attempt,) = compared(project, message("One."), message("Two."))

    answer = signed_in.get(reverse("compare", args=[attempt.pk]), {"mode": "unified"}, headers=HTMX)

    assert answer.content.decode().strip().startswith('<section class="bodies"')
    assert "HX-Request" in answer.headers["Vary"]


def test_what_a_model_wrote_is_text(signed_in, project):
    evil = '<script>alert(1)</script> "><img src=x onerror=alert(1)> \u202egnp'
    tokens = [(evil, 0.9)]
    (attempt,) = compared(
        project, message(evil, probabilities=tokens), message(evil + "!", probabilities=[(evil + "!", 0.9)])
    )

    for mode in ("words", "tokens", "json", "unified", "rendered"):
        text = page(signed_in, attempt, mode=mode).content.decode()
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "\u202e" not in text


# ---- several attempts ----


def test_equal_answers_stand_together_one_click_away(signed_in, project):
    attempts = compared(project, message("One."), message("One."), message("Two."), message("One."))

    answer = page(signed_in, attempts[0])

    shown = words(answer)
    assert "3 attempts together" in shown
    assert "2 × the original's answer" in shown
    assert "1 × answer B · parts at word 1" in shown
    assert reverse("compare", args=[attempts[1].pk]) in answer.content.decode()


def test_the_siblings_come_later_where_judging_them_is_slow(signed_in, project):
    attempts = compared(project, message("One."), message("One."), message("Two."))
    Interaction.objects.filter(replay_of__isnull=False).update(output_tokens=5_000)

    answer = page(signed_in, attempts[0])
    later = signed_in.get(reverse("compare", args=[attempts[0].pk]), {"together": "yes"}, headers=HTMX)

    assert 'hx-get="?together=yes" hx-trigger="load"' in answer.content.decode()
    assert "2 attempts together" in words(later)


def test_brackets_lead_to_the_other_attempts(signed_in, project):
    attempts = compared(project, message("One."), message("One."), message("Two."), message("One."))

    text = page(signed_in, attempts[1]).content.decode()

    assert re.search(rf'href="{reverse("compare", args=[attempts[0].pk])}" data-key="\["', text)
    assert re.search(rf'href="{reverse("compare", args=[attempts[2].pk])}" data-key="\]"', text)


def test_j_leads_through_the_run_the_worst_first(signed_in, project):
    run = make_run(project=project, verdicts=["identical", "backend_changed"])
    worst = Attempt.objects.get(comparison__verdict="backend_changed")
    other = Attempt.objects.get(comparison__verdict="identical")
    assert run.pk == worst.run_id

    text = page(signed_in, worst).content.decode()

    assert re.search(rf'href="{reverse("compare", args=[other.pk])}" data-key="j"', text)
    assert 'data-key="k"' not in text


# ---- without an answer ----


def test_a_failed_attempt_says_what_failed_and_what_to_do(signed_in, project):
    run = make_run(project=project)
    attempt = make_attempt(
        run=run,
        original=make_interaction(project=project, answer="The recorded answer."),
        state="failed",
        error="acme refuses this request (404). It said: no such model.",
        failure={"kind": "bad_request", "status": 404, "body": '{"error": {"message": "no such model"}}'},
        finished_at=NOW,
    )

    shown = words(page(signed_in, attempt))

    assert "No answer. acme refuses this request (404)." in shown
    assert "Asking the same again will be refused again." in shown
    assert "&quot;message&quot;: &quot;no such model&quot;" in shown
    assert "The recorded answer." in shown
    assert "Retry the run's failed attempts" in shown


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("queued", "It waits for its turn."),
        ("leased", "It is being asked right now."),
        ("cancelled", "Not asked"),
    ],
)
def test_an_attempt_without_an_answer_says_where_it_is(signed_in, project, state, said):
    run = make_run(project=project)
    attempt = make_attempt(run=run, original=make_interaction(project=project), state=state)

    answer = page(signed_in, attempt)

    assert said in words(answer)
    assert ('hx-get="?waiting=yes"' in answer.content.decode()) is (state != "cancelled")


def test_a_waiting_attempt_opens_its_page_when_the_answer_comes(signed_in, project):
    (attempt,) = compared(project, message("One."), message("One."))

    answer = signed_in.get(reverse("compare", args=[attempt.pk]), {"waiting": "yes"}, headers=HTMX)

    assert answer.headers["HX-Refresh"] == "true"


def test_an_original_that_is_an_error_can_be_compared(signed_in, project):
    run = make_run(project=project)
    error = {"error": {"message": "overloaded", "type": "x"}}
    original = make_interaction(project=project, response=error, status=500, answer="")
    answer = make_interaction(project=project, replay_of=original)
    attempt = make_attempt(run=run, original=original, answer=answer)
    Attempt.objects.update(compared_at=None)
    stage.compare_new(now=NOW)

    for mode in ("words", "tokens", "json", "unified", "rendered"):
        assert page(signed_in, attempt, mode=mode).status_code == 200
    assert "The original is an error" in words(page(signed_in, attempt))


def test_a_comparison_of_another_project_is_not_there(signed_in):
    make_run(project=make_project(), verdicts=["identical"])

    assert page(signed_in, Attempt.objects.get()).status_code == 404


def test_an_answer_not_compared_yet_is_judged_for_the_page(signed_in, project):
    (attempt,) = compared(project, message("One."), message("One."))
    Comparison.objects.all().delete()

    assert "The answers are identical" in words(page(signed_in, attempt))


# ---- decisions ----


def decide(client, attempt: Attempt, decision: str, **fields: str):
    return client.post(
        reverse("compare-decide", args=[attempt.pk]), {"decision": decision, **fields}, headers=HTMX
    )


def undo_of(answer) -> str:
    """The address that the toast's undo posts to."""
    found = re.search(r'"undo": "([^"]+)"', answer.headers["HX-Trigger"])
    assert found is not None
    return found[1].encode().decode("unicode_escape")


def test_a_decision_is_kept_with_its_note_and_audited(signed_in, project, reviewer):
    make_run(project=project, verdicts=["nondeterministic"])
    attempt = Attempt.objects.get()

    answer = decide(signed_in, attempt, "regression", note="Too short now.", seen="")

    kept = Comparison.objects.get()
    assert (kept.decision, kept.decision_note) == ("regression", "Too short now.")
    assert kept.decided_by == reviewer.person
    assert AuditEntry.objects.filter(action="comparison.decide").count() == 1
    assert 'value="regression" data-key="x"' in answer.content.decode()
    assert answer.headers["HX-Retarget"] == "#decision"


def test_undo_brings_the_decision_before_back_with_its_note(signed_in, project):
    make_run(project=project, verdicts=["nondeterministic"])
    attempt = Attempt.objects.get()
    decide(signed_in, attempt, "same", note="Only the greeting.", seen="")
    changed = decide(signed_in, attempt, "regression", note="No, worse.", seen="same")

    signed_in.post(undo_of(changed), headers=HTMX)

    kept = Comparison.objects.get()
    assert (kept.decision, kept.decision_note) == ("same", "Only the greeting.")


def test_the_first_decision_can_be_undone_altogether(signed_in, project):
    make_run(project=project, verdicts=["nondeterministic"])
    made = decide(signed_in, Attempt.objects.get(), "needs_person", seen="")

    assert dict(parse_qsl(urlsplit(undo_of(made)).query, keep_blank_values=True))["seen"] == "needs_person"
    signed_in.post(undo_of(made), headers=HTMX)

    assert Comparison.objects.get().decision is None


def test_who_decides_on_what_changed_meanwhile_is_told(signed_in, project):
    make_run(project=project, verdicts=["nondeterministic"])
    attempt = Attempt.objects.get()
    other = make_actor(project=project)
    stage.decide(actor=other, comparison=Comparison.objects.get(), decision="same", now=NOW)

    answer = decide(signed_in, attempt, "regression", seen="")

    assert Comparison.objects.get().decision == "same"
    assert "Somebody else decided meanwhile" in answer.headers["HX-Trigger"]


def test_a_decision_that_is_none_is_refused(signed_in, project):
    make_run(project=project, verdicts=["nondeterministic"])

    assert decide(signed_in, Attempt.objects.get(), "perhaps", seen="").status_code == 422
    assert Comparison.objects.get().decision is None


def test_without_htmx_the_page_comes_again(signed_in, project):
    make_run(project=project, verdicts=["nondeterministic"])
    attempt = Attempt.objects.get()

    answer = signed_in.post(reverse("compare-decide", args=[attempt.pk]), {"decision": "same"})

    assert answer.headers["Location"] == reverse("compare", args=[attempt.pk])


def test_who_only_reads_sees_the_decision_and_makes_none(client, project):
    viewer = make_actor(project=project, role="viewer")
    client.force_login(viewer.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    make_run(project=project, verdicts=["nondeterministic"])
    attempt = Attempt.objects.get()

    assert "Nobody has decided yet." in words(page(client, attempt))
    assert decide(client, attempt, "same").status_code == 403


def test_the_page_costs_the_same_queries_however_many_attempts(
    signed_in, project, django_assert_max_num_queries
):
    attempts = compared(project, message("One."), *[message("One.") for _ in range(8)])
    page(signed_in, attempts[0])

    with django_assert_max_num_queries(55):
        page(signed_in, attempts[0])
