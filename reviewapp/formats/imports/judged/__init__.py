"""Files of tools in which people judge: Label Studio's tasks, Argilla's records, OpenTelemetry's evaluations.

What the app's own exports put there is read in full; what the tool itself wrote, as far as it tells who
judged and what. Marks are kept where the judged text is the answer that was recorded.
"""

from __future__ import annotations

from reviewapp.formats.imports.judged.argilla import argilla, is_argilla
from reviewapp.formats.imports.judged.evaluations import evaluations, is_evaluations
from reviewapp.formats.imports.judged.labelstudio import is_label_studio, label_studio

__all__ = ["argilla", "evaluations", "is_argilla", "is_evaluations", "is_label_studio", "label_studio"]
