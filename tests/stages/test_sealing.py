"""The audit trail is sealed, verified, searched and taken along; who tampers with it is found out."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from django.utils import translation

from reviewapp.models import AuditEntry, AuditSeal, AuditUnsealed
from reviewapp.stages.administer import sealing, write_audit
from tests.factories import NOW, make_actor, make_project


def deeds(actor, *actions: str) -> None:
    for number, action in enumerate(actions):
        write_audit(
            actor=actor, action=action, target=actor.project, now=NOW + timedelta(seconds=number), n=number
        )


def tamper(sql: str) -> None:
    """What somebody can do who owns the database: switch the refusal off."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")


def verify(*arguments: str) -> tuple[int, str]:
    said = io.StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=said, no_color=True)
    except SystemExit as end:
        return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()


def test_each_project_has_a_chain_of_its_own(admin):
    other = make_actor(project=make_project(), role="admin")
    deeds(admin, "a.one", "a.two")
    deeds(other, "b.one")

    # That a project was made is the first entry of each.
    assert sealing.seal_audit(now=NOW) == 5
    deeds(admin, "a.three")
    sealing.seal_audit(now=NOW)

    assert not AuditUnsealed.objects.exists()
    mine = sealing.verify_audit(project=admin.project, now=NOW)
    assert (mine.is_whole, mine.entries) == (True, 4)
    assert sealing.verify_audit(project=other.project, now=NOW).entries == 2
    assert mine.head == bytes(AuditSeal.objects.get(project=admin.project, seq=4).digest)


def test_sealing_twice_seals_once(admin):
    deeds(admin, "a.one")
    sealing.seal_audit(now=NOW)
    AuditUnsealed.objects.create(entry_id=AuditEntry.objects.get(action="a.one").pk)

    sealing.seal_audit(now=NOW)

    assert AuditSeal.objects.count() == 2


@pytest.mark.parametrize(
    "deed", ["UPDATE reviewapp_auditseal SET seq = 9", "DELETE FROM reviewapp_auditseal"]
)
def test_the_database_refuses_to_change_a_seal(admin, deed):
    deeds(admin, "a.one")
    sealing.seal_audit(now=NOW)

    with (
        pytest.raises(DatabaseError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(deed)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "UPDATE reviewapp_auditentry SET action = 'a.nothing' WHERE action = 'a.two'",
            "Entry 3 is not what was",
        ),
        ("UPDATE reviewapp_auditentry SET detail = '{}' WHERE action = 'a.two'", "Entry 3 is not what was"),
        ("DELETE FROM reviewapp_auditseal WHERE seq = 3", "Entry 3 is missing"),
    ],
)
def test_who_changes_the_trail_behind_the_apps_back_is_found_out(admin, sql, said):
    deeds(admin, "a.one", "a.two", "a.three")
    sealing.seal_audit(now=NOW)
    assert verify()[0] == 0

    tamper(sql)

    status, told = verify("--project", admin.project.slug)
    assert status == 1
    assert f"BROKEN  {admin.project.slug}: {said}" in told


def test_an_end_that_was_cut_off_shows_by_the_head_that_was_written_down(admin):
    deeds(admin, "a.one", "a.two")
    sealing.seal_audit(now=NOW)
    head = sealing.verify_audit(project=admin.project, now=NOW).head.hex()
    assert verify("--head", head)[0] == 0

    tamper(
        "DELETE FROM reviewapp_auditseal WHERE seq = 3;"
        " DELETE FROM reviewapp_auditentry WHERE action = 'a.two'"
    )

    status, told = verify("--head", head)
    assert status == 1
    assert "is in no chain any more" in told


def test_an_entry_whose_note_was_taken_away_is_told(admin):
    deeds(admin, "a.one")
    AuditUnsealed.objects.all().delete()

    chain = sealing.verify_audit(project=admin.project, now=NOW + timedelta(minutes=10))

    assert (chain.is_whole, chain.unsealed) == (False, 2)


def test_the_log_taken_along_proves_itself_without_the_database(admin, client, tmp_path):
    deeds(admin, "a.one", "a.two")
    sealing.seal_audit(now=NOW)
    client.force_login(admin.person)

    answer = client.post(reverse("settings-audit-export"))

    text = b"".join(answer.streaming_content).decode()
    file = tmp_path / "audit.jsonl"
    file.write_text(text)
    assert [json.loads(line)["by"] for line in text.splitlines()][1:3] == [admin.person.email] * 2
    assert AuditEntry.objects.filter(action="audit.export").count() == 1
    status, told = verify("--file", str(file))
    assert (status, told[:16]) == (0, "whole   3 entrie")
    file.write_text(text.replace("a.two", "a.too"))
    assert verify("--file", str(file))[0] == 1


def test_the_log_is_searched_by_person_deed_and_day(admin, client):
    deeds(admin, "key.create", "provider.update")
    client.force_login(admin.person)

    def found(**wanted: str) -> str:
        return client.get(reverse("settings-audit"), wanted).content.decode()

    assert "provider.update" not in found(q="key.create")
    assert "key.create" in found(q=f"{admin.person.email} key")
    assert "Nothing matches" in found(q="nobody@example.org")
    assert "Nothing matches" in found(until=str(NOW.date() - timedelta(days=1)))
    assert "key.create" in found(since=str(NOW.date()), until=str(NOW.date()))
    assert "is no date" in found(since="yesterday")


def test_the_page_verifies_and_gives_the_head_to_write_down(admin, client):
    deeds(admin, "key.create")
    sealing.seal_audit(now=NOW)
    client.force_login(admin.person)

    page = client.get(reverse("settings-audit"), {"verify": "1"}).content.decode()

    assert sealing.verify_audit(project=admin.project, now=NOW).head.hex() in page


def test_the_page_tells_a_broken_chain_in_the_readers_language(admin, client):
    deeds(admin, "a.one", "a.two")
    sealing.seal_audit(now=NOW)
    tamper("UPDATE reviewapp_auditentry SET action = 'a.too' WHERE action = 'a.two'")
    client.force_login(admin.person)

    def told(language: str) -> str:
        page = client.get(reverse("settings-audit"), {"verify": "1"}, headers={"accept-language": language})
        return page.content.decode()

    assert "Entry 3 is not what was sealed: it was changed." in told("en")
    assert "Eintrag 3 ist nicht, was versiegelt wurde: Er wurde geändert." in told("de")
    translation.deactivate()
