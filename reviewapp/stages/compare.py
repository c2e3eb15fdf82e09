"""Compare: original against attempt, with a verdict, kept and versioned.

What a comparison says depends on its siblings: other attempts of the same interaction show how
much it varies by itself. So whenever an attempt comes in, all of its interaction's attempts in
the run are judged together again. What the same request was answered before them tells how much
it varied then. A person's decision about a comparison stays.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from reviewapp import metrics
from reviewapp.models import (
    Attempt,
    AttemptState,
    Comparison,
    Interaction,
    RunKind,
    VerdictName,
)
from reviewapp.models.bodies import exchange_of
from reviewapp.models.canarying import Histories
from reviewapp.models.fingerprint import Pools, pool_model
from reviewapp.models.probing import Probes
from reviewapp.models.repeats import repeats_before
from reviewapp.pure import verdicts
from reviewapp.pure.differences.equivalence import answer_digest
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.said import say
from reviewapp.pure.verdicts import METHOD_VERSION, Evidence, SetVerdict, Verdict
from reviewapp.pure.words import storable
from reviewapp.stages import replay
from reviewapp.stages.review import decide as decide

log = logging.getLogger(__name__)

# Interactions judged in one transaction; each brings its own body and those of all its answers.
BATCH = 40
_KEPT = ("verdict", "confidence", "sentence", "figures", "answer_digest", "method")


def compare_new(*, now: datetime, run_id: UUID | None = None) -> int:
    """Compare attempts that are done and not compared yet; gives how many there were (0: caught up).

    Ends the runs whose last attempts these were.
    """
    waiting = Attempt.objects.filter(state=AttemptState.DONE, compared_at__isnull=True)
    if run_id is not None:
        waiting = waiting.filter(run=run_id)
    rows = waiting.order_by("run", "id").values_list("run", "original")[: BATCH * 4]
    chosen = list(dict.fromkeys(rows))[:BATCH]
    compared = 0
    for run in dict.fromkeys(run for run, _ in chosen):
        compared += _compare(run, [original for of, original in chosen if of == run], now)
        replay.finish(run_id=run, now=now)
    return compared


def runs_to_compare() -> list[UUID]:
    """The runs that have answers without a comparison."""
    waiting = Attempt.objects.filter(state=AttemptState.DONE, compared_at__isnull=True)
    return list(waiting.order_by().values_list("run", flat=True).distinct())


@transaction.atomic
def _compare(run_id: UUID, originals: Sequence[UUID], now: datetime, *, again: bool = False) -> int:
    """Judge all done attempts of these interactions; gives how many were new. Waits for who else does it."""
    attempts = list(
        Attempt.objects.filter(run=run_id, original__in=originals, state=AttemptState.DONE)
        .select_related("run", "provider", "variant")
        .defer("provider__api_key")
        .select_for_update(of=("self",))
        .order_by("id")
    )
    # Those that were asked in the same way are judged together.
    asked_alike: dict[tuple[UUID, UUID | None], list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.number):
        asked_alike.setdefault((attempt.original_id, attempt.variant_id), []).append(attempt)
    if not again:
        # Another worker may have been here between the look and the lock.
        asked_alike = {
            way: found
            for way, found in asked_alike.items()
            if any(attempt.compared_at is None for attempt in found)
        }
    judged = [attempt for found in asked_alike.values() for attempt in found]
    rows = _with_bodies([*{original for original, _ in asked_alike}, *(attempt.pk for attempt in judged)])
    known = Known(earlier=_earlier(judged, rows))
    fresh = [
        comparison
        for (original, _), found in asked_alike.items()
        for comparison in _comparisons(rows[original], found, rows, known, now)
    ]
    Comparison.objects.bulk_create(
        fresh, update_conflicts=True, unique_fields=["attempt"], update_fields=_KEPT
    )
    new = [attempt.pk for attempt in judged if attempt.compared_at is None]
    Attempt.objects.filter(pk__in=new).update(compared_at=now)
    first = frozenset(new)
    transaction.on_commit(partial(_count, [each.verdict for each in fresh if each.attempt_id in first]))
    return len(new)


def _count(verdicts: Iterable[str]) -> None:
    for verdict in verdicts:
        metrics.VERDICTS.labels(verdict).inc()


def _with_bodies(ids: Iterable[UUID]) -> dict[UUID, Interaction]:
    rows = Interaction.objects.select_related("source", "provider", "body")
    # The key is for who calls; one that can't be decrypted must not stop those who read.
    found: dict[UUID, Interaction] = rows.defer("provider__api_key").in_bulk(list(ids))
    return found


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside a batch's originals and answers, each read once."""

    pools: Pools = field(default_factory=Pools)
    histories: Histories = field(default_factory=Histories)
    probes: Probes = field(default_factory=Probes)
    # Answers to an original's request from before its attempts, oldest first, with their sessions.
    earlier: Mapping[UUID, Sequence[tuple[str, Interaction]]] = field(default_factory=dict)


