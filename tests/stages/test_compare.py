"""Comparisons: pulled when answers are there, judged together, decided by people."""

from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from reviewapp.models import Attempt, AuditEntry, Comparison, NotAllowed, Provider, ReplayRun
from reviewapp.models.interaction import compress
from reviewapp.stages import compare
from reviewapp.stages.administer import Refused
from tests.factories import NOW, make_interaction, make_provider


@pytest.fixture
def run(project):
    return make_run(project)


def make_run(project, *, overrides=None):
    return ReplayRun.objects.create(
        project=project, created_at=NOW, state="running", started_at=NOW, overrides=overrides or {}
    )


def answered(run, original, *answers, fingerprint="fp_44709d6fcb", first=1, **fields):
    """Attempts that are done, with these answers."""
    made = []
    for number, answer in enumerate(answers, start=first):
        row = make_interaction(
            project=run.project, replay_of=original, answer=answer, fingerprint=fingerprint, **fields
        )
        made.append(
            Attempt.objects.create(
                id=row.pk,
                project=run.project,
                run=run,
                original=original,
                provider=original.provider,
                number=number,
                state="done",
                answer=row,
                created_at=NOW,
                finished_at=NOW,
            )
        )
    return made


def verdicts():
    return list(Comparison.objects.order_by("attempt__number").values_list("verdict", flat=True))


def test_an_answer_that_is_done_is_compared_once(project, run):
    answered(run, make_interaction(project=project), "Within five days.")

    first = compare.compare_new(now=NOW)
    second = compare.compare_new(now=NOW)

    assert (first, second) == (1, 0)
    assert verdicts() == ["identical"]


def test_the_run_is_done_with_its_last_comparison(project, run):
    answered(run, make_interaction(project=project), "Within five days.")

    compare.compare_new(now=NOW)

    run.refresh_from_db()
    assert (run.state, run.finished_at) == ("done", NOW)


def test_a_run_with_attempts_under_way_goes_on(project, run):
    original = make_interaction(project=project)
    answered(run, original, "Within five days.")
    Attempt.objects.create(
        project=project, run=run, original=original, provider=original.provider, number=2, created_at=NOW
    )

    compare.compare_new(now=NOW)

    run.refresh_from_db()
    assert run.state == "running"


def test_a_later_attempt_changes_what_is_said_of_the_earlier(project, run):
    original = make_interaction(project=project, seed=7)
    answered(run, original, "A first answer that differs altogether.")
    compare.compare_new(now=NOW)
    before = Comparison.objects.get().sentence

    answered(
        run, original, "A second one, unlike both of the others.", "And a third, again another.", first=2
    )
    compare.compare_new(now=NOW)

    assert Comparison.objects.count() == 3
    assert Comparison.objects.get(attempt__number=1).sentence != before


def test_answers_that_are_equal_share_a_digest(project, run):
    answered(run, make_interaction(project=project), "One.", "Two.", "One.")

    compare.compare_new(now=NOW)

    one, two, again = (
        bytes(row)
        for row in Comparison.objects.order_by("attempt__number").values_list("answer_digest", flat=True)
    )
    assert one == again != two


def test_what_the_same_request_was_answered_before_counts(project):
    original = make_interaction(project=project)
    first, second = make_run(project), make_run(project)
    answered(first, original, *["Within five days."] * 5)
    compare.compare_new(now=NOW)

    answered(second, original, "In six.", "In six.", "In six.", "In ten.", "Never.")
    compare.compare_new(now=NOW)

    found = Comparison.objects.filter(run=second)
    assert {comparison.verdict for comparison in found} == {"backend_changed"}
    assert "5 of 5 answers were the original's, now 0 of 5 are" in found[0].sentence


def test_the_same_request_recorded_again_counts_as_asked_before(project, run):
    original = make_interaction(project=project)
    for _ in range(6):
        make_interaction(project=project)
    make_interaction(project=project, seed=7, answer="Another seed.")

    answered(run, original, "In six.", "In seven.", "In eight.", "In nine.", "In ten.")
    compare.compare_new(now=NOW)

    assert set(verdicts()) == {"backend_changed"}
    assert "6 of 6 answers were the original's" in Comparison.objects.all()[0].sentence


def test_what_came_later_does_not_change_an_earlier_verdict(project):
    original = make_interaction(project=project)
    first, second = make_run(project), make_run(project)
    answered(first, original, "In six.", "In seven.", "In eight.", "In nine.", "In ten.")
    answered(second, original, *["Within five days."] * 5)
    while compare.compare_new(now=NOW):
        pass

    changed = compare.recompute(run_id=first.pk, now=NOW)

    assert changed == 0
    assert set(Comparison.objects.filter(run=first).values_list("verdict", flat=True)) == {"nondeterministic"}


def test_an_override_is_never_taken_for_a_change(project):
    run = make_run(project, overrides={"temperature": 1})
    answered(run, make_interaction(project=project), "Something else.", fingerprint="fp_other")

    compare.compare_new(now=NOW)

    assert verdicts() == ["inconclusive"]


def test_answers_that_cannot_be_read_do_not_stop_the_others(project, run):
    broken = make_interaction(project=project)
    (attempt,) = answered(run, broken, "x")
    attempt.answer.body.response = b"no zstandard frame"
    attempt.answer.body.save()
    answered(run, make_interaction(project=project), "Within five days.")

    while compare.compare_new(now=NOW):
        pass

    assert sorted(Comparison.objects.values_list("verdict", flat=True)) == ["identical", "inconclusive"]
    assert "could not be compared" in attempt.__class__.objects.get(pk=attempt.pk).comparison.sentence


