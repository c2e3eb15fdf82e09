"""Decides the checks of canaries again from the stored answers, by the present method.

Rows are read from the answers anew. Verdicts, sentences and figures follow; the evidence that was
gathered and the alarms that were raised are history and stay.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from reviewapp.models import CanaryCheck, CheckState
from reviewapp.pure.drift.watching import METHOD_VERSION
from reviewapp.stages import watch


class Command(BaseCommand):
    help = "Decides the checks of canaries again from the stored answers, by the present method."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help="also those that the present method decided already"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """One check at a time, oldest first."""
        checks = CanaryCheck.objects.filter(state=CheckState.DONE, compared_with__len__gt=0)
        if not options["all"]:
            checks = checks.exclude(method=METHOD_VERSION)
        changed = 0
        ids = list(checks.order_by("created_at").values_list("pk", flat=True))
        for id_ in ids:
            changed += watch.recompute_check(check_id=id_, now=timezone.now())
        self.stdout.write(f"{len(ids)} checks decided again, {changed} verdicts changed.")
