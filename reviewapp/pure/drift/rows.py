"""Rows of evidence, and the cleaning without which most of the power is lost.

A row is one response to one question of a check: a canary, or the replay of one record. Rows of the
same question stand in one stratum, and every statistic compares rows within a stratum only. A session
is everything that was asked within a few minutes; it is kept with each row because the only honest
estimate of ordinary variation is how far one session of the baseline lies from the others.

Lists of alternatives come in every vendor's dialect, so they are cleaned before anything is compared:

1. values are clipped at -40 nat; NaN, -inf, -9999 and a list of nothing but 0.0 count as missing;
2. tokens are keyed by their bytes (then by their text): the same string can be two ids;
3. the sampled token is dropped unless it ranks inside the top k by value, for vLLM lists it first
   whatever its rank;
4. every list is cut to the shortest seen, so that a changed k is not taken for a changed model;
5. columns are the tokens listed by at least half of all rows together, and a row that lacks a column
   gets its own last value, the upper bound of what it left out;
6. tokens that enter or leave the list are reported apart (`Overlap`), and only those that clear the
   last place by one step of the row's lattice: at a tie the last place is a coin toss.

Method: Log Probability Tracking of LLM APIs (arXiv 2512.03816); steps 3, 5 and 6 are ours, because at
temperature 1 without them a change of 0.06 nat was found in one check of ten.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reviewapp.pure.exchange import Alternative, Reply, Token

Floats: TypeAlias = NDArray[np.float64]
Key: TypeAlias = bytes | str

LOWEST_LOGPROB = -40.0
MISSING_BELOW = -9998.0
LATTICES = (1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128)
LATTICE_TOLERANCE = 2e-4
# A list much shorter than the others is a damaged answer, not a smaller k.
SHORTEST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Row:
    """One response: what was asked (`prompt`, `kind`), in which session, and what came back.

    `top` is the cleaned list of the first token's alternatives, largest first, or None where the
    vendor reported none. `kind` keeps strata of different purpose apart ("logprobs", "text").
    """

    prompt: str
    session: str
    kind: str = "text"
    text: str | None = None
    top: tuple[tuple[Key, float], ...] | None = None
    fingerprint: str | None = None
    model: str | None = None
    region: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """When a batch of rows was asked; the day and the hour make sessions comparable."""

    name: str
    at: datetime
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far two sets of top tokens agree: the share in common, and by rank (1 is equal)."""

    jaccard: float
    rank_biased: float


@dataclass(frozen=True, slots=True)
class Stratum:
    """All rows of one question: the baseline's first, then those under test.

    `distances[i, j]` is the mean absolute difference of log probabilities, or 1 where texts differ.
    `partings[i, j]`, of texts alone, is how early they part: 1 less the share of the longer one, in
    characters, that comes before the first difference.
    """

    prompt: str
    distances: Floats
    baseline: int
    sessions: tuple[str, ...]
    labels: tuple[str | None, ...] = ()
    vectors: Floats | None = None
    overlap: Overlap | None = None
    partings: Floats | None = None

    @property
    def tested(self) -> int:
        """The number of rows under test."""
        return len(self.distances) - self.baseline


def _key(alternative: Alternative | Token) -> Key:
    if alternative.bytes is not None:
        return alternative.bytes
    return alternative.token if isinstance(alternative, Alternative) else alternative.text


def clean_alternatives(*, token: Token, requested: int | None = None) -> tuple[tuple[Key, float], ...] | None:
    """Steps 1 to 3: one token's alternatives, largest first; None when nothing usable is left."""
    listed: dict[Key, float] = {}
    for alternative in token.alternatives:
        value = alternative.logprob
        if value is None or math.isnan(value) or value < MISSING_BELOW or value == math.inf:
            continue
        key = _key(alternative)
        clipped = max(value, LOWEST_LOGPROB)
        listed[key] = max(clipped, listed.get(key, clipped))
    if not listed or all(value == 0.0 for value in listed.values()):
        return None
    ranked = sorted(listed.items(), key=lambda pair: (-pair[1], _sortable(pair[0])))
    sampled = _key(token)
    first = _key(token.alternatives[0])
    out_of_place = first == sampled and len(ranked) > 1 and ranked[-1][0] == sampled
    if out_of_place:
        ranked = ranked[:-1]
    if requested is not None:
        ranked = ranked[:requested]
    return tuple(ranked)


