"""manage.py doctor."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from reviewapp import health
from reviewapp.journal import Journal, Place
from reviewapp.management.commands import doctor
from reviewapp.models import Provider
from tests import factories
from tests.partitioned import partitioned


@contextmanager
def answering(status: int, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """A provider that answers everything with one status; gives its address and the keys it was shown."""
    keys: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers.get("Authorization", ""))
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", keys
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_provider(project, base_url: str, *, api_key: str | None = None) -> Provider:
    return Provider.objects.create(
        project=project, name="vendor", base_url=base_url, api_key=api_key, created_at=factories.NOW
    )


def test_a_file_of_breached_passwords_that_is_not_sorted_is_told(settings, tmp_path):
    file = tmp_path / "breached.txt"
    settings.BREACHED_PASSWORDS = str(file)
    found = []
    for lines in (f"{'A' * 40}:1\n{'B' * 40}:1\n", f"{'B' * 40}:1\n{'A' * 40}:1\n"):
        file.write_text(lines)
        found += [(finding.ok, "not sorted" in finding.sentence) for finding in doctor.passwords()]

    assert found == [(True, False), (False, True)]


def test_a_provider_that_answers_is_well_and_is_shown_its_key(project):
    with answering(200) as (address, keys):
        finding = doctor.ask_provider(make_provider(project, address, api_key="sk-1"))

    assert finding.ok
    assert keys == ["Bearer sk-1"]


def test_a_provider_without_a_list_of_models_still_answers(project):
    with answering(404) as (address, _):
        assert doctor.ask_provider(make_provider(project, address)).ok


def test_a_key_that_is_refused_is_said(project):
    with answering(401) as (address, _):
        finding = doctor.ask_provider(make_provider(project, address, api_key="sk-1"))

    assert not finding.ok
    assert "does not accept the stored key" in finding.sentence


def test_a_key_is_never_carried_to_another_address(project):
    with answering(200) as (elsewhere, keys), answering(302, Location=elsewhere) as (address, _):
        finding = doctor.ask_provider(make_provider(project, address, api_key="sk-1"))

    assert not finding.ok
    assert keys == []


def test_a_provider_that_is_away_is_named(project):
    finding = doctor.ask_provider(make_provider(project, "http://127.0.0.1:9/v1"))

    assert not finding.ok
    assert "vendor" in finding.sentence


def test_a_clock_that_is_wrong_shows_in_a_providers_answer(project):
    with answering(200, Date="Sun, 22 Nov 2020 12:00:00 GMT") as (address, _):
        finding = doctor.ask_provider(make_provider(project, address))

    assert not finding.ok
    assert "timedatectl" in finding.mend


def test_a_key_that_cannot_be_decrypted_does_not_hide_other_providers(project, settings):
    make_provider(project, "http://127.0.0.1:9/v1", api_key="sk-1")
    with answering(200) as (address, _):
        Provider.objects.create(project=project, name="zz", base_url=address, created_at=factories.NOW)
        settings.ENCRYPTION_KEYS = ["b25seS1mb3ItdGhlLXRlc3RzLTAwMDAwMDAwMDAwMDA="]

        found = list(doctor.providers())

    assert [finding.ok for finding in found] == [False, True]
    assert "can't be decrypted" in found[0].sentence


def test_a_secret_that_cannot_be_read_is_named_with_its_mend(project, settings):
    make_provider(project, "", api_key="sk-1")
    settings.ENCRYPTION_KEYS = ["b25seS1mb3ItdGhlLXRlc3RzLTAwMDAwMDAwMDAwMDA="]

    [found] = doctor.secrets()

    assert not found.ok
    assert "vendor" in found.sentence
    assert "encryption_keys" in found.mend


def test_the_tables_of_the_tests_are_up_to_date(db):
    assert doctor.migrations().ok


def test_two_clocks_of_one_machine_agree(db):
    assert doctor.clock().ok


def test_an_empty_journal_is_well(settings, tmp_path):
    settings.DATA_DIR = tmp_path

    assert doctor.journal().ok


def test_what_waits_in_the_journal_is_counted(settings, tmp_path):
    settings.DATA_DIR = tmp_path

    class Away:
        def send(self, frames: list[bytes], place: Place | None) -> None:
            raise OSError("no broker")

        def settled(self, frames: list[bytes]) -> bool:
            return False

        def nothing_waits(self) -> bool:
            return False

    journal = Journal(tmp_path / "journal", delivery=Away())
    journal.append_sync([b"one", b"two"])
    journal.close()

    assert "2 items wait" in doctor.journal().sentence


def test_a_data_folder_that_is_missing_is_named(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "gone"

    [finding] = doctor.disk()

    assert not finding.ok
    assert "REVIEWAPP_DATA" in finding.mend


def test_a_secret_that_others_can_read_is_named(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    (tmp_path / "secret_key").write_text("x")
    (tmp_path / "secret_key").chmod(0o644)

    found = list(doctor.disk())

    assert [finding.ok for finding in found] == [True, False]
    assert found[1].mend == f"chmod 600 {tmp_path / 'secret_key'}"


def test_the_report_says_what_is_wrong_and_the_mend(transactional_db, settings, tmp_path, monkeypatch):
    """No worker and no scheduler run beside the tests."""
    # Where the machine is busy the broker takes its time over the question.
    monkeypatch.setattr(health, "DEADLINE_SECONDS", 60.0)
    settings.DATA_DIR = Path(tmp_path)
    printed = io.StringIO()

    with pytest.raises(SystemExit) as end:
        call_command("doctor", stdout=printed)

    lines = printed.getvalue().splitlines()
    assert end.value.code == 1
    assert any(line.startswith("ok") and "The database answers." in line for line in lines)
    assert any(line.startswith("WRONG") and "No worker answers" in line for line in lines)
    assert any("→ Start one" in line for line in lines)
    assert lines[-1] == "2 things are wrong."


def test_it_says_how_many_must_have_a_second_factor_and_have_none(project, settings):
    factories.make_member(project=project, role="admin")
    factories.make_member(project=project, role="reviewer")
    off = doctor.second_factors()
    settings.REQUIRE_SECOND_FACTOR = "admins"

    asked = doctor.second_factors()

    assert (off.ok, off.sentence) == (True, "Second factors are up to each person.")
    assert asked.sentence == "1 people must have a second factor; 1 of them have to set one up yet."


def test_in_production_it_advises_to_ask_admins_for_a_second_factor(settings):
    settings.PRODUCTION = True

    assert "REVIEWAPP_REQUIRE_SECOND_FACTOR=admins is advised" in doctor.second_factors().sentence


def test_partitions_are_shown_with_rows_and_room_and_plain_tables_are_not(db):
    plain = list(doctor.partitioned())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    partitioned(now=timezone.now())

    [there] = doctor.partitioned()

    assert plain == []
    assert there.ok
    assert "rest 0 rows" in there.detail
    assert "later 0 rows" in there.detail


@pytest.mark.django_db
def test_the_database_it_runs_on_is_new_enough():
    assert doctor.server().ok


def test_an_old_postgresql_is_told_with_the_oldest_that_is_supported():
    oldest, older = doctor.server(version=15), doctor.server(version=14)

    assert (oldest.ok, older.ok) == (True, False)
    assert older.sentence == "PostgreSQL 14 is too old: this needs 15 or later."
