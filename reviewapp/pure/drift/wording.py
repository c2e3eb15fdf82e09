"""The sentences a person reads, in plain words and with the figures that matter.

"Changed" means *differs from what was recorded*, never *worse*; no cause is named, but for what a text
that changed under unchanged log probabilities leaves over.
"""

from __future__ import annotations

from collections.abc import Sequence

from reviewapp.pure.drift.measures import Measure
from reviewapp.pure.drift.members import Archived, Pool
from reviewapp.pure.drift.statistics import Labels

OTHER_PARAMETERS = "The check was asked with other parameters or another client than the baseline."
NOTHING_COMPARABLE = "No question was answered on both sides in a form that can be compared."
MIX_P = 0.01
# Below this floor no change of weights was ever seen to hide.
TIGHT_NATS = 3e-4

_KINDS = {
    "token": "one-token answers at temperature 0",
    "seeded": "seeded texts",
    "plain": "seeded texts under the server's own sampler settings",
    "greedy": "texts at temperature 0",
    "border": "answers to border inputs",
}


def nats(value: float) -> str:
    """A difference of log probabilities, readable at any size."""
    return f"{value:.2g} nat"


def share(value: float) -> str:
    """A share in whole per cent, but never rounded to none or all."""
    if 0 < value < 0.005:
        return "under 1 %"
    if 0.995 < value < 1:
        return "over 99 %"
    return f"{100 * value:.0f} %"


def _p(value: float) -> str:
    return f"p = {value:.2g}"


def _kind(measure: Measure) -> str:
    return _KINDS.get(measure.kind, "replayed texts")


def _finding(measure: Measure) -> str:
    """What was measured, against what is ordinary."""
    name, effect, floor = measure.headline
    if name == "lp_shift":
        return (
            f"log probabilities moved by {nats(effect)} on average, "
            f"where ordinary variation reaches {nats(floor)}"
        )
    if measure.statistic == "lp_nearest":
        return (
            f"log probabilities lie {nats(measure.effect)} from the nearest answer on record, "
            f"where ordinary variation reaches {nats(measure.floor)}"
        )
    if measure.statistic == "unseen_text":
        return (
            f"{share(measure.effect)} of the {_kind(measure)} were never given by the baseline, "
            f"which differs from itself in {share(measure.ordinary)} at most"
        )
    if measure.statistic == "border_tv":
        return (
            f"answers to border inputs moved by {measure.effect:.2f} (0 is none, 1 is all), "
            f"where ordinary variation reaches {measure.floor:.2f}"
        )
    return (
        f"the distribution of the {_kind(measure)} moved by {measure.effect:.3f}, "
        f"where ordinary variation reaches {measure.floor:.3f}"
    )


def too_many_failures(*, failed: int, asked: int) -> str:
    """More than one request in five failed."""
    return (
        f"{failed} of {asked} requests failed; with more than one in five failing, "
        "the answers that came are no fair sample."
    )


def too_few_replies(*, comparable: int, needed: int) -> str:
    """Too little came back."""
    return f"Only {comparable} comparable replies came; at least {needed} are needed."


def identical(looks: Sequence[Sequence[Measure]]) -> str:
    """Nothing differed at all."""
    rows = sum(
        max(one.tested_rows for one in look if one.kind == kind)
        for look in looks
        for kind in {one.kind for one in look}
    )
    also = ", log probabilities included" if any(one.statistic == "lp_nearest" for one in looks[0]) else ""
    return f"Identical: all {rows} answers equal the recorded ones{also}."


def changed(deciding: Measure, *, others: Sequence[Measure] = ()) -> str:
    """The backend differs from what was recorded."""
    sentence = (
        f"The backend answers differently from what was recorded: {_finding(deciding)}; "
        f"fresh requests showed it again ({_p(deciding.p)})."
    )
    strayed = deciding.outliers
    if strayed.count and strayed.share < 0.95:
        sentence += (
            f" {strayed.count} of {strayed.total} answers came from something the baseline never showed."
        )
    texts = next((one for one in others if one.statistic == "unseen_text"), None)
    if texts is not None and deciding.statistic == "lp_nearest":
        sentence += f" The text changed too: {share(texts.effect)} of the {_kind(texts)} are new."
    return sentence


def text_only_change(texts: Measure, numbers: Measure) -> str:
    """The instructive contradiction: the text changed, the log probabilities did not."""
    sentence = (
        f"The text changed but the log probabilities did not: {share(texts.effect)} of the {_kind(texts)} "
        f"were never given by the baseline, while log probabilities stay within {nats(numbers.floor)} of it "
        f"({_p(numbers.p)}). So the sampler, a stop rule or the handling of the seed changed"
    )
    if numbers.floor > TIGHT_NATS:
        sentence += f", or the numbers did by less than the {nats(numbers.floor)} that are ordinary here"
    return f"{sentence}."


