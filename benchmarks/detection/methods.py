"""The methods side by side. Each says from one drawn check whether it would alarm at 5 % and at 1 %.

- fingerprint: the vendor's label is one never seen before (llama.cpp reports the same for all);
- any differs: a seeded replay's text is not the recorded one ("naive exact match");
- MET: Model Equality Testing (arXiv 2410.20247), MMD with the Hamming kernel on unseeded texts;
- LT, one prompt: Log Probability Tracking (arXiv 2512.03816) as published, on one prompt;
- LT, 20 prompts: the same statistic over the panel;
- border: total variation on border inputs (arXiv 2602.11083);
- numbers, texts: ours, by p alone: nearest row and shift of the means together; unseen texts;
- ours: the same, by p and by the floor of the baseline's own sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.detection.trials import Bank, Draw, draw, draw_free, draw_sessions
from reviewapp.pure.drift import permutation
from reviewapp.pure.drift.measures import Measure, StatisticName, weigh
from reviewapp.pure.drift.rows import Stratum

PERMUTATIONS = 499
LEVELS = (0.05, 0.01)
BUDGETS = (10, 20, 50, 240)


@dataclass(frozen=True)
class Alarm:
    """Whether the method would alarm at each level."""

    at: tuple[bool, ...]


Banks = Mapping[str, Bank]
Method = Callable[[Banks, int, Draw, np.random.Generator], Alarm]


def _by_p(p: float) -> Alarm:
    return Alarm(at=tuple(p <= level for level in LEVELS))


def _test(statistic: permutation.Statistic, strata: list[Stratum], rng: np.random.Generator) -> float:
    return permutation.permutation_test(statistic, strata, rng=rng, permutations=PERMUTATIONS)[1]


def _panel(bank: Bank, budget: int, sessions: Draw, rng: np.random.Generator) -> list[Stratum]:
    """The budget spread over the questions: fewer questions first, then more rows of each."""
    questions = min(len(bank.strata), budget)
    return draw(bank, questions=questions, rows=max(1, budget // questions), sessions=sessions, rng=rng)


def fingerprint(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """The same label for every model: it never alarms."""
    return Alarm(at=(False, False))


def any_differs(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """One text that is not the record's is an alarm, at any level."""
    strata = _panel(banks["seeded"], budget, sessions, rng)
    differs = any(stratum.distances[0, stratum.baseline :].any() for stratum in strata)
    return Alarm(at=(differs, differs))


def model_equality(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """MMD-Hamming over ten prompts of 50 tokens."""
    strata = draw_free(banks["free"], rows=max(1, budget // len(banks["free"].strata)), rng=rng)
    return _by_p(_test(permutation.mean_discrepancy, strata, rng))


def tracking_one_prompt(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """All requests on one prompt."""
    bank = banks["token"]
    strata = draw(bank, questions=1, rows=budget, sessions=sessions, rng=rng)
    return _by_p(_test(permutation.shift, strata, rng))


def tracking_panel(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """The difference of means over the panel."""
    return _by_p(_test(permutation.shift, _panel(banks["token"], budget, sessions, rng), rng))


def border_inputs(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """Total variation on nearly tied inputs."""
    return _by_p(_test(permutation.total_variation, _panel(banks["border"], budget, sessions, rng), rng))


def numbers(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """The distance to the nearest known row and the shift of the means together, by p alone."""
    strata = _panel(banks["token"], budget, sessions, rng)
    return _by_p(_weigh("lp_nearest", strata, rng).p)


def unseen_text(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """The share of texts never given before, by p alone."""
    return _by_p(_test(permutation.unseen, _panel(banks["seeded"], budget, sessions, rng), rng))


def _weigh(name: StatisticName, strata: list[Stratum], rng: np.random.Generator) -> Measure:
    return weigh(
        strata, statistic=name, kind="", column="log probabilities", rng=rng, permutations=PERMUTATIONS
    )


def _weighed(name: StatisticName, strata: list[Stratum], rng: np.random.Generator) -> Alarm:
    measure = _weigh(name, strata, rng)
    return Alarm(at=tuple(measure.passes(p=level) for level in LEVELS))


def ours_numbers(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """Nearest row and shift together, with their floors."""
    return _weighed("lp_nearest", _panel(banks["token"], budget, sessions, rng), rng)


def ours_texts(banks: Banks, budget: int, sessions: Draw, rng: np.random.Generator) -> Alarm:
    """Unseen texts with their floor."""
    return _weighed("unseen_text", _panel(banks["seeded"], budget, sessions, rng), rng)


METHODS: dict[str, Method] = {
    "fingerprint": fingerprint,
    "any differs": any_differs,
    "MET": model_equality,
    "LT, one prompt": tracking_one_prompt,
    "LT, 20 prompts": tracking_panel,
    "border": border_inputs,
    "numbers": numbers,
    "texts": unseen_text,
    "ours, numbers": ours_numbers,
    "ours, texts": ours_texts,
}


def rates(
    banks: Banks, *, trials: int, budgets: tuple[int, ...], rng: np.random.Generator
) -> dict[str, dict[int, tuple[float, ...]]]:
    """For each method and budget the share of trials with an alarm at each level."""
    found: dict[str, dict[int, tuple[float, ...]]] = {}
    for name, method in METHODS.items():
        found[name] = {}
        for budget in budgets:
            alarms = [
                method(banks, budget, draw_sessions(banks["token"], rng), rng).at for _ in range(trials)
            ]
            found[name][budget] = tuple(float(share) for share in np.mean(alarms, axis=0))
    return found
