"""What web processes count together: how often somebody may still come, and what is kept for minutes.

Both tables are unlogged: a database that crashed begins them anew, and all limits with a full minute.
"""

from __future__ import annotations

from django.db import models


class RateLevel(models.Model):
    """How many calls a key or an address has left (below nought: what it owes), as of `at`."""

    name = models.TextField(primary_key=True)
    level = models.FloatField()
    per_minute = models.IntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.level:g} of {self.per_minute}"


class Kept(models.Model):
    """A value under its key, until it expires: codes that were used, and tries that were wrong."""

    key = models.TextField(primary_key=True)
    value = models.JSONField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
