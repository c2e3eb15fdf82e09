"""Continuations: which word follows which words in recorded answers, and how probable it was.

`context` is up to three words before it, in lower case, `next` the word, `shown` the word as it was
written. `mass` sums the probabilities with which the model gave that word there, whether it chose it
or had it among its alternatives; the row whose `next` is empty counts how often the context was met.
So mass by count is the probability that the model gives the word after these words, on the average of
what was recorded. Written by the find stage alone; all of it can be made again from the interactions.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from reviewapp.models.project import Project


class Continuation(models.Model):
    """One word after some others, in one project."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    # Compared by their bytes, so that the words that begin so stand side by side in the index.
    context = models.TextField(db_collation="C")
    next = models.TextField(db_collation="C")
    shown = models.TextField()
    count = models.BigIntegerField(default=0)
    mass = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            # What is typed is answered from this index alone.
            models.UniqueConstraint(
                fields=["project", "context", "next"],
                include=["shown", "count", "mass"],
                name="continuation_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.context} → {self.next}"


class LearntAnswer(models.Model):
    """An interaction whose answer was learnt from: only these have anything to be forgotten.

    Without a foreign key, for what is deleted is forgotten first, and the table that it would refer to may
    be partitioned. No text stands here.
    """

    interaction: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    # Which of its words' alternatives were learnt, by their place among all that the answer has. What is a
    # whole word hangs on what the project had said until then, so it can't be found out again.
    alternatives = ArrayField(models.IntegerField(), default=list)

    def __str__(self) -> str:
        return f"learnt from {self.interaction}"
