"""Seeds: the integers reserved to a source, and how the next one is chosen.

Seeds that the app chooses lie in 1 … 2^31−1 unless a range says otherwise: some servers forbid
0, some clients break above 2^53. What somebody else chose is accepted and kept up to 64 bits.

Four policies. Fixed: always the same seed. Sequence: start, start + step, …, around the range's
ends. Random: any seed of the range, each as likely. Derived: the same request always gets the
same seed, from its request hash, so that a repeated question can be recognised and reused.

Choosing is a pure function of the policy and of how many seeds were given before (`seed_at`): the
caller keeps that number in a row and advances it atomically, so a block of seeds costs one update,
and a random policy repeats none until the whole range was given.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Final, Literal, TypeAlias

from reviewapp.pure.refusing import Worded
from reviewapp.pure.said.templates.marking import gettext_noop

PolicyKind: TypeAlias = Literal["fixed", "sequence", "random", "derived"]
POLICY_KINDS: Final[tuple[PolicyKind, ...]] = ("fixed", "sequence", "random", "derived")

LEAST_SEED: Final = -(2**63)
MOST_SEED: Final = 2**64 - 1
FIRST_DEFAULT: Final = 1
LAST_DEFAULT: Final = 2**31 - 1
# Beyond this a number loses digits in JavaScript and in many JSON readers.
_EXACT_EVERYWHERE: Final = 2**53
# Part of the derived seed: whoever changes how it is derived must change it, and the golden values.
_DERIVATION: Final = "s1"
# Of the Feistel network: three make it random enough for seeds, four are customary.
_TURNS: Final = 4


class InvalidSeedRange(Worded, ValueError):
    """The range can't be reserved; the message says why."""


class InvalidSeedPolicy(Worded, ValueError):
    """The policy can't be followed; the message says why."""


@dataclass(frozen=True, slots=True)
class SeedRange:
    """The seeds from `first` to `last`, both included."""

    first: int = FIRST_DEFAULT
    last: int = LAST_DEFAULT

    def __post_init__(self) -> None:
        for value, no_number, too_large in (
            (
                self.first,
                gettext_noop("The first seed must be a whole number."),
                gettext_noop("The first seed, %(value)s, needs more than 64 bits."),
            ),
            (
                self.last,
                gettext_noop("The last seed must be a whole number."),
                gettext_noop("The last seed, %(value)s, needs more than 64 bits."),
            ),
        ):
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidSeedRange(no_number)
            if not LEAST_SEED <= value <= MOST_SEED:
                raise InvalidSeedRange(too_large, value=value)
        if self.last < self.first:
            raise InvalidSeedRange(
                gettext_noop("The range ends at %(last)s, before it starts at %(first)s."),
                last=self.last,
                first=self.first,
            )

    def __contains__(self, seed: object) -> bool:
        return isinstance(seed, int) and not isinstance(seed, bool) and self.first <= seed <= self.last

    def __str__(self) -> str:
        return f"{self.first}…{self.last}"

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def overlaps(self, other: SeedRange) -> bool:
        """Whether any seed lies in both."""
        return self.first <= other.last and other.first <= self.last

    def shared(self, other: SeedRange) -> SeedRange | None:
        """The seeds that lie in both."""
        if not self.overlaps(other):
            return None
        return SeedRange(max(self.first, other.first), min(self.last, other.last))


DEFAULT_RANGE: Final = SeedRange()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPolicy:
    """How the next seed of a source is chosen.

    `seed` is the seed of a fixed policy, `start` and `step` those of a sequence.
    """

    kind: PolicyKind
    range: SeedRange = DEFAULT_RANGE
    seed: int | None = None
    start: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        if self.kind not in POLICY_KINDS:
            raise InvalidSeedPolicy(gettext_noop("There is no seed policy “%(kind)s”."), kind=self.kind)
        if self.kind == "fixed" and self.seed is None:
            raise InvalidSeedPolicy(gettext_noop("A fixed policy needs its seed."))
        for value, outside in (
            (self.seed, gettext_noop("The seed, %(value)s, lies outside the range %(range)s.")),
            (self.start, gettext_noop("The start, %(value)s, lies outside the range %(range)s.")),
        ):
            if value is not None and value not in self.range:
                raise InvalidSeedPolicy(outside, value=value, range=self.range)
        if self.step == 0:
            raise InvalidSeedPolicy(gettext_noop("A sequence needs a step other than 0."))

    @property
    def length(self) -> int:
        """How many different seeds it gives before they repeat."""
        if self.kind == "fixed":
            return 1
        if self.kind == "sequence":
            return self.range.size // gcd(self.step, self.range.size)
        return self.range.size


@dataclass(frozen=True, slots=True)
class SeedDescription:
    """What is known of a seed: whose range it lies in, and what may be wrong with it."""

    seed: int
    owner: str | None
    range: SeedRange | None
    warnings: tuple[str, ...] = ()

    @property
    def ordinal(self) -> int | None:
        """The how-manieth seed of its range it is, from 1."""
        return None if self.range is None else self.seed - self.range.first + 1


def next_seed(
    *,
    policy: SeedPolicy,
    last: int | None = None,
    request_hash: str = "",
    draw: Callable[[int], int] = secrets.randbelow,
) -> int:
    """The seed after `last` (None: the first). `draw(n)` gives a random number from 0 to n − 1."""
    within = policy.range
    if policy.kind == "fixed":
        assert policy.seed is not None
        return policy.seed
    if policy.kind == "random":
        return within.first + draw(within.size)
    if policy.kind == "derived":
        if not request_hash:
            raise InvalidSeedPolicy(gettext_noop("A derived seed needs the request's hash."))
        return derived_seed(request_hash=request_hash, within=within)
    if last is None or last not in within:
        # A range that was moved since starts anew.
        return within.first if policy.start is None else policy.start
    return within.first + (last - within.first + policy.step) % within.size


