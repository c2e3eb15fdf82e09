"""Files that other tools wrote, as the interactions in them; the tool is recognised by itself."""

from __future__ import annotations

from reviewapp.formats.imports.lines import Line, NotImportable
from reviewapp.formats.imports.reading import AUTO, read_file
from reviewapp.formats.imports.recognising import FORMATS
from reviewapp.formats.imports.tally import Tally, tallied

__all__ = ["AUTO", "FORMATS", "Line", "NotImportable", "Tally", "read_file", "tallied"]