def wide_divergences(*, wide: int, greedy: int) -> str:
    """Replays at temperature 0 left their record where no rounding reaches."""
    return (
        f"The backend answers differently from what was recorded: {wide} of {greedy} replays at temperature "
        "0 left their record at a word where the first choice led by more than five times its ordinary noise."
    )


def to_confirm(measure: Measure) -> str:
    """A first look that asks for fresh requests."""
    return f"A first look is not clear: {_finding(measure)} ({_p(measure.p)}). Fresh requests decide."


def partly_changed(measure: Measure, *, more: int) -> str:
    """Some rows, less than half, come from something else."""
    strayed = measure.outliers
    return (
        f"Some requests were answered by another backend: {strayed.count} of {strayed.total} "
        f"({share(strayed.low)} to {share(strayed.high)} in the long run), the others by the known one. "
        f"Some {more} more requests would tell whether the share is lasting."
    )


def unclear(measure: Measure, *, more: int) -> str:
    """Fresh rows did not settle it."""
    return f"Not settled: {_finding(measure)} ({_p(measure.p)}). {_would_settle(measure, more)}"


def cannot_tell(measure: Measure, *, more: int) -> str:
    """The baseline differs from itself too much for this statistic."""
    return (
        f"These texts cannot tell: the baseline differs from itself in {share(measure.ordinary)} of the "
        f"{_kind(measure)}, so there is no room to see a change. Log probabilities, shorter texts or some "
        f"{more} more requests to the baseline would settle it."
    )


def too_weak(measure: Measure, *, more: int) -> str:
    """No difference seen, but the check could not have seen one either."""
    return (
        f"No difference was seen, but the smallest this check could have found is {_effect(measure)}. "
        f"{_would_settle(measure, more)}"
    )


def _effect(measure: Measure) -> str:
    if measure.statistic == "lp_nearest":
        return nats(measure.detectable)
    return (
        share(min(1.0, measure.detectable))
        if measure.statistic == "unseen_text"
        else f"{measure.detectable:.2f}"
    )


def _would_settle(measure: Measure, more: int) -> str:
    if measure.sessions < 3:
        return f"A baseline of three sessions and some {more} more requests would settle it."
    return f"Some {more} more requests would settle it."


def nondeterministic(
    measure: Measure,
    *,
    new_texts: Measure | None,
    exact: float | None,
    total_agreement: float | None,
    replays: int,
) -> str:
    """The same backend, whose answers vary as they always did."""
    sentence = (
        "Same backend, as far as the check can see: "
        f"{_finding(measure)} ({_p(measure.p)}); a change of {_effect(measure)} would have been found."
    )
    if new_texts is not None:
        sentence += (
            f" {share(new_texts.effect)} of the {_kind(new_texts)} are new all the same: rounding does that "
            "where log probabilities stay, as under another load."
        )
    if exact is not None and total_agreement is not None:
        sentence += (
            f" {share(exact)} of the texts equal the record; {share(total_agreement)} of the questions got "
            f"the same text all {replays} times (TARr@{replays})."
        )
    return sentence


def label_note(labels: Labels, *, same: bool, measure: Measure | None) -> str:
    """The vendor's fingerprint, always apart from the verdict."""
    if labels.absent:
        return "Fingerprint: none reported."
    if labels.new:
        names = ", ".join(labels.new[:3]) + (" and others" if len(labels.new) > 3 else "")
        if same and measure is not None:
            return (
                f"Fingerprint: new ({names}). The vendor says the stack changed; behaviour does not differ "
                f"({_p(measure.p)}, {measure.tested_rows} answers)."
            )
        return f"Fingerprint: new ({names})."
    return "Fingerprint: the same as before." if labels.known else "Fingerprint: none on record."


def pool_notes(pool: Pool) -> list[str]:
    """What is known of the pool's members."""
    if pool.members < 2:
        return []
    notes = [f"The baseline shows {pool.members} kinds of answers to a typical question."]
    if pool.mix_p <= MIX_P and pool.known_rows >= 0.9 * pool.total_rows:
        notes.append(
            "The pool's mix moved: known members answer in other proportions than before "
            f"({_p(pool.mix_p)}). That is no change of what answers."
        )
    return notes


def same_as_before(earlier: Archived) -> str:
    """A rollback, recognised by name."""
    return f"The answers are the same as before {earlier.until:%-d %B %Y} ({earlier.name})."
