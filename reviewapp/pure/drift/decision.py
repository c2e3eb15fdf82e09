"""One verdict out of everything that was measured, with the sentence that explains it.

A p-value alone is no verdict: on real daily data of an unchanged endpoint a correct permutation test
fired on 6 of 15 days. *Changed* therefore takes three things, twice, the second time on fresh requests:
p at or below 0.01, an effect at or above the floor of ordinary variation, and a baseline of three
sessions. One short cut exists: a baseline that was bit-identical over fourteen rows, from which nine rows
in ten differ, twice.

*Same* takes a check that would have seen a change: its smallest detectable effect must not be more than
three floors. Where a first look is unclear (p at or below 0.05, or an effect above the floor), fresh
rows decide; what did not repeat is no difference. Everything else is inconclusive, and says what would
settle it.

Where log probabilities vouch for the backend, fewer new texts than the floor raise no doubt: a server
that batches differently rounds differently, and that changes two texts in five while the numbers stay.
Where nothing vouches, requests that went astray are told from rounding by their spread: rounding always
takes the same questions.

Log probabilities and texts may disagree in one instructive way: the text changed and the log
probabilities did not. Then what lies between them changed (how tokens are drawn, where the answer stops,
what the seed does), and the sentence says so. "Changed" always means *differs from what was recorded*,
never *worse*, and no cause is named beyond that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reviewapp.pure.drift import members, statistics, wording
from reviewapp.pure.drift.floors import SESSIONS_NEEDED
from reviewapp.pure.drift.measures import IDENTICAL_WITHIN, TEXT_CUT, Measure, measure_look
from reviewapp.pure.drift.panel import CONFIRMING_ROWS, LEAST_BASELINE_ROWS
from reviewapp.pure.drift.permutation import CONFIRMING_PERMUTATIONS, ROUTINE_PERMUTATIONS
from reviewapp.pure.drift.rows import Row, logprob_strata, text_strata
from reviewapp.pure.verdicts.values import VerdictKind

CHANGE_P = 0.01
DOUBT_P = 0.05
LEAST_REPLIES = 5
MOST_FAILURES = 0.2
BIT_IDENTICAL_SHARE = 0.9
OUTLIERS_BELOW = 0.5
CONCENTRATED_P = 0.01
DETECTABLE_FLOORS = 3.0
WIDE_SHARE = 0.2
LEAST_WIDE = 2


SAME = frozenset({VerdictKind.IDENTICAL, VerdictKind.NONDETERMINISTIC})


@dataclass(frozen=True, slots=True)
class Check:
    """The rows of one check: a first look, and as many fresh looks as were asked to confirm it.

    `asked` and `failed` count the requests of the check; `wide` of `greedy` replays at temperature 0
    left their record where the gap was more than five spreads wide.
    """

    looks: tuple[tuple[Row, ...], ...]
    asked: int
    failed: int = 0
    seed_honoured: bool = True
    same_parameters: bool = True
    wide: int = 0
    greedy: int = 0

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all looks."""
        return tuple(row for look in self.looks for row in look)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often answers repeat: e, TARr@N, and N."""

    exact: float | None
    total_agreement: float | None
    replays: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, the sentence, and the figures that carried it.

    `wants_confirmation` says that fresh requests would settle it now; `more_requests` how many.
    """

    verdict: VerdictKind
    sentence: str
    deciding: Measure | None
    looks: tuple[tuple[Measure, ...], ...]
    labels: statistics.Labels
    agreement: Agreement
    notes: tuple[str, ...] = ()
    pool: members.Pool | None = None
    same_as: members.Archived | None = None
    wants_confirmation: bool = False
    more_requests: int = 0


