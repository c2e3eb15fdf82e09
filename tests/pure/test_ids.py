"""Ids sort by when they were made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from reviewapp.pure.ids import new_id, time_of, uuid7


def test_ids_of_one_millisecond_sort_in_the_order_they_were_made():
    made = [new_id() for _ in range(5_000)]

    assert len({id_.int >> 80 for id_ in made}) < len(made)
    assert made == sorted(made)


def test_ids_are_of_version_7_and_carry_their_time():
    id_ = uuid7(at_ms=1_700_000_000_123)

    assert (id_.version, id_.variant) == (7, "specified in RFC 4122")
    assert time_of(id_).timestamp() == 1_700_000_000.123
    assert new_id().version == 7


def test_no_two_threads_get_the_same_id():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id(), range(20_000)))

    assert len(set(made)) == len(made)
