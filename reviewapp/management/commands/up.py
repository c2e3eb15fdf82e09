"""`manage.py up`: the whole product in the foreground. `make run` ends here.

The settings are read here, so that a wrong value stops the start with its own line; then
this process becomes the supervisor in reviewapp/embedded, which needs no Django.
"""

from __future__ import annotations

import os
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand

from reviewapp.embedded import up


class Command(BaseCommand):
    help = (
        "Starts the whole product: database, broker, web, worker, scheduler and simulated provider. "
        "Ctrl-C stops all of it."
    )
    # No database yet, and the checks run in `prepare`.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        start()


def start() -> NoReturn:
    """Become the supervisor. Nothing here needs the apps to be loaded; manage.py relies on that."""
    up.become(plan())


def plan() -> up.Plan:
    """What the settings say about this machine."""
    return up.Plan(
        root=str(settings.BASE_DIR),
        data=str(settings.DATA_DIR),
        host=settings.HOST,
        port=settings.PORT,
        sim_port=_simulator_port(os.environ.get("REVIEWAPP_SIM_PORT", "").strip()),
        own_database=not os.environ.get("REVIEWAPP_DATABASE_URL", "").strip(),
        own_broker=not os.environ.get("REVIEWAPP_BROKER_URL", "").strip(),
        demo=settings.DEMO,
        simulator=not settings.PRODUCTION,
    )


def _simulator_port(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise SystemExit(f"REVIEWAPP_SIM_PORT: is {text!r}; write a whole number from 1 to 65535")
    return int(text)
