"""What is measured: one function for each statistic, as a plain number over strata.

Each is defined over questions first and averaged then, so that a talkative question does not outvote
the others. Their p-values come from `permutation`, their floors from `floors`.

- `lp_shift`, the size of a change in nats: Log Probability Tracking of LLM APIs (arXiv 2512.03816).
- `lp_nearest`, the distance to the nearest row the baseline has ever shown: ours. A fleet is a mixture
  of a few numeric states; its mean is a state that no machine is in.
- `unseen_text`, the share of replies that the baseline never gave: ours.
- `exact_share`, `total_agreement` (TARr@N, TARa@N): Non-Determinism of "Deterministic" LLM Settings
  (arXiv 2408.04667).
- `border_strata` with total variation: Token-Efficient Change Detection in LLM APIs (arXiv 2602.11083).
- `hamming_strata` with MMD: Model Equality Testing (arXiv 2410.20247).
- `outliers`: a binomial test with the interval of Clopper and Pearson (1934).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reviewapp.pure.drift import permutation
from reviewapp.pure.drift.rows import Floats, Row, Stratum, common_prefix_length

HAMMING_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Outliers:
    """Rows under test that lie beyond `cut` from everything the baseline has shown."""

    count: int
    total: int
    cut: float
    expected_share: float
    low: float
    high: float
    p: float

    @property
    def share(self) -> float:
        """The share of rows beyond the cut."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Labels:
    """How the vendor's fingerprints of both groups compare: a covariate, never a verdict."""

    known: tuple[str, ...]
    new: tuple[str, ...]
    absent: bool
    p: float | None


def lp_shift(strata: Sequence[Stratum]) -> float:
    """S: how far the mean log probabilities moved, in nats."""
    return float(permutation.shift(strata, permutation.observed(strata))[0])


def lp_nearest(strata: Sequence[Stratum]) -> float:
    """N: how far the rows under test lie from the nearest row of the baseline, in nats."""
    return float(permutation.nearest(strata, permutation.observed(strata))[0])


def unseen_text(strata: Sequence[Stratum]) -> float:
    """U: the share of texts under test that the baseline never gave to the same question."""
    return float(permutation.nearest(strata, permutation.observed(strata))[0])


def border_tv(strata: Sequence[Stratum]) -> float:
    """Mean total variation between the two groups' answers to border inputs."""
    return float(permutation.total_variation(strata, permutation.observed(strata))[0])


def mmd(strata: Sequence[Stratum]) -> float:
    """Mean squared maximum mean discrepancy; which one depends on how the strata were made."""
    return float(permutation.mean_discrepancy(strata, permutation.observed(strata))[0])


def nearest_of_each(stratum: Stratum) -> Floats:
    """The distance of every row under test to its nearest baseline row."""
    return np.asarray(stratum.distances[stratum.baseline :, : stratum.baseline].min(axis=1))


def exact_share(*, record: str, replays: Sequence[str]) -> float:
    """e: the share of replays that equal the record."""
    return sum(text == record for text in replays) / len(replays) if replays else 0.0


def total_agreement(
    texts_by_prompt: Mapping[str, Sequence[str]], *, answer: Callable[[str], str] = str
) -> float:
    """TAR@N: the share of questions all of whose N texts agree.

    With the identity it is TARr (raw text); with a function that extracts the answer it is TARa.
    """
    if not texts_by_prompt:
        return 0.0
    agreeing = sum(len({answer(text) for text in texts}) <= 1 for texts in texts_by_prompt.values())
    return agreeing / len(texts_by_prompt)


def outliers(strata: Sequence[Stratum], *, cut: float, ordinary: int, ordinary_total: int) -> Outliers:
    """Test rows beyond `cut`, against the share the baseline's own sessions show when left out.

    `ordinary` of `ordinary_total` left-out rows were beyond the cut. One is added to both sides of that
    share (Laplace), for a baseline that never strayed has not shown that it never will.
    """
    distances = np.concatenate([nearest_of_each(stratum) for stratum in strata]) if strata else np.empty(0)
    count, total = int(np.count_nonzero(distances > cut)), len(distances)
    expected = (ordinary + 1) / (ordinary_total + 2)
    if total == 0:
        return Outliers(count=0, total=0, cut=cut, expected_share=expected, low=0.0, high=1.0, p=1.0)
    # Here, not above: 60 MB, which only who computes shall pay.
    from scipy import stats

    test = stats.binomtest(count, total, expected, alternative="greater")
    low, high = proportion_interval(count=count, total=total)
    return Outliers(
        count=count,
        total=total,
        cut=cut,
        expected_share=expected,
        low=low,
        high=high,
        p=float(test.pvalue),
    )


