"""Compares two endpoints, or two pools of them: asks both, and has the pure rule decide.

The baseline is asked in several sessions, the candidate in one look and, where that is not clear, in another
on fresh requests; each makes the same load of its own (see `panel`). While the verdict is open and the
budget has requests left, the baseline gets one more session and the candidate one more look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from reviewapp.providers.errors import CallFailed
from reviewapp.providers.panel import WIDTHS, Asker, Budget, BudgetSpent, Side
from reviewapp.pure.drift.decision import Check, Decision, decide
from reviewapp.pure.drift.dialect import Dialect
from reviewapp.pure.drift.panel import (
    BORDER_CANDIDATES,
    BORDER_PROBES,
    SEED_PROBES,
    SEED_QUESTIONS,
    TEXT_PROMPTS,
    TOKEN_PROMPTS,
    Abilities,
    BudgetTooSmall,
    Plan,
    Question,
    SeedProbe,
    border_prompts,
    design,
    is_seed_honoured,
)
from reviewapp.pure.drift.rows import Row
from reviewapp.pure.verdicts.values import VerdictKind

MOST_LOOKS: Final = 4
BORDER_SHARE: Final = 0.25
PROBE_SEED: Final = 77
SMALL_BUDGET: Final = 250


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a comparison. `decision` is None where the endpoints could not be asked at all."""

    verdict: VerdictKind
    sentence: str
    decision: Decision | None
    requests: int
    asked: int
    failed: int
    sessions: int
    baseline_rows: int
    looks: int
    given_up: tuple[str, ...] = ()
    seed_honoured: bool = True
    errors: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass
class Course:
    """What is known so far while the comparison runs."""

    baseline: Asker
    candidate: Asker
    dialect: Dialect
    models: tuple[str, str]
    seed_honoured: bool = True
    widths: tuple[int, ...] = WIDTHS
    rows: tuple[Row, ...] = ()
    looks: tuple[tuple[Row, ...], ...] = ()
    sessions: int = 0


