"""What the same request was answered before is evidence: for chance, or against it."""

from __future__ import annotations

import random

import pytest
from scipy.stats import fisher_exact

from reviewapp.pure.verdicts import EarlierAnswer, Evidence, SetVerdict, VerdictKind, compare, summarise
from reviewapp.pure.verdicts.earlier import fisher
from tests.pure.exchanges import answer, parting
from tests.pure.test_verdicts import NEW, OLD, TIED, TIED_TOO

PARIS = answer("It is Paris.")
LYON = answer("It is Lyon.")
VARYING = [answer(f"It is {city}.") for city in ("Lyon", "Lyon", "Lyon", "Metz", "Nice")]


def earlier(*sessions: tuple[int, int], fingerprint: str | None = OLD) -> tuple[EarlierAnswer, ...]:
    """Sessions before, each with how many answers were the original's and of how many."""
    return tuple(
        EarlierAnswer(session=str(name), same=at < same, fingerprint=fingerprint)
        for name, (same, count) in enumerate(sessions)
        for at in range(count)
    )


def test_replays_that_vary_where_none_varied_before_are_a_change() -> None:
    found = summarise(PARIS, VARYING, context=Evidence(earlier=earlier((5, 5))))

    assert found.kind == VerdictKind.BACKEND_CHANGED
    assert found.sentence == (
        "Backend changed without saying so: the fingerprint is the same (fp_4470…). When the same request "
        "was asked earlier, 5 of 5 answers were the original's, now 0 of 5 are: chance does that in 0.8 % of "
        "cases. That the replays differ among themselves too (3 different answers in 5 replays) does not "
        "explain it: earlier they did not."
    )
    assert {verdict.kind for verdict in found.verdicts} == {VerdictKind.BACKEND_CHANGED}


def test_replays_that_vary_as_they_varied_before_are_nondeterminism() -> None:
    found = summarise(PARIS, VARYING, context=Evidence(earlier=earlier((2, 5), (1, 5))))

    assert found.kind == VerdictKind.NONDETERMINISTIC


def test_replays_that_agree_are_a_change_where_the_original_was_no_rare_outcome() -> None:
    found = summarise(PARIS, [LYON] * 5, context=Evidence(earlier=earlier((5, 5))))

    assert found.kind == VerdictKind.BACKEND_CHANGED
    assert "differ among themselves" not in found.sentence


def test_three_replays_after_five_equal_ones_leave_it_open() -> None:
    found = summarise(PARIS, VARYING[2:], context=Evidence(earlier=earlier((5, 5))))

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert found.sentence.endswith(
        "now 0 of 3 are: chance does that in 1.8 % of cases. That is seldom, but too few replays to call "
        "it a change: ten more would settle it."
    )


def test_a_second_set_that_differs_adds_to_the_first() -> None:
    found = summarise(PARIS, VARYING[2:], context=Evidence(earlier=earlier((5, 5), (0, 3))))

    assert found.kind == VerdictKind.BACKEND_CHANGED
    assert "lately, these replays included, 0 of 6 were" in found.sentence


def test_an_answer_that_is_given_oftener_than_before_is_no_change() -> None:
    found = summarise(PARIS, [PARIS] * 4 + [LYON], context=Evidence(earlier=earlier((0, 10))))

    assert found.kind == VerdictKind.NONDETERMINISTIC


def test_one_replay_after_a_hundred_equal_ones_decides_nothing_alone() -> None:
    verdict = compare(PARIS, LYON, context=Evidence(earlier=earlier((100, 100))))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "100 of 100 answers were the original's, now 0 of 1 are" in verdict.sentence


def test_a_minority_that_differs_is_told_as_another_backend_among_several() -> None:
    found = summarise(PARIS, [PARIS] * 5 + [LYON] * 3, context=Evidence(earlier=earlier((30, 30))))

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert "not in 3 of 8: some requests seem to be answered by another backend" in found.sentence


