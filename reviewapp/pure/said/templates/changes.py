"""What is told of backend changes, and of what verifying them showed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates.marking import Template, gettext_noop, ngettext

TEMPLATES: Final[Mapping[str, Template]] = {
    # ---- titles, by what was seen first ----
    "change_new_value": gettext_noop("A new fingerprint answers for %(model)s"),
    "change_parts_changed": gettext_noop("The fingerprint of %(model)s names another backend"),
    "change_value_returned": gettext_noop("A retired fingerprint answers again for %(model)s"),
    "change_shares_shifted": gettext_noop("The fingerprints of %(model)s answer in other shares"),
    "change_value_gone": gettext_noop("A fingerprint of %(model)s is gone"),
    "change_behaviour_changed": gettext_noop("%(model)s answers its canaries differently"),
    "change_model_changed": gettext_noop("Another model answers for %(model)s"),
    "change_tier_changed": gettext_noop("Another service tier answers for %(model)s"),
    "change_header_changed": gettext_noop("A response header of %(model)s changed"),
    "change_seed_ignored": gettext_noop("%(model)s no longer honours the seed"),
    "change_other": gettext_noop("%(model)s answers differently"),
    # ---- notices of what is no change ----
    "notice_shares_shifted": gettext_noop("Shares of the pool moved: %(model)s"),
    "notice_value_gone": gettext_noop("Fingerprint gone: %(model)s"),
    "notice_reporting_stopped": gettext_noop("Fingerprint no longer reported: %(model)s"),
    "notice_reporting_started": gettext_noop("Fingerprint reported again: %(model)s"),
    "notice_header_changed": gettext_noop("A response header changed: %(model)s"),
    "notice_seed_ignored": gettext_noop("The seed is not honoured: %(model)s"),
    # ---- verifications ----
    "verified_title": ngettext(
        "Verified %(model)s: %(changed)s of %(asked)s judged answers changed",
        "Verified %(model)s: %(changed)s of %(asked)s judged answers changed",
        by="n",
    ),
    # A row of the clauses below.
    "verified": "%(clauses)s.",
    "verified_kept": ngettext(
        "%(kept)s of %(asked)s judged answers came out the same and keep their verdicts",
        "%(kept)s of %(asked)s judged answers came out the same and keep their verdicts",
        by="n",
    ),
    "verified_changed": ngettext("%(shown)s changed", "%(shown)s changed", by="n"),
    "verified_none_changed": gettext_noop("none changed"),
    "verified_unclear": ngettext(
        "%(shown)s differ and nobody can tell why", "%(shown)s differ and nobody can tell why", by="n"
    ),
    "verified_varied": ngettext(
        "%(shown)s differ as they could have without a change",
        "%(shown)s differ as they could have without a change",
        by="n",
    ),
    "verified_unmeasured": ngettext(
        "%(shown)s could not be measured", "%(shown)s could not be measured", by="n"
    ),
    "verified_sample": gettext_noop(
        "A sample of %(asked)s from %(in_scope)s: between %(low)s and %(high)s of all have changed."
    ),
    "run_verification": gettext_noop("Verification: %(title)s"),
    "queued_for_change": gettext_noop("Backend change: %(title)s"),
}
