"""Bringing a file by the browser: looked through first, recorded when somebody says so."""

from __future__ import annotations

import gzip
import json
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from reviewapp.models import Annotation, AuditEntry, FileImport, Interaction
from reviewapp.stages import review
from reviewapp.stages.record import DatabaseAway, uploads
from tests import factories

pytestmark = pytest.mark.django_db

SAYING = uploads.Saying(foresee=review.foresee, bring=review.bring)
RUN = {
    "id": "r1",
    "run_type": "llm",
    "inputs": {"model": "m", "seed": 7, "messages": [{"role": "user", "content": "Hi"}]},
    "outputs": {"choices": [], "system_fingerprint": "fp_1"},
}
LINES = "\n".join(map(json.dumps, [RUN, {"run_type": "chain", "id": "r0"}, {"run_type": "llm", "id": "r2"}]))


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path):
    settings.DATA_DIR = str(tmp_path)


@pytest.fixture
def admin(client):
    project = factories.make_project(name="Demo")
    client.force_login(factories.make_member(project=project, role="admin"))
    return client


def bring(client, content, **fields):
    file = SimpleUploadedFile("../../runs.json", content if isinstance(content, bytes) else content.encode())
    client.post("/settings/import/", {"file": file, "format": "auto", **fields})
    return FileImport.objects.order_by("-created_at").first()


def worked_on(file):
    uploads.work_on_file(import_id=file.pk, saying=SAYING)
    file.refresh_from_db()
    return file


def test_a_file_is_looked_through_before_anything_is_recorded(admin):
    file = worked_on(bring(admin, LINES, source="old-bot"))

    page = admin.get(f"/settings/import/{file.pk}/").content.decode()

    assert (file.state, file.format, file.file_name) == ("checked", "langsmith", "runs.json")
    assert "1 interaction would come in" in page
    assert "its end is not in this file" in page
    assert Interaction.objects.count() == 0


def test_what_was_found_is_recorded_when_somebody_says_so(admin):
    file = worked_on(bring(admin, gzip.compress(LINES.encode()), source="old-bot"))

    admin.post(f"/settings/import/{file.pk}/start/")
    worked_on(file)

    found = Interaction.objects.select_related("source").get()
    assert (file.state, file.recorded, file.known) == ("done", 1, 0)
    assert (found.seed, found.fingerprint) == (7, "fp_1")
    assert not uploads.folder_of(file).exists()
    assert {"import.bring", "import.start"} <= set(AuditEntry.objects.values_list("action", flat=True))


def test_bringing_a_file_again_records_nothing_again(admin):
    for _ in range(2):
        file = worked_on(bring(admin, LINES))
        admin.post(f"/settings/import/{file.pk}/start/")
        worked_on(file)

    assert (file.recorded, file.known, Interaction.objects.count()) == (0, 1, 1)


def test_a_worker_that_died_is_followed_by_another(admin):
    file = worked_on(bring(admin, LINES))
    admin.post(f"/settings/import/{file.pk}/start/")
    FileImport.objects.update(heartbeat_at=factories.NOW)

    waiting = uploads.waiting_files(now=factories.NOW + uploads.HEARTBEAT_LOST * 2)

    assert waiting == [file.pk]
    assert worked_on(file).state == "done"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"a": 1}', "No format is recognised"),
        (json.dumps({"run_type": "chain", "id": "r0"}), "no call of a model"),
        (b"\x1f\x8bbroken", "can&#x27;t be read"),
        (gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 30, "can&#x27;t be read"),
    ],
)
def test_a_file_with_nothing_in_it_says_why(admin, content, reason):
    file = worked_on(bring(admin, content))

    page = admin.get(f"/settings/import/{file.pk}/").content.decode()

    assert file.state == "failed"
    assert reason in page


def test_a_file_that_is_thrown_away_leaves_nothing(admin):
    file = worked_on(bring(admin, LINES))

    admin.post(f"/settings/import/{file.pk}/cancel/")
    admin.post(f"/settings/import/{file.pk}/start/")
    worked_on(file)

    assert (file.state, Interaction.objects.count()) == ("cancelled", 0)
    assert not uploads.folder_of(file).exists()


def test_an_empty_file_is_refused_in_the_form(admin):
    response = admin.post("/settings/import/", {"file": SimpleUploadedFile("x", b""), "format": "auto"})

    assert response.status_code == 422
    assert not FileImport.objects.exists()


