"""What was refused, told to who reads the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext as _

from reviewapp.pure.refusing import Worded
from reviewapp.pure.rubrics import InvalidAnswer


def reason_of(error: InvalidAnswer | Worded) -> str:
    """Why it is refused, without its field, in the reader's language."""
    template = gettext(error.template)
    return template % error.places if error.places else template


def words_of(error: Exception) -> str:
    """Why something is refused, in the reader's language."""
    return f"{error.field}: {reason_of(error)}" if isinstance(error, InvalidAnswer) else str(error)


def sentence_of(error: Exception, questions: Sequence[Mapping[str, Any]] = ()) -> str:
    """The refusal for a reader of the page, who sees a question's words and not its key."""
    if not isinstance(error, InvalidAnswer):
        return str(error)
    labels = {f"scores.{question['key']}": question["label"] for question in questions}
    label = labels.get(error.field)
    if label is None:
        name = _("The judgement") if error.field == "scores" else gettext(error.field.capitalize())
        return _("%(name)s %(reason)s.") % {"name": name, "reason": reason_of(error)}
    # The question's words may end the reason too, after a colon with or without a space before.
    reason = reason_of(error).removesuffix(label).rstrip(" :\u00a0\u202f")
    return _("“%(label)s” %(reason)s.") % {"label": label, "reason": reason}
