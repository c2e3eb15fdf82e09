"""The whole decision rule on drawn checks, and single records classified by their margin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.detection.collect import Rows
from benchmarks.detection.methods import Banks
from benchmarks.detection.trials import Draw, draw, draw_sessions
from reviewapp.pure.drift.decision import SAME, Agreement, Check, judge
from reviewapp.pure.drift.divergence import NARROW_Z, WIDE_Z, first_divergence, gap_spread
from reviewapp.pure.drift.measures import Measure, weigh
from reviewapp.pure.drift.panel import OWN_UNSEEN_LIMIT
from reviewapp.pure.drift.statistics import Labels
from reviewapp.pure.verdicts.values import VerdictKind

NO_LABELS = Labels(known=(), new=(), absent=True, p=None)
NO_AGREEMENT = Agreement(exact=None, total_agreement=None, replays=0)
PERMUTATIONS = 999


def _look(
    banks: Banks,
    kinds: Sequence[str],
    *,
    rows: int,
    sessions: Draw,
    baseline_seed: int,
    rng: np.random.Generator,
) -> tuple[Measure, ...]:
    found = []
    baseline_rng = np.random.default_rng(baseline_seed)
    for kind in kinds:
        bank = banks[kind]
        strata = draw(
            bank,
            questions=len(bank.strata),
            rows=rows,
            sessions=sessions,
            rng=rng,
            baseline_rng=baseline_rng,
        )
        numbers = kind == "token"
        found.append(
            weigh(
                strata,
                statistic="lp_nearest" if numbers else "unseen_text",
                kind=kind,
                column="log probabilities" if numbers else "text, seed honoured",
                rng=rng,
                permutations=PERMUTATIONS,
            )
        )
    return tuple(found)


def verdicts(
    banks: Banks, *, kinds: Sequence[str], trials: int, rng: np.random.Generator
) -> dict[str, float]:
    """The share of each outcome: changed, same, inconclusive, and the mean number of requests.

    One row of each question (five where half of the baseline's own texts are new), then five fresh ones
    if the first look asks for them. Both looks meet the same baseline, as in life.
    """
    outcomes: Counter[str] = Counter()
    requests = 0
    for _ in range(trials):
        sessions = draw_sessions(banks["token"], rng)
        seed = int(rng.integers(2**62))
        looks: tuple[tuple[Measure, ...], ...] = ()
        rows = 1
        while True:
            look = _look(banks, kinds, rows=rows, sessions=sessions, baseline_seed=seed, rng=rng)
            looks = (*looks, look)
            requests += sum(measure.tested_rows for measure in looks[-1])
            texts = next((one for one in looks[-1] if one.statistic == "unseen_text"), None)
            if len(looks) == 1 and texts is not None and texts.ordinary > OWN_UNSEEN_LIMIT and rows == 1:
                looks, rows = (), 5
                continue
            decision = judge(
                looks=looks, check=Check(looks=(), asked=0), labels=NO_LABELS, agreement=NO_AGREEMENT
            )
            if len(looks) > 1 or not decision.wants_confirmation:
                break
            rows = 5
        if decision.verdict is VerdictKind.BACKEND_CHANGED:
            outcomes["changed"] += 1
        else:
            outcomes["same" if decision.verdict in SAME else "inconclusive"] += 1
    return {
        **{name: outcomes[name] / trials for name in ("changed", "same", "inconclusive")},
        "requests": requests / trials,
    }


def margins(before: Rows, after: Rows, *, rng: np.random.Generator, trials: int) -> dict[str, float]:
    """Replays at temperature 0: how many leave their record, and how many of those at a wide margin.

    The spread of the gap comes from the baseline's own replays of the record.
    """
    left, narrow, wide = 0, 0, 0
    prompts = len(before.greedy[0])
    for _ in range(trials):
        prompt = int(rng.integers(prompts))
        known = [copy for member in before.greedy for copy in member[prompt]]
        new = [copy for member in after.greedy for copy in member[prompt]]
        record = known[int(rng.integers(len(known)))]
        spread = gap_spread(record, [one for one in known if one is not record])
        replay = new[int(rng.integers(len(new)))]
        found = first_divergence(record=record, replay=replay, spread=spread)
        if found.position is not None:
            left += 1
            z = found.z or 0.0
            narrow += z <= NARROW_Z
            wide += z > WIDE_Z
    return {"left": left / trials, "narrow": narrow / trials, "wide": wide / trials}