def decide(
    *,
    baseline: Sequence[Row],
    check: Check,
    rng: np.random.Generator,
    archive: Sequence[members.Archived] = (),
    routine_permutations: int = ROUTINE_PERMUTATIONS,
) -> Decision:
    """The verdict of a check against its baseline."""
    labels = statistics.compare_labels(baseline=baseline, tested=check.rows)
    agreement = _agreement(baseline, check.rows)
    reason = _not_comparable(baseline, check)
    if reason is not None:
        return Decision(
            verdict=VerdictKind.INCONCLUSIVE,
            sentence=reason,
            deciding=None,
            looks=(),
            labels=labels,
            agreement=agreement,
        )
    looks = tuple(
        tuple(
            measure_look(
                baseline=baseline,
                look=look,
                seed_honoured=check.seed_honoured,
                rng=rng,
                permutations=CONFIRMING_PERMUTATIONS if number else routine_permutations,
            )
        )
        for number, look in enumerate(check.looks)
    )
    decision = judge(looks=looks, check=check, labels=labels, agreement=agreement)
    return _with_pool(decision, baseline, check, rng=rng, archive=archive)


def judge(
    *,
    looks: tuple[tuple[Measure, ...], ...],
    check: Check,
    labels: statistics.Labels,
    agreement: Agreement,
) -> Decision:
    """The verdict on looks that were measured already."""
    return _rule(_Weighed(looks=looks, check=check, labels=labels, agreement=agreement))


@dataclass(frozen=True, slots=True)
class _Weighed:
    """All measures of all looks, with what the sentences need besides."""

    looks: tuple[tuple[Measure, ...], ...]
    check: Check
    labels: statistics.Labels
    agreement: Agreement

    @property
    def pairs(self) -> list[tuple[Measure, Measure]]:
        """Each measure of the last look with its like in the look before; with itself in a single look."""
        before = {(one.statistic, one.kind): one for one in self.looks[max(0, len(self.looks) - 2)]}
        return [
            (before[last.statistic, last.kind], last)
            for last in self.looks[-1]
            if (last.statistic, last.kind) in before
        ]

    @property
    def confirmed(self) -> bool:
        """Whether fresh requests were asked."""
        return len(self.looks) > 1

    def decision(
        self,
        verdict: VerdictKind,
        sentence: str,
        deciding: Measure | None,
        *,
        wants_confirmation: bool = False,
        more_requests: int = 0,
    ) -> Decision:
        return Decision(
            verdict=verdict,
            sentence=sentence,
            deciding=deciding,
            looks=self.looks,
            labels=self.labels,
            agreement=self.agreement,
            notes=(wording.label_note(self.labels, same=verdict in SAME, measure=deciding),),
            wants_confirmation=wants_confirmation,
            more_requests=more_requests,
        )


def _not_comparable(baseline: Sequence[Row], check: Check) -> str | None:
    """Why nothing can be concluded, if so, before anything is measured."""
    if not check.same_parameters:
        return wording.OTHER_PARAMETERS
    if check.asked and check.failed > MOST_FAILURES * check.asked:
        return wording.too_many_failures(failed=check.failed, asked=check.asked)
    known = {(row.kind, row.prompt) for row in baseline}
    comparable = sum((row.kind, row.prompt) in known for row in check.rows)
    if comparable < LEAST_REPLIES:
        return wording.too_few_replies(comparable=comparable, needed=LEAST_REPLIES)
    return None


def _rule(weighed: _Weighed) -> Decision:
    """The rules in their order: identical, changed, partly changed, inconclusive, same."""
    pairs = weighed.pairs
    if not pairs:
        return weighed.decision(VerdictKind.INCONCLUSIVE, wording.NOTHING_COMPARABLE, None)
    if _is_identical(weighed):
        return weighed.decision(VerdictKind.IDENTICAL, wording.identical(weighed.looks), pairs[0][1])
    changed = [last for before, last in pairs if speaks_for_change(before, last)]
    if weighed.confirmed and changed:
        return _changed(weighed, changed)
    check = weighed.check
    if check.wide >= max(LEAST_WIDE, WIDE_SHARE * check.greedy):
        sentence = wording.wide_divergences(wide=check.wide, greedy=check.greedy)
        return weighed.decision(VerdictKind.BACKEND_CHANGED, sentence, pairs[0][1])
    telling = [last for _, last in pairs if last.can_tell]
    partly = [last for last in telling if _is_partly_changed(last)]
    unclear = [last for last in telling if _is_unclear(last, confirmed=weighed.confirmed)]
    if not weighed.confirmed and (unclear or partly):
        return _to_confirm(weighed, [*unclear, *partly])
    return _unchanged(weighed, telling=telling, partly=partly, unclear=unclear)