def _earlier(
    judged: Sequence[Attempt], rows: Mapping[UUID, Interaction]
) -> dict[UUID, list[tuple[str, Interaction]]]:
    """What the originals' requests were answered before, of those that an attempt answered otherwise."""
    by_original: dict[UUID, list[Attempt]] = {}
    for attempt in judged:
        by_original.setdefault(attempt.original_id, []).append(attempt)
    seeded: dict[UUID, datetime] = {}
    unseeded: dict[UUID, datetime] = {}
    for id_, attempts in by_original.items():
        original = rows[id_]
        if any(_can_differ(original, attempt, rows[attempt.pk]) for attempt in attempts):
            wanted = unseeded if original.seed is None else seeded
            wanted[id_] = min(rows[attempt.pk].started_at for attempt in attempts)
    found = repeats_before(seeded=seeded, unseeded=unseeded)
    answers = _with_bodies(repeat.interaction for repeats in found.values() for repeat in repeats)
    return {
        id_: [(repeat.session, answers[repeat.interaction]) for repeat in repeats]
        for id_, repeats in found.items()
    }


def _can_differ(original: Interaction, attempt: Attempt, answer: Interaction) -> bool:
    """Whether the same request may have got another answer; the previews tell most."""
    if attempt.run.kind == RunKind.CANARY or attempt.provider_id != original.provider_id:
        return False
    told, other = original.answer_preview, answer.answer_preview
    whole = bool(told) and not told.endswith("…") and original.finish_reason == answer.finish_reason == "stop"
    return not whole or told != other


def _comparisons(
    original: Interaction,
    attempts: Sequence[Attempt],
    rows: Mapping[UUID, Interaction],
    known: Known,
    now: datetime,
) -> Iterator[Comparison]:
    """The rows of one interaction's attempts in a run."""
    try:
        judged = judge(original=original, attempts=attempts, rows=rows, known=known)
    except Exception as error:  # one odd answer must not keep the others from their verdicts
        log.exception("Answers can't be compared")
        stumbled = say("compare_stumbled", error=type(error).__name__)
        for attempt in attempts:
            yield Comparison(
                project_id=attempt.project_id,
                attempt=attempt,
                run_id=attempt.run_id,
                original_id=attempt.original_id,
                created_at=now,
                verdict=VerdictName.INCONCLUSIVE,
                sentence=str(stumbled),
                figures={"parts": [stumbled.as_json()]},
                method=METHOD_VERSION,
            )
        return
    for attempt, verdict in zip(attempts, judged.verdict.verdicts, strict=True):
        yield Comparison(
            project_id=attempt.project_id,
            attempt=attempt,
            run_id=attempt.run_id,
            original_id=attempt.original_id,
            created_at=now,
            verdict=verdict.kind.value,
            confidence=verdict.confidence,
            sentence=storable(verdict.sentence),
            figures=_storable(verdict.as_json()),
            answer_digest=answer_digest(judged.answers[attempt.pk].reply),
            method=METHOD_VERSION,
        )


def _storable(value: Any) -> Any:
    """What a JSON column can hold: no NUL, no half of a surrogate pair, no NaN."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {storable(str(name)): _storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Judged:
    """Several attempts of one interaction, read and judged together."""

    original: Exchange
    answers: dict[UUID, Exchange]
    verdict: SetVerdict


def judge(
    *,
    original: Interaction,
    attempts: Sequence[Attempt],
    rows: Mapping[UUID, Interaction],
    known: Known | None = None,
) -> Judged:
    """Say what the attempts' answers show together. `rows` has them, with their bodies, by id."""
    if known is None:
        known = Known(earlier=_earlier(attempts, rows))
    asked = exchange_of(original)
    # A check constraint holds that what is done has an answer, whose id is the attempt's.
    answers = {attempt.pk: exchange_of(rows[attempt.pk]) for attempt in attempts}
    context = verdicts.NO_EVIDENCE
    if attempts:
        context = evidence_of(
            attempts[0],
            original=original,
            answer=rows[attempts[0].pk],
            pools=known.pools,
            histories=known.histories,
            probes=known.probes,
        )
        earlier = [
            verdicts.earlier_answer(asked, exchange_of(answer), session=session)
            for session, answer in known.earlier.get(original.pk, ())
        ]
        context = replace(context, earlier=tuple(earlier))
    verdict = verdicts.summarise(asked, list(answers.values()), context=context)
    return Judged(original=asked, answers=answers, verdict=verdict)


