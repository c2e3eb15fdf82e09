from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts import Evidence, VerdictKind, compare, summarise
from tests.pure.exchanges import answer, parting
from tests.pure.test_verdicts import NEW, OLD, SURE, SWUNG, TIED, TIED_TOO, evidences, exchanges

PARIS = answer("It is Paris.")
LYON = answer("It is Lyon.")
LYON_NEW = answer("It is Lyon.", fingerprint=NEW)
BROKEN = answer(status=503, error="Overloaded")


def test_replays_that_all_agree_with_the_original_are_identical() -> None:
    found = summarise(PARIS, [PARIS] * 10)

    assert found.kind == VerdictKind.IDENTICAL
    assert found.sentence == "All 10 replays gave the original's answer, word for word."
    assert (found.share_same, found.agreement, found.all_agree) == (1, 1, True)


def test_replays_that_differ_in_white_space_are_equivalent() -> None:
    found = summarise(PARIS, [PARIS, answer("It  is Paris. ")])

    assert found.kind == VerdictKind.EQUIVALENT
    assert not found.all_agree


def test_answers_are_grouped_the_originals_first() -> None:
    found = summarise(PARIS, [LYON, answer("Metz."), PARIS, LYON, PARIS])

    assert [(group.kind, group.members) for group in found.groups] == [
        ("identical", (2, 4)),
        ("different", (0, 3)),
        ("different", (1,)),
    ]
    assert found.groups[1].representative == 0
    assert found.share_same == pytest.approx(0.4)
    assert found.agreement == pytest.approx(2 / 10)


def test_groups_count_their_fingerprints() -> None:
    found = summarise(PARIS, [LYON, LYON_NEW, LYON_NEW])

    assert found.groups[0].fingerprints == ((NEW, 2), (OLD, 1))


def test_one_attempt_is_judged_as_a_comparison() -> None:
    alone = compare(SURE, parting(**SWUNG, fingerprint=NEW))

    found = summarise(SURE, [parting(**SWUNG, fingerprint=NEW)])

    assert (found.kind, found.sentence) == (alone.kind, alone.sentence)


def test_no_attempt_is_nothing_to_say() -> None:
    assert summarise(PARIS, []).sentence == "There is no replay yet."


def test_some_answers_of_the_original_show_nondeterminism() -> None:
    found = summarise(PARIS, [PARIS] * 8 + [LYON] * 2)

    assert found.kind == VerdictKind.NONDETERMINISTIC
    assert found.sentence.startswith("8 of 10 replays gave the original's answer.")


def test_replays_that_part_at_near_ties_show_nondeterminism() -> None:
    found = summarise(TIED, [parting(**TIED_TOO)] * 4)

    assert found.kind == VerdictKind.NONDETERMINISTIC
    assert "where chance decides" in found.sentence


def test_two_flips_where_the_original_was_sure_are_a_change() -> None:
    found = summarise(SURE, [SURE] * 8 + [parting(**SWUNG)] * 2)

    assert found.kind == VerdictKind.BACKEND_CHANGED
    assert "2 of 10 replays differ from the original by more than chance explains" in found.sentence
    assert "the original was sure (94 % for “Paris” against 2 % for “Lyon”)" in found.sentence


def test_one_flip_of_ten_is_an_outlier_and_no_change() -> None:
    found = summarise(SURE, [SURE] * 9 + [parting(**SWUNG)])

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert "In 1 of 10 chance does not explain the difference" in found.sentence
    assert "answered by another backend" in found.sentence


def test_replays_that_agree_under_another_fingerprint_are_a_change() -> None:
    found = summarise(PARIS, [LYON_NEW] * 10)

    assert found.kind == VerdictKind.BACKEND_CHANGED
    assert found.sentence == (
        "Backend changed: fp_4470… → fp_a1c9…. All 10 replays agree with each other, but not with the "
        "original. Together with the other fingerprint that makes chance an unlikely explanation."
    )


def test_replays_that_agree_under_the_same_fingerprint_are_inconclusive() -> None:
    found = summarise(PARIS, [LYON] * 10)

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert "Either the backend changed, or the original was a rare outcome." in found.sentence


def test_few_replays_that_agree_decide_nothing() -> None:
    found = summarise(PARIS, [LYON_NEW] * 3)

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert found.sentence.startswith("None of the 3 replays gave the original's answer.")


