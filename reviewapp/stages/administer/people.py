"""People: links that sign in once, members and their roles."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext

from reviewapp.models import Actor, Membership, Permission, Person, Project, Role, SignInLink
from reviewapp.stages.administer.audit import Refused, write_audit
from reviewapp.stages.administer.keys import digest_of


@transaction.atomic
def create_sign_in_link(*, person: Person, now: datetime, valid_for: timedelta = timedelta(hours=12)) -> str:
    """A token that signs the person in once."""
    token = secrets.token_urlsafe(32)
    link = SignInLink.objects.create(
        person=person, digest=digest_of(token), created_at=now, expires_at=now + valid_for
    )
    write_audit(actor=None, action="sign_in_link.create", target=link, now=now, person=person.email)
    return token


def sign_in_link_is_good(*, token: str, now: datetime) -> bool:
    """Whether the link would still sign somebody in."""
    return SignInLink.objects.filter(
        digest=digest_of(token), used_at__isnull=True, expires_at__gt=now, person__is_active=True
    ).exists()


@transaction.atomic
def use_sign_in_link(*, token: str, now: datetime) -> Person | None:
    """The link's person, the first time only."""
    digest = digest_of(token)
    if not sign_in_link_is_good(token=token, now=now):
        return None
    if SignInLink.objects.filter(digest=digest, used_at__isnull=True).update(used_at=now) == 0:
        return None
    link = SignInLink.objects.select_related("person").get(digest=digest)
    write_audit(actor=None, action="sign_in_link.use", target=link, now=now, person=link.person.email)
    return link.person


@transaction.atomic
def invite(*, actor: Actor, email: str, role: str, now: datetime) -> tuple[Membership, str | None]:
    """Make somebody a member; whoever has no account yet gets one, and a link to sign in with once.

    Raises Refused for an address that is none, an unknown role, and who is a member already.
    """
    actor.check(Permission.ADMIN)
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise Refused(
            gettext("“%(email)s” is no e-mail address.") % {"email": email}, field="email"
        ) from None
    if role not in Role.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(Role.values)}, field="role"
        )
    person = Person.objects.filter(email__iexact=email).first()
    token = None
    if person is None:
        person = Person.objects.create_user(email)
        token = create_sign_in_link(person=person, now=now, valid_for=timedelta(days=7))
    elif not person.is_active and person.last_login is None and not person.has_usable_password():
        # An outside reviewer, whose judgements a file brought: from now on they have an account.
        Person.objects.filter(pk=person.pk).update(is_active=True)
        person.is_active = True
        token = create_sign_in_link(person=person, now=now, valid_for=timedelta(days=7))
    elif Membership.objects.filter(project=actor.project, person=person).exists():
        raise Refused(gettext("%(email)s is a member already.") % {"email": email}, field="email")
    made = Membership.objects.create(project=actor.project, person=person, role=role, created_at=now)
    write_audit(actor=actor, action="member.add", target=person, now=now, email=email, role=role)
    return made, token


@transaction.atomic
def change_role(*, actor: Actor, member_id: UUID, role: str, now: datetime) -> None:
    """Give a member another role. Raises Refused when the project would be left without an admin."""
    actor.check(Permission.ADMIN)
    if role not in Role.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(Role.values)}, field="role"
        )
    member = _member(actor, member_id)
    if role != Role.ADMIN:
        _refuse_last_admin(actor.project, member)
    Membership.objects.filter(pk=member.pk).update(role=role)
    write_audit(
        actor=actor, action="member.role", target=member.person, now=now, before=member.role, after=role
    )


@transaction.atomic
def remove_member(*, actor: Actor, member_id: UUID, now: datetime) -> None:
    """End a membership; what the person judged stays. Raises Refused for the last admin."""
    actor.check(Permission.ADMIN)
    member = _member(actor, member_id)
    _refuse_last_admin(actor.project, member)
    write_audit(actor=actor, action="member.remove", target=member.person, now=now, role=member.role)
    member.delete()


def _member(actor: Actor, member_id: UUID) -> Membership:
    # Every change of members of a project waits for the one before, so two admins can't remove each other.
    Project.objects.select_for_update().get(pk=actor.project.pk)
    member = Membership.objects.select_related("person").filter(project=actor.project, pk=member_id).first()
    if member is None:
        raise Refused(gettext("This person is no member of the project any more."))
    return member


def _refuse_last_admin(project: Project, member: Membership) -> None:
    others = Membership.objects.filter(project=project, role=Role.ADMIN).exclude(pk=member.pk)
    if member.role == Role.ADMIN and not others.exists():
        raise Refused(gettext("This is the project's last admin. Make somebody else an admin first."))


@transaction.atomic
def follow_groups(*, person: Person, roles: Mapping[str, str | None], now: datetime) -> None:
    """Give the person the roles that their groups give, by project's slug; None takes the membership away.

    A project's last admin stays one: a mistake at the identity provider must not lock a project for ever.
    """
    for project in Project.objects.select_for_update().filter(slug__in=roles).order_by("pk"):
        role = roles[project.slug]
        member = Membership.objects.filter(project=project, person=person).first()
        before = None if member is None else member.role
        if before == role:
            continue
        if member is None:
            assert role is not None
            Membership.objects.create(project=project, person=person, role=role, created_at=now)
        else:
            try:
                _refuse_last_admin(project, member)
            except Refused:
                continue
            if role is None:
                member.delete()
            else:
                Membership.objects.filter(pk=member.pk).update(role=role)
        write_audit(
            actor=None,
            action="member.by_group",
            target=person,
            now=now,
            project=project,
            email=person.email,
            before=before,
            after=role,
        )


@transaction.atomic
def hand_over(*, person: Person, now: datetime) -> None:
    """An account goes to who proved to have its address: all that opened it before opens it no more."""
    person.set_unusable_password()
    person.save(update_fields=["password"])
    factors, _ = person.authenticator_set.all().delete()
    accounts, _ = person.socialaccount_set.all().delete()
    links = SignInLink.objects.filter(person=person, used_at=None).update(used_at=now)
    sign_out_everywhere(person=person, now=now)
    write_audit(
        actor=None,
        action="person.hand_over",
        target=person,
        now=now,
        second_factors=factors,
        accounts=accounts,
        links=links,
    )


@transaction.atomic
def sign_out_everywhere(*, person: Person, now: datetime, off: bool = False, keep: str | None = None) -> int:
    """End all sessions of a person but the one of the key `keep`, and with `off` their account.

    Gives how many there were.
    """
    if off:
        Person.objects.filter(pk=person.pk).update(is_active=False)
    ended = 0
    for session in Session.objects.filter(expire_date__gt=now).exclude(session_key=keep).iterator():
        if session.get_decoded().get("_auth_user_id") == str(person.pk):
            session.delete()
            ended += 1
    write_audit(
        actor=None, action="person.sign_out_everywhere", target=person, now=now, sessions=ended, off=off
    )
    return ended
