from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.seeds import (
    DEFAULT_RANGE,
    InvalidSeedPolicy,
    InvalidSeedRange,
    SeedPolicy,
    SeedRange,
    allocate,
    derived_seed,
    describe,
    free_range,
    next_seed,
    number_of,
    overlapping,
    seed_at,
)

ranges = st.tuples(st.integers(-50, 50), st.integers(0, 30)).map(lambda r: SeedRange(r[0], r[0] + r[1]))


def policies(kind: str) -> st.SearchStrategy[SeedPolicy]:
    return ranges.flatmap(
        lambda within: st.builds(
            SeedPolicy,
            kind=st.just(kind),
            range=st.just(within),
            seed=st.integers(within.first, within.last),
            start=st.none() | st.integers(within.first, within.last),
            step=st.integers(-7, 7).filter(bool),
        )
    )


any_policy = st.sampled_from(["fixed", "sequence", "random", "derived"]).flatmap(policies)


@given(any_policy, st.integers(0, 40), st.text(min_size=1))
def test_every_seed_lies_in_its_range(policy: SeedPolicy, count: int, request_hash: str) -> None:
    seeds = allocate(policy=policy, count=count, request_hash=request_hash)

    assert len(seeds) == count
    assert all(seed in policy.range for seed in seeds)


@given(policies("sequence"))
def test_a_sequence_repeats_only_after_its_length(policy: SeedPolicy) -> None:
    seeds = allocate(policy=policy, count=policy.length + 1)

    assert len(set(seeds)) == policy.length
    assert seeds[0] == seeds[-1]


@given(ranges, ranges)
def test_ranges_overlap_exactly_where_they_share_seeds(one: SeedRange, other: SeedRange) -> None:
    common = set(range(one.first, one.last + 1)) & set(range(other.first, other.last + 1))

    shared = one.shared(other)

    assert one.overlaps(other) == other.overlaps(one) == bool(common)
    assert (shared.size if shared else 0) == len(common)


@given(st.lists(ranges, max_size=6))
def test_overlaps_are_found_in_pairs(several: list[SeedRange]) -> None:
    named = [(str(at), one) for at, one in enumerate(several)]

    found = {frozenset((a[0], b[0])) for a, b in overlapping(named)}

    assert found == {
        frozenset((a, b)) for a, one in named for b, other in named if a < b and one.overlaps(other)
    }


@given(st.lists(ranges, max_size=6), st.integers(1, 40))
def test_a_free_range_touches_no_other(taken: list[SeedRange], size: int) -> None:
    within = SeedRange(-50, 60)

    free = free_range(size=size, taken=taken, within=within)

    places = range(within.first, within.last - size + 2)
    possible = [at for at in places if not any(SeedRange(at, at + size - 1).overlaps(one) for one in taken)]
    assert (free.first if free else None) == (possible[0] if possible else None)


def test_the_default_range_is_what_every_server_takes() -> None:
    assert (DEFAULT_RANGE.first, DEFAULT_RANGE.last) == (1, 2**31 - 1)


def test_a_fixed_policy_always_gives_its_seed() -> None:
    assert allocate(policy=SeedPolicy(kind="fixed", seed=7), count=3) == (7, 7, 7)


def test_a_sequence_starts_where_it_is_told_and_goes_around() -> None:
    policy = SeedPolicy(kind="sequence", range=SeedRange(10, 14), start=12, step=2)

    assert allocate(policy=policy, count=4) == (12, 14, 11, 13)


def test_a_sequence_goes_on_after_the_last_seed() -> None:
    policy = SeedPolicy(kind="sequence", range=SeedRange(10, 14))

    assert next_seed(policy=policy, last=14) == 10


def test_a_sequence_whose_range_was_moved_starts_anew() -> None:
    policy = SeedPolicy(kind="sequence", range=SeedRange(100, 200))

    assert next_seed(policy=policy, last=14) == 100


def test_a_random_seed_is_drawn_from_the_whole_range() -> None:
    policy = SeedPolicy(kind="random", range=SeedRange(10, 14))

    assert next_seed(policy=policy, draw=lambda size: 0) == 10
    assert next_seed(policy=policy, draw=lambda size: size - 1) == 14


