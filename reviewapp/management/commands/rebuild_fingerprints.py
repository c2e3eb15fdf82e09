"""Counts the fingerprint pools anew from the interactions; what was decided about values stays."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from reviewapp.stages import watch


class Command(BaseCommand):
    help = "Counts the fingerprint pools anew from the interactions. Decisions about fingerprints stay."

    def handle(self, **options: Any) -> None:
        total = watch.rebuild(now=timezone.now())
        self.stdout.write(f"Counted {total:,} interactions.")
