"""Runs the simulated OpenAI-compatible provider. Needs no database."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reviewapp.providers.simulated.fields import InvalidConfig
from reviewapp.providers.simulated.server import DEFAULT_HOST, DEFAULT_PORT, serve


class Command(BaseCommand):
    help = "Runs a simulated OpenAI-compatible provider, for demos, tests and benchmarks."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"default {DEFAULT_PORT}")
        parser.add_argument(
            "--host",
            default=DEFAULT_HOST,
            help=f"the address to listen on (default {DEFAULT_HOST}: this machine only)",
        )
        parser.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="a JSON file, read again whenever it changes; see docs/simulated-provider.md",
        )

    def handle(self, *, host: str, port: int, config: Path | None, **options: Any) -> None:
        if not 1 <= port <= 65535:
            raise CommandError(f"--port: must be from 1 to 65535, is {port}")
        self.stdout.write(
            f"Simulated provider: base URL http://{host}:{port}/v1, controls at http://{host}:{port}/"
        )
        self.stdout.flush()
        try:
            serve(host=host, port=port, config_path=config)
        except InvalidConfig as error:
            where = f"{config}: " if config else ""
            raise CommandError(f"{where}{error}") from error
