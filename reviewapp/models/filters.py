"""Which interactions: the one filter that pages, API, commands, replays and exports share.

Names are those of the API and of page addresses. A value that can't be is refused with the
name of its field; a filter never silently matches everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.postgres.search import SearchQuery
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext

from reviewapp.models.comparison import Comparison, Decision, VerdictName
from reviewapp.models.composed import Composed
from reviewapp.models.discussing import DISCUSSED, discussed
from reviewapp.models.discussion import Thread, ThreadState
from reviewapp.models.interaction import (
    CANARY_SOURCE,
    CANARY_TAG,
    Endpoint,
    Interaction,
    InteractionQuerySet,
    InteractionText,
)
from reviewapp.models.project import Project
from reviewapp.models.provider import Provider
from reviewapp.models.replay import ReplayRun, RunKind
from reviewapp.models.review import Flag, FlagState
from reviewapp.models.source import Source
from reviewapp.models.tag import AddedTag, Selection
from reviewapp.pure import words
from reviewapp.pure.searching import parse_search, write_search

NONE = "none"
_INT64 = 2**63
# Fewer interactions that have a tag are looked up by their ids; of so many the list is walked.
_MANY = 5_000
# What narrows the list without leaving much of it to be walked in vain.
_ALONG_THE_LIST = frozenset({"since", "until", "replays", "canaries"})
# So many ids may stand in a statement.
_FEW = 500
# What no interaction is. Unlike an empty set it leaves a statement that can be run.
_NOTHING = Q(pk=UUID(int=0))


class InvalidFilter(Exception):
    """A filter that can't be; `field` is its name, the message says what to write."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


@dataclass(frozen=True, slots=True)
class SeedSpan:
    """Seeds from `low` to `high`, both included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Filter:
    """What interactions must have; empty fields don't narrow. Values are as they were written."""

    source: str = ""
    provider: str = ""
    model: str = ""
    fingerprint: str = ""
    seed: str = ""
    status: str = ""
    flagged: str = ""
    # Threads on it: yes, no, open (an unresolved one), resolved (some, and all of them).
    discussed: str = ""
    tag: str = ""
    trace: str = ""
    request_hash: str = ""
    q: str = ""
    since: str = ""
    until: str = ""
    endpoint: str = ""
    session: str = ""
    user: str = ""
    finish_reason: str = ""
    # US dollars when it was recorded: more or less than, a range, or none known.
    cost: str = ""
    verdict: str = ""
    # The id of a backend change: the answers that its verification found changed.
    regressions: str = ""
    # The id of a selection: interactions that somebody chose by hand.
    selection: str = ""
    # Answers that replays got are interactions too: no (the default), yes (only those), all.
    replays: str = ""
    # The questions of the app's own canaries: no, yes (only those), all (the default; see `browsed`).
    canaries: str = ""

    def values(self) -> dict[str, str]:
        """The fields that narrow, as for an address or a `filter` object."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}

    @property
    def is_empty(self) -> bool:
        return not self.values()

    @property
    def browsed(self) -> Filter:
        """The filter as a screen applies it: without canary questions, unless they are asked for."""
        if self.canaries or self.source == CANARY_SOURCE or self.tag == CANARY_TAG:
            return self
        return replace(self, canaries="no")

    @property
    def search_text(self) -> str:
        """The filter as the search box writes it."""
        values = self.values()
        return write_search({k: v for k, v in values.items() if k != "q"}, values.get("q", ""))


FILTER_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Filter))


def read_filter(values: Mapping[str, Any], *, strict: bool = True) -> Filter:
    """The filter of a `filter` object or an address.

    The search box's `field:value` terms inside `q` count like fields. With `strict` a name that
    is no filter's is refused; an address may carry other things.
    Raises InvalidFilter.
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        if name not in FILTER_NAMES:
            if strict:
                raise InvalidFilter(
                    str(name),
                    gettext("is no filter; choose from %(choices)s") % {"choices": ", ".join(FILTER_NAMES)},
                )
            continue
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if not isinstance(value, str | int):
            raise InvalidFilter(name, gettext("must be a text or a number"))
        text = str(value).strip()
        if len(text) > 1000:
            raise InvalidFilter(name, gettext("is longer than 1,000 characters"))
        if "\x00" in text:
            raise InvalidFilter(name, gettext("holds a NUL character, which nothing recorded matches"))
        found[name] = text
    search = parse_search(found.pop("q", ""))
    found = {**search.fields, **found}
    if search.words:
        found["q"] = search.words
    result = Filter(**found)
    condition(result)  # refuses now what could not be applied later
    return result