@pytest.mark.parametrize(
    ("request_hash", "within", "seed"),
    [
        ("sha256:abc", DEFAULT_RANGE, 2014268903),
        ("sha256:abc", SeedRange(100, 199), 111),
        ("sha256:" + "0" * 64, DEFAULT_RANGE, 20487614),
    ],
)
def test_a_derived_seed_has_a_golden_value(request_hash: str, within: SeedRange, seed: int) -> None:
    assert derived_seed(request_hash=request_hash, within=within) == seed


def test_a_derived_policy_needs_the_request() -> None:
    with pytest.raises(InvalidSeedPolicy, match="request's hash"):
        next_seed(policy=SeedPolicy(kind="derived"))


def test_a_range_may_not_end_before_it_starts() -> None:
    with pytest.raises(InvalidSeedRange, match="before it starts"):
        SeedRange(5, 4)


@pytest.mark.parametrize("bad", [2**64, -(2**63) - 1])
def test_a_range_may_not_need_more_than_64_bits(bad: int) -> None:
    with pytest.raises(InvalidSeedRange, match="64 bits"):
        SeedRange(min(bad, 0), max(bad, 0))


def test_a_range_takes_whole_numbers_only() -> None:
    with pytest.raises(InvalidSeedRange, match="whole number"):
        SeedRange(True, 4)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"kind": "fixed"}, "needs its seed"),
        ({"kind": "fixed", "seed": 0}, "outside the range"),
        ({"kind": "sequence", "step": 0}, "step other than 0"),
        ({"kind": "sequence", "start": 2**40}, "outside the range"),
        ({"kind": "clever"}, "no seed policy"),
    ],
)
def test_a_wrong_policy_says_why(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidSeedPolicy, match=reason):
        SeedPolicy(**wrong)  # type: ignore[arg-type]


def test_a_seed_is_described_by_its_owner_and_place() -> None:
    found = describe(
        150, {"support-bot": SeedRange(100, 199), "other": [SeedRange(1, 9), SeedRange(300, 400)]}
    )

    assert (found.owner, found.range, found.ordinal) == ("support-bot", SeedRange(100, 199), 51)
    assert found.warnings == ()


def test_a_seed_of_nobody_has_no_owner() -> None:
    found = describe(5000, {"support-bot": SeedRange(100, 199)})

    assert (found.owner, found.range, found.ordinal) == (None, None, None)


def test_where_ranges_overlap_the_narrowest_owns_the_seed() -> None:
    assert describe(5, {"wide": SeedRange(1, 100), "narrow": SeedRange(4, 6)}).owner == "narrow"


@pytest.mark.parametrize(
    ("seed", "warning"),
    [(0, "forbid 0"), (-1, "negative"), (2**31, "31 bits"), (2**53 + 1, "2^53"), (2**64, "64 bits")],
)
def test_a_seed_that_some_servers_refuse_is_marked(seed: int, warning: str) -> None:
    assert warning in " ".join(describe(seed, {}).warnings)


@given(policies("random") | policies("sequence"), st.binary(min_size=1, max_size=16))
def test_a_counting_policy_gives_none_twice_and_none_outside(policy, key):
    given_ = [seed_at(policy=policy, number=number, key=key) for number in range(policy.length)]

    assert len(set(given_)) == policy.length
    assert all(seed in policy.range for seed in given_)


@given(policies("random") | policies("sequence"), st.binary(min_size=1, max_size=16))
def test_it_is_known_when_a_seed_was_given(policy, key):
    given_ = [seed_at(policy=policy, number=number, key=key) for number in range(policy.length)]

    assert [number_of(policy=policy, seed=seed, key=key) for seed in given_] == list(range(policy.length))
    never = set(range(policy.range.first, policy.range.last + 1)) - set(given_)
    assert all(number_of(policy=policy, seed=seed, key=key) is None for seed in never)


def test_a_random_policy_looks_random():
    policy = SeedPolicy(kind="random")
    first = [seed_at(policy=policy, number=number, key=b"one") for number in range(1000)]
    other = [seed_at(policy=policy, number=number, key=b"two") for number in range(1000)]

    steps = {later - earlier for earlier, later in pairwise(first)}
    assert len(steps) > 990
    assert abs(sum(first) / 1000 / 2**30 - 1) < 0.1
    assert not set(first) & set(other)


def test_a_seed_outside_the_range_was_never_given():
    assert number_of(policy=SeedPolicy(kind="random", range=SeedRange(5, 9)), seed=10) is None
    assert number_of(policy=SeedPolicy(kind="derived"), seed=10) is None