def proportion_interval(*, count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval for a share."""
    if total == 0:
        return 0.0, 1.0
    from scipy import stats

    interval = stats.binomtest(count, total).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def _kernel_strata(
    baseline: Sequence[Row], tested: Sequence[Row], kernel: Callable[[str, str], float]
) -> list[Stratum]:
    groups: dict[str, tuple[list[Row], list[Row]]] = {}
    for side, rows in enumerate((baseline, tested)):
        for row in rows:
            if row.text is not None:
                groups.setdefault(row.prompt, ([], []))[side].append(row)
    strata = []
    for prompt, (known, new) in groups.items():
        if not known or not new:
            continue
        rows = [*known, *new]
        texts = [row.text or "" for row in rows]
        cache: dict[tuple[str, str], float] = {}
        distances = np.zeros((len(texts), len(texts)))
        for i, left in enumerate(texts):
            for j in range(i + 1, len(texts)):
                pair = (left, texts[j])
                if pair not in cache:
                    cache[pair] = cache[pair[::-1]] = 1.0 - kernel(*pair)
                distances[i, j] = distances[j, i] = cache[pair]
        strata.append(
            Stratum(
                prompt=prompt,
                distances=distances,
                baseline=len(known),
                sessions=tuple(row.session for row in rows),
                labels=tuple(row.fingerprint for row in rows),
            )
        )
    return strata


def hamming_strata(*, baseline: Sequence[Row], tested: Sequence[Row]) -> list[Stratum]:
    """Strata whose kernel is the share of equal code points among the first 200 (Model Equality Testing)."""
    return _kernel_strata(baseline, tested, _equal_code_points)


def prefix_strata(*, baseline: Sequence[Row], tested: Sequence[Row]) -> list[Stratum]:
    """Strata whose kernel is the length of the common prefix over the longer text's length."""
    return _kernel_strata(baseline, tested, _common_prefix)


def _equal_code_points(left: str, right: str) -> float:
    length = min(HAMMING_LENGTH, max(len(left), len(right)))
    if length == 0:
        return 1.0
    return sum(a == b for a, b in zip(left[:length], right[:length], strict=False)) / length


def _common_prefix(left: str, right: str) -> float:
    length = max(len(left), len(right))
    return common_prefix_length(left, right) / length if length else 1.0


def border_strata(*, baseline: Sequence[Row], tested: Sequence[Row]) -> list[Stratum]:
    """Strata of one-token answers: one column for each distinct answer, one-hot."""
    strata = []
    for stratum in _kernel_strata(baseline, tested, lambda left, right: float(left == right)):
        groups = np.unique(stratum.distances == 0.0, axis=0)
        one_hot = np.ascontiguousarray(groups.T).astype(np.float64)
        strata.append(replace(stratum, vectors=one_hot))
    return strata


def compare_labels(*, baseline: Sequence[Row], tested: Sequence[Row]) -> Labels:
    """Which fingerprints are known and which are new, and a G-test of their shares.

    A row without a fingerprint says nothing: it is neither equal to anything nor different.
    """
    known = Counter(row.fingerprint for row in baseline if row.fingerprint)
    new = Counter(row.fingerprint for row in tested if row.fingerprint)
    p = None
    names = sorted(set(known) | set(new))
    if len(names) > 1 and known and new:
        from scipy import stats

        table = [[known[name] for name in names], [new[name] for name in names]]
        p = float(stats.chi2_contingency(table, lambda_="log-likelihood").pvalue)
    return Labels(
        known=tuple(sorted(set(new) & set(known))),
        new=tuple(sorted(set(new) - set(known))) if known else (),
        absent=not new,
        p=p,
    )
