"""Who judged: people with an account, matched by their address, and outside reviewers."""

from __future__ import annotations

import hashlib

from reviewapp.formats.said import Who
from reviewapp.models import OUTSIDE, Person, Project


class People:
    """The people of a file. Somebody met twice is looked up once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._found: dict[str, Person] = {}
        # Name, and whether they have an account.
        self.met: set[tuple[str, bool]] = set()
        # The addresses of outside reviewers that were made.
        self.made: set[str] = set()

    def look_up(self, who: Who) -> tuple[str, bool]:
        """Their name and whether they have an account, without making anybody."""
        person = self._existing(who)
        if person is None:
            return who.name, False
        return person.short_name, person.is_active

    def of(self, who: Who) -> Person:
        """The person; an outside reviewer is made where there is nobody."""
        person = self._existing(who)
        if person is None:
            person = Person(email=self._address(who), name=who.name, is_active=False)
            person.set_unusable_password()
            person.save()
            self._found[who.key] = person
            self.made.add(person.email)
        self.met.add((person.short_name, person.is_active))
        return person

    def _existing(self, who: Who) -> Person | None:
        if who.key not in self._found:
            person = Person.objects.filter(email__iexact=self._address(who)).first()
            if person is None:
                return None
            self._found[who.key] = person
        return self._found[who.key]

    def _address(self, who: Who) -> str:
        """Theirs, or for somebody who has none one that leads nowhere, the same for the same name here."""
        if who.email is not None:
            return who.email
        digest = hashlib.sha256(f"{self._project.pk}\n{who.key}".encode(errors="replace")).hexdigest()
        return f"{digest[:32]}@{OUTSIDE}"
