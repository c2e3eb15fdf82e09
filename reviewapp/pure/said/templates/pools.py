"""What is told of fingerprint pools: their events, and what a fingerprint is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates.marking import Template, gettext_noop, ngettext

TEMPLATES: Final[Mapping[str, Template]] = {
    # ---- events ----
    "pool_new": ngettext(
        "A value never seen before: %(names)s, in %(share)s of the answers since.",
        "Values never seen before: %(names)s, in %(share)s of the answers since.",
        by="values",
    ),
    "pool_parts": gettext_noop(
        "The fingerprint names another backend: %(parts)s (%(names)s, in %(share)s of the answers since)."
    ),
    "pool_gone": gettext_noop("%(names)s had %(share)s of the answers and is not seen any more."),
    "pool_shift": gettext_noop(
        "The shares of the known values moved for good; %(names)s now has %(share)s of the answers."
    ),
    "pool_stopped": gettext_noop(
        "Answers no longer report a fingerprint. That alone is no change of the backend."
    ),
    "pool_started": gettext_noop("Answers report a fingerprint again: %(names)s."),
    "pool_returned": gettext_noop(
        "%(name)s answers again; it was retired on %(day)s, when its overlap had passed."
    ),
    "names_more": gettext_noop("%(names)s and %(more)d more"),
    # ---- the other parts of identity ----
    "identity_seed": gettext_noop(
        "The answers tell another seed than the one that was sent, in %(share)s of those since."
    ),
    "identity_model": gettext_noop(
        "The answers name another model: %(value)s, in %(share)s of the answers since; "
        "known so far: %(known)s."
    ),
    "identity_tier": gettext_noop(
        "Another service tier answers: %(value)s, in %(share)s of the answers since; known so far: %(known)s."
    ),
    "identity_header": gettext_noop(
        "The response header %(name)s has another value: %(value)s, in %(share)s of the answers since; "
        "known so far: %(known)s."
    ),
    # ---- what a value names ----
    "part_moved": "%(name)s %(old)s → %(new)s",
    "part_value": "%(name)s %(value)s",
    "part_none": gettext_noop("none"),
    "part_software": gettext_noop("software"),
    "part_version": gettext_noop("version"),
    "part_configuration": gettext_noop("configuration"),
    "part_build": gettext_noop("build"),
    "part_commit": gettext_noop("commit"),
    "part_digest": gettext_noop("digest"),
    "part_release": gettext_noop("release"),
    "part_date": gettext_noop("date"),
    "part_tensor_parallel": gettext_noop("tensor parallel"),
    "part_pipeline_parallel": gettext_noop("pipeline parallel"),
    "part_data_parallel": gettext_noop("data parallel"),
    "part_expert_parallel": gettext_noop("expert parallel"),
    # ---- how was asked ----
    "shape_with": gettext_noop("%(endpoint)s with %(features)s"),
    # ---- what it is worth ----
    "grade_random": gettext_noop(
        "Random: %(values)d different values in %(told)d answers. It is drawn for each answer and tells "
        "nothing about the backend, neither that it changed nor that it is the same."
    ),
    "grade_constant": gettext_noop(
        "Constant: the same value whatever model answers. It names the software at most; a change of "
        "the model does not show in it."
    ),
    "grade_constant_long": ngettext(
        "Constant: one value in %(told)d answers over %(days)d days. It does not show changes; the "
        "same value proves nothing.",
        "Constant: one value in %(told)d answers over %(days)d days. It does not show changes; the "
        "same value proves nothing.",
        by="days",
    ),
    "grade_informative": gettext_noop(
        "Informative: it names what is served (%(parts)s). Another value means that one of these parts "
        "changed; weights, template and sampler may change under the same value."
    ),
    "grade_informative_turns": gettext_noop(
        "Informative: %(values)d values, one after another. Another value means that the provider "
        "says something changed; the same value does not prove that nothing did."
    ),
    "grade_rotating": ngettext(
        "Rotating: %(values)d values, several at once, the commonest in %(share)s of the "
        "answers. Another value among the known ones means little; one never seen before, or a lasting "
        "shift, may mean that the backend changed.",
        "Rotating: %(values)d values, several at once, the commonest in %(share)s of the "
        "answers. Another value among the known ones means little; one never seen before, or a lasting "
        "shift, may mean that the backend changed.",
        by="values",
    ),
    "grade_none": ngettext(
        "None: no answer of %(calls)d reported a fingerprint. Changes of the backend can only be seen in "
        "the answers themselves.",
        "None: no answer of %(calls)d reported a fingerprint. Changes of the backend can only be seen in "
        "the answers themselves.",
        by="calls",
    ),
    "grade_few": gettext_noop("Too few answers yet to tell what the fingerprint is worth."),
    "grade_few_each": gettext_noop(
        "Too few answers with each value yet to tell what the fingerprint is worth."
    ),
    "grade_one_value": ngettext(
        "One value so far, in %(told)d of %(calls)d answers: too early to tell whether it changes when the "
        "backend does.",
        "One value so far, in %(told)d of %(calls)d answers: too early to tell whether it changes when the "
        "backend does.",
        by="calls",
    ),
}