def test_text_that_no_column_holds_is_compared_all_the_same(project, run):
    original = make_interaction(project=project)
    (attempt,) = answered(run, original, "x")
    attempt.answer.body.response = compress(
        b'{"model": "m\\u0000", "choices": [{"message": {"content": "\\ud83d\\u0000"}}]}'
    )
    attempt.answer.body.save()

    compare.compare_new(now=NOW)

    assert "could not be compared" not in Comparison.objects.get().sentence


def test_a_providers_key_that_cannot_be_read_stops_no_comparison(project, run, settings):
    provider = make_provider(project=project, api_key="sk-1")
    answered(
        run, make_interaction(project=project, provider=provider), "Within five days.", provider=provider
    )
    settings.ENCRYPTION_KEYS = ["b25seS1mb3ItYS10ZXN0LTAwMDAwMDAwMDAwMDAwMDA="]

    compare.compare_new(now=NOW)

    assert verdicts() == ["identical"]


def test_what_the_test_of_the_provider_found_of_the_seed_is_evidence(project):
    provider = Provider(
        tested={"findings": [{"name": "seed", "good": False, "text": "It ignores the seed."}]}
    )

    assert provider.seed_honoured is False
    assert Provider().seed_honoured is None


def test_many_attempts_are_compared_in_few_queries(project, run, django_assert_max_num_queries):
    for _ in range(20):
        answered(run, make_interaction(project=project), "Within five days.", "Within six days.")

    with django_assert_max_num_queries(20):
        compare.compare_new(now=NOW)

    assert Comparison.objects.count() == 40


@pytest.mark.django_db(transaction=True)
def test_two_workers_compare_each_answer_once(project):
    run = make_run(project)
    for _ in range(10):
        answered(run, make_interaction(project=project), "Within five days.", "Within six days.")
    compared = []

    def work():
        try:
            while done := compare.compare_new(now=NOW):
                compared.append(done)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sum(compared) == 20
    assert Comparison.objects.count() == 20


def test_judging_again_keeps_what_people_decided(project, run, reviewer):
    answered(run, make_interaction(project=project), "Within five days.")
    compare.compare_new(now=NOW)
    compare.decide(
        actor=reviewer, comparison=Comparison.objects.get(), decision="regression", note="No.", now=NOW
    )
    Comparison.objects.update(verdict="inconclusive")

    changed = compare.recompute(run_id=run.pk, now=NOW)

    found = Comparison.objects.get()
    assert changed == 1
    assert (found.verdict, found.decision, found.decision_note) == ("identical", "regression", "No.")


# ---- decisions ----


@pytest.fixture
def compared(project, run):
    answered(run, make_interaction(project=project), "Something else.")
    compare.compare_new(now=NOW)
    return Comparison.objects.get()


@pytest.mark.parametrize("decision", ["same", "regression", "needs_person"])
def test_a_decision_is_kept_with_who_and_when_and_audited(compared, reviewer, decision):
    assert compare.decide(actor=reviewer, comparison=compared, decision=decision, note="Seen.", now=NOW)

    compared.refresh_from_db()
    assert (compared.decision, compared.decided_by, compared.decided_at) == (decision, reviewer.person, NOW)
    assert AuditEntry.objects.get(action="comparison.decide").detail == {"before": None, "after": decision}


def test_a_decision_can_be_taken_back(compared, reviewer):
    compare.decide(actor=reviewer, comparison=compared, decision="same", now=NOW)
    compared.refresh_from_db()

    assert compare.decide(actor=reviewer, comparison=compared, decision=None, now=NOW)

    compared.refresh_from_db()
    assert (compared.decision, compared.decided_at, compared.decision_note) == (None, None, "")


def test_of_two_who_decide_at_once_the_first_counts(compared, reviewer, admin):
    late = Comparison.objects.get()
    compare.decide(actor=reviewer, comparison=compared, decision="same", now=NOW)

    assert not compare.decide(actor=admin, comparison=late, decision="regression", now=NOW)

    compared.refresh_from_db()
    assert compared.decision == "same"
    assert AuditEntry.objects.filter(action="comparison.decide").count() == 1


def test_a_decision_that_is_none_is_refused(compared, reviewer):
    with pytest.raises(Refused) as refused:
        compare.decide(actor=reviewer, comparison=compared, decision="perhaps", now=NOW)

    assert refused.value.field == "decision"


def test_a_viewer_decides_nothing(compared, viewer):
    with pytest.raises(NotAllowed):
        compare.decide(actor=viewer, comparison=compared, decision="same", now=NOW)


def test_a_decision_without_a_time_is_refused_by_the_database(compared):
    with pytest.raises(IntegrityError), transaction.atomic():
        Comparison.objects.update(decision="same", decided_at=None)


# ---- what the page shows ----


def test_the_view_groups_equal_answers_the_originals_first(project, run):
    attempts = answered(run, make_interaction(project=project, answer="One."), "Two.", "One.", "Two.", "Two.")
    compare.compare_new(now=NOW)

    view = compare.view(attempt=attempts[0])

    assert [[sibling.number for sibling in group.attempts] for group in view.groups] == [[2], [1, 3, 4]]
    assert (view.original.reply.text, view.answer.reply.text) == ("One.", "Two.")
    assert view.attempt == attempts[0]


def test_attempts_of_several_runs_are_summarised_together(project, run):
    original = make_interaction(project=project)
    attempts = answered(run, original, "Within five days.")
    attempts += answered(make_run(project), original, "Within five days.")

    assert compare.summarise(original=original, attempts=attempts).kind == "identical"