def test_a_backend_that_varied_before_is_called_changed_after_three_sessions_only() -> None:
    once = summarise(PARIS, [LYON] * 5, context=Evidence(earlier=earlier((19, 20))))
    twice = summarise(PARIS, [LYON] * 5, context=Evidence(earlier=earlier((10, 10), (9, 10))))

    assert once.kind == VerdictKind.INCONCLUSIVE
    assert "from one time to another is not known" in once.sentence
    assert twice.kind == VerdictKind.BACKEND_CHANGED


def test_a_member_of_a_rotating_pool_is_held_against_its_own_answers_only() -> None:
    replays = [
        answer(f"It is {city}.", fingerprint=NEW) for city in ("Lyon", "Metz", "Nice", "Brest", "Lyon")
    ]
    pool = Evidence(grade="rotating", earlier=earlier((5, 5), fingerprint=OLD))
    own = Evidence(grade="rotating", earlier=earlier((5, 5), fingerprint=NEW))

    assert summarise(PARIS, replays, context=pool).kind == VerdictKind.NONDETERMINISTIC
    assert summarise(PARIS, replays, context=own).kind == VerdictKind.BACKEND_CHANGED


def test_a_near_tie_that_falls_the_other_way_for_good_is_told_as_just_that() -> None:
    replays = [parting(**TIED_TOO)] * 5

    found = summarise(TIED, replays, context=Evidence(earlier=earlier((5, 5))))
    alike = summarise(TIED, replays, context=Evidence(earlier=earlier((3, 5))))

    assert found.kind == VerdictKind.INCONCLUSIVE
    assert "the probabilities behind the words moved no further than noise does" in found.sentence
    assert alike.kind == VerdictKind.NONDETERMINISTIC


@pytest.mark.parametrize("table", [(5, 5, 0, 5), (5, 5, 0, 3), (19, 20, 1, 4), (3, 7, 2, 9)])
def test_the_chance_is_that_of_the_exact_test(table: tuple[int, int, int, int]) -> None:
    same, before, now, after = table

    expected = fisher_exact([[same, before - same], [now, after - now]]).pvalue

    assert fisher(*table) == pytest.approx(expected)


# Half of 1 % is what the two-sided test leaves in this direction; the bound is what is promised.
DRAWS = 4000


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8])
@pytest.mark.parametrize("sessions", [(5,), (5, 5, 5), (3, 3, 3, 3), (20,)])
def test_honest_nondeterminism_is_seldom_called_changed(rate: float, sessions: tuple[int, ...]) -> None:
    rng = random.Random(f"{rate} {sessions}")
    cities = [answer(f"It is {city}.") for city in ("Lyon", "Metz", "Nice", "Brest")]
    told: dict[tuple[int, ...], SetVerdict] = {}
    changed = unsure = 0

    for _ in range(DRAWS):
        flips = [sum(rng.random() < rate for _ in range(count)) for count in (*sessions, 5)]
        known = earlier(*((count - off, count) for count, off in zip(sessions, flips, strict=False)))
        if tuple(flips) not in told:
            replays = (
                [PARIS] * (5 - flips[-1]) + cities[: min(flips[-1], 4)] + cities[: max(0, flips[-1] - 4)]
            )
            told[tuple(flips)] = summarise(PARIS, replays, context=Evidence(earlier=known))
        changed += told[tuple(flips)].kind == VerdictKind.BACKEND_CHANGED
        unsure += told[tuple(flips)].rule == "earlier"

    assert changed / DRAWS <= 0.01
    assert unsure / DRAWS <= 0.05


def test_a_change_of_the_answer_is_found_nearly_always() -> None:
    rng = random.Random(1)
    found = 0

    for _ in range(200):
        before = sum(rng.random() < 0.99 for _ in range(10))
        now = [PARIS if rng.random() < 0.05 else LYON for _ in range(5)]
        known = earlier((min(before, 5), 5), (max(before - 5, 0), 5))
        found += summarise(PARIS, now, context=Evidence(earlier=known)).kind == VerdictKind.BACKEND_CHANGED

    assert found / 200 >= 0.9