def condition(wanted: Filter) -> Q:
    """The filter as a condition on an interaction's own columns: what is asked of other tables, `apply` adds.

    Raises InvalidFilter.
    """
    q = Q()
    if wanted.replays in {"", "no"}:
        q &= Q(replay_of__isnull=True)
    elif wanted.replays == "yes":
        q &= Q(replay_of__isnull=False)
    elif wanted.replays != "all":
        raise InvalidFilter("replays", gettext("must be yes, no or all"))
    if wanted.canaries not in {"", "no", "yes", "all"}:
        raise InvalidFilter("canaries", gettext("must be yes, no or all"))
    if wanted.model:
        q &= Q(model=wanted.model) | Q(response_model=wanted.model)
    if wanted.fingerprint:
        q &= Q(fingerprint__isnull=True) if wanted.fingerprint == NONE else Q(fingerprint=wanted.fingerprint)
    if wanted.seed:
        q &= _seeds(wanted.seed)
    if wanted.status:
        q &= _statuses(wanted.status)
    if wanted.trace:
        q &= Q(trace=wanted.trace)
    if wanted.session:
        q &= Q(session=wanted.session)
    if wanted.user:
        q &= Q(end_user=wanted.user)
    if wanted.finish_reason:
        q &= Q(finish_reason=wanted.finish_reason)
    if wanted.cost:
        q &= _costs(wanted.cost)
    if wanted.endpoint:
        if wanted.endpoint not in Endpoint.values:
            raise InvalidFilter(
                "endpoint", gettext("must be one of %(choices)s") % {"choices": ", ".join(Endpoint.values)}
            )
        q &= Q(endpoint=wanted.endpoint)
    if wanted.request_hash:
        q &= Q(request_hash=_digest(wanted.request_hash))
    q &= _between(wanted, "started_at")
    if wanted.regressions:
        _regressions(wanted.regressions)
    if wanted.selection:
        _id_of("selection", wanted.selection, "a selection")
    if wanted.flagged not in {"", "yes", "no"}:
        raise InvalidFilter("flagged", gettext("must be yes or no"))
    if wanted.discussed and wanted.discussed not in DISCUSSED:
        raise InvalidFilter(
            "discussed", gettext("must be one of %(choices)s") % {"choices": ", ".join(DISCUSSED)}
        )
    if wanted.verdict and wanted.verdict not in VerdictName.values:
        raise InvalidFilter(
            "verdict", gettext("must be one of %(choices)s") % {"choices": ", ".join(VerdictName.values)}
        )
    return q


def _between(wanted: Filter, time: str) -> Q:
    q = Q()
    if wanted.since:
        q &= Q(**{f"{time}__gte": _moment("since", wanted.since)})
    if wanted.until:
        q &= Q(**{f"{time}__lt": _moment("until", wanted.until)})
    return q


def apply(queryset: InteractionQuerySet, wanted: Filter, *, project: Project | UUID) -> InteractionQuerySet:
    """The queryset, which is of that project, narrowed. Raises InvalidFilter."""
    rare = _rarest(wanted, project)
    if rare is None:
        result = queryset.filter(condition(wanted) & _named(wanted, project))
    else:
        # Where the list is walked there, its bounds stand there as well, and not twice: PostgreSQL would take
        # the one for narrowing what the other leaves.
        unbounded = replace(wanted, since="", until="")
        result = queryset.filter(condition(unbounded) & _named(wanted, project))
        result = _walked(result, rare, _between(wanted, f"{rare.related}__asked_at"))
    if wanted.flagged and not (rare and rare.field == "flagged"):
        # The project stands in the condition so that the partial index of open flags serves it.
        flagged = Exists(
            Flag.objects.filter(project=OuterRef("project"), interaction=OuterRef("pk"), state=FlagState.OPEN)
        )
        result = result.filter(flagged if wanted.flagged == "yes" else ~flagged)
    if wanted.discussed and not (rare and rare.field == "discussed"):
        result = result.filter(discussed(wanted.discussed))
    if wanted.regressions:
        result = result.filter(_regressions(wanted.regressions))
    if wanted.tag and not (rare and rare.field == "tag"):
        is_alone = wanted.values().keys() <= {"tag", *_ALONG_THE_LIST}
        result = result.filter(_tagged(wanted.tag, project, is_alone=is_alone))
    if wanted.selection:
        result = result.filter(pk__in=_chosen(wanted.selection))
    if wanted.q:
        query = words.query(wanted.q)
        if not query:
            return result.filter(_NOTHING)
        result = _matching(result, SearchQuery(query, config="simple", search_type="raw"))
    return result


