"""Continuations: learnt once, never from elsewhere, and forgotten with what is removed."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewapp.models import Continuation, Interaction, Watermark
from reviewapp.models.completing import completions
from reviewapp.stages import find
from tests import factories
from tests.factories import NOW

SOON = NOW + timedelta(days=1)


def answered(project: Any, *words: tuple[str, float, list[tuple[str, float]]], **fields: Any) -> Interaction:
    """An answer of these words with their probabilities and alternatives."""
    logprobs = [
        {
            "token": word,
            "logprob": math.log(share),
            "top_logprobs": [{"token": other, "logprob": math.log(p)} for other, p in others],
        }
        for word, share, others in words
    ]
    message = {"role": "assistant", "content": "".join(word for word, _, _ in words)}
    choice = {"index": 0, "message": message, "logprobs": {"content": logprobs}, "finish_reason": "stop"}
    return factories.make_interaction(
        project=project, response={"choices": [choice]}, **{"has_logprobs": True, **fields}
    )


CAPITAL = [("The", 1.0, []), (" capital", 0.9, []), (" of", 1.0, [])]
IS = (" is", 0.9, [])
FRANCE = (" France", 0.8, [(" Finland", 0.15), (" Fr", 0.01)])
FINLAND = (" Finland", 0.3, [(" France", 0.6)])


def france(project: Any, **fields: Any) -> Interaction:
    return answered(project, *CAPITAL, FRANCE, IS, (" Paris", 0.95, []), **fields)


def finland(project: Any, **fields: Any) -> Interaction:
    return answered(project, *CAPITAL, FINLAND, IS, (" Helsinki", 0.9, []), **fields)


def offered(project: Any, typed: str) -> dict[str, float]:
    return {one.text: round(one.probability, 3) for one in completions(project=project, typed=typed)}


@pytest.fixture
def learnt(project) -> Any:
    france(project)
    finland(project)
    find.learn(now=SOON)
    return project


def test_what_is_typed_goes_on_as_recorded_answers_did_with_their_probability(learnt):
    # France: 0.8 chosen and 0.6 beside Finland; Finland: 0.3 chosen and 0.15 beside France.
    assert offered(learnt, "the capital of f") == {
        "France": 0.7,
        "France is Paris": pytest.approx(0.7 * 0.9 * 0.95, abs=0.001),
        "Finland": 0.225,
    }


def test_a_completion_stands_where_the_word_was_begun(learnt):
    first = completions(project=learnt, typed="model:gpt-4o the capital of fr")[0]

    assert first.full == "model:gpt-4o the capital of France"


def test_fewer_words_of_context_are_enough(learnt):
    assert next(iter(offered(learnt, "a country of fr"))) == "France"
    assert next(iter(offered(learnt, "fr"))) == "France"


def test_what_followed_fewer_of_the_words_is_told_as_less_likely(project):
    met = [("capital of", "", 0), ("capital of", "France", 9), ("of", "", 0), ("of", "Milk", 6)]
    Continuation.objects.bulk_create(
        Continuation(project=project, context=context, next=word.lower(), shown=word, count=10, mass=mass)
        for context, word, mass in met
    )

    # Six in ten after “of”, but never after “capital of”: the two together are not more than all.
    assert offered(project, "capital of ") == {"France": 0.9, "Milk": 0.24}


def test_pieces_of_words_are_never_offered(learnt):
    assert "Fr" not in offered(learnt, "the capital of ")


def test_another_project_knows_nothing_of_it(learnt):
    assert offered(factories.make_project(), "the capital of f") == {}


def test_each_answer_is_learnt_once(learnt):
    before = list(Continuation.objects.order_by("id").values_list("context", "next", "count", "mass"))

    assert find.learn(now=SOON) == 0

    assert list(Continuation.objects.order_by("id").values_list("context", "next", "count", "mass")) == before


def test_replays_and_canaries_teach_nothing(project):
    canaries = factories.make_source(project=project, name="canaries")
    one = factories.make_interaction(project=project)
    france(project, source=canaries, tags=["canary"])
    france(project, source=one.source, replay_of=one)

    find.learn(now=SOON)

    assert not Continuation.objects.exists()


def test_what_was_just_recorded_waits_until_its_neighbours_are_there(project):
    one = france(project)

    assert find.learn(now=one.created_at + timedelta(seconds=1)) == 0


def test_of_a_rush_some_are_read_and_the_mark_passes_all(project):
    for _ in range(7):
        last = france(project)

    assert find.learn(now=SOON, read=3) == 7

    assert Continuation.objects.get(context="the capital of", next="").count == 3
    assert Watermark.objects.get(pk="continuations").interaction == last.pk


def test_a_projects_table_is_bounded_and_what_is_unlikely_goes_first(project):
    france(project)
    answered(project, ("The", 1.0, []), (" capital", 0.9, []), (" zebra", 0.001, []))

    find.learn(now=SOON, most_rows=20)

    assert not Continuation.objects.filter(next="zebra").exists()
    assert Continuation.objects.filter(next="france").exists()


def test_what_was_removed_is_forgotten_by_a_rebuild(learnt):
    Interaction.objects.filter(body__interaction__in=Interaction.objects.order_by("id")[:1]).delete()

    call_command("rebuild_continuations")

    assert "Paris" not in {row.shown for row in Continuation.objects.all()}
    assert offered(learnt, "the capital of f") == {"Finland": 0.3, "Finland is Helsinki": 0.243}


def test_a_body_that_is_no_answer_teaches_nothing(project):
    for response in ({"choices": "x"}, {"choices": [{"logprobs": {"content": [1, {"token": None}]}}]}):
        factories.make_interaction(project=project, response=response, has_logprobs=True)

    assert find.learn(now=SOON) == 2
    assert not Continuation.objects.exists()


@pytest.mark.django_db
def test_what_is_typed_is_answered_from_the_index_alone(project):
    Continuation.objects.bulk_create(
        Continuation(project=project, context=context, next=word, shown=word, count=9, mass=n % 89 / 10)
        for context in ("", "of", "capital of", "the capital of")
        for n, word in enumerate(["", *(f"f{n:04}" for n in range(1500))])
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reviewapp_continuation")
        # As VACUUM would leave a table that is not written to: every page is seen by all.
        cursor.execute(
            "UPDATE pg_class SET relallvisible = relpages, reltuples = 1000000 WHERE relname = %s",
            ["reviewapp_continuation"],
        )
        with CaptureQueriesContext(connection) as captured:
            assert completions(project=project, typed="the capital of f")
        for query in captured.captured_queries:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {query['sql']}")
            plan = cursor.fetchone()[0]
            scans = list(nodes((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]))
            of_table = [node for node in scans if node.get("Relation Name") == "reviewapp_continuation"]
            assert {node["Node Type"] for node in of_table} == {"Index Only Scan"}, query["sql"]
            assert all("context" in node["Index Cond"] for node in of_table)


def nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
