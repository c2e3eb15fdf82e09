"""Studies: planned, asked through the replay machinery, measured, and read."""

from __future__ import annotations

import itertools

import pytest

from reviewapp.models import Attempt, AuditEntry, Study, StudyPoint
from reviewapp.models.studying import conditions_of, deviation_of, fingerprints_of, temperatures_of
from reviewapp.pure.edits import EditKind
from reviewapp.stages import compare, replay, study
from reviewapp.stages.administer import Refused
from reviewapp.stages.study import Arm, Deviations, Edited, Providers, Seeds
from tests.answering import answering, completion
from tests.factories import NOW, make_actor, make_interaction, make_project, make_provider

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = "When is my refund due? I need it soon."
PRICES = {"gpt-4o-mini": {"input": 1000.0, "output": 2000.0}}


@pytest.fixture
def server():
    with answering() as running:
        yield running


@pytest.fixture
def provider(project, server):
    return make_provider(project=project, name="acme", base_url=server.base_url, prices=PRICES)


@pytest.fixture
def original(project, provider):
    return make_interaction(project=project, provider=provider, prompt=ASKED, answer="Within five days.")


def started(admin, plan, *, repeats=2, name="How far?"):
    return study.start(actor=admin, plan=plan, repeats=repeats, name=name, now=NOW)


def finished(found):
    """The study, asked, compared and measured."""
    replay.work(run_id=found.run_id, worker="w1", seconds=60.0)
    while compare.compare_new(now=NOW, run_id=found.run_id):
        pass
    study.measure(run_id=found.run_id)
    found.refresh_from_db()
    found.run.refresh_from_db()
    return found


def says(recorded="Within five days."):
    """Answers the recorded words to the recorded question, others to any other."""

    def behave(asked):
        messages = asked.json["messages"]
        return completion(recorded if messages[-1]["content"] == ASKED else "Soon.")

    return behave


def deviations(original, *edits, seed=None):
    return Deviations(
        original.pk, [Edited(kind, text) for kind, text in edits] or [Edited(EditKind.TYPO, "x")], seed
    )


# ---- deviation ----


def test_each_edit_is_asked_with_the_recorded_seed_beside_the_prompt_as_it_was(admin, server, original):
    server.behave = says()
    plan = deviations(original, (EditKind.TYPO, "When is my refnud due?"), (EditKind.CASE, ASKED.upper()))

    found = finished(started(admin, plan))

    asked = sorted(one.json["messages"][-1]["content"] for one in server.asked)
    assert asked == sorted([ASKED, "When is my refnud due?", ASKED.upper()] * 2)
    assert {one.json["seed"] for one in server.asked} == {123}
    assert found.run.state == "done"


def test_answers_are_held_against_the_recorded_one(admin, server, original):
    server.behave = says()

    found = finished(started(admin, deviations(original, (EditKind.TYPO, "When is my refnud due?"))))

    floor, typo = conditions_of(found)
    assert (floor.came_back.part, floor.came_back.whole) == (2, 2)
    assert (typo.came_back.part, typo.came_back.whole) == (0, 2)
    assert typo.similarity < 0.5 < floor.similarity
    assert 0 < typo.size < 1
    assert bytes(found.reference) == b""
    assert deviation_of([floor, typo]).tolerance.at == 0.0


def test_where_the_recorded_answer_never_comes_back_the_present_one_takes_its_place(admin, server, original):
    server.behave = says("In a week.")

    found = finished(started(admin, deviations(original, (EditKind.TYPO, "When is my refnud due?"))))

    floor, typo = conditions_of(found)
    assert bytes(found.reference) != b""
    assert floor.came_back.value == 1.0
    assert typo.came_back.value == 0.0


def test_answers_that_come_in_turns_are_measured_once(admin, server, original):
    server.behave = says()
    found = started(admin, deviations(original, (EditKind.TYPO, "When is my refnud due?")))
    finished(found)

    assert study.measure(run_id=found.run_id) == 0
    assert StudyPoint.objects.filter(study=found).count() == 4


