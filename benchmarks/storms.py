"""Storms: under steady traffic each part is killed, frozen or taken away, and then everything is counted.

    python -m benchmarks storms

Every interaction that was acknowledged must be in the tables exactly once and equal to what was sent;
nothing may be there twice; a run of replays that was under way must be complete, no attempt recorded
twice; what can't be recorded must be set aside. `make test` has the same in a short form.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

import psycopg

from benchmarks.lines import Line
from benchmarks.storming import Traffic, blowing, echoing
from reviewapp.embedded import paths, processes

RATE: Final = 200.0
AWAY_SECONDS: Final = 60.0
REPLAYS: Final = 200
_RECOVERY_SECONDS: Final = 180.0
# What waits in the broker when it dies may be sent again ten seconds later, and more than once.
_SETTLE_SECONDS: Final = 300.0

_STORED: Final = """
import hashlib, json
from reviewapp.models import Attempt, FailedMessage, Interaction, ReplayRun
rows = Interaction.objects.filter(trace__startswith="storm-").select_related("body")
for row in rows.iterator(chunk_size=500):
    print(row.id, row.trace[6:], hashlib.sha256(row.body.request_text).hexdigest(),
          int(row.trace[6:].encode() in (row.body.response_text or row.body.chunks_text or b"")))
run = ReplayRun.objects.order_by("-created_at").first()
done = list(Attempt.objects.filter(run=run, state="done").values_list("answer", flat=True)) if run else []
print(json.dumps({"aside": FailedMessage.objects.filter(recorded_at=None).count(),
                  "run": run.state if run else "", "attempts": run.attempt_set.count() if run else 0,
                  "answers": len(set(done)), "done": len(done)}))
"""
_SCENE: Final = """
from django.utils import timezone
from reviewapp.models import Project, system_actor
from reviewapp.stages.administer import ProviderValues, make_default_provider, save_provider
actor = system_actor(project=Project.objects.get(slug="demo"))
values = ProviderValues(name="storm", base_url="http://127.0.0.1:{port}/v1")
provider = save_provider(actor=actor, values=values, now=timezone.now())
make_default_provider(actor=actor, provider=provider, now=timezone.now())
"""
_RUN: Final = """
from django.utils import timezone
from reviewapp import tasks
from reviewapp.models import Interaction, Project, system_actor
from reviewapp.stages import replay
project = Project.objects.get(slug="demo")
some = Interaction.objects.filter(trace__startswith="storm-", status=200, provider__name="storm")
chosen = list(some.values_list("pk", flat=True)[:20])
run = replay.start_run(actor=system_actor(project=project), selection={{"interactions": chosen}},
                       attempts={attempts}, now=timezone.now())
tasks.replay_nudge.delay(run_id=str(run.pk))
tasks.record_batch.delay(frames="a message that is none of ours")
"""


class Product(Protocol):
    """A product that was started, as the benchmarks and the tests have one."""

    data: Path
    port: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was promised, and what became of it."""

    sent: int
    acknowledged: int
    stored: int
    lost: int
    altered: int
    doubled: int
    set_aside: int
    run_state: str
    attempts: int
    answers: int

    @property
    def sentence(self) -> str:
        return (
            f"{self.sent:,} sent, {self.acknowledged:,} acknowledged, {self.stored:,} stored;"
            f" {self.lost} lost, {self.altered} altered, {self.doubled} twice;"
            f" replay run {self.run_state}, {self.answers} of {self.attempts} attempts answered once;"
            f" {self.set_aside} set aside"
        )


