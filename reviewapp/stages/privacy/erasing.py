"""Everything of one end user, erased; and told in a certificate that names nobody.

Whose a call is says the name that was sent with it, or the request itself: `user`, `safety_identifier`,
`metadata.user_id`. The first is found by an index; for the others every request is read once.

A batch is one transaction; a worker that dies is followed by another, which goes on with what is left. At the
end the name is taken out of what remains (filters, notes), out of the erasure's own row too, and the
certificate is written: what went, counted by table, and its digest, which the audit log has as well.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Cast
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    Alert,
    Annotation,
    AnnotationRevision,
    BackendChange,
    BulkWork,
    Comparison,
    Erasure,
    ErasureState,
    Export,
    ExportFormat,
    FailedMessage,
    FileImport,
    Flag,
    Interaction,
    InteractionBody,
    Notification,
    Permission,
    Post,
    PostRevision,
    Project,
    ReplayRun,
    Reuse,
    RoutingRule,
    SavedView,
    Study,
    Thread,
    system_actor,
)
from reviewapp.models.counting import About, about
from reviewapp.models.filters import Filter
from reviewapp.models.interaction import decompress
from reviewapp.models.privacy import Unopenable, opened
from reviewapp.pure.redaction import DETECTORS
from reviewapp.pure.redaction.hiding import pseudonym
from reviewapp.stages import export as exporting
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.privacy.clearing import BATCH, clear, not_held, withdraw_exports
from reviewapp.stages.record import uploads
from reviewapp.stages.record.arrival import UnreadableFrame, decode
from reviewapp.stages.record.hiding import pseudonym_keys
from reviewapp.stages.record.serving import decode_serving, is_serving

HEARTBEAT_LOST: Final = timedelta(seconds=120)
HEARTBEAT: Final = timedelta(seconds=15)
READ: Final = 500
NAME_LIMIT: Final = 255
GONE: Final = "[erased]"
# A name this short stands in other words too; it is not looked for in what people wrote.
_SHORTEST: Final = 5
_NAMED: Final = ("user", "safety_identifier")
_NAMED_IN_METADATA: Final = ("user_id", "user", "userId", "end_user", "end_user_id")
# What may name somebody beside their own calls: filters, and what people wrote.
_JSON: Final[tuple[tuple[type[models.Model], tuple[str, ...]], ...]] = (
    (SavedView, ("filter",)),
    (RoutingRule, ("filter",)),
    (BulkWork, ("filter", "parameters")),
    (Export, ("filter", "manifest")),
    (ReplayRun, ("selection", "overrides")),
    (FileImport, ("found", "set_aside")),
)
_TEXTS: Final[tuple[tuple[type[models.Model], str, tuple[str, ...]], ...]] = (
    (Flag, "project", ("note",)),
    (Annotation, "project", ("comment", "correction")),
    (AnnotationRevision, "annotation__project", ("comment", "correction")),
    (Thread, "project", ("quote",)),
    (Post, "project", ("text",)),
    (PostRevision, "post__project", ("text",)),
    (ReplayRun, "project", ("note",)),
    (Study, "project", ("name",)),
    (Comparison, "project", ("decision_note",)),
    (BackendChange, "project", ("note",)),
    (Notification, "project", ("subject",)),
    (Alert, "project", ("title", "text")),
    (SavedView, "project", ("name",)),
)
# Of these, the texts that were composed stand in `said` once more, as messages with what they name.
_COMPOSED: Final[tuple[type[models.Model], ...]] = (ReplayRun, Notification, Alert)


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of an end user before anything is done."""

    name: str
    calls: About
    first: datetime | None
    last: datetime | None
    held: About


def look_for(*, actor: Actor, name: str) -> Person:
    """What is recorded under this name. Raises Refused."""
    actor.check(Permission.ADMIN)
    name = _checked(name)
    rows = Interaction.objects.filter(project=actor.project, end_user__in=names_of(actor.project, name))
    free = not_held(rows)
    times = rows.aggregate(first=models.Min("started_at"), last=models.Max("started_at"))
    return Person(
        name, about(rows), times["first"], times["last"], about(rows.exclude(pk__in=free.values("pk")))
    )


def export_person(*, actor: Actor, name: str, now: datetime) -> Export:
    """All that is recorded under this name, as a file; the caller enqueues `export_make` on commit."""
    actor.check(Permission.ADMIN)
    names = names_of(actor.project, _checked(name))
    there = Interaction.objects.filter(project=actor.project, end_user__in=names)
    recorded_as = there.values_list("end_user", flat=True).first() or names[0]
    wanted = Filter(user=recorded_as, replays="all")
    return exporting.start_export(actor=actor, format=ExportFormat.JSONL, wanted=wanted, now=now)


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or "\x00" in name:
        raise Refused(
            gettext("Write the end user's name as it was sent, at most %(name_limit)s characters.")
            % {"name_limit": NAME_LIMIT},
            field="name",
        )
    return name


