"""What is recorded and can't be searched by its words yet.

Words cost the database as much as all else of a recorded row, so they come behind it: a batch's texts
wait here, written in the transaction that records the batch, and gone in the transaction that makes
them searchable. The row is the work; no crash leaves an interaction out or has it indexed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import Min, Sum


class WaitingWords(models.Model):
    """The texts of a recorded batch, packed by the record stage."""

    id = models.BigAutoField(primary_key=True)
    count = models.IntegerField()
    texts = models.BinaryField()
    recorded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"words of {self.count}, {self.recorded_at}"


@dataclass(frozen=True, slots=True)
class Unsearchable:
    """How many interactions are recorded and not searchable yet, and since when the oldest is."""

    interactions: int
    since: datetime | None


def unsearchable() -> Unsearchable:
    """What waits now."""
    found = WaitingWords.objects.aggregate(interactions=Sum("count"), since=Min("recorded_at"))
    return Unsearchable(found["interactions"] or 0, found["since"])