def test_replays_that_vary_show_nondeterminism_under_any_fingerprint() -> None:
    attempts = [
        answer(f"It is {city}.", fingerprint=NEW) for city in ("Lyon", "Metz", "Nice", "Lyon", "Brest")
    ]

    found = summarise(PARIS, attempts)

    assert found.kind == VerdictKind.NONDETERMINISTIC
    assert "4 different answers in 5 replays" in found.sentence


def test_a_fingerprint_that_decides_the_answer_shows_a_change() -> None:
    found = summarise(PARIS, [PARIS] * 5 + [LYON_NEW] * 5)

    assert found.kind == VerdictKind.BACKEND_CHANGED
    assert "(5 of 5), under the other one never (0 of 5)" in found.sentence


def test_a_fingerprint_that_decides_too_few_answers_shows_nothing() -> None:
    found = summarise(PARIS, [PARIS] * 2 + [LYON_NEW] * 2)

    assert found.kind == VerdictKind.NONDETERMINISTIC


def test_text_that_changed_while_probabilities_stayed_is_told_as_just_that() -> None:
    drawn = {"temperature": 0.7}
    original = parting(chosen=" Paris", share=0.4, other=" Lyon", other_share=0.3, request=drawn)
    attempt = parting(chosen=" Lyon", share=0.3, other=" Paris", other_share=0.4, request=drawn)

    found = summarise(original, [attempt] * 10)

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert "The text changed, but the probabilities behind it did not" in found.sentence


def test_failures_are_counted_and_no_differences() -> None:
    found = summarise(PARIS, [PARIS] * 9 + [BROKEN])

    assert found.kind == VerdictKind.IDENTICAL
    assert found.failed == (9,)
    assert found.sentence.endswith("1 of 10 replays failed.")


def test_too_many_failures_leave_a_difference_open() -> None:
    found = summarise(PARIS, [LYON_NEW] * 6 + [BROKEN] * 4)

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert "Too many failed" in found.sentence


def test_nothing_but_failures_is_failed() -> None:
    found = summarise(PARIS, [BROKEN] * 3)

    assert found.kind == VerdictKind.FAILED
    assert "None of the 3 replays brought an answer." in found.sentence


def test_overrides_explain_the_differences_of_a_set() -> None:
    attempts = [answer("It is Lyon.", request={"temperature": 1})] * 6

    found = summarise(PARIS, attempts, context=Evidence(overrides={"temperature": 1}))

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert "asked differently on purpose" in found.sentence


def test_the_places_where_answers_part_can_be_plotted() -> None:
    found = summarise(SURE, [SURE, parting(**SWUNG), answer("The capital of the moon")])

    assert found.partings == ((1, 10), (2, 5))


def test_each_attempt_keeps_its_own_verdict() -> None:
    found = summarise(SURE, [SURE, parting(**SWUNG, fingerprint=NEW), BROKEN])

    assert [verdict.kind for verdict in found.verdicts] == [
        VerdictKind.IDENTICAL,
        VerdictKind.BACKEND_CHANGED,
        VerdictKind.FAILED,
    ]


@given(exchanges, st.lists(exchanges, max_size=5), evidences)
def test_summing_up_never_fails_and_always_says_something(
    original: Exchange, attempts: list[Exchange], evidence: Evidence
) -> None:
    found = summarise(original, attempts, context=evidence)

    assert found.sentence
    members = sorted([*found.failed, *(place for group in found.groups for place in group.members)])
    assert members == list(range(len(attempts)))
    assert found.share_same is None or 0 <= found.share_same <= 1
    assert not any(isinstance(value, float) and math.isnan(value) for value in found.figures.values())


@given(exchanges, st.lists(exchanges, min_size=1, max_size=4), evidences)
def test_failures_alone_never_make_a_difference(
    original: Exchange, attempts: list[Exchange], evidence: Evidence
) -> None:
    found = summarise(original, [replace(attempt, status=500) for attempt in attempts], context=evidence)

    assert found.kind == VerdictKind.FAILED or original.status not in (None, 200, 201) or original.reply.error


def test_replays_that_settled_on_several_answers_are_inconclusive() -> None:
    found = summarise(PARIS, [LYON_NEW] * 5 + [answer("Metz.", fingerprint=NEW)] * 5)

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert "The 10 replays gave 2 answers, each more than once, but never the original's." in found.sentence


def test_another_model_name_is_told_once_for_the_set() -> None:
    found = summarise(PARIS, [PARIS] * 3 + [answer("It is Lyon.", model="gpt-5-mini")] * 2)

    assert found.kind == VerdictKind.BACKEND_CHANGED
    assert "2 of 5 replays came under that name and differ from the original." in found.sentence
