"""What is told of canaries: the verdicts of their checks, and why nothing is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates.marking import Template, gettext_noop, ngettext

TEMPLATES: Final[Mapping[str, Template]] = {
    # ---- figures ----
    "under_one_percent": gettext_noop("under 1 %%"),
    "over_99_percent": gettext_noop("over 99 %%"),
    # ---- kinds of answers, for an enumeration or in brackets ----
    "kind_token": gettext_noop("one-token answers at temperature 0"),
    "kind_seeded": gettext_noop("seeded texts"),
    "kind_plain": gettext_noop("seeded texts under the server's own sampler settings"),
    "kind_greedy": gettext_noop("texts at temperature 0"),
    "kind_border": gettext_noop("answers to border inputs"),
    "kind_other": gettext_noop("replayed texts"),
    # ---- what was measured, as a clause after a colon ----
    "found_shift": gettext_noop(
        "log probabilities moved by %(effect)s on average, where ordinary variation reaches %(ordinary)s"
    ),
    "found_nearest": gettext_noop(
        "log probabilities lie %(effect)s from the nearest answer on record, where ordinary variation "
        "reaches %(ordinary)s"
    ),
    "found_unseen": gettext_noop(
        "%(effect)s of the %(kind)s were never given by the baseline, which differs from itself in "
        "%(ordinary)s at most"
    ),
    "found_border": gettext_noop(
        "answers to border inputs moved by %(effect)s (0 is none, 1 is all), where ordinary variation "
        "reaches %(ordinary)s"
    ),
    "found_distribution": gettext_noop(
        "the distribution of the %(kind)s moved by %(effect)s, where ordinary variation reaches %(ordinary)s"
    ),
    # ---- nothing to compare ----
    "check_other_parameters": gettext_noop(
        "The check was asked with other parameters or another client than the baseline."
    ),
    "check_nothing_comparable": gettext_noop(
        "No question was answered on both sides in a form that can be compared."
    ),
    "check_failures": ngettext(
        "%(failed)d of %(asked)d requests failed; with more than one in five failing, the answers that came "
        "are no fair sample.",
        "%(failed)d of %(asked)d requests failed; with more than one in five failing, the answers that came "
        "are no fair sample.",
        by="asked",
    ),
    "check_few_replies": ngettext(
        "Only %(comparable)d comparable replies came; at least %(needed)d are needed.",
        "Only %(comparable)d comparable replies came; at least %(needed)d are needed.",
        by="comparable",
    ),
    "check_unreadable": gettext_noop("The answers came but could not be read; the log has more."),
    # ---- verdicts ----
    "check_identical": ngettext(
        "Identical: all %(rows)d answers equal the recorded ones.",
        "Identical: all %(rows)d answers equal the recorded ones.",
        by="rows",
    ),
    "check_identical_numbers": ngettext(
        "Identical: all %(rows)d answers equal the recorded ones, log probabilities included.",
        "Identical: all %(rows)d answers equal the recorded ones, log probabilities included.",
        by="rows",
    ),
    "check_changed": gettext_noop(
        "The backend answers differently from what was recorded: %(finding)s; fresh requests showed it "
        "again (p = %(p)s)."
    ),
    "check_strayed": ngettext(
        "%(count)d of %(total)d answers came from something the baseline never showed.",
        "%(count)d of %(total)d answers came from something the baseline never showed.",
        by="count",
    ),
    "check_text_too": gettext_noop("The text changed too: %(share)s of the %(kind)s are new."),
    "check_text_only": gettext_noop(
        "The text changed but the log probabilities did not: %(share)s of the %(kind)s were never given by "
        "the baseline, while log probabilities stay within %(floor)s of it (p = %(p)s). So the sampler, a "
        "stop rule or the handling of the seed changed."
    ),
    "check_text_only_wide": gettext_noop(
        "The text changed but the log probabilities did not: %(share)s of the %(kind)s were never given by "
        "the baseline, while log probabilities stay within %(floor)s of it (p = %(p)s). So the sampler, a "
        "stop rule or the handling of the seed changed, or the numbers did by less than the %(floor)s that "
        "are ordinary here."
    ),
    "check_wide": ngettext(
        "The backend answers differently from what was recorded: %(wide)d of %(greedy)d replays at "
        "temperature 0 left their record at a word where the first choice led by more than five times its "
        "ordinary noise.",
        "The backend answers differently from what was recorded: %(wide)d of %(greedy)d replays at "
        "temperature 0 left their record at a word where the first choice led by more than five times its "
        "ordinary noise.",
        by="greedy",
    ),
    "check_to_confirm": gettext_noop(
        "A first look is not clear: %(finding)s (p = %(p)s). Fresh requests decide."
    ),
    "check_partly": ngettext(
        "Some requests were answered by another backend: %(count)d of %(total)d (%(low)s to %(high)s in the "
        "long run), the others by the known one. Some %(more)d more requests would tell whether the share is "
        "lasting.",
        "Some requests were answered by another backend: %(count)d of %(total)d (%(low)s to %(high)s in the "
        "long run), the others by the known one. Some %(more)d more requests would tell whether the share is "
        "lasting.",
        by="more",
    ),
    "check_unclear": gettext_noop("Not settled: %(finding)s (p = %(p)s)."),
    "check_cannot_tell": ngettext(
        "These texts cannot tell: the baseline differs from itself in %(share)s of the %(kind)s, so there is "
        "no room to see a change. Log probabilities, shorter texts or some %(more)d more requests to the "
        "baseline would settle it.",
        "These texts cannot tell: the baseline differs from itself in %(share)s of the %(kind)s, so there is "
        "no room to see a change. Log probabilities, shorter texts or some %(more)d more requests to the "
        "baseline would settle it.",
        by="more",
    ),
    "check_too_weak": gettext_noop(
        "No difference was seen, but the smallest this check could have found is %(effect)s."
    ),
    "check_settle_sessions": ngettext(
        "A baseline of three sessions and some %(more)d more requests would settle it.",
        "A baseline of three sessions and some %(more)d more requests would settle it.",
        by="more",
    ),
    "check_settle": ngettext(
        "Some %(more)d more requests would settle it.",
        "Some %(more)d more requests would settle it.",
        by="more",
    ),
    "check_same": gettext_noop(
        "Same backend, as far as the check can see: %(finding)s (p = %(p)s); a change of %(effect)s would "
        "have been found."
    ),
    "check_new_texts": gettext_noop(
        "%(share)s of the %(kind)s are new all the same: rounding does that where log probabilities stay, as "
        "under another load."
    ),
    "check_agreement": ngettext(
        "%(exact)s of the texts equal the record; %(total)s of the questions got the same text all "
        "%(replays)d times (TARr@%(replays)d).",
        "%(exact)s of the texts equal the record; %(total)s of the questions got the same text all "
        "%(replays)d times (TARr@%(replays)d).",
        by="replays",
    ),
    "check_gathered": gettext_noop("Small differences have added up over many checks."),
    # ---- beside a verdict ----
    "label_none": gettext_noop("Fingerprint: none reported."),
    "label_new": gettext_noop("Fingerprint: new (%(names)s)."),
    "label_new_same": ngettext(
        "Fingerprint: new (%(names)s). The vendor says the stack changed; behaviour does not differ "
        "(p = %(p)s, %(rows)d answers).",
        "Fingerprint: new (%(names)s). The vendor says the stack changed; behaviour does not differ "
        "(p = %(p)s, %(rows)d answers).",
        by="rows",
    ),
    "label_same": gettext_noop("Fingerprint: the same as before."),
    "label_no_record": gettext_noop("Fingerprint: none on record."),
    "names_others": gettext_noop("%(names)s and others"),
    "pool_members": ngettext(
        "The baseline shows %(members)d kinds of answers to a typical question.",
        "The baseline shows %(members)d kinds of answers to a typical question.",
        by="members",
    ),
    "pool_mix": gettext_noop(
        "The pool's mix moved: known members answer in other proportions than before (p = %(p)s). That is "
        "no change of what answers."
    ),
    "check_same_as": gettext_noop("The answers are the same as before %(day)s (%(name)s)."),
    "baseline_of": gettext_noop("baseline of %(day)s, %(time)s UTC"),
    "check_unpaid": gettext_noop("Fresh requests were not asked."),
    "check_returned": gettext_noop("It answers as its baseline again."),
    "check_waits": ngettext(
        "Among %(n)d watched models this much evidence comes about by chance too often for an alarm; the "
        "next session decides.",
        "Among %(n)d watched models this much evidence comes about by chance too often for an alarm; the "
        "next session decides.",
        by="n",
    ),
    # ---- why nothing is asked ----
    "ask_under_way": gettext_noop("A session is under way; its answers come within minutes."),
    "ask_retired": gettext_noop("The model was to be retired on %(day)s."),
    "ask_no_canary": gettext_noop("There is no canary left to ask."),
    "ask_no_address": gettext_noop("%(name)s has no base URL: an admin gives it one under Settings."),
    "ask_budget": gettext_noop(
        "Today's budget of %(budget)s requests has %(left)s left, and this would ask %(wanted)s. It goes on "
        "after midnight, UTC."
    ),
    "prepare_budget": gettext_noop(
        "Preparing asks up to %(wanted)s requests, more than is left of the day's budget of %(budget)s. "
        "Raise the budget, or try again after midnight, UTC."
    ),
    "prepare_stopped": gettext_noop("Each worker that prepared this stopped before the end."),
    "session_lost": ngettext(
        "Only %(answered)d of %(requests)d requests were answered.",
        "Only %(answered)d of %(requests)d requests were answered.",
        by="requests",
    ),
    # ---- runs ----
    "run_baseline": gettext_noop("Baseline of the canaries of %(model)s"),
    "run_look": gettext_noop("First look of the canaries of %(model)s"),
    "run_confirm": gettext_noop("Fresh requests of the canaries of %(model)s"),
    # ---- why a baseline began ----
    "baseline_first": gettext_noop("The first."),
    "baseline_renewed": gettext_noop("Renewed by %(name)s."),
    "baseline_accepted": gettext_noop("The change of the backend was accepted."),
}
