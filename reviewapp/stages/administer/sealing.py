"""Sealing the audit trail into chains, one a project; verifying them; the trail as lines to keep elsewhere.

A chain can't tell that its newest links were cut off. So a verification gives the last digest, and one that
was written down earlier can be asked for again: it must still be in the chain.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from reviewapp.models import Actor, AuditEntry, AuditSeal, AuditUnsealed, Permission, Project
from reviewapp.pure.chain import START, Broken, Link, digest_of, first_break
from reviewapp.stages.administer.audit import write_audit

BATCH: Final = 500
# What is not sealed after this time never will be: the sealer does not run, or somebody took its note away.
SEAL_WITHIN: Final = timedelta(minutes=5)
_LOCK: Final = 0x61756469


@dataclass(frozen=True, slots=True)
class Chain:
    """What a verification found of one project's chain (None: of what belongs to no project)."""

    project: Project | None
    entries: int
    head: bytes
    broken: Broken | None
    unsealed: int

    @property
    def head_text(self) -> str:
        """The last digest, to be written down."""
        return self.head.hex()

    @property
    def is_whole(self) -> bool:
        return self.broken is None and not self.unsealed


@transaction.atomic
def seal_audit(*, now: datetime) -> int:
    """Seal what waits, up to a batch; gives how many. One at a time, others have nothing to do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
    waiting = list(AuditUnsealed.objects.order_by("entry_id").values_list("entry_id", flat=True)[:BATCH])
    by_project: dict[UUID | None, list[AuditEntry]] = defaultdict(list)
    for entry in AuditEntry.objects.filter(pk__in=waiting, seal__isnull=True).order_by("at", "id"):
        by_project[entry.project_id].append(entry)
    for project, entries in by_project.items():
        last = AuditSeal.objects.filter(project=project).order_by("-seq").first()
        seq, previous = (last.seq, bytes(last.digest)) if last is not None else (0, START)
        seals: list[AuditSeal] = []
        for entry in entries:
            seq += 1
            digest = digest_of(previous=previous, seq=seq, content=content_of(entry))
            seals.append(
                AuditSeal(
                    entry=entry, project_id=project, seq=seq, previous=previous, digest=digest, sealed_at=now
                )
            )
            previous = digest
        AuditSeal.objects.bulk_create(seals)
    AuditUnsealed.objects.filter(pk__in=waiting).delete()
    return len(waiting)


def content_of(entry: AuditEntry) -> dict[str, Any]:
    """What takes part in the digest: all that an entry says, by ids that never change."""
    return {
        "id": str(entry.pk),
        "at": entry.at.isoformat(),
        "project": str(entry.project_id) if entry.project_id else None,
        "person": str(entry.person_id) if entry.person_id else None,
        "key": str(entry.key_id) if entry.key_id else None,
        "action": entry.action,
        "object_type": entry.object_type,
        "object_id": entry.object_id,
        "detail": entry.detail,
    }


def verify_audit(*, project: Project | None, now: datetime) -> Chain:
    """Read a project's chain from its beginning."""
    seals = AuditSeal.objects.filter(project=project).select_related("entry").order_by("seq")
    broken, entries, head = first_break(
        Link(seal.seq, bytes(seal.previous), bytes(seal.digest), content_of(seal.entry))
        for seal in seals.iterator(chunk_size=BATCH)
    )
    late = AuditEntry.objects.filter(project=project, seal__isnull=True, at__lt=now - SEAL_WITHIN)
    return Chain(project, entries, head, broken, late.count())


def knows_head(*, project: Project | None, digest: bytes) -> bool:
    """Whether a digest that somebody wrote down is (still) in the chain."""
    return AuditSeal.objects.filter(project=project, digest=digest).exists()


@transaction.atomic
def note_taken(*, actor: Actor, search: str, now: datetime) -> None:
    """Leave the trace that somebody took the log along."""
    actor.check(Permission.ADMIN)
    write_audit(actor=actor, action="audit.export", target=actor.project, now=now, search=search)


def audit_lines(*, entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """The trail as JSON Lines, oldest first, each with its link: it can be verified without this database."""
    rows = entries.select_related("seal", "person", "key").order_by("at", "id")
    for entry in rows.iterator(chunk_size=BATCH):
        seal: AuditSeal | None = getattr(entry, "seal", None)
        by = entry.person.email if entry.person else entry.key.name if entry.key else "reviewapp"
        line = {
            "entry": content_of(entry),
            "by": by,
            "seq": seal.seq if seal else None,
            "previous": bytes(seal.previous).hex() if seal else None,
            "digest": bytes(seal.digest).hex() if seal else None,
        }
        yield json.dumps(line, ensure_ascii=False, default=str) + "\n"


def verify_lines(lines: Iterable[str]) -> tuple[Broken | None, int, bytes]:
    """Verify a whole trail that was exported. Raises ValueError on what is no such line."""
    found = [_link(line) for line in lines if line.strip()]
    return first_break(sorted((link for link in found if link is not None), key=lambda link: link.seq))


def _link(line: str) -> Link | None:
    value: Mapping[str, Any] = json.loads(line)
    try:
        if value["seq"] is None:
            return None  # written down before its seal
        return Link(
            int(value["seq"]),
            bytes.fromhex(value["previous"]),
            bytes.fromhex(value["digest"]),
            value["entry"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"a line is no entry of an exported audit log: {error}") from error
