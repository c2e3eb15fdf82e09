"""Reading: the pages people look at and the lists clients ask for, the server's time for whole requests.

Each figure is taken over requests that differ: another place in the list, another seed, tag, word,
interaction. So little of what one needs is at hand from the one before, except for what all need. Beside the
time stand the processor time of the web process and of PostgreSQL for a request. Through every middleware,
with session, person and project or with a key; without the socket.

From 20,000 rows on they are multiplied, and `--rows 1000000 --grown 10000000` compares two sizes.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from benchmarks.lines import Line
from benchmarks.multiplying import HAVE_CASE, HAVE_TICKET, PARTS, RECORDED, Multiplied, multiply
from benchmarks.recording import fill
from benchmarks.workload import COMMON, FINGERPRINTS, MODELS, RARE, vocabulary
from reviewapp.models import (
    Interaction,
    Membership,
    Person,
    Project,
    Selection,
    system_actor,
)
from reviewapp.models.browsing import known_values
from reviewapp.models.pages import page_of
from reviewapp.stages import administer, record

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "40"))
# Statements that took longer are explained where `--explain` asks for it.
_SLOW_SECONDS: Final = 0.01
# Of so many requests it is asked how much PostgreSQL looked at.
_LOOKED_AT: Final = 5
# From so many on the rows are multiplied, not recorded one by one.
MANY: Final = 20_000
LIMIT_MS: Final = 50.0
_TICK: Final = os.sysconf("SC_CLK_TCK")

Deed = Callable[[], Any]


def milliseconds(deed: Deed, rounds: int = 15) -> float:
    """The median of some rounds of the same, after a warm-up."""
    deed()
    return statistics.median(_timed(deed) for _ in range(rounds))


def _timed(deed: Deed) -> float:
    started = time.perf_counter()
    deed()
    return (time.perf_counter() - started) * 1000


@dataclass(frozen=True, slots=True)
class Times:
    """Of requests of one kind, in ms: how long they took, and what processors did for one."""

    found: Sequence[float]
    web: float
    database: float

    @property
    def median(self) -> float:
        return statistics.median(self.found)

    @property
    def late(self) -> float:
        """The 95th percentile."""
        return sorted(self.found)[min(int(len(self.found) * 0.95), len(self.found) - 1)]

    @property
    def told(self) -> str:
        return f"web {self.web:.1f}, PostgreSQL {self.database:.1f}"


def times_of(deeds: Sequence[Deed], *, warm: int = 2) -> Times:
    """Each deed once; the first ones before that, so that code and templates are there."""
    for deed in deeds[:warm]:
        deed()
    deeds = deeds[warm:]
    web, database = time.process_time(), _database_seconds()
    found = [_timed(deed) for deed in deeds]
    web, database = time.process_time() - web, _database_seconds() - database
    return Times(found, web / len(deeds) * 1000, database / len(deeds) * 1000)


def _database_seconds() -> float:
    """What PostgreSQL's processes have used, those for our connections and those beside them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    server = _stat(backend)[1]
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return sum(_stat(pid)[2] for pid in pids if _stat(pid)[1] == server) / _TICK


