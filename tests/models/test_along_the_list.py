"""What few interactions have is walked in a table of its own; what is found, in which order, is the list's.

Against rules written out in Python over all rows: which interaction has it, newest first.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from reviewapp.models import AddedTag, Comparison, Flag, Interaction, Thread
from reviewapp.models.browsing import list_rows
from reviewapp.models.filters import apply, read_filter
from reviewapp.models.pages import page_of
from reviewapp.pure.ids import new_id
from reviewapp.stages.export.shape import StoredPages, fetch_stored
from tests.factories import (
    NOW,
    make_actor,
    make_attempt,
    make_interaction,
    make_project,
    make_run,
    make_source,
)

VERDICTS = ("identical", "nondeterministic", "backend_changed")
SPAN = (NOW + timedelta(seconds=5), NOW + timedelta(seconds=22))


class World:
    """A project with everything at random: equal times, ids in another order than times, several of each."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.project, other = make_project(name=f"World {seed}"), make_project(name=f"Other {seed}")
        sources = [make_source(project=self.project, name=name) for name in ("a", "b")]
        ids = [new_id() for _ in range(60)]
        rng.shuffle(ids)
        self.rows = [
            make_interaction(
                project=self.project,
                id=id_,
                source=rng.choice(sources),
                fingerprint=rng.choice(["fp_1", "fp_2"]),
                started_at=NOW + timedelta(seconds=rng.randrange(30)),
                tags=rng.choice([[], [], ["both"], ["recorded"]]),
            )
            for id_ in ids
        ]
        self.flags, self.threads = defaultdict(list), defaultdict(list)
        self.told, self.given = defaultdict(list), defaultdict(set)
        for row in [*self.rows, make_interaction(project=other)]:
            self._marked(row, in_world=row.project == self.project)
        runs = {kind: make_run(project=self.project, kind=kind) for kind in ("person", "canary", "study")}
        for row in self.rows:
            for number in range(rng.choice([0, 0, 1, 2, 4])):
                self._compared(row, runs, number)

    def _marked(self, row, *, in_world):
        rng = self.rng
        about = {"project": row.project, "interaction": row, "created_at": NOW}
        for _ in range(rng.choice([0, 0, 1, 3])):
            state = rng.choice(["open", "resolved", "removed"])
            Flag.objects.create(**about, reason="Wrong", state=state)
            self.flags[row.pk].append(state)
        for _ in range(rng.choice([0, 0, 1, 3])):
            state = rng.choice(["open", "resolved", "resolved"])
            Thread.objects.create(**about, changed_at=NOW, state=state)
            self.threads[row.pk].append(state)
        for name in ("given", "both"):
            if rng.random() < 0.3 or not in_world:
                AddedTag.objects.create(**about, name=name)
                self.given[row.pk].add(name)

    def _compared(self, row, runs, number):
        rng = self.rng
        kind, verdict = rng.choice(list(runs)), rng.choice(VERDICTS)
        attempt = make_attempt(run=runs[kind], original=row, verdict=verdict, number=number)
        # Some at the same moment.
        at = NOW + timedelta(seconds=rng.randrange(3))
        Comparison.objects.filter(attempt=attempt).update(created_at=at)
        if kind != "study":
            self.told[row.pk].append((at, attempt.pk, verdict))

    def has(self, row, values):
        rules = {
            "flagged": lambda value: ("open" in self.flags[row.pk]) == (value == "yes"),
            "discussed": lambda value: {
                "yes": bool(self.threads[row.pk]),
                "no": not self.threads[row.pk],
                "open": "open" in self.threads[row.pk],
                "resolved": set(self.threads[row.pk]) == {"resolved"},
            }[value],
            "verdict": lambda value: max(self.told[row.pk], default=(None,))[-1] == value,
            "tag": lambda value: value in {*row.tags, *self.given[row.pk]},
            "source": lambda value: row.source.name == value,
            "fingerprint": lambda value: row.fingerprint == value,
            "since": lambda value: row.started_at >= SPAN[0],
            "until": lambda value: row.started_at < SPAN[1],
            "trace": lambda value: False,
            "replays": lambda value: True,
        }
        return all(rules[name](value) for name, value in values.items())

    def expected(self, values):
        rows = self.rows
        if values.get("replays") == "all":
            rows = list(Interaction.objects.filter(project=self.project).select_related("source"))
        found = [row for row in rows if self.has(row, values)]
        return [row.pk for row in sorted(found, key=lambda row: (row.started_at, row.pk), reverse=True)]

    def found(self, values):
        seen = Interaction.objects.filter(project=self.project)
        return apply(seen, read_filter(values), project=self.project)