def test_the_sweep_finds_answers_that_nobody_measured(admin, server, original):
    found = started(admin, deviations(original))
    replay.work(run_id=found.run_id, worker="w1", seconds=60.0)

    assert study.unmeasured(now=NOW) == [found.run_id]
    study.measure(run_id=found.run_id)
    assert study.unmeasured(now=NOW) == []


def test_edits_of_one_study_are_not_judged_together(admin, server, original):
    server.behave = says()
    found = finished(started(admin, deviations(original, (EditKind.CASE, ASKED.upper())), repeats=3))

    attempt = Attempt.objects.filter(run=found.run, variant__position=1).first()

    assert {one.variant_id for one in compare.view(attempt=attempt).siblings} == {attempt.variant_id}
    assert sorted(one.repeat for one in attempt.asked_alike()) == [1, 2, 3]


def test_what_a_study_shows_is_no_verdict_on_the_interaction(admin, server, original, client):
    server.behave = says()
    finished(started(admin, deviations(original)))

    client.force_login(admin.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    page = client.get("/interactions/?verdict=inconclusive").content.decode()

    assert str(original.pk) not in page


def test_another_system_prompt_counts_by_its_size(admin, original):
    plan = Deviations(original.pk, [Edited(EditKind.SYSTEM, ASKED, "Answer like a pirate.")])

    found = started(admin, plan)

    (_, other) = conditions_of(found)
    assert other.variant.overrides["messages"][0] == {"role": "system", "content": "Answer like a pirate."}
    assert 0.3 < other.size < 0.5


@pytest.mark.parametrize(
    ("edit", "field", "words"),
    [
        (Edited(EditKind.TYPO, ASKED), "edits", "leaves the prompt as it is"),
        (Edited(EditKind.TYPO, "  "), "edits", "is empty"),
        (Edited(EditKind.TYPO, "a\x00b"), "edits", "NUL"),
        (Edited(EditKind.TYPO, "a" * 100_001), "edits", "more than 100,000"),
    ],
)
def test_an_edit_that_can_not_be_asked_is_refused(admin, original, edit, field, words):
    with pytest.raises(Refused, match=words) as refused:
        started(admin, Deviations(original.pk, [edit]))

    assert refused.value.field == field
    assert not Study.objects.exists()


def test_without_a_seed_a_deviation_study_asks_for_one(admin, project, provider):
    unseeded = make_interaction(project=project, provider=provider, seed=None)

    with pytest.raises(Refused, match="without a seed") as refused:
        started(admin, deviations(unseeded))

    assert refused.value.field == "seed"


def test_the_proposed_edits_are_the_same_each_time(admin, original):
    question = study.question_of(actor=admin, interaction=original.pk)

    assert study.previewed(question) == study.previewed(question)
    assert len(study.previewed(question)) > 10


# ---- seeds ----


def test_each_seed_is_asked_again_at_each_temperature(admin, server, original):
    server.behave = lambda asked: completion(f"Answer {asked.json['seed']}")

    found = finished(started(admin, Seeds(original.pk, [1, 2, 3], [0.0, 1.0]), repeats=3))

    cold, warm = temperatures_of(conditions_of(found))
    assert (cold.temperature, warm.temperature) == (0.0, 1.0)
    assert cold.shown.determined == 1.0
    assert (warm.shown.answers, warm.shown.distinct) == (9, 3)


def test_a_seed_that_does_nothing_is_seen(admin, server, original):
    numbers = itertools.count()
    server.behave = lambda _: completion(f"Answer {next(numbers)}")

    found = finished(started(admin, Seeds(original.pk, [1, 2, 3]), repeats=3))

    (shown,) = temperatures_of(conditions_of(found))
    assert shown.shown.determined == 0.0


@pytest.mark.parametrize(
    ("seeds", "temperatures", "field"),
    [
        ([1], [None], "seeds"),
        (range(1, 300), [None], "seeds"),
        ([1, 2**63], [None], "seed"),
        ([1, 2], [-1.0], "temperatures"),
        ([1, 2], [float("nan")], "temperatures"),
        ([1, 2], [], "temperatures"),
    ],
)
def test_a_seed_study_that_makes_no_sense_is_refused(admin, original, seeds, temperatures, field):
    with pytest.raises(Refused) as refused:
        started(admin, Seeds(original.pk, list(seeds), temperatures))

    assert refused.value.field == field


def test_each_seed_is_asked_at_least_twice(admin, original):
    with pytest.raises(Refused, match="at least twice"):
        started(admin, Seeds(original.pk, [1, 2]), repeats=1)


# ---- providers ----


def test_interactions_are_asked_of_each_provider_and_model(admin, project, server, provider, original):
    other = make_provider(project=project, name="other", base_url=server.base_url)
    second = make_interaction(project=project, provider=provider, prompt="Who?", answer="Ann.")
    server.behave = lambda asked: completion("Within five days.", fingerprint=f"fp_{asked.json['model']}")
    arms = [Arm(), Arm("other", "large"), Arm("other", "small")]

    found = finished(started(admin, Providers([original.pk, second.pk], arms), repeats=2))

    conditions = conditions_of(found)
    assert [one.variant.provider for one in conditions] == [None, other, other]
    assert [one.came_back.part for one in conditions] == [2, 2, 2]
    assert [one.came_back.whole for one in conditions] == [4, 4, 4]
    assert list(conditions[1].fingerprints) == ["fp_large"]
    assert fingerprints_of(conditions) == []


def test_answers_are_told_apart_by_fingerprint(admin, server, original):
    # Arms are asked in turns, so of each it is one, then the other.
    turns = itertools.cycle(["fp_a", "fp_a", "fp_b", "fp_b"])
    server.behave = lambda _: completion("Within five days.", fingerprint=next(turns))

    found = finished(started(admin, Providers([original.pk], [Arm(), Arm(model="large")]), repeats=4))

    shown = fingerprints_of(conditions_of(found))
    assert {one.fingerprint for one in shown} == {"fp_a", "fp_b"}
    assert sum(one.came_back.whole for one in shown) == 8


@pytest.mark.parametrize("arms", [[], [Arm()], [Arm(), Arm("", "")]])
def test_one_provider_alone_is_no_comparison(admin, original, arms):
    with pytest.raises(Refused, match="name a second one") as refused:
        started(admin, Providers([original.pk], arms))

    assert refused.value.field == "providers"
    assert not Study.objects.exists()


def test_a_provider_without_an_address_is_refused(admin, project, original):
    make_provider(project=project, name="later")

    with pytest.raises(Refused, match="base URL") as refused:
        started(admin, Providers([original.pk], [Arm(), Arm("later")]))

    assert refused.value.field == "providers"


# ---- all of them ----


def test_the_estimate_counts_every_way_by_its_length(admin, original):
    plan = deviations(original, (EditKind.APPEND, ASKED + " " + ASKED))

    expected = study.estimate(actor=admin, plan=plan, repeats=10)

    # The interaction took 8 tokens in and 5 out, at 1,000 and 2,000 dollars for a million.
    assert expected.calls == 20
    assert expected.input_tokens > 2 * 10 * 8
    assert expected.output_tokens == 100
    assert expected.cost == pytest.approx(expected.input_tokens * 1e-3 + 0.2, rel=0.02)


def test_too_many_calls_are_refused_with_their_number(admin, original):
    with pytest.raises(Refused, match="10,000 calls"):
        started(admin, Seeds(original.pk, list(range(1, 201))), repeats=50)


def test_a_cancelled_study_asks_nothing_more_and_keeps_what_came(admin, server, original):
    found = started(admin, deviations(original))

    assert study.cancel(actor=admin, study=found, now=NOW)
    finished(found)

    assert server.asked == []
    assert found.run.state == "cancelled"


def test_starting_and_cancelling_leave_their_entries(admin, original):
    found = started(admin, deviations(original))
    study.cancel(actor=admin, study=found, now=NOW)

    actions = set(AuditEntry.objects.filter(object_id=str(found.pk)).values_list("action", flat=True))
    assert actions == {"study.start", "study.cancel"}


def test_another_projects_interaction_can_not_be_studied(original):
    outsider = make_actor(project=make_project())

    with pytest.raises(Refused, match="no such interaction"):
        started(outsider, deviations(original))
