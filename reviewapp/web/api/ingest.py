"""What is posted to /api/v1/interactions, on its way to the journal.

The API's operation and the quick way in (web/receiving.py) both read bodies here, so that they take
and refuse the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from reviewapp.formats.interchange import InvalidInteraction
from reviewapp.pure.ids import new_id
from reviewapp.stages import record
from reviewapp.web.api import bodies
from reviewapp.web.api.problems import Problem


@dataclass(frozen=True, slots=True)
class Receipt:
    """What of a body can be recorded: frames for the journal, ids for the answer; and what can't."""

    frames: list[bytes]
    accepted: list[UUID]
    rejected: list[dict[str, Any]]

    def answer(self) -> dict[str, Any]:
        """The body of the 202, to be sent when the journal has the frames."""
        return {"accepted": self.accepted, "rejected": self.rejected}


def read_posted(
    body: bytes, *, headers: Mapping[str, str], project: UUID, source: str | None, now: datetime
) -> Receipt:
    """What a body holds; `source` is taken where an item names none. Raises Problem when nothing is valid."""
    data = bodies.unpacked(body, headers.get("Content-Encoding", ""))
    receipt = Receipt([], [], [])
    for index, item in enumerate(bodies.items_of(data, headers.get("Content-Type", ""))):
        if isinstance(item, InvalidInteraction):
            named = {"field": item.field} if item.field else {}
            receipt.rejected.append({"index": index, "error": str(item), **named})
            continue
        if item.source is None and source is not None:
            item = replace(item, source=source)
        arrival = record.Arrival(id=item.id or new_id(), project_id=project, received_at=now, content=item)
        receipt.frames.append(record.encode(arrival))
        receipt.accepted.append(arrival.id)
    if not receipt.frames:
        one = len(receipt.rejected) == 1
        detail = receipt.rejected[0]["error"] if one else "None of the interactions is valid."
        named = {"field": receipt.rejected[0]["field"]} if one and "field" in receipt.rejected[0] else {}
        raise Problem(422, detail, rejected=receipt.rejected, **named)
    return receipt
