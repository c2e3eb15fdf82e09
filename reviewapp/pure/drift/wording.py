"""The sentences a person reads, in plain words and with the figures that matter.

"Changed" means *differs from what was recorded*, never *worse*; no cause is named, but for what a text
that changed under unchanged log probabilities leaves over.
"""

from __future__ import annotations

from collections.abc import Sequence

from reviewapp.pure.drift.measures import Measure
from reviewapp.pure.drift.members import Archived, Pool
from reviewapp.pure.drift.statistics import Labels
from reviewapp.pure.said import Day, Figure, Joined, Message, Param, Said, said, say

OTHER_PARAMETERS = said("check_other_parameters")
NOTHING_COMPARABLE = said("check_nothing_comparable")
MIX_P = 0.01
# Below this floor no change of weights was ever seen to hide.
TIGHT_NATS = 3e-4

_KINDS = frozenset({"token", "seeded", "plain", "greedy", "border"})


def nats(value: float) -> Figure:
    """A difference of log probabilities, readable at any size."""
    return Figure(f"{value:.2g} nat")


def share(value: float) -> Param:
    """A share in whole per cent, but never rounded to none or all."""
    if 0 < value < 0.005:
        return say("under_one_percent")
    if 0.995 < value < 1:
        return say("over_99_percent")
    return Figure(f"{100 * value:.0f} %")


def _p(value: float) -> Figure:
    return Figure(f"{value:.2g}")


def _kind(measure: Measure) -> Message:
    return say(f"kind_{measure.kind if measure.kind in _KINDS else 'other'}")


def _finding(measure: Measure) -> Message:
    """What was measured, against what is ordinary."""
    name, effect, floor = measure.headline
    if name == "lp_shift":
        return say("found_shift", effect=nats(effect), ordinary=nats(floor))
    if measure.statistic == "lp_nearest":
        return say("found_nearest", effect=nats(measure.effect), ordinary=nats(measure.floor))
    if measure.statistic == "unseen_text":
        return say(
            "found_unseen",
            effect=share(measure.effect),
            kind=_kind(measure),
            ordinary=share(measure.ordinary),
        )
    if measure.statistic == "border_tv":
        effect, floor = measure.effect, measure.floor
        return say("found_border", effect=Figure(f"{effect:.2f}"), ordinary=Figure(f"{floor:.2f}"))
    return say(
        "found_distribution",
        kind=_kind(measure),
        effect=Figure(f"{measure.effect:.3f}"),
        ordinary=Figure(f"{measure.floor:.3f}"),
    )


def too_many_failures(*, failed: int, asked: int) -> Said:
    """More than one request in five failed."""
    return said("check_failures", failed=failed, asked=asked)


def too_few_replies(*, comparable: int, needed: int) -> Said:
    """Too little came back."""
    return said("check_few_replies", comparable=comparable, needed=needed)


def identical(looks: Sequence[Sequence[Measure]]) -> Said:
    """Nothing differed at all."""
    rows = sum(
        max(one.tested_rows for one in look if one.kind == kind)
        for look in looks
        for kind in {one.kind for one in look}
    )
    numbers = any(one.statistic == "lp_nearest" for one in looks[0])
    return said("check_identical_numbers" if numbers else "check_identical", rows=rows)


def changed(deciding: Measure, *, others: Sequence[Measure] = ()) -> Said:
    """The backend differs from what was recorded."""
    parts = [say("check_changed", finding=_finding(deciding), p=_p(deciding.p))]
    strayed = deciding.outliers
    if strayed.count and strayed.share < 0.95:
        parts.append(say("check_strayed", count=strayed.count, total=strayed.total))
    texts = next((one for one in others if one.statistic == "unseen_text"), None)
    if texts is not None and deciding.statistic == "lp_nearest":
        parts.append(say("check_text_too", share=share(texts.effect), kind=_kind(texts)))
    return Said(*parts)


