"""`manage.py sign_out`: ends all sessions of a person, for who can use this machine's shell."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from reviewapp.models import Person
from reviewapp.stages import administer


class Command(BaseCommand):
    help = (
        "Ends all sessions of a person, wherever they are signed in; --off also switches their account off."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="whose sessions end")
        parser.add_argument("--off", action="store_true", help="nor can they sign in again")

    def handle(self, *args: Any, email: str, off: bool, **options: Any) -> None:
        person = Person.objects.filter(email__iexact=email.strip()).first()
        if person is None:
            raise CommandError(f"There is nobody with the address {email}.")
        ended = administer.sign_out_everywhere(person=person, off=off, now=timezone.now())
        self.stdout.write(f"{ended} ended.{' The account is switched off.' if off else ''}")
