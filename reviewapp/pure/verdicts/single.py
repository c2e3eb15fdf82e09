"""The verdict of one comparison.

The rules are tried in order, and the first that applies decides:

1. no answer on one side: failed, or inconclusive when the original is the error;
2. the same answer: identical or equivalent, whatever else differs;
3. asked differently, cut off, or stopped by a filter: inconclusive, since nothing can be measured;
4. the provider names another model: changed;
5. the probabilities moved further than noise explains: changed, if the fingerprint differs too or
   the evidence is strong by itself (`Weight.strong`); else inconclusive;
6. they moved no further than noise: nondeterministic, whatever the fingerprint says, unless the text was
   another one every time before: then inconclusive, and the sentence says just that;
7. what the same request was answered before (see `earlier`), the texts of other replays (see
   `together`), then the canaries;
8. otherwise inconclusive, with what would settle it.

A fingerprint decides nothing alone; it only lowers the bar in 5 and 7. Unseeded requests, and
seeds that a provider ignores, leave only the probabilities to compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reviewapp.pure.canonical import SEED_FIELDS
from reviewapp.pure.differences.chances import has_chances
from reviewapp.pure.differences.equivalence import in_order, likeness
from reviewapp.pure.differences.settings import setting_differences
from reviewapp.pure.differences.vectors import cosine
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts import fingerprints, wording
from reviewapp.pure.verdicts.earlier import Drop, find_drop, judge_drop
from reviewapp.pure.verdicts.messages import Message, say, short, told_apart
from reviewapp.pure.verdicts.noise import Noise, measure_noise
from reviewapp.pure.verdicts.together import REPLAYS_TO_AGREE, Together, gather
from reviewapp.pure.verdicts.values import (
    CERTAIN,
    FAIR,
    GOOD,
    NO_EVIDENCE,
    STRONG,
    Evidence,
    Figure,
    Rule,
    Verdict,
    VerdictKind,
)
from reviewapp.pure.verdicts.weighing import has_seed, is_greedy, sent_seed, weigh

_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "incomplete", "model_length"})
_FILTERED: Final = "content_filter"
# Embeddings: repeats agree to about four digits of the cosine; another model's vectors never do to two.
_ROUNDING_COSINE: Final = 0.9999
_OTHER_COSINE: Final = 0.99
# With so many replays done, more of them would not tell more.
_ENOUGH_REPLAYS: Final = 9


def compare(original: Exchange, attempt: Exchange, *, context: Evidence = NO_EVIDENCE) -> Verdict:
    """What asking again shows, given what else is known."""
    others = [other for other in context.others if not fault(other)]
    replays = [attempt, *others] if not fault(attempt) else others
    together = gather(original.reply, list(enumerate(replays)), context.equivalence)
    drop = drop_among(replays, together, context)
    return Comparing(original, attempt, context, measure_noise(others), together, drop).verdict()


def drop_among(replays: Sequence[Exchange], together: Together, context: Evidence) -> Drop | None:
    """How much seldomer these replays give the original's answer than was measured before them."""
    return find_drop(
        context,
        same=together.same,
        count=together.count,
        groups=len(together.groups),
        fingerprints={replay.reply.fingerprint or None for replay in replays},
    )


def fault(exchange: Exchange) -> Message | None:
    """Why this exchange holds no answer; None when it does."""
    status, error = exchange.status, exchange.reply.error
    if status is not None and not 200 <= status < 300:
        return say("failed_status", status=status, error=short(error or "no message").rstrip("."))
    if error:
        return say("failed_error", error=short(error).rstrip("."))
    return None if exchange.reply.choices else say("failed_empty")


