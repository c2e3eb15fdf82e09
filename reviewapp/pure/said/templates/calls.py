"""What is told of calls that brought no answer, of messages that did not arrive, and of seeds tried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates.marking import Template, gettext_noop, ngettext

TEMPLATES: Final[Mapping[str, Template]] = {
    # ---- what the provider says ----
    "call_said": gettext_noop("It said: %(words)s"),
    "call_said_nothing": gettext_noop("It said nothing more."),
    # ---- why no answer came ----
    "call_quota": gettext_noop("%(name)s refuses: the account's quota is used up."),
    "call_slow_down": gettext_noop("%(name)s asks to slow down (429)."),
    "call_key_refused": gettext_noop("%(name)s refuses the key (%(status)d)."),
    "call_redirects": gettext_noop(
        "%(name)s redirects to %(location)s: put the right address into its settings."
    ),
    "call_elsewhere": gettext_noop("elsewhere"),
    "call_overloaded": gettext_noop("%(name)s is overloaded or failing (%(status)d)."),
    "call_failed": gettext_noop("%(name)s failed (%(status)d)."),
    "call_refused": gettext_noop("%(name)s refuses this request (%(status)d)."),
    "call_impossible": gettext_noop("%(name)s can't be called: %(why)s"),
    "call_unsendable": gettext_noop(
        "%(name)s can't be called: its address or key holds something that can't be sent."
    ),
    "call_too_long": gettext_noop("%(name)s answered with more than %(size)d MiB."),
    "call_no_address": gettext_noop(
        "%(name)s has no address yet: it has only been recorded. An admin can give it one in Settings."
    ),
    "call_timed_out": gettext_noop("%(name)s did not answer within %(seconds)s seconds."),
    "call_lost": gettext_noop("%(name)s can't be reached, or broke off: %(why)s."),
    "call_wrong_address": gettext_noop("%(name)s has an address that can't be called: %(why)s."),
    "address_signs": gettext_noop("it must not hold spaces, line breaks or other signs that can't be seen"),
    "address_scheme": gettext_noop("it must start with https:// or http://"),
    "address_no_host": gettext_noop("it names no host"),
    "address_port": gettext_noop("its port must be a number from 1 to 65535"),
    "address_shape": gettext_noop(
        "it must be like https://api.example.org/v1, with a port from 1 to 65535 if any"
    ),
    "secret_unreadable": gettext_noop(
        "The stored %(field)s of “%(owner)s” can't be decrypted with the present encryption keys. Restore "
        "the file encryption_keys of the data folder, or put the earlier key back into "
        "REVIEWAPP_ENCRYPTION_KEYS; or enter the secret again."
    ),
    "secret_key": gettext_noop("key"),
    "secret_address": gettext_noop("address"),
    "secret_signing": gettext_noop("signing secret"),
    "call_no_way": gettext_noop("%(name)s refuses every way of asking that is known."),
    "call_no_json": gettext_noop("The answer is no JSON: %(why)s"),
    "call_no_choice": gettext_noop("The answer holds no choice: %(why)s."),
    "call_nothing_more": gettext_noop("nothing more is said"),
    "call_not_asked": gettext_noop("It could not be asked: %(why)s"),
    "call_no_object": gettext_noop("The recorded request is no JSON object, so nothing can be set in it."),
    "call_answered_no_json": gettext_noop("%(name)s answered %(status)d with something that is no JSON."),
    "call_answered_no_object": gettext_noop("%(name)s answered %(status)d with JSON that is no object."),
    "call_broke_off": gettext_noop("%(name)s broke off in the middle of a stream."),
    # ---- what came of it ----
    "call_long_wait": gettext_noop("It asks to wait %(minutes)s minutes; retry this later."),
    "call_asked_times": ngettext("Asked %(tries)d times.", "Asked %(tries)d times.", by="tries"),
    "call_set_aside": gettext_noop("The answer came but could not be recorded; it was set aside."),
    "call_worker_stopped": gettext_noop("Each worker that asked this stopped before the answer came."),
    # ---- messages ----
    "send_late": gettext_noop("It did not answer within %(seconds)s seconds."),
    "send_redirect": gettext_noop(
        "It sends callers on to another address (status %(status)d), which is not followed."
    ),
    "send_gone": gettext_noop("It says that nobody listens there any more (status 410)."),
    "send_status": gettext_noop("It answered with status %(status)d."),
    "send_status_text": gettext_noop("It answered with status %(status)d: %(text)s"),
    "send_unreached": gettext_noop("It can't be reached: %(why)s."),
    "send_unknown_host": gettext_noop("its host name is not known"),
    "send_no_encryption": gettext_noop("the encrypted connection failed"),
    "send_no_connection": gettext_noop("the connection failed"),
    "send_closed": gettext_noop("it closed the connection"),
    "send_slow": gettext_noop("It took longer than %(seconds)s seconds."),
    "send_not_understood": gettext_noop(
        "This is no address that Apprise understands, or one that speaks on the server itself."
    ),
    "send_refused": gettext_noop("It was not accepted, without a reason given."),
    "address_refused": gettext_noop(
        "%(where)s is %(address_kind)s, where this installation does not connect. An operator can allow it "
        "in REVIEWAPP_ALLOW_PRIVATE_ADDRESSES."
    ),
    "address_behind_name": gettext_noop(
        "%(where)s leads to %(address)s, which is %(address_kind)s, where this installation does not "
        "connect. An operator can allow it in REVIEWAPP_ALLOW_PRIVATE_ADDRESSES."
    ),
    "send_no_program": gettext_noop("The program that sends messages could not be run."),
    # ---- a provider's test ----
    "test_no_models": gettext_noop("It answers, and lists no models."),
    "test_models": ngettext(
        "It answers, and offers %(count)d models: %(models)s.",
        "It answers, and offers %(count)d models: %(models)s.",
        by="count",
    ),
    "test_name_model": gettext_noop("Name a model to test the rest."),
    "test_no_answer": "%(model)s: %(why)s",
    "test_answers": gettext_noop("%(model)s answers."),
    "test_no_fingerprint": gettext_noop("It reports no fingerprint: only behaviour can show a change."),
    "test_fingerprint": gettext_noop("It reports a fingerprint: %(fingerprint)s."),
    "test_logprobs_refused": gettext_noop("It refuses requests for log probabilities."),
    "test_no_logprobs": gettext_noop("It gives no log probabilities."),
    "test_logprobs": gettext_noop("It gives log probabilities."),
    # ---- seeds ----
    "seed_unknown": gettext_noop("Whether the seed is honoured can't be told: %(why)s"),
    "seed_honoured_always": gettext_noop("It honours the seed: the same seed gave the same answer always."),
    "seed_honoured": ngettext(
        "It honours the seed: the same seed gave the same answer %(same)d of %(asked)d times.",
        "It honours the seed: the same seed gave the same answer %(same)d of %(asked)d times.",
        by="asked",
    ),
    "seed_ignored_often": ngettext(
        "It ignores the seed: the same seed gave the same answer %(same)d of %(asked)d times, other seeds "
        "gave it %(chance)d of %(others)d times.",
        "It ignores the seed: the same seed gave the same answer %(same)d of %(asked)d times, other seeds "
        "gave it %(chance)d of %(others)d times.",
        by="others",
    ),
    "seed_one_answer": gettext_noop("It gives one answer whatever the seed, so the seed can't be judged."),
    "seed_unclear": ngettext(
        "Whether the seed counts is not clear: the same seed gave the same answer %(same)d of %(asked)d "
        "times.",
        "Whether the seed counts is not clear: the same seed gave the same answer %(same)d of %(asked)d "
        "times.",
        by="asked",
    ),
    "seed_echoed": gettext_noop("It echoes the seed."),
    "seed_echoed_other": gettext_noop("It says that it used another seed than was sent."),
}
# What stands in a message's place and is a word of ours: why an address is not for everybody.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "address_kind": {
        "a private address": gettext_noop("a private address"),
        "a reserved address": gettext_noop("a reserved address"),
        "a link-local address": gettext_noop("a link-local address"),
        "a multicast address": gettext_noop("a multicast address"),
        "this machine's own address": gettext_noop("this machine's own address"),
        "no address of a machine": gettext_noop("no address of a machine"),
        "a private address inside an IPv6 one": gettext_noop("a private address inside an IPv6 one"),
        "a reserved address inside an IPv6 one": gettext_noop("a reserved address inside an IPv6 one"),
        "a link-local address inside an IPv6 one": gettext_noop("a link-local address inside an IPv6 one"),
        "a multicast address inside an IPv6 one": gettext_noop("a multicast address inside an IPv6 one"),
        "this machine's own address inside an IPv6 one": gettext_noop(
            "this machine's own address inside an IPv6 one"
        ),
        "no address of a machine inside an IPv6 one": gettext_noop(
            "no address of a machine inside an IPv6 one"
        ),
        "an address that gives out a machine's credentials": gettext_noop(
            "an address that gives out a machine's credentials"
        ),
        "not led to an address": gettext_noop("not led to an address"),
        "a name that was not looked up before": gettext_noop("a name that was not looked up before"),
    },
}
