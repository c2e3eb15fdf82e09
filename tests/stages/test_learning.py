"""Continuations: learnt once, never from elsewhere, and forgotten with what is removed."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from reviewapp.models import Continuation, Interaction, LearntAnswer, Watermark
from reviewapp.models.completing import completions
from reviewapp.stages import find
from reviewapp.stages.find import learning
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
    assert Watermark.objects.get(pk="continuations by answer").interaction == last.pk


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


def table() -> dict[tuple[str, str], tuple[int, Any]]:
    """What is learnt, by context and word: how often, and how probable on the whole."""
    rows = Continuation.objects.values_list("context", "next", "count", "mass")
    return {(context, word): (count, pytest.approx(mass)) for context, word, count, mass in rows}


def forgotten(*interactions: Interaction) -> None:
    with transaction.atomic():
        learning.forget(interactions=[one.pk for one in interactions])


def test_what_is_forgotten_leaves_the_table_as_it_was(project):
    france(project)
    find.learn(now=SOON)
    before = table()
    gone = [
        finland(project, created_at=NOW + timedelta(hours=1)),
        answered(project, *CAPITAL, (" Fr", 0.2, [(" Paris", 0.1)]), created_at=NOW + timedelta(hours=1)),
    ]
    find.learn(now=SOON)
    assert len(table()) > len(before)

    forgotten(*gone)

    assert table() == before
    assert LearntAnswer.objects.count() == 1


def test_an_alternative_that_was_no_word_yet_is_not_taken_out_of_others(project):
    first = france(project)
    find.learn(now=SOON)
    # Only from now on is Finland a word, so only of these what stood beside France.
    finland(project, created_at=NOW + timedelta(hours=1))
    find.learn(now=SOON)
    france(project, created_at=NOW + timedelta(hours=2))
    find.learn(now=SOON)
    assert Continuation.objects.get(context="capital of", next="finland").mass == pytest.approx(0.3 + 0.15)

    forgotten(first)

    left = Continuation.objects.get(context="capital of", next="finland")
    assert (left.count, left.mass) == (1, pytest.approx(0.3 + 0.15))


def test_all_that_was_learnt_is_gone_when_all_is_forgotten(learnt):
    forgotten(*Interaction.objects.all())

    assert not Continuation.objects.exists()
    assert not LearntAnswer.objects.exists()


def test_an_answer_that_was_not_learnt_is_not_read(project, monkeypatch):
    answers = [france(project) for _ in range(6)]
    find.learn(now=SOON, read=2)
    noted = set(LearntAnswer.objects.values_list("pk", flat=True))
    assert len(noted) == 2
    read = []
    words_of = learning._words
    monkeypatch.setattr(learning, "_words", lambda one: read.append(one.pk) or words_of(one))
    before = table()

    forgotten(*(one for one in answers if one.pk not in noted))
    assert (read, table()) == ([], before)

    forgotten(*answers)
    assert set(read) == noted
    assert not Continuation.objects.exists()


def test_what_was_cut_for_its_rarity_can_be_forgotten(project):
    gone = france(project)
    find.learn(now=SOON)
    Continuation.objects.filter(next="paris").delete()
    answered(project, (" Is", 1.0, []), (" Paris", 0.2, []), created_at=NOW + timedelta(hours=1))
    find.learn(now=SOON)

    forgotten(gone)

    assert min(Continuation.objects.values_list("count", flat=True)) >= 0
    assert min(Continuation.objects.values_list("mass", flat=True)) >= 0


@contextmanager
def deleting_beside(one: Interaction, go: threading.Event) -> Iterator[threading.Event]:
    """Somebody deletes it in a transaction of their own, which ends on `go`; gives when they are at it."""
    forgot = threading.Event()

    def delete() -> None:
        with transaction.atomic():
            learning.forget(interactions=[one.pk])
            forgot.set()
            go.wait(20)
            Interaction.objects.filter(pk=one.pk).delete()
        connection.close()

    other = threading.Thread(target=delete)
    other.start()
    try:
        yield forgot
    finally:
        go.set()
        other.join(20)


@pytest.mark.django_db(transaction=True)
def test_what_is_being_deleted_teaches_nothing():
    one = france(factories.make_project())
    with deleting_beside(one, threading.Event()) as forgot:
        assert forgot.wait(20)
        assert find.learn(now=SOON) == 1

    assert not Continuation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_while_it_is_learnt_is_forgotten():
    one = france(factories.make_project())
    go = threading.Event()
    go.set()
    with ExitStack() as beside, transaction.atomic():
        find.learn(now=SOON)
        beside.enter_context(deleting_beside(one, go))
        wait_until(lambda: waiting_for_a_lock() > 0)

    assert not Interaction.objects.exists()
    assert not Continuation.objects.exists()


def waiting_for_a_lock() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


def wait_until(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not there() and time.monotonic() < until:
        time.sleep(0.02)
    assert there()


def test_what_an_earlier_release_learnt_is_dropped_and_learnt_anew(learnt):
    whole = table()
    LearntAnswer.objects.all().delete()
    # As that release leaves it: its own mark, and a word of somebody who was erased since.
    Watermark.objects.all().delete()
    Watermark.objects.create(pk="continuations", created_at=SOON)
    Continuation.objects.create(project=learnt, context="", next="zanzibar", shown="Zanzibar", count=1)

    assert find.learn(now=SOON) == 2

    assert table() == whole
    assert LearntAnswer.objects.count() == 2
    assert not Watermark.objects.filter(pk="continuations").exists()


def test_what_an_earlier_release_learnt_is_dropped_when_something_is_to_be_forgotten_first(learnt):
    one = Interaction.objects.order_by("pk")[0]
    LearntAnswer.objects.all().delete()
    Watermark.objects.all().delete()
    Watermark.objects.create(pk="continuations", created_at=SOON)

    forgotten(one)
    assert not Continuation.objects.exists()
    one.delete()
    find.learn(now=SOON)

    assert offered(learnt, "the capital of f") == {"Finland": 0.3, "Finland is Helsinki": 0.243}


def test_of_what_is_caught_up_on_more_is_read_than_of_a_rush(project, monkeypatch):
    monkeypatch.setattr(learning, "_RUSH", 4)
    monkeypatch.setattr(learning, "_READ_IN_A_RUSH", 1)
    for _ in range(6):
        last = france(project)

    find.learn(now=last.created_at + timedelta(minutes=1))
    assert LearntAnswer.objects.count() == 1

    call_command("rebuild_continuations")
    assert LearntAnswer.objects.count() == 6


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