@dataclass(frozen=True, slots=True)
class _Rare:
    """What few interactions have, in a table that has them in the order of the list."""

    field: str
    # The name of the table's rows among an interaction's relations.
    related: str
    # Which of its rows say so. Of those of one interaction exactly one does, so that none comes twice.
    condition: Q


def _rarest(wanted: Filter, project: Project | UUID) -> _Rare | None:
    """The part of a filter by which the list is walked instead of by the interactions; none of most."""
    if wanted.verdict:
        return _Rare("verdict", "comparisons", _last_verdict(wanted.verdict, project))
    if wanted.discussed in {"yes", "open", "resolved"}:
        return _Rare("discussed", "threads", _discussed(wanted.discussed, project))
    if wanted.flagged == "yes":
        own = Q(flags__project=project, flags__state=FlagState.OPEN)
        earlier = Flag.objects.filter(
            project=OuterRef("project"), interaction=OuterRef("pk"), state=FlagState.OPEN
        ).filter(pk__lt=OuterRef("flags__pk"))
        return _Rare("flagged", "flags", own & ~Q(Exists(earlier)))
    if wanted.tag and _is_given_alone(wanted.tag, project):
        return _Rare("tag", "added_tags", Q(added_tags__project=project, added_tags__name=wanted.tag))
    return None


def _walked(queryset: InteractionQuerySet, rare: _Rare, bounds: Q) -> InteractionQuerySet:
    """Joined with what few have, and to be walked along that.

    An index there gives the newest that have it, and the walk ends at a page of them; to look for all of them
    by their ids and sort them would take ten times as long among ten times as many.
    """
    joined = queryset.filter(rare.condition & bounds)
    timed: InteractionQuerySet = joined.alias(asked_beside=F(f"{rare.related}__asked_at"))
    return timed.along("asked_beside")


def _last_verdict(verdict: str, project: Project | UUID) -> Q:
    """The last comparison of a replay of it (of one moment: the last attempt's), if it has this verdict."""
    own = Q(comparisons__project=project, comparisons__verdict=verdict)
    of_replay = Exists(ReplayRun.objects.exclude(kind=RunKind.STUDY).filter(pk=OuterRef("comparisons__run")))
    at = OuterRef("comparisons__created_at")
    later = Comparison.objects.of_replays().filter(original=OuterRef("pk"), created_at__gte=at)
    beside = Q(attempt__gt=OuterRef("comparisons__attempt"))
    return own & Q(of_replay) & ~Q(Exists(later.filter(Q(created_at__gt=at) | beside)))


def _discussed(value: str, project: Project | UUID) -> Q:
    """The first thread on it: of all, or of the open ones."""
    own = Q(threads__project=project)
    others = Thread.objects.filter(project=OuterRef("project"), interaction=OuterRef("pk"))
    open_ = others.filter(state=ThreadState.OPEN)
    if value == "open":
        own, others = own & Q(threads__state=ThreadState.OPEN), open_
    first = own & ~Q(Exists(others.filter(pk__lt=OuterRef("threads__pk"))))
    return first & ~Q(Exists(open_)) if value == "resolved" else first


def _is_given_alone(name: str, project: Project | UUID) -> bool:
    """Whether people gave this tag and nothing was recorded with it."""
    return (
        AddedTag.objects.filter(project=project, name=name).exists()
        and not Interaction.objects.filter(_recorded_with(name), project=project).exists()
    )


