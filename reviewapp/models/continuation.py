"""Continuations: which word follows which words in recorded answers, and how probable it was.

`context` is up to three words before it, in lower case, `next` the word, `shown` the word as it was
written. `mass` sums the probabilities with which the model gave that word there, whether it chose it
or had it among its alternatives; the row whose `next` is empty counts how often the context was met.
So mass by count is the probability that the model gives the word after these words, on the average of
what was recorded. Written by the find stage alone; all of it can be made again from the interactions.
"""

from __future__ import annotations

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