class Comparing:
    """One comparison in the making: the two exchanges, what is known beside them, and the rules."""

    def __init__(
        self,
        original: Exchange,
        attempt: Exchange,
        context: Evidence,
        noise: Noise,
        together: Together,
        drop: Drop | None,
    ) -> None:
        self.original = original
        self.attempt = attempt
        self.context = context
        # This attempt and the other replays, by their answers.
        self.together = together
        self.drop = drop
        self.greedy = is_greedy(original.request)
        self.relation = fingerprints.relation(original.reply, attempt.reply, context)
        self.other_name = fingerprints.models_differ(original.reply.model, attempt.reply.model)
        self.announced = self.other_name or self.relation in fingerprints.ANNOUNCED
        self.alike = likeness(original.reply, attempt.reply, rules=context.equivalence)
        self.weight = weigh(original, attempt, noise=noise, choice=self.alike.choice or 0)

    def verdict(self) -> Verdict:
        """The first rule that applies decides."""
        return (
            self._missing()
            or self._same()
            or self._asked_otherwise()
            or self._cut()
            or self._vectors()
            or self._other_model()
            or self._by_earlier()
            or self._by_probabilities()
            or self._by_other_replays()
            or self._by_canaries()
            or self._undecided()
        )

    @property
    def convincing(self) -> bool:
        """Whether this replay alone shows that the backend changed: announced, or strong by itself."""
        if self.names_other_model:
            return True
        known = self.drop is not None and self.drop.clear
        supported = self.announced or self.weight.strong or self.context.canary == "changed" or known
        return self.weight.leaning == "moved" and supported

    @property
    def steady(self) -> bool:
        """Whether the canaries speak for a backend that stayed as it was.

        A check from before the replay says nothing of a value that nobody has seen before it.
        """
        canary = self.context.canary
        return canary == "steady" or (
            canary == "steady_so_far" and self.relation not in fingerprints.UNKNOWN_VALUES
        )

    @property
    def names_other_model(self) -> bool:
        """Whether the provider states that another model answered."""
        return self.other_name and not fingerprints.is_file(self.attempt.reply.model)

    # ---- 1 to 3: is there something to compare, and does it differ? ----

    def _missing(self) -> Verdict | None:
        trouble = fault(self.attempt)
        if trouble is not None:
            parts = (trouble, say("failed_note"))
            return Verdict(kind=VerdictKind.FAILED, confidence=CERTAIN, parts=parts, rule="missing")
        trouble = fault(self.original)
        if trouble is None:
            return None
        error, status = trouble.params.get("error") or "no answer", trouble.params.get("status")
        part = say("original_failed", error=f"{status}: {error}" if status else str(error))
        return Verdict(kind=VerdictKind.INCONCLUSIVE, confidence=None, parts=(part,), rule="missing")

    def _same(self) -> Verdict | None:
        alike, weight = self.alike, self.weight
        if not alike.same:
            return None
        if alike.sameness == "equivalent":
            kind = VerdictKind.EQUIVALENT
            key = "equivalent" if len(alike.excuses) > 1 else f"equivalent_{alike.excuses[0]}"
        else:
            kind = VerdictKind.IDENTICAL
            empty = not any(c.text or c.refusal or c.tool_calls for c in self.attempt.reply.choices)
            key = "identical_empty" if empty else "identical"
        parts = [say(key), self.clause()]
        if weight.shifted and weight.shift is not None:
            moved, floor = told_apart(weight.shift.probability, weight.shift_floor)
            parts.append(say("identical_but_moved", moved=moved, floor=floor))
        return self._verdict(kind, CERTAIN, parts, "same")

    def _asked_otherwise(self) -> Verdict | None:
        found = setting_differences(self.original.request, self.attempt.request, given=self.context.overrides)
        # The likeliest token is the same under every seed.
        idle = SEED_FIELDS if self.greedy else ()
        settings = [setting for setting in found if not setting.neutral and setting.name not in idle]
        if not settings:
            return None
        key = "overridden" if self.context.overrides else "asked_otherwise"
        parts = [say(key, settings=wording.asked(settings)), say("settle_same_settings")]
        return self._verdict(VerdictKind.INCONCLUSIVE, None, parts, "settings")

    def _cut(self) -> Verdict | None:
        one, other = self.original.reply, self.attempt.reply
        filtered = one.finish_reason == _FILTERED, other.finish_reason == _FILTERED
        if filtered[0] != filtered[1]:
            parts = [self.clause(), say("filtered_replay" if filtered[1] else "filtered_original")]
        elif other.finish_reason in _CUT and one.text.rstrip().startswith(other.text.rstrip()):
            parts = [self.clause(), say("cut_replay"), say("settle_limit")]
        elif one.finish_reason in _CUT and other.text.rstrip().startswith(one.text.rstrip()):
            parts = [self.clause(), say("cut_original"), say("settle_limit")]
        else:
            return None
        return self._verdict(VerdictKind.INCONCLUSIVE, None, parts, "cut")

    def _vectors(self) -> Verdict | None:
        """Embeddings are drawn by no chance: rounding or not is all there is to tell."""
        if self.original.endpoint != "embeddings":
            return None
        found = cosine(in_order(self.original.reply), in_order(self.attempt.reply))
        told = "–" if found is None else f"{found:.5f}"
        if found is not None and found >= _ROUNDING_COSINE:
            parts = [self.clause(), say("vectors_rounded", cosine=told)]
            return self._verdict(VerdictKind.NONDETERMINISTIC, GOOD, parts, "vectors")
        if found is not None and found < _OTHER_COSINE:
            parts = [*self.head(), say("vectors_changed", cosine=told)]
            return self._verdict(VerdictKind.BACKEND_CHANGED, GOOD, parts, "vectors")
        parts = [self.clause(), say("vectors_differ", cosine=told)]
        return self._verdict(VerdictKind.INCONCLUSIVE, None, parts, "vectors")

    # ---- 4 to 6: what the provider and the probabilities say ----

    def _other_model(self) -> Verdict | None:
        if not self.names_other_model:
            return None
        return self._verdict(VerdictKind.BACKEND_CHANGED, STRONG, [*self.head(), self._where()], "model")

    def _by_probabilities(self) -> Verdict | None:
        weight = self.weight
        if weight.leaning == "moved":
            return self._moved()
        if weight.leaning == "chance":
            parts = [self.clause(), wording.explained(weight)]
            seen = weight.moved is not None and not weight.at_least
            confidence = (STRONG if seen else GOOD) if weight.noise.measured else (GOOD if seen else FAIR)
            return self._verdict(VerdictKind.NONDETERMINISTIC, confidence, parts, "probabilities")
        if weight.leaning == "unknown":
            return None
        # That the backend still gives the original's answer would settle the doubt, and so would canaries.
        still_given = self._by_other_replays() if self.together.same else None
        return still_given or self._by_canaries() or self._in_doubt()

    def _moved(self) -> Verdict:
        if self.together.same and not self.announced:
            told = say("outlier", same=self.together.same, count=self.together.count - 1)
            parts = [self.clause(), self._where(), told]
            return self._verdict(VerdictKind.INCONCLUSIVE, None, parts, "probabilities")
        if not self.convincing:
            return self._in_doubt()
        confidence = STRONG if self.weight.strong and (self.announced or self.weight.noise.measured) else GOOD
        parts = [*self.head(), *self.unexplained()]
        return self._verdict(VerdictKind.BACKEND_CHANGED, confidence, parts, "probabilities")

    def _in_doubt(self) -> Verdict:
        parts = [self.clause(), *wording.doubtful(self.weight), self._settling()]
        return self._verdict(VerdictKind.INCONCLUSIVE, None, parts, "probabilities")

    # ---- 7 and 8: earlier answers, other replays, canaries, and what would settle it ----

    def _by_earlier(self) -> Verdict | None:
        if self.weight.leaning == "moved":
            return None
        stayed = self.weight.leaning == "chance"
        found = judge_drop(self.drop, probabilities_stayed=stayed, steady=self.steady)
        if found is None:
            return None
        kind, confidence, told = found
        start = self.head() if kind == VerdictKind.BACKEND_CHANGED else (self.clause(),)
        return self._verdict(kind, confidence, [*start, self._where(), *told], "earlier")

    def _by_other_replays(self) -> Verdict | None:
        found = judge_texts(self.together, announced=self.relation in fingerprints.UNKNOWN_VALUES)
        if found is None:
            return None
        kind, confidence, told = found
        start = self.head() if kind == VerdictKind.BACKEND_CHANGED else (self.clause(),)
        return self._verdict(kind, confidence, [*start, self._where(), *told], "replays")

    def _by_canaries(self) -> Verdict | None:
        if self.context.canary == "changed":
            parts = [*self.head(), self._where(), say("canary_changed")]
            return self._verdict(VerdictKind.BACKEND_CHANGED, GOOD, parts, "canaries")
        if self.steady:
            parts = [self.clause(), self._where(), say("canary_steady")]
            return self._verdict(VerdictKind.NONDETERMINISTIC, FAIR, parts, "canaries")
        return None

    def _undecided(self) -> Verdict:
        parts = [self.clause(), self._where()]
        drawn = self._fresh_draw()
        if drawn is not None:
            parts += [drawn, say("settle_seed")] if drawn.key == "unseeded" else [drawn]
        else:
            if self.relation in fingerprints.ANNOUNCED:
                parts.append(say("fp_no_proof"))
            few = say("cannot_tell_few" if self.context.others else "cannot_tell")
            parts += [few, self._settling()]
        return self._verdict(VerdictKind.INCONCLUSIVE, None, parts, "none")

    def _fresh_draw(self) -> Message | None:
        """Why the same request may give anything, if it may."""
        if self.greedy:
            return None
        seeded = self.context.seeded
        if not (has_seed(self.original.request) if seeded is None else seeded):
            return say("unseeded")
        if self._other_seed() is not None:
            return say("seed_replaced", seed=str(self._other_seed()))
        return say("seed_ignored") if self.context.seed_honoured is False else None

    def _other_seed(self) -> int | None:
        """The seed that the provider says it used, if it is not the one that was sent."""
        echoed, sent = self.attempt.reply.echoed_seed, sent_seed(self.attempt.request)
        return echoed if sent is not None and echoed != sent else None

    # ---- parts of sentences ----

    def clause(self) -> Message:
        """What the fingerprints say."""
        return fingerprints.clause(self.relation, self.original.reply, self.attempt.reply)

    def head(self) -> tuple[Message, ...]:
        """How the sentence about a changed backend begins."""
        return fingerprints.changed_head(self.relation, self.original.reply, self.attempt.reply)

    def unexplained(self) -> tuple[Message, ...]:
        """Where the answers part, and why chance does not explain it."""
        if self.weight.leaning != "moved":
            return (self._where(),)
        where = (self._where(),) if self.weight.divergence is None else ()
        return (*where, *wording.unexplained(self.weight))

    def _where(self) -> Message:
        return wording.what_differs(self.original, self.attempt, self.alike.choice, self.weight.divergence)

    def _settling(self) -> Message:
        if len(self.context.others) >= _ENOUGH_REPLAYS:
            return say("settle_others")
        told = any(has_chances(choice.tokens) for choice in self.original.reply.choices)
        return say("settle_replay") if told or self.weight.divergence is None else say("settle_logprobs")

    def _verdict(
        self, kind: VerdictKind, confidence: float | None, parts: list[Message], rule: Rule
    ) -> Verdict:
        reasons = list(wording.reasons(self.weight, self.original, self.attempt))
        state = self.context.states.get(self.attempt.reply.fingerprint or "")
        if state is not None:
            reasons.append(say("why_fp_state", state=state))
        if self._other_seed() is not None:
            reasons.append(say("why_echoed_seed", seed=str(self._other_seed())))
        figures: dict[str, Figure] = wording.weight_figures(self.weight) | {
            "fingerprints": self.relation,
            "grade": self.context.grade,
            "seed_honoured": self.context.seed_honoured,
            "canary": self.context.canary,
            "other_replays": len(self.context.others),
            "earlier_answers": len(self.context.earlier),
            "earlier_p": self.drop.p if self.drop else None,
        }
        return Verdict(
            kind=kind,
            confidence=confidence,
            parts=tuple(parts),
            rule=rule,
            reasons=tuple(reasons),
            figures=figures,
            divergence=None if self.alike.same else self.weight.divergence,
        )


def judge_texts(
    together: Together, *, announced: bool
) -> tuple[VerdictKind, float | None, tuple[Message, ...]] | None:
    """What the texts of several replays that don't all agree with the original say; None if too few."""
    pattern, count = together.pattern, together.count
    if together.separated is not None:
        same, other = together.separated
        return VerdictKind.BACKEND_CHANGED, GOOD, (say("fp_separates", same=same, other=other),)
    if pattern == "some_same":
        others = say("others_same", same=together.same, count=count - 1)
        return VerdictKind.NONDETERMINISTIC, GOOD, (others if count > 2 else say("others_same_one"),)
    if pattern == "vary":
        told = say("others_vary", groups=len(together.groups), count=count)
        return VerdictKind.NONDETERMINISTIC, GOOD, (told,)
    if pattern not in ("agree", "settled") or count < REPLAYS_TO_AGREE:
        return None
    told = (
        say("others_agree", count=count)
        if pattern == "agree"
        else say("others_settled", count=count, groups=len(together.groups))
    )
    if announced and pattern == "agree":
        return VerdictKind.BACKEND_CHANGED, FAIR, (told, say("agree_so_changed"))
    return VerdictKind.INCONCLUSIVE, None, (told, say("agree_so_unsure"), say("settle_others"))