def _sortable(key: Key) -> bytes:
    return key if isinstance(key, bytes) else key.encode("utf-8", "surrogatepass")


def row_from_reply(
    *,
    prompt: str,
    session: str,
    kind: str,
    reply: Reply,
    requested: int | None = None,
    at: datetime | None = None,
    region: str | None = None,
) -> Row:
    """The row that one reply makes. `requested` is the number of alternatives that was asked for."""
    tokens = reply.tokens
    top = clean_alternatives(token=tokens[0], requested=requested) if tokens else None
    return Row(
        prompt=prompt,
        session=session,
        kind=kind,
        text=reply.text if reply.choices else None,
        top=top,
        fingerprint=reply.fingerprint,
        model=reply.model,
        region=region,
        at=at,
    )


def lattice(values: Sequence[float]) -> float | None:
    """The coarsest step of which all differences inside one row are multiples; None when finer.

    A step of 1/16 or so says that the serving stack rounds its logits (bf16).
    """
    if len(values) < 3:
        return None
    differences = np.asarray(values, dtype=np.float64)
    differences = differences - differences[0]
    for step in LATTICES:
        if np.all(np.abs(differences - np.rint(differences / step) * step) <= LATTICE_TOLERANCE):
            return step
    return None


def rank_biased_overlap(left: Sequence[Key], right: Sequence[Key], *, persistence: float = 0.9) -> float:
    """Rank-biased overlap of two ranked lists cut at the same depth (Webber et al., 2010).

    The extrapolated form: two equal lists give 1, two disjoint ones 0, and early ranks weigh most.
    """
    depth = min(len(left), len(right))
    if depth == 0:
        return 1.0
    seen_left: set[Key] = set()
    seen_right: set[Key] = set()
    total = 0.0
    agreement = 0.0
    for rank in range(depth):
        seen_left.add(left[rank])
        seen_right.add(right[rank])
        agreement = len(seen_left & seen_right) / (rank + 1)
        total += agreement * persistence**rank
    return (1 - persistence) * total + agreement * persistence**depth


def _cleared(top: Sequence[tuple[Key, float]]) -> list[Key]:
    """The tokens that clear the last place by one lattice step, in order of rank (step 6)."""
    step = lattice([value for _, value in top]) or 0.0
    last = top[-1][1]
    return [key for key, value in top if value > last + 0.5 * step]


def top_overlap(baseline: Sequence[Row], tested: Sequence[Row], *, width: int) -> Overlap | None:
    """Jaccard of the token sets and rank-biased overlap of the typical lists of both groups."""
    groups = []
    for rows in (baseline, tested):
        tops = [row.top[:width] for row in rows if row.top]
        if not tops:
            return None
        groups.append(tops)
    listed = [{key for top in tops for key, _ in top} for tops in groups]
    cleared = [{key for top in tops for key in _cleared(top)} for tops in groups]
    # A token counts as entered or left only when it is clear of the boundary where it is listed.
    lost = len(cleared[0] - listed[1]) + len(cleared[1] - listed[0])
    common = len(listed[0] & listed[1])
    jaccard = common / (common + lost) if common + lost else 1.0
    typical = [_typical_order(tops) for tops in groups]
    return Overlap(jaccard=jaccard, rank_biased=rank_biased_overlap(typical[0], typical[1]))


def _typical_order(tops: Sequence[Sequence[tuple[Key, float]]]) -> list[Key]:
    ranks: dict[Key, list[int]] = {}
    for top in tops:
        for rank, (key, _) in enumerate(top):
            ranks.setdefault(key, []).append(rank)
    width = len(tops[0])
    score = {key: (sum(seen) + width * (len(tops) - len(seen))) / len(tops) for key, seen in ranks.items()}
    return sorted(score, key=lambda key: (score[key], _sortable(key)))[:width]