def _named(wanted: Filter, project: Project | UUID) -> Q:
    """Source and provider by their ids, which the indexes have.

    By their names in a joined table PostgreSQL walks the list, to its end where nothing has that name.
    """
    q = Q()
    if wanted.source:
        q &= _of(Source, wanted.source, project, "source")
    if wanted.provider:
        q &= _of(Provider, wanted.provider, project, "provider")
    if wanted.canaries == "yes":
        q &= _of(Source, CANARY_SOURCE, project, "source") & Q(tags__contains=[CANARY_TAG])
    elif wanted.canaries == "no":
        q &= ~(_of(Source, CANARY_SOURCE, project, "source") & Q(tags__contains=[CANARY_TAG]))
    return q


def _of(model: type[Source | Provider], name: str, project: Project | UUID, field: str) -> Q:
    found = _IDS[model].first(project=project.pk if isinstance(project, Project) else project, name=name)
    return Q(**{field: found[0]}) if found is not None else _NOTHING


# Every list asks for one at least.
_IDS: Final = {
    model: Composed(
        lambda project, name, model=model: model.objects.filter(project=project, name=name).values_list("pk")
    )
    for model in (Source, Provider)
}


# Of so many interactions, the newest that the rest of a filter matches, the words are looked at.
_SAMPLE = 300
# With fewer matches than this among them a page is found sooner through the index of words.
_COMMON = 5


def _matching(queryset: InteractionQuerySet, query: SearchQuery) -> InteractionQuerySet:
    """Those of the interactions whose words match.

    A page of what holds a common word is found by walking the list; of what holds a rare one, by the index of
    words, which gives all of them at once. PostgreSQL guesses which is which from statistics that know the
    commonest words alone; it takes every other one for common too, and walks: half a minute at a million for
    a word that nobody wrote. So a few hundred of the newest are looked at first, and the way that is wrong
    is closed.
    """
    newest = list(queryset.newest_first().values_list("pk", "project_id")[:_SAMPLE])
    texts = InteractionText.objects.filter(document=query)
    common = texts.filter(interaction__in=[pk for pk, _ in newest]).values_list("pk")[:_COMMON]
    if len(newest) < _SAMPLE or len(common) >= _COMMON:
        return queryset.filter(text__document=query)
    of_project = texts.filter(project=newest[0][1]).values("interaction")
    return queryset.filter(pk__in=RawSQL(*_fenced(of_project)))  # noqa: S611  # written by Django


def _fenced(queryset: Any) -> tuple[str, Any]:
    """The statement of a queryset as one that is run by itself, for a condition."""
    sql, parameters = queryset.query.sql_with_params()
    return f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found", parameters  # noqa: S608


def frozen(wanted: Filter, *, now: datetime) -> Filter:
    """The filter as it is at this moment: ages become times. Raises InvalidFilter."""
    ages = {name: text for name in ("since", "until") if _AGO.fullmatch(text := getattr(wanted, name))}
    return replace(wanted, **{name: _moment(name, text, now=now).isoformat() for name, text in ages.items()})


def _tagged(name: str, project: Project | UUID, *, is_alone: bool) -> Any:
    """Recorded with this tag, or given it by somebody of the project.

    The walk along the list that PostgreSQL takes for a tag of which its statistics know nothing ends at the
    end of the list where few have the tag. So those are found first: two small indexes have them.
    """
    recorded = _recorded_with(name)
    given = AddedTag.objects.filter(project=project, name=name)
    ids = (Interaction.objects.filter(recorded, project=project).values("pk"), given.values("interaction"))
    there = 0
    for some in ids:
        there += some[: _MANY - there].count() if there < _MANY else 0
    if not there:
        return _NOTHING
    if there < _MANY:
        return Q(pk__in=RawSQL(*_fenced(ids[0].union(ids[1], all=True))))  # noqa: S611  # written by Django
    walked = recorded | Exists(given.filter(interaction=OuterRef("pk")))
    if is_alone:
        return walked
    # Where the rest of a filter matches little the walk would go through most of the list. So PostgreSQL
    # shall be free to begin with the tag, of which, when so many have it, its statistics know.
    few = list(given.values_list("interaction", flat=True)[: _FEW + 1])
    if len(few) <= _FEW:
        return recorded | Q(pk__in=few) if few else recorded
    return walked


def _recorded_with(name: str) -> Q:
    # What the second half says follows from the first; it stands here for the partial index.
    return Q(tags__contains=[name]) & ~Q(tags=[])