def _stat(pid: int) -> tuple[int, int, int]:
    """The process, its parent, and the ticks it used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return pid, 0, 0
    return pid, int(fields[1]), int(fields[11]) + int(fields[12])


def lines_of(name: str, deeds: Sequence[Deed], *, median_at_most: float | None = None) -> Iterator[Line]:
    """The figures of requests of one kind: two of time, and how much of the tables PostgreSQL looks at.

    The last one is the same whatever else the machine does.
    """
    times = times_of(deeds)
    if os.environ.get("BENCH_EXPLAIN") and times.late > LIMIT_MS:
        _explain(name, deeds[-1])
    yield Line(f"{name}: median", times.median, None, "ms", at_most=median_at_most)
    yield Line(f"{name}: 95th percentile", times.late, None, "ms", at_most=LIMIT_MS, note=times.told)
    blocks, inside = zip(*(_looked_at(deed) for deed in deeds[-_LOOKED_AT:]), strict=True)
    yield Line(
        f"{name}: read by PostgreSQL",
        statistics.fmean(blocks),
        None,
        "blocks",
        note=f"planned and run in {statistics.median(inside):.1f} ms",
    )


def _looked_at(deed: Deed) -> tuple[int, float]:
    """The blocks of tables and indexes that the statements of a deed look at, and the time they take, in ms.

    Statements that change something are left out: here they belong to the session alone.
    """
    with CaptureQueriesContext(connection) as captured:
        deed()
    blocks, took = 0, 0.0
    with connection.cursor() as cursor:
        for sql in (query["sql"] for query in captured.captured_queries):
            if not sql.lstrip().startswith(("SELECT", "WITH")):
                continue
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}")
            (told,) = cursor.fetchone()
            (plan,) = told if isinstance(told, list) else json.loads(told)
            blocks += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
            took += plan["Planning Time"] + plan["Execution Time"]
    return blocks, took


def _explain(name: str, deed: Deed) -> None:
    """How PostgreSQL answered the slow statements of a deed, beside the table."""
    with CaptureQueriesContext(connection) as captured:
        deed()
    sys.stderr.write(f"\n=== {name}: {len(captured)} statements\n")
    for query in captured.captured_queries:
        sql = query["sql"]
        if float(query["time"]) < _SLOW_SECONDS or not sql.lstrip().startswith(("SELECT", "WITH")):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        sys.stderr.write(f"--- {query['time']} s\n{sql[:6000]}\n{plan}\n")


def stored(rows: int) -> Multiplied:
    """The project that is read."""
    if rows >= MANY:
        return multiply(rows=rows)
    project = fill(rows)[0]
    while record.index_words():
        pass
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    first = Interaction.objects.filter(project=project).order_by("started_at").first()
    assert first is not None
    return Multiplied(project, rows, first.started_at)


def signed_in(project: Project) -> Client:
    """The browser of a member."""
    person, _ = Person.objects.get_or_create(email=f"{project.slug}@example.org")
    Membership.objects.get_or_create(
        project=project, person=person, defaults={"role": "reviewer", "created_at": timezone.now()}
    )
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def with_key(project: Project) -> Client:
    """A program that reads by the API."""
    _, secret = administer.create_api_key(project=project, name="bench", scopes=["read"], now=timezone.now())
    return Client(SERVER_NAME="127.0.0.1", headers={"Authorization": f"Bearer {secret}"})


def measure(*, rows: int) -> Iterator[Line]:
    made = stored(rows)
    page, program = signed_in(made.project), with_key(made.project)

    def asked(client: Client, path: str, values: dict[str, str]) -> Deed:
        def deed() -> Any:
            answer = client.get(path, values)
            assert answer.status_code == 200, f"{path} {values}: {answer.status_code}"
            return answer.content

        return deed

    def listed(client: Client, path: str, choose: Callable[[random.Random], dict[str, str]]) -> list[Deed]:
        rng = random.Random(6)
        return [asked(client, path, choose(rng)) for _ in range(ROUNDS + 2)]

    interactions, api = reverse("interactions"), "/api/v1/interactions"
    values = _Values(made)
    yield from lines_of("list, first page", listed(page, interactions, lambda rng: {}))
    yield from lines_of("list, a page far in", listed(page, interactions, values.far_in))
    yield from lines_of("API: list of 50, first page", listed(program, api, lambda rng: {}), median_at_most=8)
    yield from lines_of(
        "API: list of 50, a page far in", listed(program, api, values.far_in), median_at_most=8
    )
    yield from lines_of("API: list of 50 of a model", listed(program, api, values.model), median_at_most=8)
    for name, choose in values.filters():
        yield from lines_of(name, listed(page, interactions, choose))
    yield from lines_of(
        "facets: what the filters' lists offer", [lambda: _choices(made.project)] * (ROUNDS + 2)
    )
    suggest = reverse("interactions-suggest")
    for name in ("model", "fingerprint", "provider", "source", "tag", "finish_reason"):
        yield from lines_of(f"facet counts: {name}", [asked(page, suggest, {"q": f"{name}:"})] * (ROUNDS + 2))
    numbers = random.Random(7)
    ids = [values.one(numbers).pk for _ in range(ROUNDS + 2)]
    yield from lines_of(
        "one interaction", [asked(page, reverse("interaction", args=[id_]), {}) for id_ in ids]
    )
    yield from lines_of("API: one interaction", [asked(program, f"{api}/{id_}", {}) for id_ in ids])
    yield from lines_of("fingerprints page", [asked(page, reverse("fingerprints"), {})] * (ROUNDS + 2))
    yield from lines_of("Home", [asked(page, reverse("home"), {})] * (ROUNDS + 2))


def _choices(project: Project) -> list[list[str]]:
    return [
        known_values(project=project, name=name) for name in ("model", "fingerprint", "source", "provider")
    ]


class _Values:
    """What is asked for: values of interactions from all over the table, hardly one twice."""

    def __init__(self, made: Multiplied) -> None:
        self._made = made
        self._actor = system_actor(project=made.project)
        self._seen = Interaction.objects.visible_to(self._actor).originals()
        self._words = [word for word in vocabulary()[0] if word != COMMON]

    def one(self, rng: random.Random) -> Interaction:
        after = self._moment(rng)
        found = self._seen.filter(started_at__gte=after).order_by("started_at", "id").first()
        return found or self._seen.order_by("-started_at")[0]

    def _moment(self, rng: random.Random) -> Any:
        return self._made.begin + timedelta(seconds=rng.randrange(self._made.rows))

    def far_in(self, rng: random.Random) -> dict[str, str]:
        before = self._seen.filter(started_at__lte=self._moment(rng))
        return {"cursor": page_of(before, limit=2).older or ""}

    def model(self, rng: random.Random) -> dict[str, str]:
        return {"model": rng.choice(MODELS)}

    def filters(self) -> Iterator[tuple[str, Callable[[random.Random], dict[str, str]]]]:
        """Each filter, alone and with others."""
        made, one, many = self._made, self.one, self._made.rows >= MANY

        def span(rng: random.Random) -> dict[str, str]:
            at = self._moment(rng)
            return {"since": at.isoformat(), "until": (at + timedelta(hours=1)).isoformat()}

        def seeds(rng: random.Random) -> dict[str, str]:
            low = rng.randrange(2**31)
            return {"seed": f"{low}..{low + 200_000}"}

        def chosen(rng: random.Random) -> dict[str, str]:
            ids = [str(one(rng).pk) for _ in range(20)]
            made_ = Selection.objects.create(
                project=made.project, interactions=ids, created_at=timezone.now()
            )
            return {"selection": str(made_.pk)}

        yield "filter by source", lambda rng: {"source": f"bot-{rng.randrange(7)}"}
        yield "filter by a source that is not there", lambda rng: {"source": f"nobody-{rng.random()}"}
        yield "filter by provider", lambda rng: {"provider": "openai"}
        yield "filter by model", self.model
        yield "filter by a model that none has", lambda rng: {"model": f"none-{rng.random()}"}
        yield "filter by fingerprint", lambda rng: {"fingerprint": rng.choice(FINGERPRINTS)}
        yield "filter by a fingerprint that none has", lambda rng: {"fingerprint": f"fp_{rng.random()}"}
        yield "filter by no fingerprint", lambda rng: {"fingerprint": "none"}
        yield "find one seed", lambda rng: {"seed": str(one(rng).seed)}
        yield "filter by a range of seeds", seeds
        yield "filter by errors", lambda rng: {"status": "error"}
        yield (
            "filter by status",
            lambda rng: {"status": rng.choice(["ok", "200", "500", "5xx", "404", "none"])},
        )
        yield "filter by flags", lambda rng: {"flagged": rng.choice(["yes", "no"])}
        yield (
            "filter by discussions",
            lambda rng: {"discussed": rng.choice(["yes", "no", "open", "resolved"])},
        )
        yield "filter by tag", lambda rng: {"tag": f"topic-{rng.randrange(40)}"}
        yield "filter by a tag that people gave", lambda rng: {"tag": f"seen-{rng.randrange(20)}"}
        yield "filter by a tag that none has", lambda rng: {"tag": f"none-{rng.random()}"}
        yield "filter by trace", lambda rng: {"trace": one(rng).trace or "none"}
        yield "filter by session", lambda rng: {"session": one(rng).session or "none"}
        yield "filter by end user", lambda rng: {"user": one(rng).end_user or "none"}
        yield "filter by request hash", lambda rng: {"request_hash": one(rng).request_digest}
        yield "filter by time", span
        yield (
            "filter by endpoint",
            lambda rng: {"endpoint": rng.choice(["chat.completions", "embeddings", "responses"])},
        )
        yield "filter by finish reason", lambda rng: {"finish_reason": rng.choice(["stop", "length", "x"])}
        yield "filter by cost", lambda rng: {"cost": rng.choice([">0.001", ">0.4", ">1.2", "0.002..0.003"])}
        yield "filter by no cost", lambda rng: {"cost": "none"}
        for verdict in ("identical", "nondeterministic", "backend_changed", "failed"):
            yield f"filter by verdict {verdict}", lambda rng, verdict=verdict: {"verdict": verdict}
        yield "filter by a choice by hand", chosen
        yield "only answers of replays", lambda rng: {"replays": "yes"}
        yield "replays among the others", lambda rng: {"replays": "all"}
        yield "only canary questions", lambda rng: {"canaries": "yes"}
        yield (
            "source, model and fingerprint",
            lambda rng: {
                "source": f"bot-{rng.randrange(7)}",
                "model": rng.choice(MODELS),
                "fingerprint": rng.choice(FINGERPRINTS),
            },
        )
        yield "errors of a model", lambda rng: {"status": "error", "model": rng.choice(MODELS)}
        yield (
            "a model's errors of a source far in",
            lambda rng: {
                "status": "error",
                "model": rng.choice(MODELS),
                "source": f"bot-{rng.randrange(7)}",
                "until": self._moment(rng).isoformat(),
            },
        )
        yield (
            "flagged of a fingerprint",
            lambda rng: {"flagged": "yes", "fingerprint": rng.choice(FINGERPRINTS)},
        )
        yield (
            "a tag's of a model and a day",
            lambda rng: {
                "tag": f"topic-{rng.randrange(40)}",
                "model": rng.choice(MODELS),
                "since": self._moment(rng).date().isoformat(),
            },
        )
        yield (
            "a verdict of a source",
            lambda rng: {"verdict": "backend_changed", "source": f"bot-{rng.randrange(7)}"},
        )
        yield "search a common word", lambda rng: {"q": COMMON}
        yield "search a common word of a model", lambda rng: {"q": COMMON, "model": rng.choice(MODELS)}
        yield "search a common word far in", lambda rng: {"q": COMMON, "until": self._moment(rng).isoformat()}
        yield "search a word of prose", lambda rng: {"q": rng.choice(self._words[:2_000])}
        yield (
            "search a word that one in 2,000 has",
            lambda rng: {"q": f"part{rng.randrange(PARTS)}" if many else RARE},
        )
        if many:
            cases = made.rows // HAVE_CASE
            tickets = range(RECORDED // HAVE_TICKET, made.rows // HAVE_TICKET)
            yield "search a rare word (200 have it)", lambda rng: {"q": f"case{rng.randrange(cases)}"}
            yield (
                "search a rare word (50 neighbours have it)",
                lambda rng: {"q": f"ticket{rng.choice(tickets)}"},
            )
        yield "search a word that none has", lambda rng: {"q": f"unfindable{rng.randrange(10**6)}"}
        yield "search two common words", lambda rng: {"q": f"{COMMON} {rng.choice(self._words[:20])}"}
        yield (
            "search a rare word of a model's errors",
            lambda rng: {
                "q": rng.choice(self._words[5_000:]),
                "model": rng.choice(MODELS),
                "status": "error",
            },
        )
