"""The templates of the verdicts' sentences.

Wording: "changed" means that the backend differs from what was recorded, never that it is
worse, and no cause is named. Places take numbers and strings that need no translation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates.marking import gettext_noop

TEMPLATES: Final[Mapping[str, str]] = {
    # ---- the same answer ----
    "identical": gettext_noop("The answers are identical, word for word."),
    "identical_empty": gettext_noop("Both answers are empty."),
    "identical_but_moved": gettext_noop(
        "Yet the probabilities behind the words moved by %(moved)s on average, where ordinary noise "
        "moves them by less than %(floor)s: the backend may have changed."
    ),
    "equivalent_white_space": gettext_noop(
        "The answers differ only in white space, which does not matter here."
    ),
    "equivalent_json_layout": gettext_noop(
        "The answers are the same JSON, only laid out differently, which does not matter here."
    ),
    "equivalent_tool_call_ids": gettext_noop(
        "The answers differ only in the ids of their tool calls, which do not matter here."
    ),
    "equivalent": gettext_noop(
        "The answers differ only in what does not matter here: white space, the layout of JSON, or the "
        "ids of tool calls."
    ),
    # ---- nothing to compare ----
    "failed_status": gettext_noop("The replay failed: the provider answered %(status)s (%(error)s)."),
    "failed_error": gettext_noop("The replay failed: %(error)s."),
    "failed_empty": gettext_noop("The replay failed: the provider's reply held no answer."),
    "failed_note": gettext_noop("This says nothing about the answer."),
    "original_failed": gettext_noop(
        "The original is an error (%(error)s), so there is no answer to compare the replay with."
    ),
    "overridden": gettext_noop(
        "The replay was asked differently on purpose (%(settings)s), so the difference says nothing "
        "about the backend."
    ),
    "asked_otherwise": gettext_noop(
        "The replay was not asked in the same way (%(settings)s), so the difference says nothing about "
        "the backend."
    ),
    "cut_replay": gettext_noop(
        "The answers agree as far as the replay goes: it was cut off by its length limit, and the "
        "original goes on."
    ),
    "cut_original": gettext_noop(
        "The answers agree as far as the original goes: it was cut off by its length limit, and the "
        "replay goes on."
    ),
    "filtered_replay": gettext_noop(
        "The provider's content filter stopped the replay, so the answers cannot be compared."
    ),
    "filtered_original": gettext_noop(
        "The provider's content filter stopped the original, so the answers cannot be compared."
    ),
    # ---- fingerprints ----
    "fp_same": gettext_noop("Same fingerprint (%(fingerprint)s)."),
    "fp_constant": gettext_noop(
        "This provider reports the same fingerprint whatever it runs, so it says nothing."
    ),
    "fp_random": gettext_noop("This provider's fingerprint changes with every answer, so it says nothing."),
    "fp_none": gettext_noop("No fingerprint was reported."),
    "fp_stopped": gettext_noop("The original has a fingerprint (%(fingerprint)s), the replay reported none."),
    "fp_started": gettext_noop("The original has no fingerprint, the replay reported %(fingerprint)s."),
    "fp_pool": gettext_noop(
        "Another fingerprint of a rotating pool (%(original)s → %(attempt)s), which is ordinary."
    ),
    "fp_known": gettext_noop("Another fingerprint, already accepted (%(original)s → %(attempt)s)."),
    "fp_new": gettext_noop("A new fingerprint (%(original)s → %(attempt)s)."),
    "fp_retired": gettext_noop("A fingerprint that was retired (%(original)s → %(attempt)s)."),
    "fp_other": gettext_noop("Another fingerprint (%(original)s → %(attempt)s)."),
    # ---- the backend changed ----
    "changed": gettext_noop("Backend changed: %(original)s → %(attempt)s."),
    "changed_plain": gettext_noop("Backend changed."),
    "changed_model": gettext_noop(
        "Backend changed: the provider names another model (%(original)s → %(attempt)s)."
    ),
    "changed_same_fp": gettext_noop(
        "Backend changed without saying so: the fingerprint is the same (%(fingerprint)s)."
    ),
    "changed_pool": gettext_noop(
        "Backend changed without saying so: both fingerprints are of a known, rotating pool "
        "(%(original)s → %(attempt)s)."
    ),
    "changed_no_fp": gettext_noop("Backend changed without saying so: no fingerprint was reported."),
    "changed_idle_fp": gettext_noop(
        "Backend changed without saying so: this provider's fingerprint says nothing."
    ),
    "wide": gettext_noop(
        "The answers agree for %(shared)d of %(total)s tokens, then part where the original was sure "
        "(%(chosen)s for %(token)s against %(other)s for %(other_token)s), so chance does not explain it."
    ),
    "wide_in_replay": gettext_noop(
        "The answers agree for %(shared)d tokens, then part where the replay was sure "
        "(%(chosen)s for %(token)s against %(other)s for %(other_token)s), so chance does not "
        "explain it."
    ),
    "swung": gettext_noop(
        "The answers agree for %(shared)d of %(total)s tokens, then part where the chances of two tokens "
        "moved too far for chance to explain it: %(token)s from %(chosen)s to %(chosen_now)s, "
        "%(other_token)s from %(other)s to %(other_now)s."
    ),
    "shifted": gettext_noop(
        "Up to there the probabilities moved by %(moved)s on average, where ordinary noise moves "
        "them by less than %(floor)s, so chance does not explain it."
    ),
    # ---- ordinary nondeterminism ----
    "near_tie": gettext_noop(
        "The answers part at token %(position)d, where two tokens were almost equally likely (%(chosen)s "
        "for %(token)s and %(other)s for %(other_token)s): ordinary nondeterminism."
    ),
    "close": gettext_noop(
        "The answers part at token %(position)d, where the choice was close (%(chosen)s for %(token)s "
        "and %(other)s for %(other_token)s) and moved no further than ordinary noise moves it: ordinary "
        "nondeterminism."
    ),
    "within_noise": gettext_noop(
        "The answers part at token %(position)d, where the margin (%(chosen)s for %(token)s against "
        "%(other)s for %(other_token)s) is no wider than this backend's own noise: ordinary "
        "nondeterminism."
    ),
    "draw": gettext_noop(
        "The answers part at token %(position)d, %(token)s in the original and %(other_token)s in "
        "the replay, although up to there the probabilities moved by no more than noise does "
        "(%(moved)s on average): only the draw fell differently, which is ordinary nondeterminism."
    ),
    # ---- where they part, without a judgement ----
    "part_tokens": gettext_noop(
        "The answers part at token %(position)d, %(token)s in the original and %(other_token)s in the replay."
    ),
    "part_somewhere": gettext_noop("The answers differ."),
    "part_words": gettext_noop(
        "The answers part at word %(position)d, %(token)s in the original and %(other_token)s in the replay."
    ),
    "part_between": gettext_noop(
        "The answers part at token %(position)d, where one token was clearly preferred, but not "
        "by far (%(chosen)s for %(token)s against %(other)s for %(other_token)s): chance may "
        "explain it."
    ),
    "part_sure": gettext_noop(
        "The answers part at token %(position)d, where the model was rather sure (%(chosen)s for "
        "%(token)s against %(other)s for %(other_token)s): chance hardly explains it."
    ),
    "part_swung": gettext_noop(
        "The answers part at token %(position)d, where the chances of two tokens moved (%(token)s "
        "from %(chosen)s to %(chosen_now)s, %(other_token)s from %(other)s to %(other_now)s): "
        "chance may explain it."
    ),
    "part_swung_far": gettext_noop(
        "The answers part at token %(position)d, where the chances of two tokens moved far "
        "(%(token)s from %(chosen)s to %(chosen_now)s, %(other_token)s from %(other)s to "
        "%(other_now)s): chance hardly explains it."
    ),
    "part_shifted": gettext_noop(
        "The answers part at token %(position)d, and up to there the probabilities moved by %(moved)s "
        "on average: more than most backends do by themselves, but this one's noise is not known."
    ),
    "replay_refused": gettext_noop("The original answered, the replay refused."),
    "original_refused": gettext_noop("The original refused, the replay answered."),
    "other_count": gettext_noop(
        "The original has %(original)d alternative answers, the replay has %(attempt)d."
    ),
    "call_arguments": gettext_noop(
        "The replay calls %(name)s with other arguments (%(path)s: %(original)s → %(attempt)s)."
    ),
    "call_added": gettext_noop("The replay calls %(name)s, the original did not."),
    "call_removed": gettext_noop("The original called %(name)s, the replay does not."),
    "outlier": gettext_noop(
        "Chance does not explain it, but %(same)d of %(count)d other replays gave the original's answer: "
        "some requests seem to be answered by another backend."
    ),
    "vectors_rounded": gettext_noop(
        "The vectors point the same way (cosine %(cosine)s): they differ by rounding alone."
    ),
    "vectors_changed": gettext_noop(
        "The vectors point different ways (cosine %(cosine)s), which rounding does not explain."
    ),
    "vectors_differ": gettext_noop(
        "The vectors differ by more than rounding usually does (cosine %(cosine)s)."
    ),
    # ---- why one comparison can't decide ----
    "unseeded": gettext_noop(
        "No seed was sent and the temperature is not 0, so each answer is a fresh draw, and a different "
        "one is to be expected."
    ),
    "seed_ignored": gettext_noop(
        "This provider does not honour seeds, so each answer is a fresh draw, and a different one is to "
        "be expected."
    ),
    "fp_no_proof": gettext_noop("A different fingerprint alone proves nothing."),
    "cannot_tell": gettext_noop("From one replay nobody can tell chance from a change."),
    "seed_replaced": gettext_noop(
        "The provider says that it used seed %(seed)s instead, so the answer is a fresh draw, and a "
        "different one is to be expected."
    ),
    "cannot_tell_few": gettext_noop("From so few replays nobody can tell chance from a change."),
    "settle_replay": gettext_noop("Replay it 10 times to see how much the answers vary by themselves."),
    "settle_logprobs": gettext_noop(
        "Replaying it 10 times would tell, and so would log probabilities, if the requests asked for them."
    ),
    "settle_seed": gettext_noop("A seed, or temperature 0, would make such answers comparable."),
    "settle_same_settings": gettext_noop("Replay it with the original settings to learn about the backend."),
    "settle_limit": gettext_noop("Replay it with the original's length limit."),
    "settle_others": gettext_noop(
        "Replaying other interactions of the same time, or a canary, would tell which."
    ),
    # ---- other replays, canaries ----
    "others_same": gettext_noop(
        "%(same)d of %(count)d other replays gave the original's answer, so the backend still gives it: "
        "ordinary nondeterminism."
    ),
    "others_same_one": gettext_noop(
        "The other replay gave the original's answer, so the backend still gives it: ordinary nondeterminism."
    ),
    "others_vary": gettext_noop(
        "The replays differ among themselves too (%(groups)d different answers in %(count)d replays): "
        "ordinary nondeterminism."
    ),
    "others_agree": gettext_noop("All %(count)d replays agree with each other, but not with the original."),
    "others_settled": gettext_noop(
        "The %(count)d replays gave %(groups)d answers, each more than once, but never the original's."
    ),
    # ---- earlier answers to the same request ----
    "earlier_now": gettext_noop(
        "When the same request was asked earlier, %(same_before)d of %(before)d answers were the original's, "
        "now %(same)d of %(count)d are: chance does that in %(p)s of cases."
    ),
    "earlier_lately": gettext_noop(
        "When the same request was asked earlier, %(same_before)d of %(before)d answers were the original's, "
        "lately, these replays included, %(same)d of %(count)d were: chance does that in %(p)s of cases."
    ),
    "earlier_vary": gettext_noop(
        "That the replays differ among themselves too (%(groups)d different answers in %(count)d replays) "
        "does not explain it: earlier they did not."
    ),
    "earlier_few": gettext_noop(
        "That is seldom, but too few replays to call it a change: ten more would settle it."
    ),
    "earlier_sessions": gettext_noop(
        "It varied then too, and how much it varies from one time to another is not known: replaying it "
        "again at another time would settle it."
    ),
    "earlier_outliers": gettext_noop(
        "The backend still gives it, but not in %(differing)d of %(count)d: some requests seem to be "
        "answered by another backend."
    ),
    "earlier_not_probabilities": gettext_noop(
        "Yet the probabilities behind the words moved no further than noise does: how words are drawn or "
        "where answers stop may be different, or how the seed is used, or a near tie falls the other way."
    ),
    "agree_so_changed": gettext_noop(
        "Together with the other fingerprint that makes chance an unlikely explanation."
    ),
    "agree_so_unsure": gettext_noop("Either the backend changed, or the original was a rare outcome."),
    "agree_not_probabilities": gettext_noop(
        "The text changed, but the probabilities behind it did not (%(moved)s on average): how "
        "words are drawn or where answers stop may be different, or how the seed is used."
    ),
    "fp_separates": gettext_noop(
        "Under the original's fingerprint replays give the original's answer (%(same)d of %(same)d), "
        "under the other one never (0 of %(other)d), so chance is an unlikely explanation."
    ),
    "canary_changed": gettext_noop(
        "The canaries of this model show that its behaviour changed since the original was recorded."
    ),
    "canary_steady": gettext_noop(
        "The canaries of this model show no change since the original was recorded, so ordinary "
        "nondeterminism is the likelier explanation."
    ),
    # ---- sets ----
    "set_identical": gettext_noop("All %(count)d replays gave the original's answer, word for word."),
    "set_equivalent": gettext_noop(
        "All %(count)d replays gave the original's answer, but for what does not matter here."
    ),
    "set_identical_one": gettext_noop(
        "The only replay that answered gave the original's answer, word for word."
    ),
    "set_equivalent_one": gettext_noop(
        "The only replay that answered gave the original's answer, but for what does not matter here."
    ),
    "set_counts_none": gettext_noop("None of the %(count)d replays gave the original's answer."),
    "set_counts": gettext_noop("%(same)d of %(count)d replays gave the original's answer."),
    "set_vary": gettext_noop("The others part from it where chance decides: ordinary nondeterminism."),
    "set_chance": gettext_noop("They part from it where chance decides: ordinary nondeterminism."),
    "set_still_given": gettext_noop(
        "So the backend still gives it, and varies by itself: ordinary nondeterminism."
    ),
    "set_changed": gettext_noop(
        "%(moved)d of %(count)d replays differ from the original by more than chance explains; the "
        "clearest of them:"
    ),
    "set_other_model": gettext_noop(
        "%(moved)d of %(count)d replays came under that name and differ from the original."
    ),
    "set_outliers": gettext_noop(
        "In %(moved)d of %(count)d chance does not explain the difference: some requests seem to be "
        "answered by another backend."
    ),
    "set_failed": gettext_noop("None of the %(count)d replays brought an answer."),
    "set_some_failed": gettext_noop("%(failed)d of %(count)d replays failed."),
    "set_too_many_failed": gettext_noop("Too many failed to judge the backend by the rest."),
    "set_empty": gettext_noop("There is no replay yet."),
    # ---- evidence for the fold ----
    "why_margin_original": gettext_noop(
        "At token %(position)d the original gave %(token)s %(chosen)s and %(other_token)s %(other)s, a "
        "margin of %(margin)s nats."
    ),
    "why_margin_attempt": gettext_noop(
        "There the replay gave %(token)s %(chosen)s and %(other_token)s %(other)s, a margin of "
        "%(margin)s nats."
    ),
    "why_margin_attempt_only": gettext_noop(
        "At token %(position)d the replay gave %(token)s %(chosen)s and %(other_token)s %(other)s, "
        "a margin of %(margin)s nats."
    ),
    "why_moved": gettext_noop(
        "The balance between the two moved by %(moved)s nats, %(times)s times the ordinary noise of "
        "%(noise)s nats."
    ),
    "why_margin_noise": gettext_noop("The margin is %(times)s times the ordinary noise of %(noise)s nats."),
    "why_measured": gettext_noop("The noise was measured among %(count)d other replays of this request."),
    "why_assumed": gettext_noop(
        "This backend's noise is not measured; assumed is what commercial models were seen to do."
    ),
    "why_wide_from": gettext_noop("A difference counts as too wide for chance from %(nats)s nats on."),
    "why_shift": gettext_noop(
        "On the %(positions)d positions that share all words before, %(moved)s of the probability moved "
        "on average (counts from %(floor)s on)."
    ),
    "why_listed": gettext_noop(
        "The log probabilities listed there differ by %(mean)s nats on average, %(most)s at most."
    ),
    "why_fp_state": gettext_noop("State of the replay's fingerprint: %(state)s."),
    "why_figure": gettext_noop("%(name)s: %(original)s → %(attempt)s."),
    "why_reasoning": gettext_noop("The reasoning before the answer differs; it is no part of the answer."),
    "why_echoed_seed": gettext_noop("The provider says that it used seed %(seed)s instead."),
}

# Places of percentages and nats, as they are written.
FIGURES: Final = frozenset(
    {
        "chosen",
        "other",
        "chosen_now",
        "other_now",
        "moved",
        "floor",
        "p",
        "margin",
        "times",
        "noise",
        "nats",
        "mean",
        "most",
        "cosine",
    }
)
_END: Final = {"(end)": gettext_noop("(end)")}
# What may stand in a place and is a word of ours.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "token": _END,
    "other_token": _END,
    "state": {
        "new": gettext_noop("new"),
        "accepted": gettext_noop("accepted"),
        "overlap": gettext_noop("overlap"),
        "retired": gettext_noop("retired"),
    },
}
