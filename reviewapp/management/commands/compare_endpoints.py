"""Says whether a candidate endpoint answers as a baseline endpoint does.

Needs no database: what was asked is forgotten when the verdict is printed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from reviewapp.providers.client import check_address
from reviewapp.providers.endpoints import Outcome, compare_endpoints
from reviewapp.providers.errors import NotCallable
from reviewapp.providers.panel import Side, base_url
from reviewapp.pure.drift.decision import SAME as SAME_VERDICTS
from reviewapp.pure.drift.panel import DEFAULT_BUDGET, SESSIONS
from reviewapp.pure.drift.report import evidence
from reviewapp.pure.verdicts.values import VerdictKind

SAME, CHANGED, INCONCLUSIVE = 0, 3, 4
# Fixed, so that the same endpoints get the same questions in the same order.
RANDOM_SEED = 20261122


class Command(BaseCommand):
    help = "Asks two endpoints the same questions and says whether the same backend answers."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--baseline",
            nargs="+",
            required=True,
            metavar="URL",
            help="the known endpoint; several are a pool",
        )
        parser.add_argument(
            "--candidate",
            nargs="+",
            required=True,
            metavar="URL",
            help="the endpoint to judge; several are a pool",
        )
        parser.add_argument("--model", help="the model to ask for (default: what the endpoint lists)")
        parser.add_argument("--key", help="the API key for both sides")
        parser.add_argument(
            "--budget",
            type=int,
            default=DEFAULT_BUDGET,
            metavar="N",
            help=f"requests that may be sent to both sides together (default {DEFAULT_BUDGET})",
        )
        parser.add_argument(
            "--sessions",
            type=int,
            default=SESSIONS,
            metavar="N",
            help=f"sessions in which the baseline is asked (default {SESSIONS})",
        )
        parser.add_argument("--text-only", action="store_true", help="do not use log probabilities")
        parser.add_argument("--json", action="store_true", help="print the verdict as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, print, and end with the status that the verdict stands for."""
        for name in ("budget", "sessions"):
            if options[name] < 1:
                raise CommandError(f"--{name} must be at least 1.")
        sides = [_side(name, options) for name in ("baseline", "candidate")]
        outcome = asyncio.run(
            compare_endpoints(
                baseline=sides[0],
                candidate=sides[1],
                budget=options["budget"],
                sessions=options["sessions"],
                text_only=options["text_only"],
                seed=RANDOM_SEED,
                clock=timezone.now,
                report=self._reporter(quiet=options["json"] or options["verbosity"] == 0),
            )
        )
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(outcome), ensure_ascii=False, indent=2))
        else:
            self._tell(outcome)
        if outcome.verdict is VerdictKind.BACKEND_CHANGED:
            sys.exit(CHANGED)
        if outcome.verdict not in SAME_VERDICTS:
            sys.exit(INCONCLUSIVE)

    def _reporter(self, *, quiet: bool) -> Any:
        def report(line: str) -> None:
            if not quiet:
                self.stderr.write(f"  {line}")

        return report

    def _tell(self, outcome: Outcome) -> None:
        self.stdout.write(f"{outcome.verdict.replace('_', ' ').upper()}\n{outcome.sentence}")
        decision = outcome.decision
        for note in decision.notes if decision else ():
            self.stdout.write(note)
        measures = decision.looks[-1] if decision and decision.looks else ()
        if measures:
            self.stdout.write("")
            self.stdout.write(
                f"{'measure':<22}{'effect':>10}{'floor':>10}{'p':>10}{'rows':>7}{'detectable':>12}"
            )
        for one in measures:
            name = f"{one.statistic} ({one.kind})"
            self.stdout.write(
                f"{name:<22}{one.effect:>10.2g}{one.floor:>10.2g}{one.p:>10.2g}"
                f"{one.tested_rows:>7}{one.detectable:>12.2g}"
            )
        self.stdout.write(
            f"{outcome.requests} requests, {outcome.failed} failed; {outcome.sessions} baseline sessions."
        )


def _side(name: str, options: dict[str, Any]) -> Side:
    for url in options[name]:
        try:
            # As Python writes it, so that a line break in it does not break the one line of the error.
            check_address(name=f"--{name} {url!r}", base_url=base_url(url))
        except NotCallable as error:
            raise CommandError(str(error)) from error
    return Side(
        name=name,
        urls=tuple(options[name]),
        key=options["key"],
        model=options["model"],
        anywhere=True,
    )


def _as_json(outcome: Outcome) -> dict[str, Any]:
    decision = outcome.decision
    deciding = decision.deciding if decision else None
    return {
        "verdict": outcome.verdict.value,
        "sentence": outcome.sentence,
        "statistic": deciding.statistic if deciding else None,
        "effect": deciding.effect if deciding else None,
        "floor": deciding.floor if deciding else None,
        "p": deciding.p if deciding else None,
        "requests": outcome.requests,
        "evidence": {
            **(evidence(decision) if decision else {}),
            "asked": outcome.asked,
            "failed": outcome.failed,
            "errors": list(outcome.errors),
            "sessions": outcome.sessions,
            "baseline_rows": outcome.baseline_rows,
            "looks_asked": outcome.looks,
            "models": list(outcome.models),
            "seed_honoured": outcome.seed_honoured,
            "not_taken": list(outcome.given_up),
        },
    }