async def compare_endpoints(
    *,
    baseline: Side,
    candidate: Side,
    budget: int,
    sessions: int,
    text_only: bool,
    seed: int,
    clock: Callable[[], datetime],
    report: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """The verdict on the candidate, out of at most `budget` requests to both sides together."""
    purse = Budget(limit=budget)
    rng = np.random.default_rng(seed)
    async with (
        Asker(baseline, budget=purse, rng=rng, clock=clock) as known,
        Asker(candidate, budget=purse, rng=rng, clock=clock) as new,
    ):
        try:
            course = await _learn(known, new, text_only=text_only)
            plan = await _plan(course, purse, sessions=sessions, text_only=text_only, rng=rng)
        except (CallFailed, BudgetSpent, BudgetTooSmall) as error:
            return Outcome(
                verdict=VerdictKind.INCONCLUSIVE,
                sentence=str(error),
                decision=None,
                requests=purse.spent,
                asked=known.tally.asked + new.tally.asked,
                failed=known.tally.failed + new.tally.failed,
                sessions=0,
                baseline_rows=0,
                looks=0,
                errors=(str(error),),
            )
        return await _settle(course, plan, purse, rng=rng, report=report)


async def _learn(known: Asker, new: Asker, *, text_only: bool) -> Course:
    """The models to name and the dialect both sides take."""
    models = await _models(known, new)
    dialect = Dialect(alternatives=0) if text_only else Dialect()
    question = Question(TOKEN_PROMPTS[0], "token", PROBE_SEED)
    ours = await known.learn_dialect(question, model=models[0], dialect=dialect)
    theirs = await new.learn_dialect(question, model=models[1], dialect=ours)
    return Course(baseline=known, candidate=new, dialect=ours.common(theirs), models=models)


async def _models(known: Asker, new: Asker) -> tuple[str, str]:
    """The model each side is asked for: as told, else one that both list, else the first each lists."""
    named = known.side.model, new.side.model
    if named[0] and named[1]:
        return named[0], named[1]
    ours, theirs = await known.list_models(), await new.list_models()
    common = next((name for name in ours if name in theirs), None)
    if common is not None:
        return common, common
    return (ours or ["default"])[0], (theirs or ["default"])[0]


async def _plan(
    course: Course, purse: Budget, *, sessions: int, text_only: bool, rng: np.random.Generator
) -> Plan:
    """Whether the seed is honoured, and the plan that what is left of the budget pays for."""
    pool = len(course.baseline.side.urls)
    single = pool == 1 == len(course.candidate.side.urls)
    alternatives = course.dialect.alternatives
    design(budget=purse.left, sessions=sessions, abilities=Abilities(alternatives), text_only=text_only)
    if course.dialect.seed:
        texts = SEED_PROBES if purse.left > SMALL_BUDGET else 3
        course.seed_honoured = await _probe_seed(course, texts=texts, rng=rng)
    else:
        course.seed_honoured = False
    # Settled here: a session that went through other widths than the one before would differ from it.
    course.widths = course.baseline.widths
    abilities = Abilities(alternatives=alternatives, seed_honoured=course.seed_honoured)
    border: tuple[Question, ...] = ()
    if single and not course.seed_honoured and not alternatives:
        # From a pool, a border input's answers move with the pool's mix, which is no change.
        border = await _border_questions(course, budget=int(BORDER_SHARE * purse.left))
    rows_for_border = len(border) * (sessions * 5 + 10)
    plan = design(
        budget=max(purse.left - rows_for_border, 0),
        sessions=sessions,
        abilities=abilities,
        text_only=text_only,
        pool=pool,
    )
    return replace(plan, questions=(*plan.questions, *border))


async def _probe_seed(course: Course, *, texts: int, rng: np.random.Generator) -> bool:
    """Ask the baseline under one seed and under different ones, another question while it is unclear."""
    asker, model = course.baseline, course.models[0]
    probes: list[SeedProbe] = []
    for prompt in TEXT_PROMPTS[:SEED_QUESTIONS]:
        question = Question(prompt, "seeded", PROBE_SEED)
        seeds = [PROBE_SEED + 1 + number for number in range(texts)]
        same = await asker.ask_seeds(question, [PROBE_SEED] * texts, dialect=course.dialect, model=model)
        different = await asker.ask_seeds(question, seeds, dialect=course.dialect, model=model)
        probes.append(SeedProbe(same=tuple(same), different=tuple(different)))
        if is_seed_honoured(probes, rng=rng):
            return True
    return False


async def _border_questions(course: Course, *, budget: int) -> tuple[Question, ...]:
    """The most balanced of the one-token questions that this budget lets us probe on the baseline."""
    candidates = BORDER_CANDIDATES[: budget // BORDER_PROBES]
    questions = [Question(prompt, "border", PROBE_SEED) for prompt in candidates]
    rows = await course.baseline.ask(
        questions,
        session="search",
        rows=BORDER_PROBES,
        widths=course.baseline.widths,
        dialect=course.dialect,
        model=course.models[0],
    )
    answers: dict[str, list[str]] = {question.prompt: [] for question in questions}
    for row in rows:
        answers[row.prompt.partition(":")[2]].append(row.text or "")
    return tuple(Question(prompt, "border", PROBE_SEED) for prompt in border_prompts(answers))


async def _settle(
    course: Course, plan: Plan, purse: Budget, *, rng: np.random.Generator, report: Callable[[str], None]
) -> Outcome:
    """Sessions of the baseline, a look at the candidate, and more of both while the verdict is open."""
    for number in range(plan.sessions):
        report(f"baseline, session {number + 1} of {plan.sessions}")
        await _ask_baseline(course, plan)
    report("candidate, first look")
    await _ask_candidate(course, plan.questions, rows=plan.first_rows)
    decision = _decide(course, rng)
    while decision.verdict is VerdictKind.INCONCLUSIVE and decision.looks and len(course.looks) < MOST_LOOKS:
        again = len(course.looks) > 1
        cost = len(plan.questions) * (plan.confirming_rows + (plan.baseline_rows if again else 0))
        if cost > purse.left:
            break
        if again:
            report("not settled yet: one more session of the baseline")
            await _ask_baseline(course, plan)
        report("candidate, fresh requests")
        await _ask_candidate(course, plan.questions, rows=plan.confirming_rows)
        decision = _decide(course, rng)
    tallies = course.baseline.tally, course.candidate.tally
    return Outcome(
        verdict=decision.verdict,
        sentence=decision.sentence,
        decision=decision,
        requests=purse.spent,
        asked=sum(tally.asked for tally in tallies),
        failed=sum(tally.failed for tally in tallies),
        sessions=course.sessions,
        baseline_rows=len(course.rows),
        looks=len(course.looks),
        given_up=course.dialect.given_up,
        seed_honoured=course.seed_honoured,
        errors=tuple(dict.fromkeys(error for tally in tallies for error in tally.errors))[:5],
        models=tuple(dict.fromkeys(course.models)),
    )


async def _ask_baseline(course: Course, plan: Plan) -> None:
    """One session."""
    course.rows += tuple(
        await course.baseline.ask(
            plan.questions,
            session=f"baseline {course.sessions + 1}",
            rows=plan.baseline_rows,
            widths=course.widths,
            dialect=course.dialect,
            model=course.models[0],
        )
    )
    course.sessions += 1


async def _ask_candidate(course: Course, questions: Sequence[Question], *, rows: int) -> None:
    """One look."""
    look = await course.candidate.ask(
        questions,
        session=f"candidate {len(course.looks) + 1}",
        rows=rows,
        widths=course.widths,
        dialect=course.dialect,
        model=course.models[1],
    )
    course.looks += (tuple(look),)


def _decide(course: Course, rng: np.random.Generator) -> Decision:
    tallies = course.baseline.tally, course.candidate.tally
    worst = max(tallies, key=lambda tally: tally.failed / max(1, tally.asked))
    return decide(
        baseline=course.rows,
        check=Check(
            looks=course.looks,
            asked=worst.asked,
            failed=worst.failed,
            seed_honoured=course.seed_honoured,
        ),
        rng=rng,
    )
