"""The design of a check: what to ask, how often, and what an endpoint can answer.

The tool cannot know the model behind an endpoint, so the questions are plain: fragments of one to three
tokens, whose next token is wide open for any model, and short beginnings of texts. Three kinds are
asked, because each sees what the others cannot:

- `token`: one output token at temperature 0 with 20 alternatives. Log probabilities show a change of
  weights, precision, cache or template; the token itself shows what became of temperature 0.
- `seeded`: 50 tokens at temperature 1 with a seed and the sampler wide open (top_p 1, and no other cut
  where the server lets us say so). Tiny changes of the numbers change the text.
- `plain`: the same with nothing said about the sampler, as most applications ask. Only these see a
  server's own default of top_p, top_k or a penalty move.

Where the seed is ignored, texts at temperature 1 say nothing; `greedy` texts at temperature 0 are asked
instead, and `border` inputs, whose two most likely first tokens are nearly tied (arXiv 2602.11083).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from reviewapp.pure.drift.rows import common_prefix_length

Kind: TypeAlias = Literal["token", "seeded", "plain", "greedy", "border"]

# Fragments, so that no continuation is certain: letters, ends of words, code, digits, two languages.
TOKEN_PROMPTS = (
    "x", "own", "only", "Python", "lock", "the", "um", "attr", "ies", "A",
    "base", "ment", "12", "def", "On", "red", "und", "New", "of", "per",
)  # fmt: skip
TEXT_PROMPTS = (
    "The following example",
    "Once upon a time",
    "This is a simplified",
    "By default, the",
    "List some words that",
    "For reasons of",
    "New methods for",
    "Write about the size of",
    "In the beginning",
    "A short story about a function",
)
PLAIN_PROMPTS = (
    "Return the name of",
    "Objects with this",
    "Also, it is now easier to",
    "Tell me something about",
    "One day the",
)
# Where border inputs are looked for: one-token questions, in the order of how common they are.
BORDER_CANDIDATES = (
    "self", "con", "add", "ice", "action", "per", "ill", "code", "time", "end", "set", "get", "list",
    "name", "type", "out", "run", "read", "open", "file", "line", "text", "word", "data", "test", "main",
    "path", "key", "map", "sum", "max", "min", "str", "int", "dict", "none", "true", "case", "form", "call",
    "next", "last", "left", "up", "down", "day", "year", "old", "new", "big", "low", "air", "sea", "sun",
    "one", "two", "ten", "who", "why", "how", "yes", "no", "if", "or", "and", "but", "not", "is", "was",
    "be", "do", "go", "we", "he", "it", "my", "our", "all", "any", "few", "so", "to", "in", "at", "by",
    "for", "from", "with", "as", "ER", "tps", "ode", "ient", "ison", "tive", "ired", "ocket", "alloc",
    "config", "ystem", "ntax", "urrent",
)  # fmt: skip
TOKEN_ALTERNATIVES = (20, 8, 5)
TEXT_TOKENS = 50
TEXT_TEMPERATURE = 1.0
FIRST_SEED = 1_000
SEED_PROBES = 5
SEED_QUESTIONS = 4
SEED_DEALS = 999
SEED_P = 0.05
BORDER_PROBES = 3
SESSIONS = 3
BASELINE_ROWS = 15
CONFIRMING_ROWS = 5
LARGEST_ROWS = 120
# So many baseline rows for each endpoint of a pool leave one question in twenty without a given member.
ROWS_PER_MEMBER = 3
DEFAULT_BUDGET = 1_000
# Above this share of texts that the baseline itself had never given before, one reply says too little.
OWN_UNSEEN_LIMIT = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt of a panel, with what is fixed about how it is asked."""

    prompt: str
    kind: Kind
    seed: int

    @property
    def name(self) -> str:
        """What its rows are grouped by."""
        return f"{self.kind}:{self.prompt}"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an endpoint answers: how many alternatives (0: none), and whether the seed is honoured."""

    alternatives: int = 20
    seed_honoured: bool = True

    def common(self, other: Abilities) -> Abilities:
        """What both endpoints can do: nothing else is comparable."""
        return Abilities(
            alternatives=min(self.alternatives, other.alternatives),
            seed_honoured=self.seed_honoured and other.seed_honoured,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Which questions to ask, and how many rows of each: baseline per session, first look, confirmation."""

    questions: tuple[Question, ...]
    sessions: int
    baseline_rows: int
    first_rows: int
    confirming_rows: int

    @property
    def baseline_requests(self) -> int:
        """What the whole baseline costs."""
        return len(self.questions) * self.sessions * self.baseline_rows

    @property
    def requests(self) -> int:
        """What the plan costs when the confirmation is asked."""
        return self.baseline_requests + len(self.questions) * (self.first_rows + self.confirming_rows)


class BudgetTooSmall(Exception):
    """The budget cannot pay for even the smallest check that could reach a verdict."""


# From the widest panel to the narrowest: numbers of token, seeded and plain questions.
_WIDTHS = ((20, 10, 5), (20, 8, 4), (12, 6, 4), (8, 5, 3), (6, 4, 2), (5, 3, 0))
_TEXT_WIDTHS = ((0, 10, 5), (0, 8, 4), (0, 6, 3), (0, 5, 0))
_BARE_WIDTHS = ((20, 0, 0), (12, 0, 0), (8, 0, 0), (5, 0, 0))
# From the deepest to the shallowest: baseline rows in all sessions, rows of the first look and the fresh one.
_DEPTHS = (
    (15, 5, 5), (15, 3, 5), (15, 2, 3), (12, 2, 3), (12, 1, 3), (9, 2, 3), (9, 1, 2), (6, 1, 2), (3, 1, 2),
    (3, 1, 1),
)  # fmt: skip
LEAST_BASELINE_ROWS = 6