class Storm:
    """One product in bad weather."""

    def __init__(
        self, product: Product, traffic: Traffic, *, leader: int, manage: Callable[[str], str]
    ) -> None:
        self._product = product
        self._traffic = traffic
        self._leader = leader
        self._manage = manage

    def kill(self, part: str) -> None:
        """kill -9 of the part and of all that it started; traffic must be taken again."""
        pid = self._find(part)
        processes.signal_group(pid, signal.SIGKILL)
        self.wait_for_more(50)

    def kill_worker_while_it_inserts(self) -> bool:
        """kill -9 of the worker at the moment its rows are on their way; whether one was seen."""
        seen = False
        end = time.monotonic() + 30
        with psycopg.connect(paths.database_url(self._product.data), autocommit=True) as connection:
            while time.monotonic() < end and not seen:
                row = connection.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
                    " AND (query ILIKE 'INSERT INTO%reviewapp_interaction%' OR query ILIKE 'COPY%FROM STDIN%'"
                    " OR query ILIKE '%INSERT INTO \"reviewapp_interaction%')"
                ).fetchone()
                seen = row is not None
        self.kill("celery")
        return seen

    def freeze(self, part: str, *, seconds: float) -> None:
        """The part answers nobody for a while, as one whose host hangs; then it goes on."""
        pids = self._group(self._find(part))
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        self.wait_for_more(50)

    def begin_replays(self, *, attempts: int) -> None:
        """A run of replays of what was just recorded, and a message that nobody can read."""
        self._manage(_RUN.format(attempts=attempts))

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more were acknowledged: the product takes traffic again."""
        wanted = self._traffic.acknowledged + count
        if not processes.wait_until(
            lambda: self._traffic.acknowledged >= wanted, seconds=_RECOVERY_SECONDS, every=0.05
        ):
            raise AssertionError("nothing was acknowledged any more")

    def calm(self) -> Outcome:
        """No more traffic; when everything has settled, what is in the tables, against what was promised."""
        self._traffic.end()
        promised = self._traffic.calls.kept | self._traffic.posted.kept
        end = time.monotonic() + _SETTLE_SECONDS
        while True:
            rows, told = self._stored()
            there = {id_ for id_, *_ in rows}
            settled = not (promised.keys() - there) and told["run"] in {"", "done"}
            if settled or time.monotonic() > end:
                break
            time.sleep(1)
        marks = [mark for _, mark, *_ in rows]
        by_id = {id_: (mark, request, answered) for id_, mark, request, answered in rows}
        altered = sum(
            by_id[id_] != (mark, request, True) for id_, (request, mark) in promised.items() if id_ in by_id
        )
        return Outcome(
            sent=self._traffic.calls.sent + self._traffic.posted.sent,
            acknowledged=len(promised),
            stored=len(rows),
            lost=len(promised.keys() - there),
            altered=altered,
            doubled=len(marks) - len(set(marks)),
            set_aside=int(told["aside"]),
            run_state=str(told["run"]),
            attempts=int(told["attempts"]),
            answers=int(told["answers"]),
        )

    def _stored(self) -> tuple[list[tuple[UUID, str, str, bool]], dict[str, str | int]]:
        *lines, last = self._manage(_STORED).splitlines()
        parts = [line.split() for line in lines]
        rows = [(UUID(p[0]), p[1], p[2], p[3] == "1") for p in parts if len(p) == 4]
        return rows, json.loads(last)

    def _find(self, part: str) -> int:
        found: list[int] = []

        def there() -> bool:
            for pid in processes.children_of(self._leader):
                with suppress(OSError):
                    if part in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                        found.append(pid)
            return bool(found)

        if not processes.wait_until(there, seconds=_RECOVERY_SECONDS, every=0.1):
            raise AssertionError(f"{part} does not run")
        return found[0]

    def _group(self, leader: int) -> list[int]:
        found = [leader]
        for pid in found:
            found += processes.children_of(pid)
        return found


@contextmanager
def blowing_over(
    product: Product,
    *,
    leader: int,
    key: str,
    manage: Callable[[str], str],
    rate: float,
    batches: float,
) -> Iterator[Storm]:
    """Traffic over a product whose default provider echoes; it ends with the block."""
    with echoing() as port:
        manage(_SCENE.format(port=port))
        time.sleep(1.5)  # the gateway looks for changed providers once a second
        traffic = Traffic(product.port, key, rate=rate, batches=batches)
        storm = Storm(product, traffic, leader=leader, manage=manage)
        with blowing(traffic):
            storm.wait_for_more(50)
            yield storm


def measure(*, rows: int) -> Iterator[Line]:
    """The long form: everything, with a minute without broker and one without database."""
    from benchmarks.product import running

    with tempfile.TemporaryDirectory(prefix="ra-bench-") as folder, running(Path(folder)) as product:

        def manage(code: str) -> str:
            return product.manage("shell", "--no-imports", "-c", code)

        began = time.monotonic()
        with blowing_over(
            product, leader=product.process.pid, key=product.make_key(), manage=manage, rate=RATE, batches=5
        ) as storm:
            time.sleep(10)
            storm.begin_replays(attempts=REPLAYS // 20)
            storm.kill("granian")
            seen = storm.kill_worker_while_it_inserts()
            storm.kill("valkey")
            storm.kill("bin/postgres")
            storm.freeze("valkey", seconds=AWAY_SECONDS)
            storm.freeze("bin/postgres", seconds=AWAY_SECONDS)
            storm.kill("celery")
            blown = time.monotonic() - began
            outcome = storm.calm()
        print(f"  storms: {outcome.sentence}; worker killed within an insert: {'yes' if seen else 'no'}")
        yield Line(
            "storms: acknowledged a second, faults included", outcome.acknowledged / blown, None, "rows/s"
        )
        yield Line("storms: acknowledged and not stored", outcome.lost, None, "rows", at_most=0)
        yield Line("storms: stored otherwise than sent", outcome.altered, None, "rows", at_most=0)
        yield Line("storms: stored twice", outcome.doubled, None, "rows", at_most=0)
        yield Line("storms: attempts answered once", outcome.answers, outcome.attempts, "rows", at_least=1)
