"""What tests begin with: plain functions that make one thing each, with defaults that are valid."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.search import SearchVector
from django.db.models import Value

from reviewapp.models import (
    Actor,
    Alert,
    AlertChannel,
    Attempt,
    BackendChange,
    Canary,
    CanaryBaseline,
    CanaryCheck,
    CanarySession,
    CanarySet,
    ChangeEvent,
    Comparison,
    Interaction,
    InteractionBody,
    InteractionText,
    Membership,
    Person,
    Project,
    Provider,
    Queue,
    QueueItem,
    ReplayRun,
    ReplayVariant,
    Role,
    SavedView,
    SeedRange,
    Source,
    Study,
    StudyPoint,
    Verification,
    actor_for_key,
    actor_for_person,
)
from reviewapp.models.interaction import compress
from reviewapp.pure import words
from reviewapp.pure.canonical import request_hash
from reviewapp.pure.ids import new_id
from reviewapp.stages import administer, review, watch

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)
# Apart, and in small steps: however many tests ran before, what is made now is not yet "an hour later".
_moments = itertools.count(1)


def make_project(*, name: str = "", now: datetime = NOW) -> Project:
    return administer.create_project(name=name or f"Project {next(_numbers)}", now=now)


def make_person(*, email: str = "", password: str | None = None, **fields: Any) -> Person:
    return Person.objects.create_user(email or f"person{next(_numbers)}@example.org", password, **fields)


def make_member(*, project: Project, role: str = Role.REVIEWER, person: Person | None = None) -> Person:
    """A person with that role in the project."""
    person = person or make_person(email=f"{role}{next(_numbers)}@example.org")
    Membership.objects.create(project=project, person=person, role=role, created_at=NOW)
    return person


def make_actor(*, project: Project, role: str = Role.ADMIN, person: Person | None = None) -> Actor:
    member = make_member(project=project, role=role, person=person)
    actor = actor_for_person(person=member, project=project)
    assert actor is not None
    return actor


def make_key(*, project: Project, scopes: tuple[str, ...] = ("ingest", "read")) -> str:
    """The secret of a new key."""
    _, secret = administer.create_api_key(project=project, name="test key", scopes=scopes, now=NOW)
    return secret


def make_key_actor(*, project: Project, scopes: tuple[str, ...]) -> Actor:
    """A new key as it acts."""
    key, _ = administer.create_api_key(project=project, name="test key", scopes=scopes, now=NOW)
    return actor_for_key(key=key)


def make_provider(*, project: Project, name: str = "openai", base_url: str = "", **fields: Any) -> Provider:
    return Provider.objects.create(project=project, name=name, base_url=base_url, created_at=NOW, **fields)


def make_source(*, project: Project, name: str = "support-bot", **fields: Any) -> Source:
    return Source.objects.create(project=project, name=name, created_at=NOW, **fields)


def make_seed_range(*, source: Source, first: int = 1, last: int = 1000, **values: Any) -> SeedRange:
    """A range reserved to the source by an admin of its project."""
    return administer.reserve_range(
        actor=make_actor(project=source.project),
        source=source,
        values=administer.RangeValues(first=first, last=last, **values),
        now=NOW,
    )


def make_interaction(
    *,
    project: Project,
    source: Source | None = None,
    provider: Provider | None = None,
    request: dict[str, Any] | None = None,
    response: dict[str, Any] | None = None,
    prompt: str = "When is my refund due?",
    answer: str = "Within five days.",
    model: str = "gpt-4o-mini",
    seed: int | None = 123,
    fingerprint: str | None = "fp_44709d6fcb",
    started_at: datetime | None = None,
    **fields: Any,
) -> Interaction:
    """A recorded chat completion, written straight into the tables as the record stage would."""
    moment = started_at or NOW + timedelta(milliseconds=10 * next(_moments))
    request = request or {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        **({} if seed is None else {"seed": seed}),
    }
    response = response or {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "model": model,
        "system_fingerprint": fingerprint,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13},
    }
    source = source or Source.objects.filter(project=project).first() or make_source(project=project)
    provider = provider or Provider.objects.filter(project=project).first() or make_provider(project=project)
    interaction: Interaction = Interaction.objects.create(
        **{
            "project": project,
            "source": source,
            "provider": provider,
            "endpoint": "chat.completions",
            "model": model,
            "response_model": model,
            "seed": seed,
            "fingerprint": fingerprint,
            "status": 200,
            "started_at": moment,
            "created_at": moment,
            "latency_ms": 800,
            "finish_reason": "stop",
            "input_tokens": 8,
            "output_tokens": 5,
            "request_hash": bytes.fromhex(request_hash("chat.completions", request).removeprefix("sha256:")),
            "prompt_preview": prompt,
            "answer_preview": answer,
            **fields,
        }
    )
    InteractionBody.objects.create(
        interaction=interaction,
        request=compress(json.dumps(request).encode()),
        response=compress(json.dumps(response).encode()),
    )
    InteractionText.objects.create(
        interaction=interaction,
        project=project,
        document=SearchVector(Value(words.indexable(f"{prompt}\n{answer}")), config="simple"),
    )
    return interaction


def make_change(
    *, project: Project, run: ReplayRun | None = None, model: str = "gpt-4o-mini", **fields: Any
) -> BackendChange:
    """A change for which one new fingerprint was seen; with a run, verified by it."""
    provider = Provider.objects.filter(project=project).first() or make_provider(project=project)
    change: BackendChange = BackendChange.objects.create(
        **{
            "project": project,
            "provider": provider,
            "model": model,
            "title": f"A new fingerprint answers for {model}",
            "state": "verified" if run is not None else "open",
            "opened_at": NOW,
            "last_event_at": NOW,
            **fields,
        }
    )
    ChangeEvent.objects.create(
        project=project,
        provider=provider,
        model=model,
        change=change,
        kind="new_value",
        key="new_value:fp_new",
        at=NOW,
        noticed_at=NOW,
        sentence="A value never seen before: fp_new, in 100 % of the answers since.",
        values=["fp_new"],
        evidence={"share": 1.0, "grade": "informative", "before": [["fp_old", 1.0]], "parts": []},
    )
    if run is not None:
        asked = run.attempt_set.count()
        Verification.objects.create(
            project=project,
            change=change,
            run=run,
            approved=asked,
            flagged=0,
            asked=asked,
            started_at=NOW,
            finished_at=NOW,
        )
    return change


def make_run(
    *,
    project: Project,
    verdicts: Sequence[str] = (),
    failed: int = 0,
    queued: int = 0,
    state: str = "done",
    **fields: Any,
) -> ReplayRun:
    """A run with one attempt for each verdict, and some that failed or still wait; each its own original."""
    run: ReplayRun = ReplayRun.objects.create(
        **{
            "project": project,
            "state": "running" if queued else state,
            "selection": {"interactions": len(verdicts) + failed + queued},
            "created_at": NOW,
            "started_at": NOW,
            **fields,
        }
    )
    for verdict in verdicts:
        original = make_interaction(project=project)
        make_attempt(run=run, original=original, verdict=verdict)
    for _ in range(failed):
        make_attempt(
            run=run,
            original=make_interaction(project=project),
            state="failed",
            error="The provider did not answer within 120 s.",
            failure={"kind": "timeout", "status": None, "body": ""},
            finished_at=NOW,
        )
    for _ in range(queued):
        make_attempt(run=run, original=make_interaction(project=project), state="queued")
    return run


def make_attempt(
    *,
    run: ReplayRun,
    original: Interaction,
    verdict: str | None = None,
    answer: Interaction | None = None,
    sentence: str = "The answers are identical, word for word.",
    **fields: Any,
) -> Attempt:
    """One attempt; with a verdict it is done and compared, and its answer recorded under its id."""
    if verdict is not None and answer is None:
        answer = make_interaction(project=run.project, provider=original.provider, replay_of=original)
    done = {"state": "done", "finished_at": NOW, "compared_at": NOW} if answer is not None else {}
    attempt: Attempt = Attempt.objects.create(
        **{
            "id": answer.pk if answer is not None else new_id(),
            "project": run.project,
            "run": run,
            "original": original,
            "provider": original.provider,
            "answer": answer,
            "created_at": NOW,
            **done,
            **fields,
        }
    )
    if verdict is not None:
        Comparison.objects.create(
            project=run.project,
            run=run,
            attempt=attempt,
            original=original,
            verdict=verdict,
            sentence=sentence,
            method=1,
            created_at=NOW,
        )
    return attempt


def answer_attempt(attempt: Attempt, *, answer: str, verdict: str, sentence: str) -> Comparison:
    """What a worker makes of an attempt that waits: its answer, recorded and compared."""
    original = attempt.original
    row = make_interaction(
        project=attempt.project, provider=original.provider, replay_of=original, answer=answer, id=attempt.pk
    )
    Attempt.objects.filter(pk=attempt.pk).update(
        state="done", answer=row, finished_at=NOW, compared_at=NOW, lease_until=None
    )
    comparison: Comparison = Comparison.objects.create(
        project=attempt.project,
        run=attempt.run,
        attempt=attempt,
        original=original,
        verdict=verdict,
        sentence=sentence,
        method=1,
        created_at=NOW,
    )
    return comparison


def make_study(
    *,
    project: Project,
    interaction: Interaction | None = None,
    conditions: Sequence[tuple[dict[str, Any], Sequence[float]]] = (),
    kind: str = "deviation",
    state: str = "done",
    **fields: Any,
) -> Study:
    """A study with its conditions: what each is about, and how alike each of its answers is."""
    interaction = interaction or make_interaction(project=project)
    run: ReplayRun = ReplayRun.objects.create(
        project=project,
        kind="study",
        note="A study",
        state=state,
        selection={"interactions": 1},
        attempts=max((len(alike) for _, alike in conditions), default=1),
        created_at=NOW,
        started_at=NOW,
    )
    study: Study = Study.objects.create(
        project=project,
        kind=kind,
        name=fields.pop("name", "How far may it drift?"),
        run=run,
        interaction=interaction,
        created_at=NOW,
        **fields,
    )
    for position, (about, alike) in enumerate(conditions):
        variant = ReplayVariant.objects.create(
            project=project, run=run, position=position, label="a way", about=about
        )
        for number, similarity in enumerate(alike, start=1):
            answer = make_interaction(project=project, replay_of=interaction, provider=interaction.provider)
            attempt = make_attempt(
                run=run,
                original=interaction,
                verdict="identical" if similarity == 1 else "inconclusive",
                answer=answer,
                variant=variant,
                number=position * run.attempts + number,
            )
            StudyPoint.objects.create(
                attempt=attempt,
                project=project,
                study=study,
                variant=variant,
                identical=similarity == 1,
                equivalent=similarity == 1,
                similarity=similarity,
                digest=hashlib.sha256(f"{similarity}".encode()).digest(),
            )
    return study


def make_channel(*, project: Project, name: str = "", kind: str = "webhook", **fields: Any) -> AlertChannel:
    """Where alerts of any severity and kind go."""
    channel: AlertChannel = AlertChannel.objects.create(
        **{
            "project": project,
            "name": name or f"Channel {next(_numbers)}",
            "kind": kind,
            "url": "http://127.0.0.1:9/hook",
            "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" if kind == "webhook" else None,
            "least_severity": "info",
            "created_at": NOW,
            **fields,
        }
    )
    return channel


def make_alert(*, project: Project, now: datetime = NOW, **fields: Any) -> Alert:
    """An alert as a stage raises it; each its own matter unless a key is given."""
    return watch.raise_alert(
        **{
            "project_id": project.pk,
            "kind": "backend-change",
            "severity": "warning",
            "title": "gpt-4o-mini answers with a new fingerprint",
            "text": "fp_a1c9 was seen in 12 of the last 40 answers.",
            "path": "/changes/",
            "key": f"matter {next(_numbers)}",
            "now": now,
            **fields,
        }
    )


def make_queue(*, project: Project, name: str = "Samples", **fields: Any) -> Queue:
    return Queue.objects.create(
        project=project, name=name, slug=f"queue-{next(_numbers)}", created_at=NOW, **fields
    )


def fill_queue(queue: Queue, *interactions: Interaction, reason: str = "By hand") -> list[QueueItem]:
    """The interactions (or one new one) waiting in the queue."""
    rows = interactions or (make_interaction(project=queue.project),)
    review.enqueue(queue=queue, entries=[review.Entry(row.pk) for row in rows], reason=reason, now=NOW)
    return list(QueueItem.objects.filter(queue=queue).order_by("position", "id"))


def make_view(*, project: Project, name: str = "", **fields: Any) -> SavedView:
    """A view that a reviewer shares with the project."""
    made: SavedView = SavedView.objects.create(
        **{
            "project": project,
            "name": name or f"View {next(_numbers)}",
            "filter": {"flagged": "yes"},
            "is_shared": True,
            "created_by": fields.get("created_by") or make_member(project=project),
            "created_at": NOW,
            **fields,
        }
    )
    return made


def make_canaries(*, project: Project, model: str = "gpt-4o-mini", **fields: Any) -> CanarySet:
    """A watched model with one canary and an empty baseline."""
    interaction = make_interaction(project=project, model=model)
    made: CanarySet = CanarySet.objects.create(
        **{
            "project": project,
            "provider": interaction.provider,
            "model": model,
            "state": "watching",
            "alternatives": 20,
            "seed_honoured": True,
            "created_at": NOW,
            **fields,
        }
    )
    Canary.objects.create(set=made, interaction=interaction, kind="greedy", created_at=NOW)
    CanaryBaseline.objects.create(set=made, started_at=NOW)
    return made


def make_check(*, canaries: CanarySet, created_at: datetime = NOW, **fields: Any) -> CanaryCheck:
    """A finished check that found nothing, unless told otherwise."""
    made: CanaryCheck = CanaryCheck.objects.create(
        **{
            "project": canaries.project,
            "set": canaries,
            "baseline": canaries.baselines.get(ended_at__isnull=True),
            "state": "done",
            "created_at": created_at,
            "decided_at": created_at,
            "verdict": "identical",
            "sentence": "Identical: all 25 answers equal the recorded ones, log probabilities included.",
            "statistic": "lp_nearest",
            "column": "log probabilities",
            "effect": 0.0,
            "floor": 1e-4,
            "p": 1.0,
            "detectable": 1e-4,
            "requests": 25,
            "method": 1,
            **fields,
        }
    )
    return made


def make_session(*, canaries: CanarySet, created_at: datetime = NOW, **fields: Any) -> CanarySession:
    """A captured session of the standing baseline."""
    run = ReplayRun.objects.create(
        project=canaries.project, kind="canary", state="done", created_at=created_at
    )
    made: CanarySession = CanarySession.objects.create(
        **{
            "set": canaries,
            "baseline": canaries.baselines.get(ended_at__isnull=True),
            "run": run,
            "purpose": "baseline",
            "state": "read",
            "requests": 125,
            "answered": 125,
            "fit": True,
            "created_at": created_at,
            **fields,
        }
    )
    return made