def names_of(project: Project, name: str) -> list[str]:
    """The name as it may be recorded: as it is, or as the project's pseudonym for it."""
    key = pseudonym_keys({project.pk}).get(project.pk)
    if key is None:
        return [name]
    return [name, *(f"[{detector}:{pseudonym(key, detector, name)}]" for detector in DETECTORS)]


@transaction.atomic
def start_erasure(*, actor: Actor, name: str, now: datetime) -> Erasure:
    """Ask to erase everything of an end user; the caller enqueues `privacy_erase` on commit.

    Raises Refused.
    """
    actor.check(Permission.ADMIN)
    name = _checked(name)
    salt = secrets.token_hex(16)
    made: Erasure = Erasure.objects.create(
        project=actor.project,
        end_user=name,
        salt=salt,
        digest=digest_of(salt, name),
        created_by=actor.person,
        created_at=now,
    )
    write_audit(actor=actor, action="person.erase", target=made, now=now, digest=made.digest)
    return made


def digest_of(salt: str, name: str) -> str:
    """By what somebody who knows the name recognises it in a certificate."""
    return hmac.new(salt.encode(), name.encode(), hashlib.sha256).hexdigest()


def sweep_erasures(*, now: datetime) -> list[UUID]:
    """Queue again what a dead worker left; gives the ids of all that wait, for the caller to enqueue."""
    Erasure.objects.filter(state=ErasureState.RUNNING, heartbeat_at__lt=now - HEARTBEAT_LOST).update(
        state=ErasureState.QUEUED
    )
    return list(Erasure.objects.filter(state=ErasureState.QUEUED).values_list("pk", flat=True))


def erase(*, erasure_id: UUID, clock: Callable[[], datetime], batch: int = BATCH) -> None:
    """Erase, to the end. Nothing happens when another worker is at it."""
    taken = Erasure.objects.filter(pk=erasure_id, state=ErasureState.QUEUED).update(
        state=ErasureState.RUNNING, heartbeat_at=clock()
    )
    if not taken:
        return
    erasure = Erasure.objects.select_related("project", "created_by").get(pk=erasure_id)
    name: str = erasure.end_user
    names = names_of(erasure.project, name)
    # First, so that nothing of it arrives behind what is erased.
    _throw_away_files(erasure, names, clock())
    rows = Interaction.objects.filter(project=erasure.project, end_user__in=names)
    while ids := list(not_held(rows).order_by("id").values_list("pk", flat=True)[:batch]):
        _erase_batch(erasure, ids, clock)
    held = set(rows.values_list("pk", flat=True))
    for found in _naming(erasure.project, names):
        if not found and clock() - erasure.heartbeat_at < HEARTBEAT:
            # Of most requests nothing is to be written, and a commit waits for the disk.
            continue
        free = list(not_held(Interaction.objects.filter(pk__in=found)).values_list("pk", flat=True))
        held |= set(found) - set(free)
        _erase_batch(erasure, free, clock)
    with transaction.atomic():
        _finish(erasure, name, names, len(held), clock())


def _throw_away_files(erasure: Erasure, names: list[str], now: datetime) -> None:
    """Files under Import that name one of these: they go whole, for who brought them can bring them again."""
    actor = system_actor(project=erasure.project)
    for file in uploads.files_naming(project=erasure.project, names=names):
        with transaction.atomic():
            if uploads.cancel_file(actor=actor, file=file, now=now):
                erasure.counts = dict(Counter(erasure.counts) + Counter({"import file": 1}))
                erasure.save(update_fields=["counts"])


def _erase_batch(erasure: Erasure, ids: list[UUID], clock: Callable[[], datetime]) -> None:
    with transaction.atomic():
        if ids:
            erasure.exports += withdraw_exports(project=erasure.project, interactions=ids)
            erasure.counts = dict(Counter(erasure.counts) + clear(project=erasure.project, interactions=ids))
        erasure.heartbeat_at = clock()
        erasure.save(update_fields=["exports", "counts", "heartbeat_at"])


def _naming(project: Project, names: list[str]) -> Iterator[list[UUID]]:
    """The calls whose requests name one of these themselves, some at a time; every request is read once."""
    needles = [json.dumps(name)[1:-1].encode() for name in names] + [name.encode() for name in names]
    # By their own key: joined to their bodies, all that were read before would be gone through once more.
    calls = Interaction.objects.filter(project=project).order_by("pk").values_list("pk", flat=True)
    last: UUID | None = None
    while True:
        ids = list((calls.filter(pk__gt=last) if last else calls)[:READ])
        if not ids:
            return
        last = ids[-1]
        # Neither answers nor headers: of a row that is most.
        rows = InteractionBody.objects.filter(interaction__in=ids).values_list(
            "interaction_id", "request", "metadata"
        )
        yield [
            interaction
            for interaction, *packed in rows
            if any(
                any(needle in text for needle in needles) and _names(text, names)
                for text in (decompress(bytes(one)) for one in packed if one is not None)
            )
        ]