def text_only_change(texts: Measure, numbers: Measure) -> Said:
    """The instructive contradiction: the text changed, the log probabilities did not."""
    return said(
        "check_text_only_wide" if numbers.floor > TIGHT_NATS else "check_text_only",
        share=share(texts.effect),
        kind=_kind(texts),
        floor=nats(numbers.floor),
        p=_p(numbers.p),
    )


def wide_divergences(*, wide: int, greedy: int) -> Said:
    """Replays at temperature 0 left their record where no rounding reaches."""
    return said("check_wide", wide=wide, greedy=greedy)


def to_confirm(measure: Measure) -> Said:
    """A first look that asks for fresh requests."""
    return said("check_to_confirm", finding=_finding(measure), p=_p(measure.p))


def partly_changed(measure: Measure, *, more: int) -> Said:
    """Some rows, less than half, come from something else."""
    strayed = measure.outliers
    return said(
        "check_partly",
        count=strayed.count,
        total=strayed.total,
        low=share(strayed.low),
        high=share(strayed.high),
        more=more,
    )


def unclear(measure: Measure, *, more: int) -> Said:
    """Fresh rows did not settle it."""
    told = say("check_unclear", finding=_finding(measure), p=_p(measure.p))
    return Said(told, _would_settle(measure, more))


def cannot_tell(measure: Measure, *, more: int) -> Said:
    """The baseline differs from itself too much for this statistic."""
    return said("check_cannot_tell", share=share(measure.ordinary), kind=_kind(measure), more=more)


def too_weak(measure: Measure, *, more: int) -> Said:
    """No difference seen, but the check could not have seen one either."""
    return Said(say("check_too_weak", effect=_effect(measure)), _would_settle(measure, more))


def _effect(measure: Measure) -> Param:
    if measure.statistic == "lp_nearest":
        return nats(measure.detectable)
    if measure.statistic == "unseen_text":
        return share(min(1.0, measure.detectable))
    return Figure(f"{measure.detectable:.2f}")


def _would_settle(measure: Measure, more: int) -> Message:
    return say("check_settle_sessions" if measure.sessions < 3 else "check_settle", more=more)


def nondeterministic(
    measure: Measure,
    *,
    new_texts: Measure | None,
    exact: float | None,
    total_agreement: float | None,
    replays: int,
) -> Said:
    """The same backend, whose answers vary as they always did."""
    parts = [say("check_same", finding=_finding(measure), p=_p(measure.p), effect=_effect(measure))]
    if new_texts is not None:
        parts.append(say("check_new_texts", share=share(new_texts.effect), kind=_kind(new_texts)))
    if exact is not None and total_agreement is not None:
        parts.append(
            say("check_agreement", exact=share(exact), total=share(total_agreement), replays=replays)
        )
    return Said(*parts)


def label_note(labels: Labels, *, same: bool, measure: Measure | None) -> Said:
    """The vendor's fingerprint, always apart from the verdict."""
    if labels.absent:
        return said("label_none")
    if labels.new:
        names: Param = Joined(tuple(labels.new[:3]))
        if len(labels.new) > 3:
            names = say("names_others", names=names)
        if same and measure is not None:
            return said("label_new_same", names=names, p=_p(measure.p), rows=measure.tested_rows)
        return said("label_new", names=names)
    return said("label_same") if labels.known else said("label_no_record")


def pool_notes(pool: Pool) -> list[Said]:
    """What is known of the pool's members."""
    if pool.members < 2:
        return []
    notes = [said("pool_members", members=pool.members)]
    if pool.mix_p <= MIX_P and pool.known_rows >= 0.9 * pool.total_rows:
        notes.append(said("pool_mix", p=_p(pool.mix_p)))
    return notes


def same_as_before(earlier: Archived) -> Said:
    """A rollback, recognised by name."""
    return said("check_same_as", day=Day(earlier.until.date()), name=earlier.name)
