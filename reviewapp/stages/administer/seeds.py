"""Seed ranges: reserving them to sources, and giving the seeds out, none twice.

How many seeds of a range were given is one number in one row. Whoever needs seeds moves it on by as
many as they take, under a lock on the row, and the seeds follow from the number: two takers never
get the same, and what a taker loses is only skipped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils.formats import number_format
from django.utils.translation import gettext

from reviewapp.models import Actor, Permission, SeedCounter, SeedPolicyKind, SeedRange, Source
from reviewapp.pure import seeds
from reviewapp.stages.administer.audit import Refused, write_audit
from reviewapp.stages.administer.providers import ensure_source

MOST_AT_ONCE: Final = 10_000
# For a source that asks for seeds and has none reserved: two hundred such sources fit.
AUTOMATIC_SIZE: Final = 10_000_000
_TURNS: Final = 10
# Above it the database's numbers end; seeds that clients bring may be larger, ranges need not be.
LARGEST: Final = 2**63 - 1
COLUMNS: Final = ("source", "first", "last", "policy", "seed", "start", "step", "note")


class NoSeedsLeft(Refused):
    """Every seed of the source's open ranges was given."""


@dataclass(frozen=True, slots=True)
class RangeValues:
    """What an admin says of a range."""

    first: int
    last: int
    policy: str = SeedPolicyKind.RANDOM.value
    seed: int | None = None
    start: int | None = None
    step: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """Some seeds of one range, in the order in which they were given."""

    range: SeedRange
    seeds: tuple[int, ...]


@transaction.atomic
def reserve_range(*, actor: Actor, source: Source, values: RangeValues, now: datetime) -> SeedRange:
    """Reserve seeds to a source. Raises Refused, with the other owner where a seed is taken."""
    actor.check(Permission.ADMIN)
    _check(values)
    if source.project_id != actor.project.pk:
        raise Refused(gettext("That source belongs to another project."), field="source")
    made = SeedRange(project=actor.project, source=source, created_at=now, **asdict(values))
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError:
        raise Refused(_taken(made), field="first") from None
    SeedCounter.objects.create(range=made)
    write_audit(
        actor=actor,
        action="seeds.reserve",
        target=made,
        now=now,
        source=source.name,
        first=made.first,
        last=made.last,
        policy=made.policy,
    )
    return made


@transaction.atomic
def open_range(*, actor: Actor, seed_range: SeedRange, is_open: bool, now: datetime) -> None:
    """Go on or stop giving seeds of this range. It stays reserved."""
    actor.check(Permission.ADMIN)
    moved = SeedRange.objects.filter(pk=seed_range.pk, project=actor.project, is_open=not is_open).update(
        is_open=is_open
    )
    if moved:
        write_audit(
            actor=actor, action="seeds.open" if is_open else "seeds.close", target=seed_range, now=now
        )


@transaction.atomic
def release_range(*, actor: Actor, seed_range: SeedRange, now: datetime) -> None:
    """Give a range back. Raises Refused when seeds of it were given: whose they are must stay known."""
    actor.check(Permission.ADMIN)
    counter = SeedCounter.objects.select_for_update().filter(range=seed_range).first()
    if counter is not None and counter.given:
        raise Refused(
            gettext(
                "%(given)s seeds of %(seed_range)s were given, so it must stay known whose they "
                "are. Close the range instead."
            )
            % {"given": number_format(counter.given, force_grouping=True), "seed_range": seed_range}
        )
    write_audit(
        actor=actor,
        action="seeds.release",
        target=seed_range,
        now=now,
        first=seed_range.first,
        last=seed_range.last,
    )
    SeedRange.objects.filter(pk=seed_range.pk, project=actor.project).delete()


def suggest_range(*, actor: Actor, size: int = 1_000_000) -> seeds.SeedRange | None:
    """The first free seeds, as many of them."""
    taken = [seeds.SeedRange(*one) for one in _bounds(actor.project.pk)]
    return seeds.free_range(size=size, taken=taken)


def reserve_automatically(*, source: Source, now: datetime) -> SeedRange:
    """The first free seeds for a source that has none left, of the usual 1 … 2^31 − 1.

    Raises NoSeedsLeft when others have reserved all of them.
    """
    size = AUTOMATIC_SIZE
    for _ in range(_TURNS):
        taken = [seeds.SeedRange(*one) for one in _bounds(source.project_id)]
        free = seeds.free_range(size=size, taken=taken)
        if free is None:
            size //= 10
            if not size:
                break
            continue
        made = SeedRange(
            project_id=source.project_id,
            source=source,
            first=free.first,
            last=free.last,
            is_automatic=True,
            created_at=now,
        )
        try:
            with transaction.atomic():
                made.save()
                SeedCounter.objects.create(range=made)
                write_audit(
                    actor=None,
                    project=source.project,
                    action="seeds.reserve",
                    target=made,
                    now=now,
                    source=source.name,
                    first=made.first,
                    last=made.last,
                    automatic=True,
                )
        except IntegrityError:
            continue  # somebody reserved some of them this moment
        return made
    raise NoSeedsLeft(
        gettext(
            "All seeds from 1 to 2^31 − 1 are reserved to other sources; an admin can reserve larger ones."
        ),
        field="source",
    )


