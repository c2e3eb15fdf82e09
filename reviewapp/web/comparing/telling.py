"""What a comparison says in one line of a list, where verdict and fingerprints have columns of their own."""

from __future__ import annotations

from django.utils.translation import gettext as _

from reviewapp.models import Comparison
from reviewapp.pure.verdicts import Message


def what_happened(comparison: Comparison) -> str:
    """The sentence without its clauses on fingerprints, unless there is nothing else."""
    stored = comparison.figures.get("parts") or []
    told = [part for part in stored if not str(part["key"]).startswith(("fp_", "changed"))]
    try:
        return " ".join(Message.from_json(part).render(_) for part in told or stored) or comparison.sentence
    except (KeyError, TypeError, ValueError):
        # A message of a method that is no more; the sentence as it was written then stays.
        return comparison.sentence
