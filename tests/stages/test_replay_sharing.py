"""A provider's limits hold for all workers together, and nobody starves."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.models import CallShare, ReplayRun
from reviewapp.stages.replay import sharing
from tests.factories import NOW, make_provider


def test_who_is_alone_gets_all():
    assert sharing.fair_slots(capacity=20, wants=500, others=[]) == 20


def test_who_comes_second_gets_nothing_before_the_first_gives_way():
    assert sharing.fair_slots(capacity=20, wants=500, others=[(20, 500)]) == 0


def test_who_has_all_gives_way_to_half_when_somebody_lacks():
    assert sharing.fair_slots(capacity=20, wants=500, others=[(0, 500)]) == 10


def test_what_others_do_not_want_is_taken():
    assert sharing.fair_slots(capacity=20, wants=500, others=[(2, 2)]) == 18


@given(
    capacity=st.integers(1, 300),
    wants=st.lists(st.integers(0, 500), min_size=1, max_size=6),
    order=st.lists(st.integers(0, 5), max_size=60),
)
def test_shares_never_add_up_to_more_than_there_is_and_all_get_their_part(capacity, wants, order):
    held = [0] * len(wants)

    def ask(who):
        others = [(held[at], wants[at]) for at in range(len(wants)) if at != who]
        held[who] = sharing.fair_slots(capacity=capacity, wants=wants[who], others=others)
        assert sum(held) <= capacity

    for who in order:
        ask(who % len(wants))
    for _ in range(4):
        for who in range(len(wants)):
            ask(who)

    part = capacity // len(wants)
    assert all(got >= min(want, part) for got, want in zip(held, wants, strict=True))


@pytest.fixture
def run(project):
    return ReplayRun.objects.create(project=project, created_at=NOW)


def claim(provider, run, worker, *, in_use=0, now=NOW, wants=500):
    return sharing.claim(
        provider_id=provider.pk, run_id=run.pk, worker=worker, wants=wants, in_use=in_use, now=now
    )


def test_a_share_is_not_dealt_again_while_its_calls_are_open(project, run):
    provider = make_provider(project=project, base_url="http://x/v1", max_concurrency=10)
    claim(provider, run, "first")
    claim(provider, run, "second")

    shrunk = claim(provider, run, "first", in_use=10)

    assert shrunk.slots == 5
    assert claim(provider, run, "second").slots == 0
    claim(provider, run, "first", in_use=5)
    assert claim(provider, run, "second").slots == 5


def test_the_share_of_a_dead_worker_is_dealt_again_after_its_lease(project, run):
    provider = make_provider(project=project, base_url="http://x/v1", max_concurrency=10)
    claim(provider, run, "dead", in_use=10)

    assert claim(provider, run, "alive", now=NOW + timedelta(seconds=5)).slots == 0
    assert claim(provider, run, "alive", now=NOW + timedelta(minutes=1)).slots == 10


def test_a_limit_that_an_admin_changes_holds_from_the_next_beat(project, run):
    provider = make_provider(project=project, base_url="http://x/v1", max_concurrency=10)
    claim(provider, run, "worker")
    provider.max_concurrency = 3
    provider.save()

    assert claim(provider, run, "worker").slots == 3


def test_a_worker_that_ends_leaves_no_share(project, run):
    provider = make_provider(project=project, base_url="http://x/v1")
    claim(provider, run, "worker")

    sharing.release(run_id=run.pk, worker="worker")

    assert not CallShare.objects.exists()


def test_starts_are_reserved_for_all_workers_together(project):
    provider = make_provider(project=project, base_url="http://x/v1", requests_per_minute=600)

    starts = [
        start
        for _ in range(3)
        for start in sharing.reserve_starts(provider_id=provider.pk, tokens=[1] * 4, surplus=0, now=NOW)
    ]

    assert len(starts) > 8
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(starts))


def test_a_pause_holds_for_every_worker(project, run):
    provider = make_provider(project=project, base_url="http://x/v1")
    until = NOW + timedelta(seconds=30)

    sharing.pause(provider_id=provider.pk, until=until)

    assert claim(provider, run, "other").paused_until == until.timestamp()
    assert sharing.reserve_starts(provider_id=provider.pk, tokens=[1], surplus=0, now=NOW) == []