def test_a_page_asks_again_only_while_something_happens(admin):
    file = bring(admin, LINES)
    before = admin.get(f"/settings/import/{file.pk}/").content.decode()
    worked_on(file)

    after = admin.get(f"/settings/import/{file.pk}/", headers={"HX-Request": "true"}).content.decode()

    assert "every 1s" in before
    assert "every 1s" not in after
    assert "<html" not in after


def test_what_nobody_foresaw_ends_a_file_with_a_sentence(admin, monkeypatch):
    def fail(*_args, **_kwargs):
        raise ValueError("no such thing")

    monkeypatch.setattr(uploads, "read_file", fail)

    file = worked_on(bring(admin, LINES))

    assert (file.state, "ValueError" in file.error) == ("failed", True)
    assert uploads.waiting_files(now=factories.NOW) == []


def test_what_is_left_out_may_say_nul(admin):
    file = worked_on(bring(admin, LINES.replace('"chain"', '"cha\\u0000in"')))

    assert file.state == "checked"
    assert "\x00" not in "".join(file.found["left_out"])


@pytest.mark.parametrize("state", ["checking", "checked", "running"])
def test_a_slow_worker_leaves_the_file_to_the_one_that_took_it(admin, monkeypatch, state):
    other = uuid4()
    read = uploads.read_file

    def read_slowly(*args, **kwargs):
        FileImport.objects.update(worker=other, state=state)
        return read(*args, **kwargs)

    monkeypatch.setattr(uploads, "read_file", read_slowly)
    monkeypatch.setattr(uploads, "_BEAT_SECONDS", 0)

    file = worked_on(bring(admin, LINES))

    assert (file.state, file.worker, file.found) == (state, other, {})
    assert uploads.folder_of(file).exists()


def test_a_worker_sweeps_up_after_a_file_that_was_thrown_away(admin, monkeypatch):
    read = uploads.read_file

    def read_cancelled(*args, **kwargs):
        FileImport.objects.update(state="cancelled")
        return read(*args, **kwargs)

    monkeypatch.setattr(uploads, "read_file", read_cancelled)

    file = worked_on(bring(admin, LINES))

    assert file.state == "cancelled"
    assert not uploads.folder_of(file).exists()


def test_what_is_here_already_is_told_before_anything_is_recorded(admin):
    file = worked_on(bring(admin, LINES))
    admin.post(f"/settings/import/{file.pk}/start/")
    worked_on(file)

    again = worked_on(bring(admin, LINES))
    page = admin.get(f"/settings/import/{again.pk}/").content.decode()

    assert (again.expected, again.new) == (1, 0)
    assert "Here already" in page
    assert "0 interactions would come in" in page


def test_what_people_said_is_told_before_it_is_brought_and_after(admin):
    line = {
        "request": RUN["inputs"],
        "response": RUN["outputs"],
        "flags": [{"reason": "Wrong", "created_by": "ada@example.org"}],
        "annotations": [{"scores": {"correct": True}, "created_by": "ada@example.org"}],
        "replays": [{"run": "r"}],
    }

    file = worked_on(bring(admin, json.dumps(line)))
    before = " ".join(admin.get(f"/settings/import/{file.pk}/").content.decode().split())
    admin.post(f"/settings/import/{file.pk}/start/")
    worked_on(file)
    after = admin.get(f"/settings/import/{file.pk}/").content.decode()

    assert "Judgements that would come along</dt><dd>1" in before
    assert "Not brought along: 1 replay." in before
    assert "Judgements brought</dt><dd>1" in after
    assert "ada@example.org" in after
    assert Annotation.objects.get().created_by.is_active is False


def test_an_import_waits_for_a_database_that_is_away_and_then_goes_on(admin, monkeypatch):
    def fail(**_values):
        raise DatabaseAway("the database system is shutting down")

    file = worked_on(bring(admin, LINES))
    admin.post(f"/settings/import/{file.pk}/start/")
    with monkeypatch.context() as patch:
        patch.setattr(uploads, "record_frames", fail)
        waiting = worked_on(file)
    state_meanwhile, taken_up = waiting.state, uploads.waiting_files(now=factories.NOW)

    done = worked_on(file)

    assert (state_meanwhile, taken_up) == ("running", [file.pk])
    assert (done.state, done.recorded) == ("done", 1)