ALONE = [
    *({"flagged": value} for value in ("yes", "no")),
    *({"discussed": value} for value in ("yes", "no", "open", "resolved")),
    *({"verdict": value} for value in (*VERDICTS, "failed")),
    *({"tag": value} for value in ("given", "both", "recorded", "none-such")),
]
TIMES = {"since": SPAN[0].isoformat(), "until": SPAN[1].isoformat()}
FILTERS = [
    *ALONE,
    *({**one, **TIMES} for one in ALONE),
    *({**one, "source": "a", "fingerprint": "fp_2"} for one in ALONE[::3]),
    *({**one, "replays": "all"} for one in ALONE[::2]),
    {"flagged": "yes", "trace": "none-such"},
    {"verdict": "identical", "flagged": "yes"},
    {"verdict": "identical", "flagged": "no", "discussed": "resolved", "tag": "both"},
    {"discussed": "yes", "flagged": "yes", **TIMES},
    {"discussed": "no", "flagged": "yes", "tag": "given"},
    {"tag": "given", "verdict": "backend_changed", "source": "b"},
]


@pytest.fixture(params=[1, 2])
def world(db, request):
    return World(request.param)


def test_what_few_have_is_found_as_by_looking_at_every_interaction(world):
    for values in FILTERS:
        rows, expected = world.found(values), world.expected(values)

        assert rows.count() == len(expected), values
        assert set(rows.order_by().values_list("pk", flat=True)) == set(expected), values
        assert list(rows.order_by("-started_at", "-id").values_list("pk", flat=True)) == expected, values
        assert list(rows.newest_first().values_list("pk", flat=True)) == expected, values
        assert set(Interaction.objects.filter(pk__in=rows.values("pk")).values_list("pk", flat=True)) == set(
            expected
        ), values


def test_the_list_shows_the_verdict_that_it_is_filtered_by(world):
    reader = make_actor(project=world.project)
    for verdict in VERDICTS:
        rows = list_rows(list(world.found({"verdict": verdict})), actor=reader)

        assert {row.verdict for row in rows} == {verdict}


def test_pages_of_what_few_have_hold_each_once_in_both_directions(world):
    for values in FILTERS:
        expected = world.expected(values)

        pages = [page_of(world.found(values), limit=4)]
        while pages[-1].older:
            pages.append(page_of(world.found(values), limit=4, cursor=pages[-1].older))
        back = [pages[-1]]
        while back[-1].newer:
            back.append(page_of(world.found(values), limit=4, cursor=back[-1].newer))
        turned = page_of(world.found(values), limit=100, oldest_first=True)

        assert [row.pk for page in pages for row in page.items] == expected, values
        assert {row.pk for page in back for row in page.items} == set(expected), values
        assert [row.pk for row in turned.items] == expected[::-1], values


def test_an_export_of_what_few_have_reads_each_once_oldest_first(world):
    for values in FILTERS:
        pages = StoredPages(world.found(values), rows=5, most=10**6)
        read, last = [], None
        while found := fetch_stored(pages.statement(after=last), over=connection.connection):
            read += [row.id for row in found]
            last = found[-1]

        assert read == world.expected(values)[::-1], values


def test_the_database_keeps_when_it_was_asked_whoever_writes(project):
    interaction = make_interaction(project=project)
    flag = Flag.objects.create(project=project, interaction=interaction, reason="Wrong", created_at=NOW)

    # As somebody who wrote it before they knew of the column.
    flag.note = "Look."
    flag.save()

    assert Flag.objects.get().asked_at == interaction.started_at


def test_what_is_about_an_interaction_that_is_not_there_is_refused_at_once(project):
    with pytest.raises(IntegrityError, match="is not there"), transaction.atomic():
        Flag.objects.create(project=project, interaction_id=new_id(), reason="Wrong", created_at=NOW)