def _to_confirm(weighed: _Weighed, unclear: Sequence[Measure]) -> Decision:
    worst = min(unclear, key=lambda one: one.p)
    return weighed.decision(
        VerdictKind.INCONCLUSIVE,
        wording.to_confirm(worst),
        worst,
        wants_confirmation=True,
        more_requests=CONFIRMING_ROWS * worst.questions,
    )


def _unchanged(
    weighed: _Weighed, *, telling: Sequence[Measure], partly: Sequence[Measure], unclear: Sequence[Measure]
) -> Decision:
    """Not changed: the same, or inconclusive with what would settle it."""
    first = weighed.pairs[0][1]
    vouched = any(_vouches(one, [*unclear, *partly]) for one in telling)
    if vouched:
        partly = []
    if partly:
        most = max(partly, key=lambda one: one.outliers.share)
        more = 2 * most.tested_rows
        return weighed.decision(
            VerdictKind.INCONCLUSIVE, wording.partly_changed(most, more=more), most, more_requests=more
        )
    open_questions = [one for one in unclear if not (vouched and one.below_floor)]
    if open_questions:
        worst = min(open_questions, key=lambda one: one.p)
        more = _more(worst)
        return weighed.decision(
            VerdictKind.INCONCLUSIVE, wording.unclear(worst, more=more), worst, more_requests=more
        )
    if not telling:
        more = _more(first)
        return weighed.decision(
            VerdictKind.INCONCLUSIVE, wording.cannot_tell(first, more=more), first, more_requests=more
        )
    sharp = [one for one in telling if _is_sharp(one)]
    if not sharp:
        more = _more(telling[0])
        return weighed.decision(
            VerdictKind.INCONCLUSIVE, wording.too_weak(telling[0], more=more), telling[0], more_requests=more
        )
    agreement = weighed.agreement
    sentence = wording.nondeterministic(
        sharp[0],
        new_texts=max(unclear, key=lambda one: one.effect, default=None),
        exact=agreement.exact,
        total_agreement=agreement.total_agreement,
        replays=agreement.replays,
    )
    return weighed.decision(VerdictKind.NONDETERMINISTIC, sentence, sharp[0])


def _is_identical(weighed: _Weighed) -> bool:
    """Every reply equals its record, and no log probability moved."""
    return weighed.agreement.exact == 1.0 and all(
        one.largest_distance <= IDENTICAL_WITHIN
        for look in weighed.looks
        for one in look
        if one.statistic == "lp_nearest"
    )


def speaks_for_change(before: Measure, last: Measure) -> bool:
    """The rule of the module's docstring for one measure, in one look and in the fresh one after it."""
    often = min(before.differing_share, last.differing_share) >= BIT_IDENTICAL_SHARE
    if last.repeatable_baseline and often and last.can_tell:
        return True
    if not (before.passes(p=CHANGE_P) and last.passes(p=CHANGE_P)):
        return False
    return last.sessions >= SESSIONS_NEEDED


def _is_unclear(last: Measure, *, confirmed: bool) -> bool:
    """Whether a measure leaves the question open: improbable, or above what is ordinary.

    After fresh rows a p between 0.01 and 0.05 is what one measure in twenty shows by chance.
    """
    return last.p <= (CHANGE_P if confirmed else DOUBT_P) or not last.below_floor


