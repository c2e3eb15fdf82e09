"""Two hosts, and the cable to the second one is pulled out in the middle of its work.

On the first are database, broker, web, scheduler, the provider and a worker; on the second a worker.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from reviewapp.embedded import paths
from reviewapp.models import Attempt, Comparison, Interaction, ReplayRun
from reviewapp.stages import replay
from tests.answering import Answering, answering, completion
from tests.embedded.processes import Program, started
from tests.environment import DATA, corner
from tests.factories import make_actor, make_interaction, make_key, make_provider
from tests.faults.test_recording import count, sending
from tests.faults.test_replaying import AT_ONCE, children_of, done, until
from tests.networking import Hosts, offered, two_hosts
from tests.restarting import restarting
from tests.serving import free_port

pytestmark = pytest.mark.django_db(transaction=True)

ATTEMPTS = 40
# So many of them before the cable is pulled.
ANSWERED = 8
# Seconds; a busy machine takes its time.
PATIENCE = 240.0
CORNER = corner(3)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if not connection.settings_dict["HOST"].startswith("/") or "socket" not in settings.BROKER_URL:
        pytest.skip("passes this run's own servers on to a second host, and other ones are named")
    with two_hosts() as hosts:
        yield hosts


@pytest.fixture
def answers_go_on() -> threading.Event:
    return threading.Event()


@pytest.fixture
def server(hosts, answers_go_on) -> Iterator[Answering]:
    """The provider: it answers a few, and the others when it may."""

    async def answer(_):
        if len(running.asked) > ANSWERED:
            await asyncio.to_thread(answers_go_on.wait)
        return completion()

    with answering(answer, host=hosts.address) as running:
        yield running
        answers_go_on.set()


def told(*, database: str, broker: str) -> dict[str, str]:
    """What a program is told: how its host reaches the database, and the broker."""
    return {
        "REVIEWAPP_DATABASE_URL": database,
        "REVIEWAPP_BROKER_URL": broker,
        "REVIEWAPP_REPLAY_WORKERS": "2",
        "REVIEWAPP_LOG_LEVEL": "INFO",
        "C_FORCE_ROOT": "1",
    }


def here() -> dict[str, str]:
    """On the first host."""
    settings_ = connection.settings_dict
    return told(
        database=f"postgresql://{settings_['USER']}@/{settings_['NAME']}?host={settings_['HOST']}",
        broker=f"{paths.broker_url(DATA)}?virtual_host={CORNER}",
    )


@contextmanager
def celery(*arguments: str, log: Path, env: dict[str, str], before: list[str]) -> Iterator[Program]:
    command = [*before, sys.executable, "-m", "celery", "-A", "reviewapp", *arguments]
    with started(command, log=log, env=env) as program:
        yield program


def worker(name: str, *, log: Path, env: dict[str, str], before: list[str]):
    how = ["--queues", "default,record,replay", "--concurrency", "2", "--without-gossip", "--without-mingle"]
    return celery("worker", "--hostname", f"{name}@host", *how, log=log, env=env, before=before)


def leased_by(program: Program) -> int:
    """How many attempts a worker is at."""
    names = Attempt.objects.filter(state="leased").values_list("leased_by", flat=True)
    return sum(int(name.partition("-")[0]) in children_of(program.process.pid) for name in names)


def start_run(project, interaction, attempts: int) -> ReplayRun:
    return replay.start_run(
        actor=make_actor(project=project),
        selection={"interactions": [interaction.pk]},
        attempts=attempts,
        now=timezone.now(),
    )


def is_done(run: ReplayRun) -> bool:
    return bool(ReplayRun.objects.filter(pk=run.pk, state="done").exists())


def recorded() -> list[object]:
    return list(Interaction.objects.filter(source__name="faults").values_list("pk", flat=True))


def test_a_worker_that_is_cut_off_loses_nothing_and_does_nothing_twice(
    project, hosts, server, answers_go_on, tmp_path
):
    provider = make_provider(
        project=project,
        name="acme",
        base_url=server.base_url,
        max_concurrency=AT_ONCE,
        # It answers when the cable is out, however long it takes until then.
        timeout_seconds=900,
    )
    original = make_interaction(project=project, provider=provider)
    key = make_key(project=project)
    places = paths.layout(DATA)
    with ExitStack() as stack:
        database = stack.enter_context(offered(places.database_socket))
        broker = stack.enter_context(offered(places.broker_socket))
        user, name = connection.settings_dict["USER"], connection.settings_dict["NAME"]
        there = told(
            database=f"postgresql://{user}@{hosts.address}:{database}/{name}",
            broker=f"redis://{hosts.address}:{broker}/{CORNER}",
        )
        (tmp_path / "web").mkdir()
        port = free_port()
        of_web = here() | {"REVIEWAPP_DATA": str(tmp_path / "web"), "REVIEWAPP_ROLE": ""}
        stack.enter_context(restarting(port=port, log=tmp_path / "web.log", env=of_web))
        beat = ["beat", "--pidfile", "", "--schedule", str(tmp_path / "schedule")]
        stack.enter_context(celery(*beat, log=tmp_path / "beat.log", env=here(), before=[]))
        second = stack.enter_context(
            worker("second", log=tmp_path / "second.log", env=there, before=hosts.second)
        )
        second.wait_for(" ready.", seconds=PATIENCE)
        run = start_run(project, original, ATTEMPTS)
        # The second alone, before there is another: it is at some now, and stays at them.
        until(lambda: done() == ANSWERED and leased_by(second) > 0, second, seconds=PATIENCE)
        with worker("first", log=tmp_path / "first.log", env=here(), before=[]) as first:
            first.wait_for(" ready.", seconds=PATIENCE)
            with sending(SimpleNamespace(port=port), key, at_once=1) as senders:
                until(lambda: count(senders) > 20 and recorded(), second, seconds=PATIENCE)

                hosts.pull()
                answers_go_on.set()
                before = count(senders)
                until(lambda: count(senders) > before + 20, first, seconds=PATIENCE)
            acknowledged = {id_ for sender in senders for id_ in sender.acknowledged}
            until(lambda: is_done(run), first, seconds=PATIENCE)
            hosts.plug()
            until(lambda: acknowledged <= set(recorded()), first, seconds=PATIENCE)

        # The first worker has ended: what is done from here on, the second does.
        again = start_run(project, original, 8)
        until(lambda: is_done(again), second, seconds=PATIENCE)
        # Whatever it still had of the time before comes now, and changes nothing.
        until(lambda: "Trying to re-establish the connection" in second.output, second, seconds=PATIENCE)

    rows = recorded()
    assert len(rows) == len(set(rows))
    assert done() == ATTEMPTS + 8 == Attempt.objects.count()
    answers = Interaction.objects.filter(replay_of__isnull=False)
    assert set(answers.values_list("pk", flat=True)) == set(Attempt.objects.values_list("pk", flat=True))
    assert Comparison.objects.count() == ATTEMPTS + 8
    # Asked twice is at most what the second worker was at when it was cut off.
    assert len(server.asked) <= ATTEMPTS + 8 + AT_ONCE
