"""The starter set: a few questions that tell most about a model, chosen by what it can answer.

- With log probabilities: one-token border prompts, those of some forty plain fragments between whose two
  likeliest first tokens the model hesitates most (arXiv 2602.11083), and a few seeded texts, which alone
  see a sampler that changed: most with the sampler wide open, some with the server's own settings.
- With a seed but no log probabilities: seeded texts of both kinds.
- With neither: border prompts found by asking each candidate three times; texts at temperature 0 where
  too few are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reviewapp.pure.drift.panel import (
    BORDER_CANDIDATES,
    BORDER_PROBES,
    FIRST_SEED,
    PLAIN_PROMPTS,
    TEXT_PROMPTS,
    TOKEN_PROMPTS,
    Abilities,
    Kind,
    Question,
    border_prompts,
)
from reviewapp.pure.drift.rows import clean_alternatives
from reviewapp.pure.exchange import Reply

BORDER_WANTED: Final = 20
MORE_CANDIDATES: Final = 20
TEXTS_BESIDE_NUMBERS: Final = 5
SEEDED_TEXTS: Final = 7
PLAIN_TEXTS: Final = 3
GREEDY_TEXTS: Final = 10
FEWEST_BORDERS: Final = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask: `candidates` so many times each, of which some are kept; `texts` are kept all."""

    candidates: tuple[Question, ...]
    probes: int
    texts: tuple[Question, ...]

    @property
    def requests(self) -> int:
        """What choosing costs."""
        return len(self.candidates) * self.probes + len(self.texts)


def plan(abilities: Abilities) -> Plan:
    """What to ask an endpoint of these abilities."""
    if abilities.alternatives:
        candidates = (*TOKEN_PROMPTS, *BORDER_CANDIDATES[:MORE_CANDIDATES])
        beside = _seeded_texts(TEXTS_BESIDE_NUMBERS) if abilities.seed_honoured else ()
        return Plan(_one_token("token", candidates), 1, beside)
    if abilities.seed_honoured:
        return Plan((), 1, _seeded_texts(SEEDED_TEXTS))
    return Plan(_one_token("border", BORDER_CANDIDATES), BORDER_PROBES, ())


def greedy_texts() -> tuple[Question, ...]:
    """For an endpoint of which too few border prompts were found."""
    return _texts("greedy", TEXT_PROMPTS[:GREEDY_TEXTS])


def _seeded_texts(wide_open: int) -> tuple[Question, ...]:
    """So many with the sampler wide open, and those that say nothing about it."""
    return (*_texts("seeded", TEXT_PROMPTS[:wide_open]), *_texts("plain", PLAIN_PROMPTS[:PLAIN_TEXTS]))


def _one_token(kind: Kind, prompts: Sequence[str]) -> tuple[Question, ...]:
    return tuple(Question(prompt, kind, FIRST_SEED) for prompt in prompts)


def _texts(kind: Kind, prompts: Sequence[str]) -> tuple[Question, ...]:
    first = FIRST_SEED + (101 if kind == "plain" else 1)
    return tuple(Question(prompt, kind, first + number) for number, prompt in enumerate(prompts))


def hesitation(reply: Reply) -> float | None:
    """How far apart the two likeliest first tokens are, in nats; None where that was not told."""
    top = clean_alternatives(token=reply.tokens[0]) if reply.tokens else None
    return top[0][1] - top[1][1] if top and len(top) > 1 else None


def chosen(replies: Sequence[tuple[Question, Reply]]) -> list[Question]:
    """The candidates that are kept, out of all that was answered."""
    questions = list(dict.fromkeys(question for question, _ in replies))
    if all(question.kind == "border" for question in questions):
        answers: dict[str, list[str]] = {question.prompt: [] for question in questions}
        for question, reply in replies:
            answers[question.prompt].append(reply.text)
        wanted = border_prompts(answers, wanted=BORDER_WANTED)
        return sorted(
            (question for question in questions if question.prompt in wanted),
            key=lambda question: wanted.index(question.prompt),
        )
    told = {question: gap for question, reply in replies if (gap := hesitation(reply)) is not None}
    return sorted(told, key=lambda question: (told[question], question.prompt))[:BORDER_WANTED]