def _chosen(text: str) -> list[UUID]:
    """The ids of a selection; whose project they are of is for the queryset to say."""
    found = Selection.objects.filter(pk=_id_of("selection", text, "a selection")).first()
    return list(found.interactions) if found is not None else []


def _id_of(field: str, text: str, what: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidFilter(field, gettext("must be the id of %(what)s") % {"what": what}) from None


def _regressions(text: str) -> Any:
    """What a change's verifications found changed, as `pure.outcomes` has it: people's word comes first."""
    change = _id_of("regressions", text, "a backend change")
    found = Comparison.objects.filter(original=OuterRef("pk"), run__verification__change=change)
    regression = Exists(found.filter(decision=Decision.REGRESSION))
    changed = Exists(found.filter(verdict=VerdictName.BACKEND_CHANGED))
    return regression | (changed & ~Exists(found.filter(decision=Decision.SAME)))


def _seeds(text: str) -> Q:
    if text == NONE:
        return Q(seed__isnull=True)
    match = re.fullmatch(r"(-?\d{1,20})(?:\.\.(-?\d{1,20}))?", text)
    if match is None:
        raise InvalidFilter("seed", gettext("must be a whole number, a range like 100..199, or none"))
    low, high = int(match[1]), int(match[2] or match[1])
    if high < low:
        raise InvalidFilter("seed", gettext("is a range whose end lies before its start"))
    if low >= _INT64 or high < -_INT64:
        return _NOTHING
    if low == high:
        return Q(seed=low)
    return Q(seed__gte=max(low, -_INT64), seed__lte=min(high, _INT64 - 1))


_AMOUNT = r"(?:\d{1,9}(?:\.\d{0,15})?|\.\d{1,15})"
_BOUND = re.compile(rf"(?P<sign>[<>]=?)\s*\$?(?P<amount>{_AMOUNT})")
_SPAN = re.compile(rf"\$?(?P<low>{_AMOUNT})?\.\.\$?(?P<high>{_AMOUNT})?")
_LOOKUPS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


def _costs(text: str) -> Q:
    if text == NONE:
        return Q(cost__isnull=True)
    bound = _BOUND.fullmatch(text)
    if bound is not None:
        return Q(**{f"cost__{_LOOKUPS[bound['sign']]}": float(bound["amount"])})
    span = _SPAN.fullmatch(text)
    if span is None or not (span["low"] or span["high"]):
        raise InvalidFilter(
            "cost", gettext("must be US dollars such as >0.01, <=0.5 or a range like 0.01..0.05, or none")
        )
    low, high = (None if span[end] is None else float(span[end]) for end in ("low", "high"))
    if low is not None and high is not None and high < low:
        raise InvalidFilter("cost", gettext("is a range whose end lies before its start"))
    return Q(**{f"cost__{end}": value for end, value in (("gte", low), ("lte", high)) if value is not None})


def _statuses(text: str) -> Q:
    if text == "error":
        return Q(status__gte=400) | Q(status__isnull=True)
    if text == "ok":
        return Q(status__lt=400)
    if text == NONE:
        return Q(status__isnull=True)
    if re.fullmatch(r"[1-5]xx", text):
        return Q(status__gte=int(text[0]) * 100, status__lt=int(text[0]) * 100 + 100)
    if re.fullmatch(r"[1-5]\d\d", text):
        return Q(status=int(text))
    raise InvalidFilter(
        "status", gettext("must be an HTTP status such as 200, a class such as 5xx, ok, error or none")
    )


def _digest(text: str) -> bytes:
    digits = text.removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise InvalidFilter("request_hash", gettext("must be sha256: and 64 hexadecimal digits"))
    return bytes.fromhex(digits)


_AGO = re.compile(r"(\d{1,4})(min|h|d|w)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _moment(field: str, text: str, *, now: datetime | None = None) -> datetime:
    """A time in ISO 8601 (a zone missing means UTC), a day, or an age such as 24h, 7d."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        # The one place where the clock is read for a filter: an age means before now, whenever that is.
        return (now or datetime.now(tz=UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        day = parse_date(text)
        if day is not None:
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        # A plus sign in an address arrives as a space.
        moment = parse_datetime(text.replace(" ", "+") if re.search(r" \d\d:?\d\d$", text) else text)
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidFilter(
            field, gettext("must be a time such as 2026-11-22T10:00:00Z, a day, or an age such as 24h or 7d")
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
