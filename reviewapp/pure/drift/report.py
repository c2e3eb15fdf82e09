"""The evidence of a decision as plain values, for JSON and for the fold under a verdict."""

from __future__ import annotations

from reviewapp.pure.drift.decision import Decision
from reviewapp.pure.drift.measures import Measure
from reviewapp.pure.exchange import JsonObject


def measure_values(measure: Measure) -> JsonObject:
    """One measure: the value, what it is weighed against, and how much it rests on."""
    strayed = measure.outliers
    return {
        "statistic": measure.statistic,
        "kind": measure.kind,
        "column": measure.column,
        "effect": measure.effect,
        "p": measure.p,
        "floor": measure.floor,
        "largest_ordinary": measure.ordinary,
        "smallest_detectable": measure.detectable,
        "can_tell": measure.can_tell,
        "questions": measure.questions,
        "baseline_rows": measure.baseline_rows,
        "tested_rows": measure.tested_rows,
        "sessions": measure.sessions,
        "bit_identical_baseline": measure.repeatable_baseline,
        "differing_share": measure.differing_share,
        "largest_distance": measure.largest_distance,
        "shift": measure.shift,
        "shift_floor": measure.shift_floor,
        "jaccard": measure.jaccard,
        "rank_biased_overlap": measure.rank_biased_overlap,
        "outliers": {
            "count": strayed.count,
            "of": strayed.total,
            "beyond": strayed.cut,
            "expected_share": strayed.expected_share,
            "interval": [strayed.low, strayed.high],
            "p": strayed.p,
        },
    }


def evidence(decision: Decision) -> JsonObject:
    """Everything behind the fold: each look's measures, the agreement, the labels, the pool."""
    pool = decision.pool
    return {
        "column": decision.deciding.column if decision.deciding else None,
        "looks": [[measure_values(one) for one in look] for look in decision.looks],
        "notes": list(decision.notes),
        "exact_share": decision.agreement.exact,
        "total_agreement": decision.agreement.total_agreement,
        "replays": decision.agreement.replays,
        "fingerprints": {
            "known": list(decision.labels.known),
            "new": list(decision.labels.new),
            "none_reported": decision.labels.absent,
            "p": decision.labels.p,
        },
        "pool": None
        if pool is None
        else {
            "members": pool.members,
            "rows_on_members": pool.known_rows,
            "rows": pool.total_rows,
            "mix_distance": pool.mix_distance,
            "mix_p": pool.mix_p,
        },
        "same_as": decision.same_as.name if decision.same_as else None,
        "more_requests": decision.more_requests,
    }
