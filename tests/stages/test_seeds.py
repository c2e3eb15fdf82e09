"""Reserving seeds, and giving them out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection

from reviewapp.models import Alert, AuditEntry, SeedCounter, SeedRange
from reviewapp.stages import administer
from reviewapp.stages.administer import RangeValues, Refused
from reviewapp.stages.watch import trouble
from tests import factories
from tests.factories import NOW


@pytest.fixture
def admin(project):
    return factories.make_actor(project=project)


@pytest.fixture
def bot(project):
    return factories.make_source(project=project, name="bot")


def reserve(admin, source, first, last, **values):
    return administer.reserve_range(
        actor=admin, source=source, values=RangeValues(first=first, last=last, **values), now=NOW
    )


def take(admin, source, count, request_hash=""):
    return administer.allocate_seeds(
        actor=admin, source=source, count=count, request_hash=request_hash, now=NOW
    )


def test_two_sources_never_share_a_seed(admin, bot, project):
    other = factories.make_source(project=project, name="other")
    reserve(admin, bot, 100, 199)

    with pytest.raises(Refused, match="From 150 on they belong to bot already, whose range is 100…199"):
        reserve(admin, other, 150, 250)

    assert SeedRange.objects.count() == 1


def test_the_database_itself_refuses_an_overlap(admin, bot, project):
    reserve(admin, bot, 100, 199)

    with pytest.raises(IntegrityError, match="seed_ranges_apart"):
        SeedRange.objects.create(project=project, source=bot, first=199, last=300, created_at=NOW)


def test_another_project_may_reserve_the_same_seeds(admin, bot):
    reserve(admin, bot, 100, 199)
    other = factories.make_actor(project=factories.make_project())

    reserve(other, factories.make_source(project=other.project), 100, 199)

    assert SeedRange.objects.count() == 2


def test_a_range_reaches_to_the_last_64_bit_number(admin, bot):
    made = reserve(admin, bot, 2**63 - 3, 2**63 - 1)

    assert set(take(admin, bot, 3)) == {2**63 - 3, 2**63 - 2, 2**63 - 1}
    assert made.size == 3


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"first": 9, "last": 1}, "last"),
        ({"first": 0, "last": 2**63}, "last"),
        ({"first": 1, "last": 9, "policy": "lucky"}, "policy"),
        ({"first": 1, "last": 9, "policy": "fixed"}, "seed"),
        ({"first": 1, "last": 9, "policy": "sequence", "step": 0}, "policy"),
        ({"first": 1, "last": 9, "policy": "sequence", "start": 10}, "policy"),
    ],
)
def test_what_cannot_be_reserved_names_the_field(admin, bot, values, field):
    with pytest.raises(Refused) as refused:
        administer.reserve_range(actor=admin, source=bot, values=RangeValues(**values), now=NOW)

    assert refused.value.field == field


def test_a_sequence_goes_by_its_step_from_its_start(admin, bot):
    reserve(admin, bot, 10, 19, policy="sequence", start=17, step=3)

    assert take(admin, bot, 2) == (17, 10)
    assert take(admin, bot, 3) == (13, 16, 19)


def test_a_derived_seed_is_the_same_for_the_same_request(admin, bot):
    reserve(admin, bot, 10, 10_000, policy="derived")

    assert (
        take(admin, bot, 1, "sha256:a") == take(admin, bot, 1, "sha256:a") != take(admin, bot, 1, "sha256:b")
    )
    with pytest.raises(Refused, match="send the request too"):
        take(admin, bot, 1)


def test_a_fixed_policy_gives_its_seed(admin, bot):
    reserve(admin, bot, 1, 100, policy="fixed", seed=42)

    assert take(admin, bot, 3) == (42, 42, 42)


def test_one_range_follows_the_other_and_then_there_are_none(admin, bot):
    reserve(admin, bot, 1, 3)
    reserve(admin, bot, 11, 12)

    assert set(take(admin, bot, 4)) >= {1, 2, 3}
    with pytest.raises(administer.NoSeedsLeft, match="1 seeds left"):
        take(admin, bot, 2)
    assert len(take(admin, bot, 1)) == 1


def test_what_is_refused_uses_up_no_seed(admin, bot):
    reserve(admin, bot, 1, 3)

    with pytest.raises(administer.NoSeedsLeft):
        take(admin, bot, 4)

    assert set(take(admin, bot, 3)) == {1, 2, 3}


def test_a_source_without_a_range_gets_free_seeds(admin, bot, project):
    other = factories.make_source(project=project, name="other")
    reserve(admin, other, 1, 1000)

    seeds = take(admin, bot, 100)

    assert len(set(seeds)) == 100
    assert all(1000 < seed < 2**31 for seed in seeds)
    made = SeedRange.objects.get(source=bot)
    assert made.is_automatic
    assert AuditEntry.objects.filter(action="seeds.reserve", object_id=str(made.pk)).exists()


def test_an_automatic_range_that_is_used_up_is_followed_by_another(admin, bot, monkeypatch):
    monkeypatch.setattr(administer.seeds, "AUTOMATIC_SIZE", 10)

    assert len(set(take(admin, bot, 25))) == 25
    assert SeedRange.objects.filter(source=bot).count() == 3


def test_a_closed_range_gives_nothing_and_stays_reserved(admin, bot):
    made = reserve(admin, bot, 1, 3)
    administer.open_range(actor=admin, seed_range=made, is_open=False, now=NOW)

    with pytest.raises(administer.NoSeedsLeft):
        take(admin, bot, 1)
    assert administer.describe_seed(actor=admin, seed=2).range == made


def test_a_range_goes_back_only_while_none_of_it_was_given(admin, bot):
    made = reserve(admin, bot, 1, 3)
    take(admin, bot, 1)

    with pytest.raises(Refused, match="Close the range instead"):
        administer.release_range(actor=admin, seed_range=made, now=NOW)

    unused = reserve(admin, bot, 11, 13)
    administer.release_range(actor=admin, seed_range=unused, now=NOW)
    assert not SeedRange.objects.filter(pk=unused.pk).exists()


def test_it_is_known_whose_a_seed_is_and_whether_it_was_given(admin, bot):
    reserve(admin, bot, 10, 19, policy="sequence")
    take(admin, bot, 2)

    assert administer.describe_seed(actor=admin, seed=11).was_given
    found = administer.describe_seed(actor=admin, seed=12)
    assert (found.range.source, found.ordinal, found.was_given) == (bot, 3, False)
    assert administer.describe_seed(actor=admin, seed=9).range is None
    assert administer.describe_seed(actor=admin, seed=2**64 - 1).warnings


def test_ranges_come_from_a_file_all_or_none(admin, bot):
    good = "source,first,last,policy,seed\nbot,1,100,sequence,\nother,101,200,fixed,150\n"

    made = administer.import_ranges(actor=admin, text="\ufeff" + good, now=NOW)

    assert [(one.source.name, one.first, one.policy) for one in made] == [
        ("bot", 1, "sequence"),
        ("other", 101, "fixed"),
    ]
    with pytest.raises(Refused, match="Line 3: From 100 on they belong to bot"):
        administer.import_ranges(
            actor=admin, text="source,first,last\nnew,1000,2000\nnewer,90,100\n".replace("90", "100"), now=NOW
        )
    assert SeedRange.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "source is missing|first, last, source is missing"),
        ("source,first\nbot,1\n", "last is missing"),
        ("source,first,last,colour\nbot,1,2,red\n", "no column “colour”"),
        ("source,first,last\nbot,one,2\n", "Line 2: first must be a whole number, not “one”"),
        ("source,first,last\nbot,,2\n", "Line 2: first is missing"),
        ("source,first,last\n", "holds no range"),
        ("source,first,last\nbo\0t,1,2\n", "NUL"),
        ("source,first,last\n" + "x" * 140_000 + ",1,2\n", "Line 1|Line 2"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(admin, text, reason):
    with pytest.raises(Refused, match=reason):
        administer.import_ranges(actor=admin, text=text, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_twenty_clients_take_a_hundred_thousand_seeds_none_twice_none_outside(project):
    admin = factories.make_actor(project=project)
    bot = factories.make_source(project=project, name="bot")
    reserve(admin, bot, 5, 100_004)

    def client(_: int) -> list[int]:
        try:
            return [seed for _ in range(10) for seed in take(admin, bot, 500)]
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        seeds = [seed for found in pool.map(client, range(20)) for seed in found]

    assert len(seeds) == len(set(seeds)) == 100_000
    assert (min(seeds), max(seeds)) == (5, 100_004)


# ---- what is told before they are used up ----


def told():
    return list(Alert.objects.order_by("first_at", "id").values_list("severity", "title"))


def test_who_reserves_hears_once_that_seeds_run_out_and_once_that_they_have(admin, bot):
    reserve(admin, bot, 1, 100)

    take(admin, bot, 89)
    assert trouble.notice_seeds_running_out(now=NOW) == 0
    take(admin, bot, 1)
    assert [trouble.notice_seeds_running_out(now=NOW) for _ in range(2)] == [1, 0]
    take(admin, bot, 10)
    assert [trouble.notice_seeds_running_out(now=NOW) for _ in range(2)] == [1, 0]

    assert told() == [
        ("warning", "bot has 10 of its 100 seeds left"),
        ("critical", "All 100 seeds of bot are given"),
    ]


def test_who_reserved_more_hears_again_when_those_run_out(admin, bot):
    reserve(admin, bot, 1, 100)
    take(admin, bot, 95)
    trouble.notice_seeds_running_out(now=NOW)

    reserve(admin, bot, 101, 200)
    assert trouble.notice_seeds_running_out(now=NOW) == 0
    take(admin, bot, 90)
    assert trouble.notice_seeds_running_out(now=NOW) == 1

    assert told()[-1] == ("warning", "bot has 15 of its 200 seeds left")


def test_of_seeds_that_never_run_out_nothing_is_told(admin, bot, project):
    reserve(admin, bot, 7, 7, policy="fixed", seed=7)
    take(admin, bot, 3)
    other = factories.make_source(project=project, name="other")
    take(admin, other, 1)
    SeedCounter.objects.filter(range__source=other).update(given=10_000_000)

    assert trouble.notice_seeds_running_out(now=NOW) == 0
