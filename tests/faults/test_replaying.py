"""A run comes to its end, each attempt recorded once, whichever worker is killed in the middle of it.

A study is a run that asks in several ways and measures what comes back; it stands for others when the whole
worker is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from reviewapp.models import Attempt, Comparison, Interaction, ReplayRun, StudyPoint
from reviewapp.models.studying import conditions_of
from reviewapp.pure.edits import EditKind
from reviewapp.stages import replay, study
from reviewapp.stages.study import Deviations, Edited
from tests.answering import answering, completion
from tests.embedded.processes import Program, started
from tests.environment import corner
from tests.factories import make_actor, make_interaction, make_provider

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

ATTEMPTS = 40
AT_ONCE = 4
# So many are answered before the worker is killed; then it is killed with calls under way, whenever that is.
BEFORE = 8


@contextmanager
def worker(log: Path) -> Iterator[Program]:
    """A Celery worker with its scheduler, on this test's database and a corner of the broker of its own."""
    database = connection.settings_dict
    environment = {
        "REVIEWAPP_DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}",
        "REVIEWAPP_BROKER_URL": f"{settings.BROKER_URL.partition('?')[0]}?virtual_host={corner(1)}",
        "REVIEWAPP_REPLAY_WORKERS": "1",
        "REVIEWAPP_LOG_LEVEL": "INFO",
        "C_FORCE_ROOT": "1",
    }
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "reviewapp",
        "worker",
        "--beat",
        "--queues",
        "default,replay",
    ]
    command += [
        "--concurrency",
        "2",
        "--without-gossip",
        "--without-mingle",
        "--schedule",
        str(log) + ".schedule",
    ]
    with started(command, log=log, env=environment) as program:
        yield program


def until(happens: Callable[[], bool], program: Program, *, seconds: float = 600.0) -> None:
    limit = time.monotonic() + seconds
    while not happens():
        assert program.process.poll() is None, program.output
        assert time.monotonic() < limit, program.output
        time.sleep(0.1)


def done() -> int:
    return int(Attempt.objects.filter(state="done").count())


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


@pytest.fixture
def killed():
    """Set by the test when it has killed the worker: from then on every call is answered."""
    return threading.Event()


@pytest.fixture
def server(killed):
    answered = 0

    async def slowly(_):
        nonlocal answered
        await asyncio.sleep(0.2)
        while answered >= BEFORE and not killed.is_set():  # noqa: ASYNC110  # set in another thread
            await asyncio.sleep(0.02)
        answered += 1
        return completion()

    with answering(slowly) as running:
        yield running


@pytest.fixture
def run(project, server):
    from django.utils import timezone

    provider = make_provider(project=project, name="acme", base_url=server.base_url, max_concurrency=AT_ONCE)
    original = make_interaction(project=project, provider=provider)
    return replay.start_run(
        actor=make_actor(project=project),
        selection={"interactions": [original.pk]},
        attempts=ATTEMPTS,
        now=timezone.now(),
    )


def check_whole(run: ReplayRun, server, attempts: int = ATTEMPTS) -> None:
    answers = Interaction.objects.filter(replay_of__isnull=False)
    assert Counter(Attempt.objects.values_list("state", flat=True)) == {"done": attempts}
    assert answers.count() == attempts
    assert set(answers.values_list("pk", flat=True)) == set(Attempt.objects.values_list("pk", flat=True))
    assert Comparison.objects.filter(run=run).count() == attempts
    # Only what was under way, or leased for the next moment, may have been asked twice.
    assert len(server.asked) <= attempts + AT_ONCE
    assert server.most_busy <= AT_ONCE


def is_done(run: ReplayRun) -> bool:
    return bool(ReplayRun.objects.filter(pk=run.pk, state="done").exists())


def test_a_run_survives_the_process_that_works_on_it(run, server, killed, tmp_path):
    with worker(tmp_path / "worker.log") as program:
        until(lambda: done() == BEFORE and server.busy == AT_ONCE, program)
        name = Attempt.objects.filter(state="leased").values_list("leased_by", flat=True)[0]
        working = int(name.partition("-")[0])
        assert working in children_of(program.process.pid)
        os.kill(working, signal.SIGKILL)
        killed.set()

        until(lambda: is_done(run), program)

    check_whole(run, server)


def test_a_study_survives_its_whole_worker(project, server, killed, tmp_path):
    from django.utils import timezone

    provider = make_provider(project=project, name="acme", base_url=server.base_url, max_concurrency=AT_ONCE)
    original = make_interaction(project=project, provider=provider, prompt="When is my refund due?")
    edits = [Edited(EditKind.TYPO, "When is my refnud due?"), Edited(EditKind.CASE, "WHEN is my refund due?")]
    found = study.start(
        actor=make_actor(project=project),
        plan=Deviations(original.pk, edits),
        repeats=8,
        name="How far?",
        now=timezone.now(),
    )

    with worker(tmp_path / "first.log") as program:
        until(lambda: done() == BEFORE and server.busy == AT_ONCE, program)
        os.killpg(program.process.pid, signal.SIGKILL)
    assert done() == BEFORE
    killed.set()
    with worker(tmp_path / "second.log") as program:
        until(lambda: StudyPoint.objects.filter(study=found).count() == 24, program)
        until(lambda: is_done(found.run), program)

    check_whole(found.run, server, 24)
    # Each way of asking has its eight answers: none was measured twice, none fell to another.
    assert [one.came_back.whole for one in conditions_of(found)] == [8, 8, 8]