def _is_partly_changed(last: Measure) -> bool:
    """Whether some rows, less than half, lie off everything the baseline has shown."""
    strayed = last.outliers
    return (
        strayed.count > 0
        and strayed.p <= CHANGE_P
        and strayed.share < OUTLIERS_BELOW
        and last.concentration_p > CONCENTRATED_P
    )


def _vouches(one: Measure, doubted: Sequence[Measure]) -> bool:
    """Whether log probabilities say "same" sharply enough to stand up for the backend."""
    return one.statistic == "lp_nearest" and one not in doubted and _is_sharp(one)


def _is_sharp(one: Measure) -> bool:
    """Whether the look would have found a change worth finding.

    A floor made of one row a session is as wide as the members of a fleet lie apart, and the most
    likely token stays the most likely one through nearly any change.
    """
    if one.statistic == "unseen_text" and one.kind == "token":
        return False
    if one.ordinary > 0 and one.baseline_rows < LEAST_BASELINE_ROWS * one.questions:
        return False
    return one.detectable <= DETECTABLE_FLOORS * one.floor


def _changed(weighed: _Weighed, changed: Sequence[Measure]) -> Decision:
    numbers = next((one for one in weighed.looks[-1] if one.statistic == "lp_nearest"), None)
    deciding = changed[0]
    if numbers is not None and numbers not in changed and numbers.below_floor and numbers.p > DOUBT_P:
        return weighed.decision(
            VerdictKind.BACKEND_CHANGED, wording.text_only_change(deciding, numbers), deciding
        )
    return weighed.decision(
        VerdictKind.BACKEND_CHANGED, wording.changed(deciding, others=changed[1:]), deciding
    )


def _more(measure: Measure) -> int:
    """How many more requests would settle it: as many as there are, twice over."""
    return 2 * (measure.baseline_rows + measure.tested_rows)


def _agreement(baseline: Sequence[Row], rows: Sequence[Row]) -> Agreement:
    """How often texts under test equal the record, and whether all replies to a question agree."""
    texts: dict[str, list[str]] = {}
    replays: dict[str, list[str]] = {}
    for row in baseline:
        if row.text is not None:
            texts.setdefault(row.prompt, []).append(row.text)
    for row in rows:
        if row.text is not None and row.prompt in texts:
            replays.setdefault(row.prompt, []).append(row.text)
    if not replays:
        return Agreement(exact=None, total_agreement=None, replays=0)
    shares = [statistics.exact_share(record=texts[name][0], replays=told) for name, told in replays.items()]
    together = {name: [*texts[name], *told] for name, told in replays.items()}
    return Agreement(
        exact=sum(shares) / len(shares),
        total_agreement=statistics.total_agreement(together),
        replays=round(sum(map(len, together.values())) / len(together)),
    )


def _with_pool(
    decision: Decision,
    baseline: Sequence[Row],
    check: Check,
    *,
    rng: np.random.Generator,
    archive: Sequence[members.Archived],
) -> Decision:
    """The pool's members and the archive: they add sentences and never turn a verdict."""
    numbers = next((one for one in decision.looks[-1] if one.statistic == "lp_nearest"), None)
    if numbers is not None:
        strata, cut = logprob_strata(baseline=baseline, tested=check.rows), numbers.outliers.cut
    else:
        strata, cut = text_strata(baseline=baseline, tested=check.rows), TEXT_CUT
    pool = members.describe_pool(strata, cut=cut, rng=rng) if strata else None
    notes = list(decision.notes)
    same_as = None
    if pool is not None and decision.verdict in SAME:
        notes += wording.pool_notes(pool)
    if decision.verdict is VerdictKind.BACKEND_CHANGED:
        same_as = members.recognise(tested=check.rows, archive=archive, cut=cut)
        if same_as is not None:
            notes.append(wording.same_as_before(same_as))
    return replace(decision, pool=pool, same_as=same_as, notes=tuple(notes))
