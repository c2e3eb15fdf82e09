"""`manage.py rebuild_continuations`: learn anew how recorded answers go on, for the search box."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from reviewapp.stages import find


class Command(BaseCommand):
    help = "Learns anew what the search box completes from what is recorded now, after data was removed."

    def handle(self, *args: Any, **options: Any) -> None:
        passed = find.rebuild_continuations(now=timezone.now())
        self.stdout.write(f"{passed} interactions looked at")