def common_width(rows: Iterable[Row]) -> int:
    """Step 4: the shortest list among the rows that are not damaged; 0 when none has one."""
    widths = sorted(len(row.top) for row in rows if row.top)
    if not widths:
        return 0
    typical = widths[len(widths) // 2]
    return next(width for width in widths if width >= max(1.0, SHORTEST_SHARE * typical))


def aligned(rows: Sequence[Row], *, width: int) -> Floats:
    """Steps 4 and 5: one line of log probabilities per row, over the columns they have in common."""
    tops = [dict((row.top or ())[:width]) for row in rows]
    lasts = [min(top.values()) for top in tops]
    counts: Counter[Key] = Counter(key for top in tops for key in top)
    columns = [key for key, seen in counts.items() if 2 * seen >= len(rows)]
    if not columns:
        columns = _largest_means(tops, lasts, width)
    columns.sort(key=_sortable)
    return np.array(
        [[top.get(key, last) for key in columns] for top, last in zip(tops, lasts, strict=True)],
        dtype=np.float64,
    )


def _largest_means(tops: Sequence[Mapping[Key, float]], lasts: Sequence[float], width: int) -> list[Key]:
    keys = {key for top in tops for key in top}
    means = {
        key: sum(top.get(key, last) for top, last in zip(tops, lasts, strict=True)) / len(tops)
        for key in keys
    }
    return sorted(keys, key=lambda key: (-means[key], _sortable(key)))[:width]


def pairwise_distances(vectors: Floats) -> Floats:
    """Mean absolute difference between every two rows."""
    return np.asarray(np.abs(vectors[:, None, :] - vectors[None, :, :]).mean(axis=2), dtype=np.float64)


def logprob_strata(*, baseline: Sequence[Row], tested: Sequence[Row]) -> list[Stratum]:
    """One stratum per question that both groups answered with log probabilities."""
    usable = [row for row in (*baseline, *tested) if row.top]
    width = common_width(usable)
    strata = []
    for prompt, known, new in _by_prompt(baseline, tested):
        known = [row for row in known if row.top and len(row.top) >= width]
        new = [row for row in new if row.top and len(row.top) >= width]
        if not known or not new or width == 0:
            continue
        vectors = aligned([*known, *new], width=width)
        strata.append(
            Stratum(
                prompt=prompt,
                distances=pairwise_distances(vectors),
                baseline=len(known),
                sessions=tuple(row.session for row in (*known, *new)),
                labels=tuple(row.fingerprint for row in (*known, *new)),
                vectors=vectors,
                overlap=top_overlap(known, new, width=width),
            )
        )
    return strata


def text_strata(*, baseline: Sequence[Row], tested: Sequence[Row]) -> list[Stratum]:
    """One stratum per question that both groups answered with a text; distance 1 where texts differ."""
    strata = []
    for prompt, known, new in _by_prompt(baseline, tested):
        known = [row for row in known if row.text is not None]
        new = [row for row in new if row.text is not None]
        if not known or not new:
            continue
        texts = [row.text or "" for row in (*known, *new)]
        different = sorted(set(texts))
        # Numbered by hand: numpy's strings lose trailing NULs.
        numbers = {text: number for number, text in enumerate(different)}
        codes = np.array([numbers[text] for text in texts])
        strata.append(
            Stratum(
                prompt=prompt,
                distances=(codes[:, None] != codes[None, :]).astype(np.float64),
                baseline=len(known),
                sessions=tuple(row.session for row in (*known, *new)),
                labels=tuple(row.fingerprint for row in (*known, *new)),
                partings=_partings(different)[np.ix_(codes, codes)],
            )
        )
    return strata


def common_prefix_length(left: str, right: str) -> int:
    """The number of characters two texts share from their start."""
    shared = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        shared += 1
    return shared


def _partings(texts: Sequence[str]) -> Floats:
    """How early each two of these different texts part; they come sorted.

    What two texts have in common at the beginning is the least that neighbours between them have.
    """
    lengths = np.array([len(text) for text in texts], dtype=np.float64)
    common = np.array([common_prefix_length(*pair) for pair in pairwise(texts)], dtype=np.float64)
    partings = np.zeros((len(texts), len(texts)))
    for number in range(len(common)):
        shared = np.minimum.accumulate(common[number:])
        later = 1 - shared / np.maximum(lengths[number], lengths[number + 1 :])
        partings[number, number + 1 :] = partings[number + 1 :, number] = later
    return partings


def _by_prompt(baseline: Sequence[Row], tested: Sequence[Row]) -> Iterable[tuple[str, list[Row], list[Row]]]:
    groups: dict[str, tuple[list[Row], list[Row]]] = {}
    for row in baseline:
        groups.setdefault(row.prompt, ([], []))[0].append(row)
    for row in tested:
        groups.setdefault(row.prompt, ([], []))[1].append(row)
    for prompt, (known, new) in groups.items():
        yield prompt, known, new