def _bounds(project: UUID) -> Any:
    return SeedRange.objects.filter(project=project).values_list("first", "last")


def allocate_seeds(
    *, actor: Actor, source: Source, count: int, request_hash: str = "", now: datetime
) -> tuple[int, ...]:
    """The source's next seeds; no two takers get the same. Raises Refused, NoSeedsLeft.

    A fixed policy gives its seed as often as is asked; a derived one needs the request's hash. A
    source without a range gets one of the free seeds.
    """
    if not 1 <= count <= MOST_AT_ONCE:
        raise Refused(
            gettext("Ask for 1 to %(most_at_once)s seeds.")
            % {"most_at_once": number_format(MOST_AT_ONCE, force_grouping=True)},
            field="count",
        )
    if source.project_id != actor.project.pk:
        raise Refused(gettext("That source belongs to another project."), field="source")
    with transaction.atomic():
        found: list[int] = []
        for one in _open_ranges(source, now):
            if not one.counts:
                return _repeated(one, count, request_hash)
            found += take_seeds(seed_range=one, count=count - len(found), now=now).seeds
            if len(found) == count:
                return tuple(found)
        raise NoSeedsLeft(
            gettext(
                "%(name)s has %(left)s seeds left in its open ranges. An admin reserves more under "
                "Settings, Seeds."
            )
            % {"name": source.name, "left": number_format(len(found), force_grouping=True)},
            field="count",
        )


def _open_ranges(source: Source, now: datetime) -> Iterator[SeedRange]:
    """Those that an admin has reserved; where there is none, as many as are wanted."""
    rows = list(SeedRange.objects.filter(source=source).order_by("first"))
    yield from (one for one in rows if one.is_open)
    if all(one.is_automatic for one in rows) and (not rows or any(one.is_open for one in rows)):
        for _ in range(_TURNS):
            yield reserve_automatically(source=source, now=now)


@transaction.atomic
def take_seeds(*, seed_range: SeedRange, count: int, now: datetime, around: bool = False) -> Given:
    """The next seeds of one range that counts; fewer when fewer are left.

    `around`: begin again where the range ends. For calls that must not fail for want of a seed.
    """
    counter = SeedCounter.objects.select_for_update().get(range=seed_range)
    rule = seed_range.rule
    number = counter.given
    wanted = count if around else max(0, min(count, rule.length - number))
    if wanted:
        SeedCounter.objects.filter(pk=counter.pk).update(given=F("given") + wanted, last_given_at=now)
    key = bytes(seed_range.order)
    return Given(
        seed_range,
        tuple(seeds.seed_at(policy=rule, number=number + at, key=key) for at in range(wanted)),
    )


def _repeated(one: SeedRange, count: int, request_hash: str) -> tuple[int, ...]:
    if one.policy == SeedPolicyKind.DERIVED and not request_hash:
        raise Refused(
            gettext("This source's seeds are derived from the request: send the request too."),
            field="request",
        )
    return (seeds.seed_at(policy=one.rule, number=0, request_hash=request_hash),) * count


def _check(values: RangeValues) -> None:
    for name in ("first", "last"):
        if not -LARGEST - 1 <= getattr(values, name) <= LARGEST:
            raise Refused(gettext("A range lies within 64 bits: from −2^63 to 2^63 − 1."), field=name)
    try:
        bounds = seeds.SeedRange(values.first, values.last)
    except seeds.InvalidSeedRange as error:
        raise Refused.of(error, field="last") from None
    try:
        seeds.SeedPolicy(
            kind=values.policy,  # type: ignore[arg-type]
            range=bounds,
            seed=values.seed,
            start=values.start,
            step=values.step,
        )
    except seeds.InvalidSeedPolicy as error:
        field = "seed" if values.policy == SeedPolicyKind.FIXED else "policy"
        raise Refused.of(error, field=field) from None
    if abs(values.step) > LARGEST:
        raise Refused(gettext("The step lies within 64 bits."), field="step")


