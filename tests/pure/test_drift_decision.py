"""The verdict of a check: what is called a change, what is not, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from reviewapp.pure.drift.decision import SAME, Check, Decision, decide
from reviewapp.pure.drift.members import Archived
from reviewapp.pure.drift.report import evidence
from reviewapp.pure.drift.rows import Row
from reviewapp.pure.verdicts.values import VerdictKind
from tests.pure.drift_rows import Fleet

CHANGED = VerdictKind.BACKEND_CHANGED
INCONCLUSIVE = VerdictKind.INCONCLUSIVE


def look(
    fleet: Fleet, *, count: int = 5, seed: int = 50, kinds: tuple[str, ...] = ("token", "seeded")
) -> tuple[Row, ...]:
    return tuple(
        row
        for kind in kinds
        for row in fleet.rows(session=f"check {seed}", count=count, seed=seed, kind=kind)
    )


def baseline(fleet: Fleet, *, kinds: tuple[str, ...] = ("token", "seeded"), **more: Any) -> list[Row]:
    return [row for kind in kinds for row in fleet.baseline(kind=kind, **more)]


def judge(
    known: list[Row], *looks: tuple[Row, ...], archive: tuple[Archived, ...] = (), seed: int = 1, **check: Any
) -> Decision:
    rows = sum(map(len, looks))
    return decide(
        baseline=known,
        check=Check(looks=looks, **{"asked": rows, **check}),
        archive=archive,
        rng=np.random.default_rng(seed),
    )


def test_equal_answers_are_identical() -> None:
    fleet = Fleet()

    decision = judge(baseline(fleet), look(fleet))

    assert decision.verdict is VerdictKind.IDENTICAL
    assert "all 100 answers equal" in decision.sentence
    assert "log probabilities included" in decision.sentence


def test_a_known_pool_is_the_same_backend_and_nondeterministic() -> None:
    fleet = Fleet(members=3, apart=0.05)

    decision = judge(baseline(fleet, count=8), look(fleet))

    assert decision.verdict is VerdictKind.NONDETERMINISTIC
    assert "Same backend" in decision.sentence
    assert "TARr@29" in decision.sentence


def test_a_first_look_never_calls_a_change_but_asks_for_fresh_requests() -> None:
    decision = judge(baseline(Fleet()), look(Fleet(moved=0.1, new_texts=0.5)))

    assert decision.verdict is INCONCLUSIVE
    assert decision.wants_confirmation
    assert decision.more_requests == 50
    assert "Fresh requests decide" in decision.sentence


def test_a_change_that_fresh_requests_repeat_is_a_change() -> None:
    known, moved = Fleet(), Fleet(moved=0.01, new_texts=0.9)

    decision = judge(baseline(known), look(moved), look(moved, seed=51))

    assert decision.verdict is CHANGED
    assert decision.deciding is not None
    assert decision.deciding.statistic == "lp_nearest"
    assert "0.01 nat" in decision.sentence
    assert "differently from what was recorded" in decision.sentence
    assert "worse" not in decision.sentence


def test_a_difference_that_does_not_repeat_is_none() -> None:
    known = Fleet(noise=0.01)

    decision = judge(baseline(known), look(Fleet(noise=0.02)), look(known, seed=52))

    assert decision.verdict in SAME


def test_a_small_p_without_an_effect_above_the_floor_is_no_change() -> None:
    # One baseline day lay apart, so that the floor knows this much difference to be ordinary.
    usual, odd = Fleet(), Fleet(moved=0.02)
    known = [*baseline(usual, sessions=2), *look(odd, seed=7)]
    drifted = Fleet(moved=0.008)

    decision = judge(known, look(drifted, kinds=("token",)), look(drifted, seed=51, kinds=("token",)))

    assert decision.verdict is not CHANGED
    assert decision.looks[-1][0].p <= 0.01
    assert decision.looks[-1][0].below_floor


def test_text_that_changed_under_unchanged_numbers_is_said_to_be_just_that() -> None:
    other_sampler = Fleet(new_texts=1.0)

    decision = judge(baseline(Fleet()), look(other_sampler), look(other_sampler, seed=51))

    assert decision.verdict is CHANGED
    assert "text changed but the log probabilities did not" in decision.sentence
    assert "sampler, a stop rule or the handling of the seed" in decision.sentence


def test_a_sampler_change_in_a_noisy_fleet_leaves_a_small_change_of_numbers_open() -> None:
    known = Fleet(members=3, apart=0.05)
    other_sampler = Fleet(members=3, apart=0.05, new_texts=1.0)

    decision = judge(baseline(known), look(other_sampler), look(other_sampler, seed=51))

    assert decision.verdict is CHANGED
    assert "or the numbers did by less than" in decision.sentence


def test_requests_that_went_astray_are_counted_and_inconclusive() -> None:
    known, other = Fleet(), Fleet(new_texts=1.0)
    rows = []
    for seed in (50, 51):
        usual = look(known, seed=seed, kinds=("seeded",))
        stray = look(other, seed=seed, kinds=("seeded",))
        chosen = np.random.default_rng(seed).random(len(usual)) < 0.15
        rows.append(tuple(s if c else u for u, s, c in zip(usual, stray, chosen, strict=True)))

    decision = judge(baseline(known, kinds=("seeded",)), *rows)

    assert decision.verdict is INCONCLUSIVE
    assert "Some requests were answered by another backend: 7 of 50" in decision.sentence


def test_a_few_questions_with_new_texts_are_no_doubt_where_numbers_vouch() -> None:
    rounding = Fleet(new_texts=0.3)

    decision = judge(baseline(Fleet()), look(rounding), look(rounding, seed=51))

    assert decision.verdict is VerdictKind.NONDETERMINISTIC
    assert "rounding does that" in decision.sentence


def test_the_same_few_questions_without_log_probabilities_are_inconclusive() -> None:
    rounding = Fleet(new_texts=0.3)

    decision = judge(
        baseline(Fleet(), kinds=("seeded",)),
        look(rounding, kinds=("seeded",)),
        look(rounding, seed=51, kinds=("seeded",)),
    )

    assert decision.verdict is INCONCLUSIVE
    assert "would settle it" in decision.sentence
    assert decision.more_requests > 0


def test_texts_that_never_repeat_cannot_tell() -> None:
    counter = iter(range(100_000))

    def rows(session: str, count: int) -> list[Row]:
        return [
            Row(prompt=f"seeded:{prompt}", session=session, kind="seeded", text=f"text {next(counter)}")
            for _ in range(count)
            for prompt in range(10)
        ]

    known = [*rows("1", 5), *rows("2", 5), *rows("3", 5)]

    decision = judge(known, tuple(rows("now", 5)))

    assert decision.verdict is INCONCLUSIVE
    assert "cannot tell" in decision.sentence


def test_two_sessions_of_a_varying_baseline_cannot_show_a_change() -> None:
    known = Fleet(members=2, apart=0.02)
    moved = Fleet(members=2, apart=0.02, moved=0.1, new_texts=1.0)

    decision = judge(baseline(known, sessions=2, count=7), look(moved), look(moved, seed=51))

    assert decision.verdict is INCONCLUSIVE
    assert "three sessions" in decision.sentence


def test_two_sessions_of_a_bit_identical_baseline_can() -> None:
    moved = Fleet(moved=0.1, new_texts=1.0)

    decision = judge(baseline(Fleet(), sessions=2, count=7), look(moved), look(moved, seed=51))

    assert decision.verdict is CHANGED


def test_one_failure_in_five_is_borne_and_more_are_not() -> None:
    fleet = Fleet()

    borne = judge(baseline(fleet), look(fleet), asked=100, failed=20)
    too_many = judge(baseline(fleet), look(fleet), asked=100, failed=21)

    assert borne.verdict is VerdictKind.IDENTICAL
    assert too_many.verdict is INCONCLUSIVE
    assert "21 of 100 requests failed" in too_many.sentence


def test_fewer_than_five_replies_are_too_few() -> None:
    fleet = Fleet()

    decision = judge(baseline(fleet), look(fleet)[:4])

    assert decision.verdict is INCONCLUSIVE
    assert "Only 4 comparable replies" in decision.sentence


def test_other_parameters_are_not_compared() -> None:
    fleet = Fleet()

    decision = judge(baseline(fleet), look(fleet), same_parameters=False)

    assert decision.verdict is INCONCLUSIVE
    assert "other parameters" in decision.sentence


def test_two_of_ten_greedy_replays_that_leave_at_a_wide_margin_are_a_change() -> None:
    fleet = Fleet(members=2, apart=0.02)

    two = judge(baseline(fleet), look(fleet), wide=2, greedy=10)
    one = judge(baseline(fleet), look(fleet), wide=1, greedy=10)
    few = judge(baseline(fleet), look(fleet), wide=2, greedy=100)

    assert two.verdict is CHANGED
    assert one.verdict in SAME
    assert few.verdict in SAME


def test_missing_log_probabilities_fall_back_to_text_and_say_so() -> None:
    moved = Fleet(new_texts=1.0)

    decision = judge(
        baseline(Fleet(), kinds=("seeded",)),
        look(moved, kinds=("seeded",)),
        look(moved, seed=51, kinds=("seeded",)),
    )

    assert decision.verdict is CHANGED
    assert evidence(decision)["column"] == "text, seed honoured"


def test_a_new_label_alone_is_no_change() -> None:
    decision = judge(baseline(Fleet()), look(Fleet(fingerprints=("fp_new",))))

    assert decision.verdict is VerdictKind.IDENTICAL
    assert "Fingerprint: new (fp_new)" in decision.notes[0]
    assert "behaviour does not differ" in decision.notes[0]


def test_a_known_label_does_not_hide_a_change() -> None:
    moved = Fleet(moved=0.1)

    decision = judge(baseline(Fleet()), look(moved), look(moved, seed=51))

    assert decision.verdict is CHANGED
    assert decision.notes[0] == "Fingerprint: the same as before."


def test_an_absent_label_is_said_to_be_absent() -> None:
    fleet = Fleet(fingerprints=(None,))

    assert judge(baseline(fleet), look(fleet)).notes[0] == "Fingerprint: none reported."


def test_a_rollback_is_named_by_its_date() -> None:
    before = Fleet(moved=0.1)
    archive = (
        Archived(name="gpt, spring", until=datetime(2026, 5, 3, tzinfo=UTC), rows=tuple(baseline(before))),
    )

    decision = judge(baseline(Fleet()), look(before), look(before, seed=51), archive=archive)

    assert decision.verdict is CHANGED
    assert decision.same_as is archive[0]
    assert decision.notes[-1] == "The answers are the same as before 3 May 2026 (gpt, spring)."


def test_a_pool_whose_mix_moved_is_the_same_backend_with_a_note() -> None:
    fleet = Fleet(members=3, apart=0.05)
    known = fleet.baseline(count=8)
    skewed = tuple(fleet.rows(session="now", count=5, seed=9, weights=[0.9, 0.05, 0.05]))

    decision = judge(known, skewed)

    assert decision.verdict in SAME
    assert any("mix moved" in note for note in decision.notes)


def test_a_replaced_pool_member_is_seen_in_the_share_of_answers() -> None:
    known = Fleet(members=3, apart=0.02)
    other = Fleet(moved=0.2)
    looks = []
    for seed in (50, 51):
        usual, stray = look(known, seed=seed), look(other, seed=seed)
        chosen = np.random.default_rng(seed).random(len(usual)) < 0.3
        looks.append(tuple(s if c else u for u, s, c in zip(usual, stray, chosen, strict=True)))

    decision = judge(baseline(known, count=8), *looks)

    assert decision.verdict is CHANGED
    assert "answers came from something the baseline never showed" in decision.sentence


@pytest.mark.parametrize("members", [1, 3, 6])
def test_an_unchanged_fleet_is_never_called_changed(members: int) -> None:
    fleet = Fleet(members=members, apart=0.02, noise=0.002)

    verdicts = []
    for number in range(8):
        known = fleet.baseline(seed=100 + number)
        looks = [tuple(fleet.rows(session="now", count=5, seed=700 + 2 * number + k)) for k in (0, 1)]
        verdicts.append(judge(known, *looks, seed=number).verdict)

    assert CHANGED not in verdicts


@pytest.mark.parametrize("members", [1, 3, 6])
def test_a_change_of_half_the_members_distance_is_found_in_every_fleet(members: int) -> None:
    known = Fleet(members=members, apart=0.02, noise=0.001)
    moved = Fleet(members=members, apart=0.02, noise=0.001, moved=0.02)

    verdicts = []
    for number in range(3):
        looks = [tuple(moved.rows(session="now", count=5, seed=700 + 2 * number + k)) for k in (0, 1)]
        verdicts.append(judge(known.baseline(seed=100 + number), *looks, seed=number).verdict)

    assert verdicts == [CHANGED] * 3


def test_the_evidence_is_made_of_plain_values() -> None:
    import json

    moved = Fleet(moved=0.1, new_texts=1.0)
    decision = judge(baseline(Fleet()), look(moved), look(moved, seed=51))

    told = json.loads(json.dumps(evidence(decision)))

    assert told["looks"][1][0]["statistic"] == "lp_nearest"
    assert told["looks"][1][0]["smallest_detectable"] > 0
    assert told["fingerprints"]["known"] == ["fp_same"]


def test_a_decision_is_the_same_for_the_same_random_numbers() -> None:
    fleet = Fleet(members=3, apart=0.05)
    known, rows = baseline(fleet), look(fleet)

    assert judge(known, rows, seed=4) == judge(known, rows, seed=4)


def test_a_change_in_a_pool_too_large_to_know_shows_in_the_means() -> None:
    known = baseline(Fleet(members=40, apart=0.02), kinds=("token",))
    changed = Fleet(members=40, apart=0.02, moved=0.013)
    first, fresh = (
        look(changed, seed=60, count=1, kinds=("token",)),
        look(changed, seed=61, kinds=("token",)),
    )

    at_first = judge(known, first)
    decision = judge(known, first, fresh)

    (numbers,) = [one for one in at_first.looks[0] if one.statistic == "lp_nearest"]
    assert numbers.effect < numbers.floor
    assert numbers.headline == ("lp_shift", numbers.shift, numbers.shift_floor)
    assert "log probabilities moved by" in at_first.sentence
    assert at_first.wants_confirmation
    assert decision.verdict is CHANGED


def test_the_same_large_pool_is_not_called_changed() -> None:
    crowd = Fleet(members=40, apart=0.02)
    known = baseline(crowd, kinds=("token",))

    found = [
        judge(
            known,
            look(crowd, seed=seed, count=1, kinds=("token",)),
            look(crowd, seed=seed + 1, kinds=("token",)),
        ).verdict
        for seed in range(100, 120, 2)
    ]

    assert CHANGED not in found


def test_means_count_for_nothing_where_known_members_only_take_turns() -> None:
    fleet = Fleet(members=2, apart=0.05)
    now = fleet.rows(session="now", count=5, seed=5, weights=[0.05, 0.95])

    decision = judge(baseline(fleet, kinds=("token",)), tuple(now))

    numbers = decision.looks[-1][0]
    assert numbers.shift is not None
    assert numbers.shift > 0.001
    assert numbers.shift_floor is None
    assert decision.verdict in SAME
