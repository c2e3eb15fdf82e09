from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from reviewapp.models import ApiKey, AuditEntry, Membership, NotAllowed, Provider
from reviewapp.stages import administer
from reviewapp.stages.administer import ProviderValues, Refused
from tests.factories import NOW, make_member, make_person, make_project


def test_a_key_is_found_by_its_secret_and_stored_as_a_digest_only(project):
    key, secret = administer.create_api_key(project=project, name="bot", scopes=["ingest"], now=NOW)

    assert administer.find_key(secret=secret, now=NOW) == key
    assert secret not in str(ApiKey.objects.filter(pk=key.pk).values().get())


def test_a_revoked_or_expired_key_opens_nothing(project, admin):
    key, secret = administer.create_api_key(project=project, name="bot", scopes=["read"], now=NOW)
    _, short = administer.create_api_key(
        project=project, name="short", scopes=["read"], now=NOW, expires_at=NOW + timedelta(hours=1)
    )

    assert administer.revoke_key(actor=admin, key_id=key.pk, now=NOW)

    assert administer.find_key(secret=secret, now=NOW) is None
    assert administer.find_key(secret=short, now=NOW) is not None
    assert administer.find_key(secret=short, now=NOW + timedelta(hours=1)) is None


@pytest.mark.parametrize("scopes", [[], ["root"], ["read", "write"]])
def test_a_key_needs_known_scopes(project, scopes):
    with pytest.raises(Refused) as refused:
        administer.create_api_key(project=project, name="bot", scopes=scopes, now=NOW)

    assert refused.value.field == "scopes"


def test_a_sign_in_link_works_once(db):
    person = make_person()
    token = administer.create_sign_in_link(person=person, now=NOW)

    assert administer.use_sign_in_link(token=token, now=NOW) == person
    assert administer.use_sign_in_link(token=token, now=NOW) is None


def test_a_sign_in_link_expires(db):
    token = administer.create_sign_in_link(person=make_person(), now=NOW, valid_for=timedelta(hours=1))

    assert administer.use_sign_in_link(token=token, now=NOW + timedelta(hours=2)) is None


def test_an_invited_newcomer_gets_an_account_and_a_link(admin):
    member, token = administer.invite(actor=admin, email="New@Example.org", role="reviewer", now=NOW)

    assert member.person.email == "new@example.org"
    assert token is not None
    assert administer.use_sign_in_link(token=token, now=NOW) == member.person


def test_only_an_admin_invites(reviewer):
    with pytest.raises(NotAllowed):
        administer.invite(actor=reviewer, email="new@example.org", role="admin", now=NOW)


def test_the_last_admin_can_be_neither_removed_nor_demoted(admin):
    member = Membership.objects.get(person=admin.person)

    with pytest.raises(Refused, match="last admin"):
        administer.remove_member(actor=admin, member_id=member.pk, now=NOW)
    with pytest.raises(Refused, match="last admin"):
        administer.change_role(actor=admin, member_id=member.pk, role="viewer", now=NOW)


def test_an_admin_cannot_touch_members_of_another_project(admin):
    stranger = make_member(project=make_project(), role="viewer")
    member = Membership.objects.get(person=stranger)

    with pytest.raises(Refused):
        administer.remove_member(actor=admin, member_id=member.pk, now=NOW)

    assert Membership.objects.filter(pk=member.pk).exists()


def test_a_providers_key_is_encrypted_in_the_table(admin):
    provider = administer.save_provider(
        actor=admin,
        values=ProviderValues(name="openai", base_url="https://api.openai.com/v1/", api_key="sk-secret"),
        now=NOW,
    )

    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key FROM reviewapp_provider WHERE id = %s", [provider.pk])
        (stored,) = cursor.fetchone()
    assert b"sk-secret" not in bytes(stored)
    assert Provider.objects.get().api_key == "sk-secret"
    assert Provider.objects.get().base_url == "https://api.openai.com/v1"


def test_a_change_without_a_new_key_keeps_the_old_one(admin):
    values = ProviderValues(name="openai", base_url="https://api.openai.com/v1", api_key="sk-secret")
    provider = administer.save_provider(actor=admin, values=values, now=NOW)

    administer.save_provider(
        actor=admin,
        provider=provider,
        values=ProviderValues(name="openai", base_url="https://eu.api.openai.com/v1"),
        now=NOW,
    )

    assert Provider.objects.get().api_key == "sk-secret"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"base_url": "https://key@host/v1"}, "base_url"),
        ({"base_url": "nonsense"}, "base_url"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
    ],
)
def test_a_provider_that_cannot_be_is_refused_by_field(admin, values, field):
    with pytest.raises(Refused) as refused:
        administer.save_provider(actor=admin, values=ProviderValues(**{"name": "openai", **values}), now=NOW)

    assert refused.value.field == field


def test_two_providers_cannot_share_a_name(admin):
    administer.save_provider(actor=admin, values=ProviderValues(name="openai"), now=NOW)

    with pytest.raises(Refused) as refused:
        administer.save_provider(actor=admin, values=ProviderValues(name="openai"), now=NOW)

    assert refused.value.field == "name"


def test_every_deed_leaves_an_audit_entry(admin, project):
    administer.invite(actor=admin, email="new@example.org", role="viewer", now=NOW)
    key, _ = administer.create_api_key(project=project, name="bot", scopes=["read"], now=NOW, actor=admin)
    administer.revoke_key(actor=admin, key_id=key.pk, now=NOW)
    provider = administer.save_provider(
        actor=admin, values=ProviderValues(name="openai", base_url="https://host/v1"), now=NOW
    )
    administer.make_default_provider(actor=admin, provider=provider, now=NOW)

    actions = set(AuditEntry.objects.filter(person=admin.person).values_list("action", flat=True))
    assert actions == {
        "member.add",
        "api_key.create",
        "api_key.revoke",
        "provider.create",
        "provider.default",
    }


def test_the_database_refuses_to_change_or_delete_an_audit_entry(admin):
    administer.invite(actor=admin, email="new@example.org", role="viewer", now=NOW)

    with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic():
        AuditEntry.objects.update(action="nothing.happened")
    with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic():
        AuditEntry.objects.all().delete()

    assert AuditEntry.objects.filter(action="member.add").exists()