def _names(text: bytes, names: list[str]) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    if not isinstance(value, dict):
        return False
    metadata = value.get("metadata")
    places = [value.get(name) for name in (*_NAMED, *_NAMED_IN_METADATA)]
    if isinstance(metadata, dict):
        places += [metadata.get(name) for name in _NAMED_IN_METADATA]
    return any(isinstance(place, str) and place in names for place in places)


def _finish(erasure: Erasure, name: str, names: list[str], held: int, now: datetime) -> None:
    project = erasure.project
    counts = Counter(erasure.counts)
    counts["reuse"] += Reuse.objects.filter(project=project, end_user__in=names).delete()[0]
    counts["failedmessage"] += _failed_messages(project, names)
    changed = sum(_without(project, one) for one in names if held == 0)
    counts = Counter({table: n for table, n in counts.items() if n})
    certificate = {
        "certificate": str(erasure.pk),
        "project": project.slug,
        "end_user": {"hmac_sha256": erasure.digest, "key": erasure.salt},
        "asked_for_by": erasure.created_by.email if erasure.created_by else None,
        "asked_for_at": erasure.created_at.isoformat(),
        "finished_at": now.isoformat(),
        "erased": dict(sorted(counts.items())),
        "name_taken_out_of": changed,
        "export_files_removed": erasure.exports,
        "kept_by_legal_hold": held,
    }
    certificate["sha256"] = hashlib.sha256(_canonical(certificate)).hexdigest()
    erasure.counts, erasure.kept, erasure.certificate = dict(counts), held, certificate
    erasure.state, erasure.end_user, erasure.finished_at = ErasureState.DONE, None, now
    erasure.save()
    actor = Actor(project=project, permissions=frozenset(Permission), person=erasure.created_by)
    write_audit(
        actor=actor,
        action="person.erased",
        target=erasure,
        now=now,
        erased=dict(counts),
        kept=held,
        certificate=certificate["sha256"],
    )


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_genuine(certificate: dict[str, Any]) -> bool:
    """Whether a certificate says what it said when it was written."""
    told = {name: value for name, value in certificate.items() if name != "sha256"}
    return hashlib.sha256(_canonical(told)).hexdigest() == certificate.get("sha256")


def _failed_messages(project: Project, names: list[str]) -> int:
    """Messages that were set aside and are of one of these."""
    gone = []
    for row in FailedMessage.objects.filter(project=project).iterator(chunk_size=50):
        try:
            payload = opened(bytes(row.payload))
            if is_serving(payload):
                if decode_serving(payload).end_user in names:
                    gone.append(row.pk)
                continue
            if decode(payload).content.user in names or _request_names(payload, names):
                gone.append(row.pk)
        except (UnreadableFrame, Unopenable):
            continue
    return FailedMessage.objects.filter(pk__in=gone).delete()[0]


def _request_names(payload: bytes, names: list[str]) -> bool:
    content = decode(payload).content
    request = content.request_text if hasattr(content, "request_text") else content.request
    return _names(request if isinstance(request, bytes) else request.encode("utf-8", "replace"), names)


def _without(project: Project, name: str) -> int:
    """Take a name out of what is kept beside its calls; gives how many rows were changed."""
    changed = 0
    for model, fields in _JSON:
        rows: Any = model._default_manager.filter(project=project)
        for field in fields:
            for row in _holding(rows, field, name):
                before = getattr(row, field)
                after = _replaced(before, name)
                if after != before:
                    model._default_manager.filter(pk=row.pk).update(**{field: after})
                    changed += 1
    if len(name) < _SHORTEST:
        return changed
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    for model, way, fields in _TEXTS:
        for field in fields:
            rows = model._default_manager.filter(Q(**{way: project}, **{f"{field}__contains": name}))
            for pk, text in rows.values_list("pk", field):
                after = word.sub(GONE, text)[: model._meta.get_field(field).max_length]  # type: ignore[union-attr]  # fields of our own tables
                if after != text:
                    model._default_manager.filter(pk=pk).update(**{field: after})
                    changed += 1
    for model in _COMPOSED:
        for row in _holding(model._default_manager.filter(project=project), "said", name):
            # Without its messages a text is told as it is stored, from where the name is gone.
            rest = {field: parts for field, parts in row.said.items() if not _holds(parts, name)}
            model._default_manager.filter(pk=row.pk).update(said=rest or None)
    return changed


def _holding(rows: Any, field: str, name: str) -> Any:
    """The rows in whose JSON the name stands somewhere."""
    written = Cast(field, models.TextField())
    return rows.alias(written=written).filter(written__contains=json.dumps(name, ensure_ascii=False)[1:-1])


def _holds(value: Any, name: str) -> bool:
    """Whether the name stands in a text of the value."""
    if isinstance(value, dict):
        return any(_holds(one, name) for one in value.values())
    if isinstance(value, list):
        return any(_holds(one, name) for one in value)
    return isinstance(value, str) and name in value


def _replaced(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(one, name) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, name) for one in value]
    return GONE if value == name else value