def design(
    *, budget: int, sessions: int = SESSIONS, abilities: Abilities, text_only: bool = False, pool: int = 1
) -> Plan:
    """The best plan the budget pays for: first the full panel at all depths, then narrower ones.

    `pool` is the number of endpoints behind the baseline: a larger pool needs more rows of each
    question before its members are known.
    """
    with_logprobs = abilities.alternatives > 0 and not text_only
    depths: Sequence[tuple[int, int, int]] = _DEPTHS
    if ROWS_PER_MEMBER * pool > BASELINE_ROWS:
        deep = min(LARGEST_ROWS, ROWS_PER_MEMBER * pool)
        depths = ((deep, CONFIRMING_ROWS, CONFIRMING_ROWS), *_DEPTHS)
    widths = _WIDTHS if with_logprobs else _TEXT_WIDTHS
    for width in widths:
        for rows, first, confirming in depths:
            plan = Plan(
                questions=questions(*width, abilities=abilities),
                sessions=sessions,
                baseline_rows=-(-rows // sessions),
                first_rows=first,
                confirming_rows=confirming,
            )
            # A shallow wide panel is worse than a deep narrow one.
            shallow = rows < LEAST_BASELINE_ROWS and width is not widths[-1]
            if plan.requests <= budget and not shallow:
                return plan
    raise BudgetTooSmall(
        f"{budget} requests cannot settle it: the smallest check asks "
        f"{len(questions(*widths[-1], abilities=abilities)) * (sessions + 2)}."
    )


def questions(tokens: int, seeded: int, plain: int, *, abilities: Abilities) -> tuple[Question, ...]:
    """So many questions of each kind; seeded texts become greedy ones where the seed is ignored."""
    text: Kind = "seeded" if abilities.seed_honoured else "greedy"
    other: Kind = "plain" if abilities.seed_honoured else "greedy"
    return (
        *(Question(prompt, "token", FIRST_SEED) for prompt in TOKEN_PROMPTS[:tokens]),
        *(
            Question(prompt, text, FIRST_SEED + 1 + number)
            for number, prompt in enumerate(TEXT_PROMPTS[:seeded])
        ),
        *(
            Question(prompt, other, FIRST_SEED + 101 + number)
            for number, prompt in enumerate(PLAIN_PROMPTS[:plain])
        ),
    )


@dataclass(frozen=True, slots=True)
class SeedProbe:
    """Texts of one question: several under one seed, and one each under as many different seeds."""

    same: tuple[str, ...]
    different: tuple[str, ...]


def is_seed_honoured(probes: Sequence[SeedProbe], *, rng: np.random.Generator) -> bool:
    """Whether texts of one seed agree more than texts of different seeds.

    Equal texts decide where there are more of them under one seed. In a large pool no two need be
    equal, yet texts of one seed begin alike: were the seed ignored, they would be no closer than any
    other handful of the texts, which a permutation within each question tells. Texts that are all equal
    whatever the seed repeat too, which is all that is needed. A wrong "honoured" does little harm: the
    floor of a baseline whose texts never repeat says by itself that they cannot tell.
    """
    usable = [probe for probe in probes if min(len(probe.same), len(probe.different)) > 1]
    if not usable:
        return False
    for probe in usable:
        everything = {*probe.same, *probe.different}
        if len(everything) == 1 or _equal_pairs(probe.same) > _equal_pairs(probe.different):
            return True
    together = np.zeros(SEED_DEALS + 1)
    for probe in usable:
        texts = [*probe.same, *probe.different]
        lengths = np.array([[common_prefix_length(left, right) for right in texts] for left in texts])
        np.fill_diagonal(lengths, 0)
        dealt = rng.random((SEED_DEALS + 1, len(texts))).argsort(axis=1) < len(probe.same)
        dealt[0] = np.arange(len(texts)) < len(probe.same)
        # A very long common prefix must not outvote the other pairs.
        together += ((dealt @ np.sqrt(lengths)) * dealt).sum(axis=1)
    return bool(np.mean(together >= together[0] - 1e-9) <= SEED_P)


def _equal_pairs(texts: Sequence[str]) -> float:
    pairs = list(itertools.combinations(texts, 2))
    return sum(left == right for left, right in pairs) / len(pairs)


def balance(answers: Sequence[str]) -> float:
    """How evenly the two most frequent answers share: 1 for a tie, 0 where there is only one."""
    if len(answers) < 2:
        return 0.0
    ranked = [count for _, count in Counter(answers).most_common(2)]
    return ranked[1] / ranked[0] if len(ranked) > 1 else 0.0


def border_prompts(probes: Mapping[str, Sequence[str]], *, wanted: int = 20) -> list[str]:
    """The most balanced prompts among those probed; prompts that always answer alike are no border."""
    ranked = sorted(probes, key=lambda prompt: (-balance(probes[prompt]), prompt))
    return [prompt for prompt in ranked if balance(probes[prompt]) > 0][:wanted]
