"""Why something can't be, said in English and ready to be said in other languages."""

from __future__ import annotations

from typing import Any


class Worded(Exception):
    """Its message is in English; `template` and what stands in its `places` say it in other languages."""

    def __init__(self, template: str, **places: Any) -> None:
        self.template = template
        self.places = places
        super().__init__(template % places if places else template)
