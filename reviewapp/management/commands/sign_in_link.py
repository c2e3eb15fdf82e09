"""`manage.py sign_in_link`: a link that signs a person in once, for who can use this machine's shell."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from reviewapp.embedded import up
from reviewapp.models import Person
from reviewapp.stages import administer


class Command(BaseCommand):
    help = "Prints a link that signs a person in once, within twelve hours."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--email", help="whom it signs in (default: REVIEWAPP_ADMIN_EMAIL, else the first operator)"
        )
        parser.add_argument(
            "--recovery",
            action="store_true",
            help="for who lost all second factors or forgot the password: forgets them, ends all sessions; "
            "they choose a new password once they are in (changepassword sets one instead)",
        )

    def handle(self, *args: Any, email: str | None, recovery: bool, **options: Any) -> None:
        person = whom(email or settings.ADMIN_EMAIL)
        if recovery:
            gone = administer.forget_factors(person=person, now=timezone.now())
            self.stderr.write(
                f"{gone} second factors of {person.email} are forgotten, and the password: they choose a new "
                f"one at {address()}{reverse('account_set_password')} once the link has let them in."
            )
        elif person.authenticator_set.exists():
            self.stderr.write(
                f"{person.email} will be asked for a second factor. Lost? Then with --recovery, "
                "once you are sure who asks."
            )
        token = administer.create_sign_in_link(person=person, now=timezone.now())
        self.stdout.write(f"{address()}{reverse('sign-in-link', args=[token])}")


def whom(email: str) -> Person:
    if email:
        person = Person.objects.filter(email__iexact=email.strip(), is_active=True).first()
        if person is None:
            raise CommandError(f"Nobody with the address {email} can sign in here.")
        return person
    person = administer.first_operator()
    if person is None:
        raise CommandError(
            "There is no operator yet; set REVIEWAPP_ADMIN_EMAIL and REVIEWAPP_ADMIN_PASSWORD."
        )
    return person


def address() -> str:
    """Where people reach the app: where it runs on this data, or else as far as the settings say."""
    if settings.PRODUCTION:
        return f"https://{settings.ALLOWED_HOSTS[0].lstrip('.')}"
    # In a second terminal nobody sets the port again.
    return up.running_at(settings.DATA_DIR) or up.address(host=settings.HOST, port=settings.PORT)