def in_german(client, file):
    return client.get(f"/settings/import/{file.pk}/", headers={"accept-language": "de"}).content.decode()


def test_why_something_can_not_be_recorded_is_told_in_german(admin):
    file = worked_on(bring(admin, LINES))

    assert "Der Lauf hat keine Ausgaben; sein Ende steht nicht in dieser Datei." in in_german(admin, file)


def test_the_member_that_can_not_be_recorded_keeps_its_name_in_german(admin):
    one = {"request": {"model": "m", "messages": []}, "response": {"choices": []}}
    file = worked_on(bring(admin, "\n".join(json.dumps(line) for line in (one, one | {"status": "ok"}))))

    page = in_german(admin, file)

    assert "status: muss der HTTP-Status sein, eine ganze Zahl von 100 bis 599." in page
    assert file.found["wrong"] == [[2, "status: must be the HTTP status, an integer from 100 to 599."]]


def test_why_nothing_of_a_file_can_be_recorded_is_told_in_german(admin):
    file = worked_on(bring(admin, "[{"))

    assert file.state == "failed"
    assert "Die Datei beginnt wie JSON, ist aber keines" in in_german(admin, file)


def test_what_is_left_out_of_a_file_is_named_in_german(admin):
    file = worked_on(bring(admin, LINES))
    file.found["left_out"] = {"span that is no call of a model": 3}
    file.save()

    assert "Span, der kein Aufruf eines Modells ist" in in_german(admin, file)


def test_what_stands_in_a_reason_is_told_in_german_too(admin):
    file = worked_on(bring(admin, '{"a": 1}'))

    page = in_german(admin, file)

    assert "Kein Format erkannt: Die Datei ist ein Dokument mit den Feldern a." in page
    assert file.error == "No format is recognised: the file is a document with the members a."
    assert 'lang="en"' not in page.partition('id="import-state"')[2]


def test_a_line_that_is_no_json_says_where_in_german(admin):
    one = {"request": {"model": "m", "messages": []}, "response": {"choices": []}}
    many = one | {"tags": ["t"] * 2 + [f"t{n}" for n in range(2000)]}
    file = worked_on(bring(admin, "\n".join([json.dumps(one), '{"request": }', json.dumps(many)])))

    page = in_german(admin, file)

    assert "Das ist kein JSON-Objekt. Hier wird ein Wert erwartet, in Spalte 13." in page
    assert "tags: hat 2\u202f001 Tags, höchstens" in page
    assert [reason for _n, reason in file.found["wrong"]] == [
        "This is no JSON object. Expecting value at column 13.",
        "tags: has 2,001 tags, at most 50 fit.",
    ]


def test_a_line_that_is_cut_off_is_told_with_the_mend(admin):
    one = json.dumps({"request": {"model": "m", "messages": []}, "response": {"choices": [], "id": "abc"}})
    file = worked_on(bring(admin, "\n".join([one, one[:-5], one])))

    ((number, reason),) = file.found["wrong"]
    assert number == 2
    assert reason == (
        "The line ends before its JSON does: it was cut off, or a closing quote or bracket is missing."
        " Bring in the file again once the line is whole."
    )
    assert "Die Zeile endet, bevor ihr JSON zu Ende ist" in in_german(admin, file)


def test_what_is_left_out_is_told_in_german_with_its_kind(admin):
    file = worked_on(bring(admin, LINES))

    assert "chain-Lauf von LangSmith" in in_german(admin, file)


def test_what_the_database_refused_is_marked_as_its_own_words(admin):
    file = worked_on(bring(admin, LINES))
    FileImport.objects.filter(pk=file.pk).update(
        state="done", set_aside=["The database refuses it: value too long"]
    )
    page = in_german(admin, file)

    assert 'Die Datenbank weist es zurück: <span lang="en" dir="ltr">value too long</span>' in page


def test_a_reason_of_an_older_import_is_marked_as_english(admin):
    file = worked_on(bring(admin, '{"a": 1}'))
    FileImport.objects.filter(pk=file.pk).update(found={})

    assert '<span lang="en" dir="ltr">No format is recognised: the file is a document' in in_german(
        admin, file
    )
