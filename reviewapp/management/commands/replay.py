"""`manage.py replay`: the same replay runs as the app makes, with a progress bar.

The workers do the work; with `--here` this process does, for a machine where none runs.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from reviewapp import tasks
from reviewapp.management.projects import the_project
from reviewapp.models import Interaction, Project, ReplayRun, RunState, VerdictName, system_actor
from reviewapp.models.filters import FILTER_NAMES, InvalidFilter
from reviewapp.models.replaying import RunRow, run_rows
from reviewapp.stages import compare, replay
from reviewapp.stages.administer import Refused

SAME, FAILED, CHANGED, INCONCLUSIVE = 0, 1, 3, 4
_LOOK_SECONDS: Final = 0.3
# A run that nobody takes up in this time has no worker to hope for.
_PATIENCE_SECONDS: Final = 15.0


class Command(BaseCommand):
    help = (
        "Asks interactions again and compares the answers. Exit status: 0 nothing changed, "
        "1 some could not be asked, 3 a backend changed, 4 inconclusive."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--interaction", metavar="ID", nargs="+", help="these; else what the filters match"
        )
        parser.add_argument("--attempts", type=int, default=1, help="how often to ask each (1 to 50)")
        parser.add_argument(
            "--set",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help="ask otherwise than recorded: provider, model, seed or a request parameter; "
            "the value is JSON, or else text; null leaves the parameter out",
        )
        parser.add_argument("--note", default="", help="why")
        parser.add_argument("--project", help="slug or name; may be left out where there is one project")
        parser.add_argument("--here", action="store_true", help="do the work in this process")
        parser.add_argument("--json", action="store_true", help="print the outcome as the API does")
        for name in FILTER_NAMES:
            parser.add_argument(f"--{name.replace('_', '-')}", dest=f"filter_{name}", metavar="VALUE")

    def handle(self, *args: Any, **options: Any) -> None:
        run = self._start(options)
        began = time.monotonic()
        try:
            row = self._work_here(run) if options["here"] else self._wait(run)
        except KeyboardInterrupt:
            self._clear()
            self.stderr.write(f"Run {run.pk} goes on without this command.")
            sys.exit(130)
        self._clear()
        self._tell(row, time.monotonic() - began, as_json=options["json"])
        sys.exit(exit_status(row))

    def _start(self, options: dict[str, Any]) -> ReplayRun:
        project = _project_of(options)
        values = {name: options[f"filter_{name}"] for name in FILTER_NAMES if options[f"filter_{name}"]}
        ids = options["interaction"]
        if bool(ids) == bool(values):
            raise CommandError("Say which: either --interaction ID…, or filters such as --flagged yes.")
        selection = {"interactions": ids} if ids else {"filter": values}
        try:
            run = replay.start_run(
                actor=system_actor(project=project),
                selection=selection,
                attempts=options["attempts"],
                overrides=dict(map(_override, options["set"])),
                note=options["note"],
                now=timezone.now(),
            )
        except (Refused, InvalidFilter) as error:
            raise CommandError(str(error)) from None
        if not options["here"]:
            try:
                tasks.replay_nudge.apply_async(kwargs={"run_id": str(run.pk)}, retry=False)
            except OperationalError as error:
                raise CommandError(
                    f"Run {run.pk} is queued and starts with the app: the broker can't be reached. {error}"
                ) from None
        return run

    def _work_here(self, run: ReplayRun) -> RunRow:
        """Ask and compare in a thread, and show how far it is from this one."""
        problems: list[BaseException] = []

        def work() -> None:
            try:
                while self._row(run).run.state in {RunState.QUEUED, RunState.RUNNING}:
                    replay.work(run_id=run.pk, worker=f"command-{os.getpid()}", seconds=60)
                    while compare.compare_new(now=timezone.now(), run_id=run.pk):
                        pass
                    replay.sweep(now=timezone.now())
                    time.sleep(_LOOK_SECONDS)
            except BaseException as error:  # shown by the thread that the person sees
                problems.append(error)
            finally:
                connection.close()

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(_LOOK_SECONDS)
            self._show(self._row(run))
        if problems:
            raise problems[0]
        return self._row(run)

    def _wait(self, run: ReplayRun) -> RunRow:
        began, told = time.monotonic(), False
        while (row := self._row(run)).active:
            self._show(row)
            if row.run.state == RunState.QUEUED and not told and time.monotonic() - began > _PATIENCE_SECONDS:
                told = True
                self._clear()
                self.stderr.write("No worker has taken it up yet; `manage.py doctor` tells whether one runs.")
            time.sleep(_LOOK_SECONDS)
        return row

    def _row(self, run: ReplayRun) -> RunRow:
        return run_rows([ReplayRun.objects.get(pk=run.pk)])[0]

    def _show(self, row: RunRow) -> None:
        """The progress bar: on a terminal only."""
        if not self.stderr.isatty():
            return
        share = row.finished / row.total if row.total else 0
        left = row.seconds_left(timezone.now())
        rest = f", about {left:,.0f} s left" if left else ""
        failed = f", {row.failed:,} failed" if row.failed else ""
        bar = f"{'━' * int(share * 30):<30} {share:4.0%} {row.finished:,} of {row.total:,}"
        self.stderr.write(f"\r\x1b[2K{bar}{failed}{rest}", ending="")
        self.stderr.flush()

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[2K", ending="")

    def _tell(self, row: RunRow, seconds: float, *, as_json: bool) -> None:
        if as_json:
            told = {
                "id": str(row.run.pk),
                "state": row.run.state,
                "total": row.total,
                "done": row.done,
                "failed": row.failed,
                "verdicts": row.verdicts,
            }
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(f"Run {row.run.pk}: {row.total:,} replays, {row.run.state}, in {seconds:,.1f} s")
        for name, words in VerdictName.choices:
            if row.verdicts.get(name):
                self.stdout.write(f"{row.verdicts[name]:>9,}  {words}")


def _project_of(options: dict[str, Any]) -> Project:
    """The one that is named, else the one that the interactions are of: their ids say it."""
    if options["project"] or not options["interaction"]:
        return the_project(options["project"])
    try:
        ids = [UUID(id_) for id_ in options["interaction"]]
    except ValueError:
        return the_project(None)
    projects = list(
        Project.objects.filter(pk__in=Interaction.objects.filter(pk__in=ids).values("project"))[:2]
    )
    if len(projects) > 1:
        raise CommandError("These interactions are of several projects; replay those of each by themselves.")
    return projects[0] if projects else the_project(None)


def exit_status(row: RunRow) -> int:
    """What the run showed, as a number for scripts: the gravest first."""
    if row.verdicts.get(VerdictName.BACKEND_CHANGED):
        return CHANGED
    if row.failed or row.cancelled or row.verdicts.get(VerdictName.FAILED):
        return FAILED
    return INCONCLUSIVE if row.verdicts.get(VerdictName.INCONCLUSIVE) else SAME


def _override(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandError(f"--set {text}: write NAME=VALUE, such as temperature=0 or provider=other.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
