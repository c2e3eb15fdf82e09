"""`manage.py encrypt_anew`: writes all that is encrypted with the first key; then the others can go."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reviewapp.stages.administer import encrypting


class Command(BaseCommand):
    help = "Encrypts stored secrets anew with the first of REVIEWAPP_ENCRYPTION_KEYS, so that others can go."

    def handle(self, *args: Any, **options: Any) -> None:
        unreadable = 0
        for done in encrypting.encrypt_anew():
            more = f", {done.unreadable} that no key can read" if done.unreadable else ""
            self.stdout.write(f"{done.what}: {done.written} written anew{more}")
            unreadable += done.unreadable
        if unreadable:
            raise CommandError(
                f"{unreadable} values were written with a key that is not here: keep the keys there are, "
                "add the one that is missing and run this again, or enter those secrets anew."
            )
