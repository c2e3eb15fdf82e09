"""The seal of the audit trail: each entry's place in its project's chain.

An entry is written in the deed's own transaction, by many processes at once; a chain has one end. So
deeds only leave a note that their entry is unsealed (a trigger does, whoever writes), and one at a time
the sealer puts them into the chain moments later. A deed never waits for another's.
"""

from __future__ import annotations

from uuid import UUID

from django.db import models

from reviewapp.models.project import AuditEntry, Project


class AuditSeal(models.Model):
    """An entry's link. Never changed or deleted: the database refuses it."""

    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, primary_key=True, related_name="seal")
    # None: the chain of what belongs to no project.
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    seq = models.BigIntegerField()
    previous = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Also the index for reading a chain in its order.
            models.UniqueConstraint(fields=["project", "seq"], name="audit_seal_once", nulls_distinct=False),
            models.CheckConstraint(condition=models.Q(seq__gte=1), name="audit_seal_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} of {self.project_id}"


class AuditUnsealed(models.Model):
    """An entry that waits for its seal; written by the database, taken away by the sealer."""

    entry_id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)

    def __str__(self) -> str:
        return str(self.entry_id)