def _taken(made: SeedRange) -> str:
    other = (
        SeedRange.objects.filter(project=made.project, first__lte=made.last, last__gte=made.first)
        .select_related("source")
        .order_by("first")
        .first()
    )
    if other is None:
        return gettext("Those seeds are reserved already.")
    values = {"first": max(other.first, made.first), "range": other, "name": other.source.name}
    if other.source_id == made.source_id:
        return (
            gettext("From %(first)s on they belong to this source already, whose range is %(range)s.")
            % values
        )
    return gettext("From %(first)s on they belong to %(name)s already, whose range is %(range)s.") % values


@dataclass(frozen=True, slots=True)
class SeedOwner:
    """What is known of a seed in a project."""

    seed: int
    range: SeedRange | None
    was_given: bool | None
    warnings: tuple[str, ...]

    @property
    def ordinal(self) -> int | None:
        """The how-manieth seed of its range, from 1."""
        return None if self.range is None else self.seed - self.range.first + 1


def describe_seed(*, actor: Actor, seed: int) -> SeedOwner:
    """Whose seed it is, whether the app gave it, and what may be wrong with it."""
    actor.check(Permission.READ)
    if not seeds.LEAST_SEED <= seed <= seeds.MOST_SEED:
        raise Refused(gettext("A seed has 64 bits at most."), field="seed")
    found = None
    if -LARGEST - 1 <= seed <= LARGEST:
        found = (
            SeedRange.objects.filter(project=actor.project)
            .filter(Q(first__lte=seed) & Q(last__gte=seed))
            .select_related("source", "counter")
            .first()
        )
    return SeedOwner(seed, found, _was_given(found, seed), seeds.describe(seed, {}).warnings)


def _was_given(found: SeedRange | None, seed: int) -> bool | None:
    """Whether the app gave this seed; None where its policy can't tell."""
    if found is None or found.policy == SeedPolicyKind.DERIVED:
        return None
    if found.policy == SeedPolicyKind.FIXED:
        return seed == found.seed
    number = seeds.number_of(policy=found.rule, seed=seed, key=bytes(found.order))
    return number is not None and number < found.counter.given


@transaction.atomic
def import_ranges(*, actor: Actor, text: str, now: datetime) -> list[SeedRange]:
    """Reserve the ranges of a CSV file with a line of column names: all of them, or none.

    Columns: source, first, last, and if wanted policy, seed, start, step, note. A source that is not
    there is made. Raises Refused, which names the line.
    """
    actor.check(Permission.ADMIN)
    if "\0" in text:
        raise Refused(gettext("The file holds a NUL character; it is no CSV file."), field="file")
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    names = {name.strip().lower() for name in rows.fieldnames or ()}
    if missing := {"source", "first", "last"} - names:
        raise Refused(
            gettext("The first line must name the columns; %(choices)s is missing.")
            % {"choices": ", ".join(sorted(missing))},
            field="file",
        )
    if unknown := names - set(COLUMNS):
        raise Refused(
            gettext("There is no column “%(unknown)s”; there are %(choices)s.")
            % {"unknown": min(unknown), "choices": ", ".join(COLUMNS)},
            field="file",
        )
    made: list[SeedRange] = []
    try:
        made.extend(_import_row(actor, row, now) for row in rows)
    except (Refused, csv.Error) as error:
        raise Refused(
            gettext("Line %(line_num)s: %(error)s") % {"line_num": rows.line_num, "error": error},
            field="file",
        ) from None
    if not made:
        raise Refused(gettext("The file holds no range."), field="file")
    return made


def _import_row(actor: Actor, row: Mapping[str | Any, Any], now: datetime) -> SeedRange:
    told = {
        str(name).strip().lower(): (value or "").strip()
        for name, value in row.items()
        if isinstance(value, str | None) and name is not None
    }
    name = told.get("source", "")
    if not name or len(name) > 100:
        raise Refused(gettext("The source needs a name of at most 100 characters."))
    values: dict[str, Any] = {"note": told.get("note", "")}
    for field in ("first", "last", "seed", "start", "step"):
        text = told.get(field, "")
        if not text:
            continue
        try:
            values[field] = int(text.replace("_", ""))
        except ValueError:
            raise Refused(
                gettext("%(field)s must be a whole number, not “%(text)s”.")
                % {"field": field, "text": text[:40]}
            ) from None
    for field in ("first", "last"):
        if field not in values:
            raise Refused(gettext("%(field)s is missing.") % {"field": field})
    if told.get("policy"):
        values["policy"] = told["policy"].lower()
    source = ensure_source(project=actor.project, name=name, now=now)
    return reserve_range(actor=actor, source=source, values=RangeValues(**values), now=now)


def ranges_of(*, sources: Iterable[UUID]) -> Sequence[SeedRange]:
    """The ranges of these sources with their counters, in the order of their seeds."""
    rows = SeedRange.objects.filter(source__in=list(sources)).select_related("source", "counter")
    return list(rows.order_by("first"))
