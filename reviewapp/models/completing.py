"""What may follow what somebody types, from the recorded probabilities. Never from another project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reviewapp import replica
from reviewapp.models.project import Project
from reviewapp.pure.continuations import ORDER, context_of, key_of, typed_of

MOST: Final = 6
# A word after fewer words of context counts so much less for each that is missing ("stupid backoff").
_BACKOFF: Final = 0.4
# A phrase goes on while the next word is at least so likely.
_SURE: Final = 0.5
_PHRASE: Final = 3
# After every word that begins so in the code points' order.
_END: Final = "\U0010ffff"

# Every part is an index-only look at `continuation_once`: one range for the words, one row for the count.
LOOKUP: Final = """
SELECT asked.place, found.next, found.shown, found.mass, met.count
FROM unnest(%(contexts)s::text[]) WITH ORDINALITY AS asked (context, place)
CROSS JOIN LATERAL (
    SELECT next, shown, mass FROM reviewapp_continuation
    WHERE project_id = %(project)s AND context = asked.context COLLATE "C"
        AND next > %(low)s COLLATE "C" AND next < %(high)s COLLATE "C"
    ORDER BY mass DESC LIMIT %(most)s
) AS found
CROSS JOIN LATERAL (
    SELECT count FROM reviewapp_continuation
    WHERE project_id = %(project)s AND context = asked.context COLLATE "C" AND next = ''
) AS met
WHERE met.count > 0
"""


@dataclass(frozen=True, slots=True)
class Completion:
    """A way to go on. `full` is the whole search with it, `probability` the model's after these words.

    A word that was never met after all of them has that after the last of them, less for each that is left
    out: it ranks by what it says, below a likelier one that was met after all.
    """

    text: str
    full: str
    probability: float


def completions(*, project: Project, typed: str) -> list[Completion]:
    """The likeliest ways to go on, and the likeliest of them as a phrase."""
    now = typed_of(typed)
    if not now.can_go_on:
        return []
    found = _following(project, now.before, now.begun)
    result = [Completion(shown, now.head + shown, share) for shown, share in found]
    if found:
        shown, share = found[0]
        words, share = _phrase(project, [*now.before, key_of(shown)], share)
        if words:
            text = " ".join([shown, *words])
            result.insert(1, Completion(text, now.head + text, share))
    return result[:MOST]


def _phrase(project: Project, before: list[str], share: float) -> tuple[list[str], float]:
    words: list[str] = []
    for _ in range(_PHRASE):
        found = _following(project, before[-ORDER:], "", shortest=1)
        if not found or found[0][1] < _SURE:
            break
        shown, sure = found[0]
        words.append(shown)
        before = [*before, key_of(shown)]
        share *= sure
    return words, share


def _following(
    project: Project, before: Sequence[str], begun: str, *, shortest: int = 0
) -> list[tuple[str, float]]:
    """Words and their probabilities, the best first: those after most words of context before others."""
    # Without a letter of it, any word of the language could be next.
    shortest = max(shortest, 0 if begun else 1)
    contexts = [context_of(before, length) for length in range(min(ORDER, len(before)), shortest - 1, -1)]
    if not contexts:
        return []
    with replica.connection().cursor() as cursor:
        cursor.execute(
            LOOKUP,
            {
                "contexts": contexts,
                "project": project.pk,
                # The word itself need not be completed.
                "low": begun,
                "high": begun + _END,
                "most": MOST + 2,
            },
        )
        rows = cursor.fetchall()
    best: dict[str, tuple[float, str]] = {}
    most_words = min((place for place, *_ in rows), default=1)
    for place, word, shown, mass, met in rows:
        share = min(1.0, mass / met) * _BACKOFF ** (place - most_words)
        if word not in best or share > best[word][0]:
            best[word] = (share, shown)
    ranked = sorted(best.values(), key=lambda one: (-one[0], one[1]))
    return [(shown, share) for share, shown in ranked[:MOST]]
