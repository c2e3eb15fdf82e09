"""Second factors: who has to have one, who has none, and how somebody who lost theirs comes in again."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from reviewapp.models import Membership, Person, Role
from reviewapp.stages.administer.audit import write_audit
from reviewapp.stages.administer.people import sign_out_everywhere

# An authenticator app, a passkey. Recovery codes come with one of them, and are none by themselves.
FACTORS: Final = ("totp", "webauthn")


def bound_to_a_factor() -> QuerySet[Person]:
    """The people who must have a second factor, by the operator's rule."""
    people = Person.objects.filter(is_active=True)
    if settings.REQUIRE_SECOND_FACTOR == "off":
        return people.none()
    if settings.REQUIRE_SECOND_FACTOR == "admins":
        admin = Membership.objects.filter(person=OuterRef("pk"), role=Role.ADMIN)
        return people.filter(Q(is_operator=True) | Exists(admin))
    return people


def without_factor() -> QuerySet[Person]:
    """Those of them who have none yet."""
    return bound_to_a_factor().exclude(authenticator__type__in=FACTORS)


def lacks_factor(*, person: Person) -> bool:
    """Whether this person must have a second factor and has none: one statement, none with the rule off."""
    return settings.REQUIRE_SECOND_FACTOR != "off" and without_factor().filter(pk=person.pk).exists()


def may_drop_factor(*, person: Person) -> bool:
    """Whether one of the person's second factors may go: the last one of who must have one may not."""
    return (
        not bound_to_a_factor().filter(pk=person.pk).exists()
        or person.authenticator_set.filter(type__in=FACTORS).count() > 1
    )


def hold_factors(*, person: Person) -> None:
    """Lets nobody else drop a factor of the person until the transaction ends.

    Without it two removals at once would each see the other's factor, and both go.
    """
    Person.objects.select_for_update(no_key=True).get(pk=person.pk)


@transaction.atomic
def forget_factors(*, person: Person, now: datetime) -> int:
    """Whoever can't show any more who they are starts anew; gives how many second factors went.

    All of them go, the password, and all sessions: who comes in by a link then is asked for nothing that they
    don't have, and chooses a new password.
    """
    gone, _ = person.authenticator_set.all().delete()
    had_password = person.has_usable_password()
    person.set_unusable_password()
    person.save(update_fields=["password"])
    sign_out_everywhere(person=person, now=now)
    write_audit(
        actor=None,
        action="person.forget_factors",
        target=person,
        now=now,
        second_factors=gone,
        password=had_password,
    )
    return gone
