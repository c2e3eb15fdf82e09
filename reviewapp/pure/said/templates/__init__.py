"""The templates of all messages, each under its key, ready for translation.

Places take numbers, and strings that need no translation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates import (
    alerts,
    calls,
    canaries,
    changes,
    files,
    pools,
    verdicts,
    wellbeing,
)
from reviewapp.pure.said.templates.marking import Several, Template

TEMPLATES: Final[Mapping[str, Template]] = {
    # What somebody else wrote.
    "verbatim": "%(text)s",
    **verdicts.TEMPLATES,
    **pools.TEMPLATES,
    **changes.TEMPLATES,
    **canaries.TEMPLATES,
    **alerts.TEMPLATES,
    **calls.TEMPLATES,
    **wellbeing.TEMPLATES,
    **files.TEMPLATES,
}
# Places that hold written figures where they hold a string, and those that may hold a word of ours.
FIGURES: Final = verdicts.FIGURES
WORDS: Final = {**verdicts.WORDS, **calls.WORDS, **files.WORDS}
# The place that holds a text of ours without places, which is found in the catalogue as it is.
OURS: Final = "ours"

__all__ = ["FIGURES", "OURS", "TEMPLATES", "WORDS", "Several", "Template"]
