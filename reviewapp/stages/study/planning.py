"""What a study is to find out, and the ways of asking that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

from django.utils.formats import number_format
from django.utils.translation import gettext

from reviewapp.models import Actor, Interaction, Provider
from reviewapp.models.bodies import exchange_of
from reviewapp.pure.edits import AMOUNTS, AUTOMATIC, EditKind, graded, size_of
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.prompts import NoPrompt, Prompt, prompt_of, with_prompt
from reviewapp.pure.words import storable
from reviewapp.stages.administer import Refused
from reviewapp.stages.replay import Way

MOST_EDITS: Final = 100
MOST_SEEDS: Final = 200
MOST_TEMPERATURES: Final = 10
FEWEST_ARMS: Final = 2
MOST_ARMS: Final = 20
MOST_INTERACTIONS: Final = 1_000
LONGEST_TEXT: Final = 100_000
_INT64: Final = 2**63


@dataclass(frozen=True, slots=True)
class Edited:
    """One edited prompt. `system` None leaves the system prompt as it was recorded."""

    kind: EditKind
    text: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Deviations:
    """How far may the prompt of an interaction drift? All edits are asked with one seed."""

    interaction: UUID
    edits: Sequence[Edited]
    # None: the recorded one.
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Seeds:
    """How much does the seed determine? A temperature of None is the recorded one."""

    interaction: UUID
    seeds: Sequence[int]
    temperatures: Sequence[float | None] = (None,)


@dataclass(frozen=True, slots=True)
class Arm:
    """One provider and model to be compared; an empty name or model is the recorded one."""

    provider: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Providers:
    """Do several providers or models answer a set of interactions alike?"""

    interactions: Sequence[UUID]
    arms: Sequence[Arm]


Plan: TypeAlias = Deviations | Seeds | Providers


@dataclass(frozen=True, slots=True)
class Question:
    """An interaction that can be studied: its row, what it asked, and in which words."""

    row: Interaction
    exchange: Exchange
    prompt: Prompt


def question_of(*, actor: Actor, interaction: UUID) -> Question:
    """The interaction, read; the answer of a replay stands for its original. Raises Refused."""
    rows = Interaction.objects.filter(project=actor.project).select_related("source", "provider", "body")
    rows = rows.defer("provider__api_key")
    row = rows.filter(pk=interaction).first()
    if row is not None and row.replay_of_id is not None:
        row = rows.filter(pk=row.replay_of_id).first()
    if row is None:
        raise Refused(gettext("There is no such interaction in this project."), field="interaction")
    exchange = exchange_of(row)
    try:
        prompt = prompt_of(exchange.endpoint, exchange.request)
    except NoPrompt as error:
        raise Refused(
            gettext("This interaction can't be studied. %(error)s") % {"error": error}, field="interaction"
        ) from None
    return Question(row, exchange, prompt)


def previewed(
    question: Question, *, kinds: Iterable[EditKind] = AUTOMATIC, amounts: Sequence[float] = AMOUNTS
) -> list[Edited]:
    """The edits that the app proposes: the same for the same prompt and seed. People may change each."""
    seed = question.row.seed or 0
    wanted = [kind for kind in kinds if kind in AUTOMATIC]
    found = graded(text=question.prompt.text, seed=seed, kinds=wanted, amounts=amounts)
    return [Edited(edit.kind, edit.text) for edit in found]


def ways(*, actor: Actor, plan: Plan) -> tuple[list[UUID], list[Way]]:
    """The interactions that a plan asks, and in which ways. Raises Refused."""
    if isinstance(plan, Deviations):
        return _deviations(actor, plan)
    if isinstance(plan, Seeds):
        return _seeds(actor, plan)
    return _providers(actor, plan)


def _deviations(actor: Actor, plan: Deviations) -> tuple[list[UUID], list[Way]]:
    question = question_of(actor=actor, interaction=plan.interaction)
    if not plan.edits:
        raise Refused(gettext("Choose at least one edit."), field="edits")
    if len(plan.edits) > MOST_EDITS:
        raise Refused(
            gettext("Choose at most %(most_edits)s edits; these are %(count)s.")
            % {"most_edits": MOST_EDITS, "count": len(plan.edits)},
            field="edits",
        )
    seeded = _seeded(question, plan.seed)
    found = [Way("No edit", seeded, about={"kind": EditKind.NONE.value, "size": 0.0})]
    found += [_edited(question, edited, seeded) for edited in plan.edits]
    return [question.row.pk], found


def _seeded(question: Question, seed: int | None) -> dict[str, Any]:
    """What sets the seed; nothing where the recorded one is wanted."""
    if seed is not None:
        return _seed(question, seed)
    if question.row.seed is None and question.exchange.endpoint != "responses":
        raise Refused(
            gettext("This interaction was asked without a seed: choose one to ask with, such as 1."),
            field="seed",
        )
    return {}


def _seed(question: Question, seed: int) -> dict[str, Any]:
    if not -_INT64 <= seed < _INT64:
        raise Refused(gettext("The seed must be a whole number of at most 64 bits."), field="seed")
    if question.exchange.endpoint == "responses":
        raise Refused(gettext("The Responses API takes no seed."), field="seed")
    # A request that names its seed otherwise gets it under that name; see replay/asking.py.
    return {"seed": seed}


def _edited(question: Question, edited: Edited, seeded: dict[str, Any]) -> Way:
    before = question.prompt
    for text in (edited.text, edited.system or ""):
        if len(text) > LONGEST_TEXT:
            raise Refused(
                gettext("An edited prompt has more than %(longest_text)s characters.")
                % {"longest_text": number_format(LONGEST_TEXT, force_grouping=True)},
                field="edits",
            )
        if storable(text) != text:
            raise Refused(gettext("An edited prompt holds a NUL or half a surrogate pair."), field="edits")
    if not edited.text.strip():
        raise Refused(gettext("An edited prompt is empty."), field="edits")
    if edited.system is not None and before.system is None:
        raise Refused(gettext("This endpoint has no system prompt."), field="edits")
    changed = with_prompt(
        question.exchange.endpoint, question.exchange.request, text=edited.text, system=edited.system
    )
    if not changed:
        raise Refused(gettext("One of the edits leaves the prompt as it is."), field="edits")
    whole = (before.system or "") + before.text
    other = (before.system or "" if edited.system is None else edited.system) + edited.text
    about = {
        "kind": edited.kind.value,
        "size": round(size_of(whole, other), 6),
        "text": edited.text,
        **({} if edited.system is None else {"system": edited.system}),
    }
    longer = len(other) / len(whole) if whole else 1.0
    return Way(edited.kind.value, {**seeded, **changed}, about=about, longer=longer)


def _seeds(actor: Actor, plan: Seeds) -> tuple[list[UUID], list[Way]]:
    question = question_of(actor=actor, interaction=plan.interaction)
    if question.exchange.endpoint == "responses":
        raise Refused(
            gettext("The Responses API takes no seed, so there is nothing to study."), field="interaction"
        )
    seeds = list(dict.fromkeys(plan.seeds))
    if not 2 <= len(seeds) <= MOST_SEEDS:
        raise Refused(
            gettext("Choose from 2 to %(most_seeds)s seeds; these are %(count)s.")
            % {"most_seeds": MOST_SEEDS, "count": len(seeds)},
            field="seeds",
        )
    temperatures = list(dict.fromkeys(plan.temperatures))
    if not 1 <= len(temperatures) <= MOST_TEMPERATURES:
        raise Refused(
            gettext("Choose from 1 to %(most_temperatures)s temperatures.")
            % {"most_temperatures": MOST_TEMPERATURES},
            field="temperatures",
        )
    found = []
    for temperature in temperatures:
        if temperature is not None and not (math.isfinite(temperature) and 0 <= temperature <= 5):
            raise Refused(
                gettext("A temperature is a number from 0 to 5, mostly up to 2."), field="temperatures"
            )
        recorded = question.exchange.request.get("temperature")
        asked = recorded if temperature is None else temperature
        for seed in seeds:
            overrides = _seed(question, seed)
            if temperature is not None:
                overrides["temperature"] = temperature
            told = "default" if asked is None else f"{asked:g}" if isinstance(asked, int | float) else asked
            found.append(
                Way(f"seed {seed}, temperature {told}", overrides, about={"seed": seed, "temperature": asked})
            )
    return [question.row.pk], found


def _providers(actor: Actor, plan: Providers) -> tuple[list[UUID], list[Way]]:
    wanted = list(dict.fromkeys(plan.interactions))
    if not 1 <= len(wanted) <= MOST_INTERACTIONS:
        raise Refused(
            gettext("Choose from 1 to %(most_interactions)s interactions; these are %(count)s.")
            % {
                "most_interactions": number_format(MOST_INTERACTIONS, force_grouping=True),
                "count": number_format(len(wanted), force_grouping=True),
            },
            field="interactions",
        )
    arms = list(dict.fromkeys(plan.arms))
    if len(arms) < FEWEST_ARMS:
        raise Refused(
            gettext(
                "One provider or model alone is no comparison: name a second one. An empty one "
                "asks as recorded."
            ),
            field="providers",
        )
    if len(arms) > MOST_ARMS:
        raise Refused(
            gettext("Choose at most %(most_arms)s providers or models.") % {"most_arms": MOST_ARMS},
            field="providers",
        )
    rows = Interaction.objects.filter(project=actor.project, pk__in=wanted)
    # The answer of a replay stands for its original.
    ids = list(dict.fromkeys(original or pk for pk, original in rows.values_list("pk", "replay_of")))
    if not ids:
        raise Refused(gettext("There is no such interaction in this project."), field="interactions")
    names = {arm.provider for arm in arms if arm.provider}
    found = Provider.objects.filter(project=actor.project, name__in=names).defer("api_key")
    providers = {provider.name: provider for provider in found}
    missing = sorted(names - set(providers))
    if missing:
        raise Refused(
            gettext("There is no provider “%(missing)s”.") % {"missing": missing[0]}, field="providers"
        )
    return ids, [
        Way(
            " · ".join([arm.provider or "provider as recorded", arm.model or "model as recorded"]),
            {"model": arm.model} if arm.model else {},
            provider=providers.get(arm.provider),
            about={"provider": arm.provider, "model": arm.model},
        )
        for arm in arms
    ]