def allocate(
    *,
    policy: SeedPolicy,
    count: int,
    last: int | None = None,
    request_hash: str = "",
    draw: Callable[[int], int] = secrets.randbelow,
) -> tuple[int, ...]:
    """The next `count` seeds, in order; the last of them is the new `last`."""
    seeds: list[int] = []
    for _ in range(count):
        last = next_seed(policy=policy, last=last, request_hash=request_hash, draw=draw)
        seeds.append(last)
    return tuple(seeds)


def seed_at(*, policy: SeedPolicy, number: int, key: bytes = b"", request_hash: str = "") -> int:
    """The seed given after `number` others. `key` makes one range's random order differ from another's."""
    within = policy.range
    if policy.kind == "random":
        return within.first + shuffled(number % within.size, size=within.size, key=key)
    if policy.kind == "sequence":
        start = within.first if policy.start is None else policy.start
        return within.first + (start - within.first + number * policy.step) % within.size
    return next_seed(policy=policy, request_hash=request_hash)


def shuffled(number: int, *, size: int, key: bytes) -> int:
    """Where a random order of 0 … size − 1 has this number: a permutation, so no place comes twice.

    A balanced Feistel network over the next even number of bits, walked until it falls inside the
    size (Black & Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = number >> half, number & mask
        for turn in range(_TURNS):
            left, right = right, left ^ (_drawn(turn, right, key) & mask)
        number = left << half | right
        if number < size:
            return number


def number_of(*, policy: SeedPolicy, seed: int, key: bytes = b"") -> int | None:
    """How many seeds come before this one in the policy's order; None when it never comes.

    The inverse of `seed_at`, for policies that count.
    """
    within = policy.range
    if seed not in within:
        return None
    if policy.kind == "random":
        return unshuffled(seed - within.first, size=within.size, key=key)
    if policy.kind == "sequence":
        start = within.first if policy.start is None else policy.start
        away, common = (seed - start) % within.size, gcd(policy.step, within.size)
        if away % common:
            return None
        turns = within.size // common
        return away // common * pow(policy.step // common, -1, turns) % turns if turns > 1 else 0
    return None


def unshuffled(place: int, *, size: int, key: bytes) -> int:
    """The number that `shuffled` puts in this place."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = place >> half, place & mask
        for turn in reversed(range(_TURNS)):
            left, right = right ^ (_drawn(turn, left, key) & mask), left
        place = left << half | right
        if place < size:
            return place


def _drawn(turn: int, half: int, key: bytes) -> int:
    text = b"%d:%d" % (turn, half)
    return int.from_bytes(hashlib.blake2b(text, key=key[:64], digest_size=8).digest(), "big")


def derived_seed(*, request_hash: str, within: SeedRange = DEFAULT_RANGE) -> int:
    """The seed of this request: the same for equal requests, evenly spread over the range."""
    digest = hashlib.sha256(f"{_DERIVATION}\n{request_hash}".encode("utf-8", "surrogatepass")).digest()
    return within.first + int.from_bytes(digest, "big") % within.size


def describe(seed: int, ranges: Mapping[str, SeedRange | Sequence[SeedRange]]) -> SeedDescription:
    """Whose range the seed lies in, the narrowest where ranges overlap, and what may be wrong with it."""
    found = [
        (reserved.size, owner, reserved)
        for owner, owned in ranges.items()
        for reserved in ([owned] if isinstance(owned, SeedRange) else owned)
        if seed in reserved
    ]
    _, owner, reserved = min(found, key=lambda item: (item[0], item[1]), default=(0, None, None))
    return SeedDescription(seed, owner, reserved, _warnings(seed))


def overlapping(
    ranges: Iterable[tuple[str, SeedRange]],
) -> list[tuple[tuple[str, SeedRange], tuple[str, SeedRange]]]:
    """The pairs of reservations that share a seed, in the order of their first seeds."""
    found = []
    open_ranges: list[tuple[str, SeedRange]] = []
    for item in sorted(ranges, key=lambda item: (item[1].first, item[1].last)):
        open_ranges = [earlier for earlier in open_ranges if earlier[1].last >= item[1].first]
        found += [(earlier, item) for earlier in open_ranges]
        open_ranges.append(item)
    return found


def free_range(
    *, size: int, taken: Iterable[SeedRange], within: SeedRange = DEFAULT_RANGE
) -> SeedRange | None:
    """The first range of this size that no other touches; None where there is none."""
    at = within.first
    for reserved in sorted(taken, key=lambda one: one.first):
        if reserved.last < at:
            continue
        if reserved.first - at >= size:
            break
        at = reserved.last + 1
    return SeedRange(at, at + size - 1) if size > 0 and at + size - 1 <= within.last else None


def _warnings(seed: int) -> tuple[str, ...]:
    if not LEAST_SEED <= seed <= MOST_SEED:
        return (gettext_noop("It needs more than 64 bits."),)
    if seed < 0:
        return (gettext_noop("Some servers take a negative seed for a random one."),)
    if seed == 0:
        return (gettext_noop("Some servers forbid 0, or take it for no seed."),)
    if seed > _EXACT_EVERYWHERE:
        return (gettext_noop("Above 2^53 some clients round it to another number."),)
    if seed > LAST_DEFAULT:
        return (gettext_noop("Some servers take only 31 bits."),)
    return ()