def evidence_of(
    attempt: Attempt,
    *,
    original: Interaction,
    answer: Interaction,
    pools: Pools,
    histories: Histories,
    probes: Probes,
) -> Evidence:
    """What is known beside the two exchanges; the pool is that of who answered the replay."""
    same_backend = attempt.provider_id == original.provider_id and answer.model == original.model
    # A canary's own answers are what its check is decided from, so the check can't vouch for them.
    watched = same_backend and attempt.run.kind != RunKind.CANARY
    pool = pools.of(provider=attempt.provider_id, model=pool_model(answer.model, answer.response_model))
    return Evidence(
        grade=pool.graded.grade,
        states=pool.states,
        overrides=attempt.overrides,
        seed_honoured=probes.honoured(provider=attempt.provider, model=answer.model),
        canary=histories.between(
            provider=attempt.provider_id,
            model=original.model,
            since=original.started_at,
            until=answer.started_at,
        )
        if watched
        else "unknown",
    )


def summarise(*, original: Interaction, attempts: Sequence[Attempt]) -> SetVerdict:
    """What several attempts at one interaction show together, from whichever runs they are."""
    done = [attempt for attempt in attempts if attempt.state == AttemptState.DONE]
    wanted = [original.pk, *(attempt.pk for attempt in done)]
    rows = _with_bodies(wanted)
    return judge(original=rows[original.pk], attempts=done, rows=rows).verdict


def recompute(*, run_id: UUID, now: datetime) -> int:
    """Judge a run's attempts by the present method; gives how many verdicts changed.

    A person's decision stays.
    """
    before = dict(Comparison.objects.filter(attempt__run=run_id).values_list("pk", "verdict"))
    done = Attempt.objects.filter(run=run_id, state=AttemptState.DONE)
    originals = list(done.order_by().values_list("original", flat=True).distinct())
    for first in range(0, len(originals), BATCH):
        _compare(run_id, originals[first : first + BATCH], now, again=True)
    replay.finish(run_id=run_id, now=now)
    after = dict(Comparison.objects.filter(attempt__run=run_id).values_list("pk", "verdict"))
    return sum(before.get(pk) != verdict for pk, verdict in after.items())


@dataclass(frozen=True, slots=True)
class Group:
    """Attempts with the same answer; the first stands for all."""

    kind: str
    attempts: list[Attempt]

    @property
    def first(self) -> Attempt:
        return self.attempts[0]


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer and the original's, read and not judged."""

    original_row: Interaction
    answer_row: Interaction
    original: Exchange
    answer: Exchange


def pair(*, attempt: Attempt) -> Pair:
    """The two bodies of an attempt that has an answer."""
    rows = _with_bodies([attempt.original_id, attempt.pk])
    original, answer = rows[attempt.original_id], rows[attempt.pk]
    return Pair(original, answer, exchange_of(original), exchange_of(answer))


@dataclass(frozen=True, slots=True)
class View:
    """What the compare page draws: one attempt beside the original, and its siblings in groups."""

    attempt: Attempt
    original_row: Interaction
    answer_row: Interaction
    original: Exchange
    answer: Exchange
    verdict: Verdict
    together: SetVerdict
    groups: list[Group]
    siblings: list[Attempt]
    overrides: dict[str, Any] = field(default_factory=dict)


def view(*, attempt: Attempt) -> View:
    """Everything about one attempt's comparison, judged now from the bodies."""
    siblings = list(
        attempt.asked_alike()
        .filter(state=AttemptState.DONE)
        .select_related("answer", "comparison", "run", "provider", "variant")
        .defer("provider__api_key")
        .order_by("number")
    )
    wanted = [attempt.original_id, *(sibling.pk for sibling in siblings)]
    rows = _with_bodies(wanted)
    judged = judge(original=rows[attempt.original_id], attempts=siblings, rows=rows)
    place = next(i for i, sibling in enumerate(siblings) if sibling.pk == attempt.pk)
    return View(
        attempt=siblings[place],
        original_row=rows[attempt.original_id],
        answer_row=rows[attempt.pk],
        original=judged.original,
        answer=judged.answers[attempt.pk],
        verdict=judged.verdict.verdicts[place],
        together=judged.verdict,
        groups=[
            Group(kind=group.kind, attempts=[siblings[member] for member in group.members])
            for group in judged.verdict.groups
            if group.members
        ],
        siblings=siblings,
        overrides=siblings[place].overrides,
    )
