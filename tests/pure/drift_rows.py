"""Rows for the tests of change detection: an imagined fleet whose members' numbers are known."""

from __future__ import annotations

import string

import numpy as np

from reviewapp.pure.drift.rows import Row
from reviewapp.pure.exchange import Alternative, Choice, Reply, Token

PROMPTS = 10
WIDTH = 20


def token(values: dict[str, float], *, sampled: str | None = None) -> Token:
    """A token whose alternatives are listed as given."""
    alternatives = tuple(Alternative(token=name, logprob=value) for name, value in values.items())
    name = sampled if sampled is not None else alternatives[0].token
    return Token(text=name, logprob=values.get(name), alternatives=alternatives)


def reply(
    values: dict[str, float] | None = None, *, text: str = "a", fingerprint: str | None = None
) -> Reply:
    """A reply of one token with these alternatives."""
    tokens = (token(values),) if values else ()
    return Reply(choices=(Choice(text=text, tokens=tokens),), fingerprint=fingerprint)


class Fleet:
    """Members that each give their own fixed numbers and texts, plus noise from request to request."""

    def __init__(
        self,
        *,
        members: int = 1,
        apart: float = 0.02,
        noise: float = 0.0,
        moved: float = 0.0,
        new_texts: float = 0.0,
        seed: int = 0,
        fingerprints: tuple[str | None, ...] = ("fp_same",),
    ) -> None:
        rng = np.random.default_rng(seed)
        base = -np.sort(rng.uniform(1, 6, size=(PROMPTS, WIDTH)), axis=1)
        offsets = apart * rng.standard_normal((members, PROMPTS, WIDTH)) if members > 1 else 0.0
        change = moved * np.random.default_rng(99).choice([-1.0, 1.0], size=(PROMPTS, WIDTH))
        self.numbers = np.broadcast_to(base + offsets + change, (members, PROMPTS, WIDTH))
        self.texts_changed = np.arange(PROMPTS) < round(new_texts * PROMPTS)
        self.noise = noise
        self.members = members
        self.fingerprints = fingerprints

    def rows(
        self, *, session: str, count: int, seed: int, kind: str = "token", weights: list[float] | None = None
    ) -> list[Row]:
        """`count` rows of every question, each from a member drawn at random."""
        rng = np.random.default_rng(seed)
        rows = []
        for _ in range(count):
            for prompt in range(PROMPTS):
                member = int(rng.choice(self.members, p=weights))
                values = self.numbers[member, prompt] + self.noise * rng.standard_normal(WIDTH)
                top = sorted(
                    ((string.ascii_letters[i].encode(), float(value)) for i, value in enumerate(values)),
                    key=lambda pair: -pair[1],
                )
                changed = "new " if self.texts_changed[prompt] else ""
                rows.append(
                    Row(
                        prompt=f"{kind}:{prompt}",
                        session=session,
                        kind=kind,
                        text=f"{changed}text of {member}",
                        top=tuple(top) if kind == "token" else None,
                        fingerprint=self.fingerprints[int(rng.integers(len(self.fingerprints)))],
                    )
                )
        return rows

    def baseline(self, *, sessions: int = 3, count: int = 5, seed: int = 1, kind: str = "token") -> list[Row]:
        """Rows of several sessions."""
        return [
            row
            for number in range(sessions)
            for row in self.rows(
                session=f"day {number + 1}", count=count, seed=1000 * seed + number, kind=kind
            )
        ]
