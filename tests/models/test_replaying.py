"""Pages of a run's attempts: the worst first, forwards and backwards, and what a run has cost."""

from __future__ import annotations

from uuid import UUID

import pytest

from reviewapp.models import Attempt, Comparison, Interaction, ReplayRun
from reviewapp.models.pages import InvalidCursor
from reviewapp.models.replaying import attempts_page, run_rows, spent
from tests.factories import NOW, make_interaction, make_run

pytestmark = pytest.mark.django_db


def all_pages(run: ReplayRun, *, limit: int, show: str = "") -> list[list[UUID]]:
    pages, cursor = [], ""
    while True:
        page = attempts_page(run=run, show=show, limit=limit, cursor=cursor)
        pages.append([attempt.pk for attempt in page.items])
        if page.after is None:
            return pages
        cursor = page.after


def shown(run: ReplayRun, **values) -> list[str]:
    page = attempts_page(run=run, limit=50, **values)
    return [
        attempt.comparison.verdict if hasattr(attempt, "comparison") else attempt.state
        for attempt in page.items
    ]


def test_what_a_person_should_look_at_comes_first(project):
    run = make_run(
        project=project,
        verdicts=["identical", "backend_changed", "nondeterministic", "inconclusive"],
        failed=1,
        queued=1,
    )

    assert shown(run) == [
        "backend_changed",
        "inconclusive",
        "failed",
        "nondeterministic",
        "identical",
        "queued",
    ]


def test_pages_hold_each_attempt_once(project):
    run = make_run(project=project, verdicts=["identical", "backend_changed"] * 6, failed=3, queued=2)

    pages = all_pages(run, limit=4)

    flat = [id_ for page in pages for id_ in page]
    assert [len(page) for page in pages] == [4, 4, 4, 4, 1]
    assert set(flat) == set(Attempt.objects.values_list("pk", flat=True))


def test_going_back_shows_the_page_that_was_there(project):
    run = make_run(project=project, verdicts=["identical", "backend_changed"] * 5)
    first = attempts_page(run=run, limit=4)
    second = attempts_page(run=run, limit=4, cursor=first.after)

    back = attempts_page(run=run, limit=4, cursor=second.before)

    assert back.items == first.items
    assert back.before is None


@pytest.mark.parametrize(
    ("show", "found"),
    [
        ("identical", ["identical"]),
        ("failed", ["failed"]),
        ("waiting", ["queued"]),
        ("cancelled", []),
        ("equivalent", []),
    ],
)
def test_a_verdict_can_be_shown_alone(project, show, found):
    run = make_run(project=project, verdicts=["identical", "backend_changed"], failed=1, queued=1)

    assert shown(run, show=show) == found


@pytest.mark.parametrize("cursor", ["x", "YTEyMy94", "YTk5LzAxOTM0NTY3"])
def test_a_cursor_that_no_list_gave_out_is_refused(project, cursor):
    run = make_run(project=project, verdicts=["identical"])

    with pytest.raises(InvalidCursor):
        attempts_page(run=run, limit=4, cursor=cursor)


def test_a_page_costs_the_same_however_long_the_run(project, django_assert_max_num_queries):
    run = make_run(project=project, verdicts=["identical"] * 30)

    with django_assert_max_num_queries(12):
        page = attempts_page(run=run, limit=20)
        assert [attempt.original.prompt_preview for attempt in page.items]


def test_an_attempt_without_an_answer_counts_as_failed(project):
    run = make_run(project=project, verdicts=["identical", "failed"], failed=2, queued=1)

    (row,) = run_rows([run])

    assert row.verdicts == {"identical": 1, "failed": 3}
    assert (row.total, row.finished, row.without_verdict) == (5, 4, 1)


def test_answers_not_compared_yet_keep_a_run_active(project):
    run = make_run(project=project, verdicts=["identical"])
    Comparison.objects.all().delete()
    run.state = "done"

    (row,) = run_rows([run])

    assert row.comparing == 1
    assert row.active


def test_what_a_run_has_used_is_added_up_from_its_answers(project):
    original = make_interaction(project=project)
    original.provider.prices = {"gpt-4o-mini": {"input": 1.0, "output": 2.0}}
    original.provider.save()
    run = make_run(project=project, verdicts=["identical", "identical"])
    Interaction.objects.filter(replay_of__isnull=False).update(input_tokens=1_000_000, output_tokens=500_000)

    used = spent(run_rows([run]))[run.pk]

    assert (used.input_tokens, used.output_tokens, used.cost) == (2_000_000, 1_000_000, 4.0)


def test_without_a_price_the_cost_is_not_known(project):
    run = make_run(project=project, verdicts=["identical"])

    used = spent(run_rows([run]))[run.pk]

    assert used.cost is None
    assert used.tokens == 13


def test_a_comparison_belongs_to_the_run_of_its_attempt(project):
    run = make_run(project=project, verdicts=["identical"], created_at=NOW)

    assert Comparison.objects.get().run == run
