"""`manage.py import_interactions`: records a file, through the journal like everything else."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reviewapp import tasks
from reviewapp.formats.imports import AUTO, FORMATS, Line, NotImportable, Tally, read_file
from reviewapp.formats.said import Said
from reviewapp.journal import Journal, JournalError
from reviewapp.management import importing
from reviewapp.management.projects import the_project
from reviewapp.models import FailedMessage, Interaction, Project, system_actor
from reviewapp.stages import record, review

BATCH_FRAMES: Final = 500
BATCH_BYTES: Final = 8 * 1024 * 1024
# So many frames may wait for the broker before the file is read on.
AHEAD: Final = 20_000
_REPORT_SECONDS: Final = 0.2


@dataclass(slots=True)
class Imported:
    """What became of the file so far."""

    tally: Tally = field(default_factory=Tally)
    taken: int = 0
    wrong: int = 0
    # Those whose id stands in another project of this app, and which got one of their own.
    renamed: int = 0
    # What people said, for when the interactions are in the tables.
    said: list[tuple[UUID | None, Said]] = field(default_factory=list)
    # The ids that are not in the tables yet, and the digests of their frames.
    waiting: dict[UUID, bytes] = field(default_factory=dict)


class Command(BaseCommand):
    help = "Records the interactions of a file. A line that can't be recorded is reported and skipped."
    requires_system_checks = ()
    _foreseen = review.Brought()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file, also compressed with gzip or zstd; - is standard input")
        parser.add_argument("--project", help="slug or name (default: the only one)")
        parser.add_argument("--source", help="the source of lines that name none")
        parser.add_argument("--provider", help="the provider of lines that name none")
        parser.add_argument(
            "--format",
            default=AUTO,
            choices=[AUTO, *FORMATS],
            help="default: recognised by what is in the file",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would come in, record nothing")
        parser.add_argument("--requests", metavar="FILE", help="openai-batch: the batch's input file")
        parser.add_argument("--wait", action="store_true", help="return when it is in the database")

    def handle(self, *args: Any, **options: Any) -> None:
        project = the_project(options["project"])
        began = time.monotonic()
        imported = Imported()
        try:
            source = importing.Source(options["file"], stdin=sys.stdin.buffer)
            with source as file, self._requests(options["requests"]) as requests:
                format_, lines = read_file(file, format=options["format"], requests=requests)
                imported.tally.format = format_
                if options["dry_run"]:
                    self._tell(self._look_through(lines, project, options, imported.tally))
                    return
                journal = tasks.journal()
                self._receive(lines, journal, project, options, source, imported)
            self._wait_for_broker(journal)
        except OSError as error:
            raise CommandError(f"{error.filename or options['file']}: {error.strerror or error}") from None
        except (JournalError, NotImportable) as error:
            raise CommandError(str(error)) from None
        if options["wait"] or imported.said:
            self._wait_for_tables(imported)
        seconds = time.monotonic() - began
        rate = imported.taken / seconds if seconds else 0
        self._clear()
        self.stderr.write(
            f"{imported.taken:,} interactions {'recorded' if options['wait'] else 'received'}"
            f" in {seconds:,.1f} s ({rate:,.0f}/s); {imported.wrong:,} lines were not."
        )
        for what, count in imported.tally.left_out.most_common():
            self.stderr.write(f"{count:,} left out: {what}")
        if imported.said:
            self._bring(project, imported)
        if imported.tally.not_brought:
            self.stderr.write(not_brought(imported.tally))
        if imported.renamed:
            self.stderr.write(
                f"{imported.renamed:,} of them got new ids: another project has interactions under theirs."
            )
        if imported.wrong:
            sys.exit(1)

    def _look_through(
        self, lines: Iterator[Line], project: Project, options: dict[str, Any], tally: Tally
    ) -> Tally:
        """Count what is there, and how much of it the project has already; record nothing."""
        scope = _scope(project, tally.format, options)
        batch: list[Line] = []
        foreseen = review.Brought()

        def look() -> None:
            tally.known += record.known_among(lines=batch, project=project.id, scope=scope)
            ids = record.ids_of(batch, project=project.id, scope=scope)
            said = [(id_, line.said) for id_, line in zip(ids, batch, strict=True) if line.said is not None]
            foreseen.add(review.foresee(project=project, said=[*said, *alone], coming=ids))
            batch.clear()
            alone.clear()

        alone: list[tuple[UUID | None, Said]] = []
        for line in lines:
            tally.add(line, look_inside=True)
            if line.recorded is not None:
                batch.append(line)
            elif line.said is not None:
                alone.append((None, line.said))
            if len(batch) + len(alone) >= BATCH_FRAMES:
                look()
        look()
        self._foreseen = foreseen
        return tally

    def _tell(self, tally: Tally) -> None:
        """What a dry run found."""
        self._clear()
        self.stdout.write(f"{FORMATS[tally.format]} ({tally.format})")
        self.stdout.write(f"{tally.total - tally.known:,} interactions would be recorded")
        if tally.known:
            self.stdout.write(f"{tally.known:,} are here already and would stay as they are")
        for endpoint, count in tally.taken.most_common():
            self.stdout.write(f"  {count:,} {endpoint}")
        if tally.total:
            self.stdout.write(f"  {tally.seeds:,} with a seed, {tally.fingerprints:,} with a fingerprint")
        for what, count in tally.left_out.most_common():
            self.stdout.write(f"{count:,} would be left out: {what}")
        for told in said_in_words(self._foreseen, would=True):
            self.stdout.write(told)
        if tally.not_brought:
            self.stdout.write(not_brought(tally))
        if tally.wrong_count:
            self.stdout.write(f"{tally.wrong_count:,} would not be recorded")
            for number, reason in tally.wrong:
                self.stdout.write(f"  line {number}: {reason}")
        if tally.wrong_count:
            sys.exit(1)

    def _requests(self, name: str | None) -> Any:
        return importing.Source(name, stdin=sys.stdin.buffer) if name else _Nothing()

    def _receive(
        self,
        lines: Iterator[Line],
        journal: Journal,
        project: Project,
        options: dict[str, Any],
        source: importing.Source,
        imported: Imported,
    ) -> None:
        scope = _scope(project, imported.tally.format, options)
        lines_read: list[Line] = []
        size = 0
        reported = 0.0
        for line in lines:
            imported.tally.add(line)
            if line.recorded is None:
                if line.said is not None:
                    imported.said.append((None, line.said))
                elif not line.left_out:
                    imported.wrong += 1
                    self._clear()
                    self.stderr.write(f"line {line.number}: {line.reason}")
                continue
            lines_read.append(line)
            size += len(line.recorded.request_text) + len(line.recorded.response_text or "")
            imported.taken += 1
            if len(lines_read) >= BATCH_FRAMES or size >= BATCH_BYTES:
                self._append(lines_read, journal, project, options, scope, imported)
                lines_read, size = [], 0
                self._let_catch_up(journal)
            if time.monotonic() - reported > _REPORT_SECONDS:
                reported = time.monotonic()
                self._show(source.done, imported)
        if lines_read:
            self._append(lines_read, journal, project, options, scope, imported)

    def _append(
        self,
        lines: list[Line],
        journal: Journal,
        project: Project,
        options: dict[str, Any],
        scope: str,
        imported: Imported,
    ) -> None:
        found = record.frames_of(
            lines=lines,
            project=project.id,
            scope=scope,
            now=timezone.now(),
            source=options["source"],
            provider=options["provider"],
        )
        imported.renamed += found.renamed
        imported.said += [
            (id_, line.said) for id_, line in zip(found.ids, lines, strict=True) if line.said is not None
        ]
        if options["wait"] or imported.said:
            for id_, frame in zip(found.ids, found.frames, strict=True):
                imported.waiting[id_] = hashlib.sha256(frame).digest()
        journal.append_sync(found.frames)

    def _bring(self, project: Project, imported: Imported) -> None:
        """Keep what people said, now that what they said it of is there."""
        brought = review.Brought()
        for at in range(0, len(imported.said), BATCH_FRAMES):
            some = imported.said[at : at + BATCH_FRAMES]
            brought.add(review.bring(actor=system_actor(project=project), said=some, now=timezone.now()))
        for told in said_in_words(brought, would=False):
            self.stderr.write(told)

    def _let_catch_up(self, journal: Journal) -> None:
        while journal.waiting_frames > AHEAD:
            time.sleep(0.05)

    def _wait_for_broker(self, journal: Journal) -> None:
        told = False
        while not journal.wait_until_shipped(seconds=1):
            if journal.problem is not None and not told:
                told = True
                self._clear()
                self.stderr.write(
                    f"All of it is in the journal, but the broker does not take it yet ({journal.problem}). "
                    "It is safe to stop: what waits is recorded when the app runs."
                )

    def _wait_for_tables(self, imported: Imported) -> None:
        while imported.waiting:
            some = dict(list(imported.waiting.items())[:5_000])
            found = set(Interaction.objects.filter(id__in=some).values_list("id", flat=True))
            failed = FailedMessage.objects.filter(digest__in=some.values()).values_list("digest", "error")
            reasons = {bytes(digest): error for digest, error in failed}
            for id_, digest in some.items():
                if digest in reasons:
                    imported.wrong += 1
                    imported.taken -= 1
                    self._clear()
                    self.stderr.write(f"{id_}: {reasons[digest]}")
                if digest in reasons or id_ in found:
                    del imported.waiting[id_]
            self._show(1 - len(imported.waiting) / max(imported.taken, 1), imported, what="recorded")
            if not found and not reasons:
                time.sleep(0.1)

    def _show(self, done: float | None, imported: Imported, *, what: str = "read") -> None:
        """The progress bar: on a terminal only."""
        if not self.stderr.isatty():
            return
        share = "" if done is None else f"{'━' * int(done * 30):<30} {done:4.0%} "
        self.stderr.write(f"\r\x1b[2K{share}{what}, {imported.taken:,} interactions", ending="")
        self.stderr.flush()

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[2K", ending="")


def _scope(project: Project, format: str, options: dict[str, Any]) -> str:  # noqa: A002
    return record.scope_of(
        project=project.id, format=format, source=options["source"], provider=options["provider"]
    )


def not_brought(tally: Tally) -> str:
    """What an exported line tells of beside its interaction, and an import leaves where it was."""
    count = tally.not_brought["replays"]
    return f"Not brought along: {count:,} {'replay' if count == 1 else 'replays'}."


def said_in_words(brought: review.Brought, *, would: bool) -> list[str]:
    """What came along of what people said, or would come along."""
    told = []
    for kind in ("judgements", "flags"):
        new, known = brought.new[kind], brought.known[kind]
        if new or known:
            here = f", {known:,} are here already and stay as they are" if known else ""
            told.append(f"{new:,} {kind} {'would come along' if would else 'brought along'}{here}")
    if brought.outside:
        told.append(f"By outside reviewers, who have no account: {', '.join(brought.outside)}")
    if brought.absent:
        told.append(
            f"{brought.absent:,} left out: they are about answers that this project does not have. "
            "Bring the interactions first."
        )
    return [*told, *(f"Left out: {reason}" for reason in brought.wrong)]


class _Nothing:
    """Where no second file is named."""

    def __enter__(self) -> IO[bytes] | None:
        return None

    def __exit__(self, *error: object) -> None:
        return None
