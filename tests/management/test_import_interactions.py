"""The importer: whole files into the journal, each line once, bad lines told and skipped."""

from __future__ import annotations

import gzip
import io
import json
import sys
from typing import Any

import pytest
import zstandard
from django.core.management import CommandError, call_command

from reviewapp.models import Interaction
from reviewapp.pure import rawjson
from tests import factories
from tests.recordings import recorded_rows
from tests.serving import settle

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("project", "journal")]

GOOD = '{"request": {"model": "m", "messages": []}, "response": {"choices": []}}'


def run(*arguments: Any, **options: Any) -> tuple[int, str]:
    """Exit status and what was told."""
    told = io.StringIO()
    try:
        call_command(
            "import_interactions", *map(str, arguments), stderr=told, stdout=io.StringIO(), **options
        )
    except SystemExit as exit_:
        return int(exit_.code or 0), told.getvalue()
    return 0, told.getvalue()


def test_every_recorded_exchange_is_stored_as_it_was(shared, capsys):
    rows = recorded_rows(shared)

    status, _ = run(shared / "data" / "recorded_dev.jsonl.gz")
    settle()

    assert status == 0
    wrong = _compare(rows, list(Interaction.objects.select_related("source", "provider", "body")))
    with capsys.disabled():
        sys.stdout.write(f"\n    {len(rows):,} recorded exchanges imported, {len(wrong)} differences\n")
    assert wrong == []


def _compare(rows: tuple[dict[str, Any], ...], stored: list[Interaction]) -> list[str]:
    """Each stored row against its line; equal lines are interchangeable."""
    left: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        left.setdefault(_key(row["request"], row["recording"]), []).append(row)
    wrong = []
    for found in stored:
        body = found.body
        recording = rawjson.parse(body.metadata_text)["recording"]
        candidates = left.get(_key(rawjson.parse(body.request_text), recording), [])
        got = {
            "source": found.source.name,
            "provider": found.provider.name,
            "endpoint": found.endpoint,
            "request": rawjson.parse(body.request_text),
            "response": None if body.response_text is None else rawjson.parse(body.response_text),
            "chunks": None if body.chunks_text is None else rawjson.parse(body.chunks_text),
            "status": found.status,
            "error": found.error,
            "started_at": found.started_at.isoformat().replace("+00:00", "Z"),
            "recording": recording,
        }
        match = next((row for row in candidates if {"chunks": None, **row} == got), None)
        if match is None:
            wrong.append(f"{found.id}: no line says this")
        else:
            candidates.remove(match)
    wrong += [f"not stored: {row['source']}" for rest in left.values() for row in rest]
    return wrong


def _key(request: Any, recording: Any) -> str:
    return json.dumps([request, recording["source_path"]], sort_keys=True)


def test_a_bad_line_is_told_with_its_number_and_does_not_stop_the_rest(tmp_path):
    file = tmp_path / "some.jsonl"
    file.write_bytes(
        f"{GOOD}\n\n{{\n{GOOD}\n".encode() + b'{"request": "\xff"}\n{"source": "x"}\n' + GOOD.encode()
    )

    status, told = run(file)
    settle()

    assert status == 1
    assert Interaction.objects.count() == 3
    assert [line.split(":")[0] for line in told.splitlines()[:3]] == ["line 3", "line 5", "line 6"]
    assert "request: is missing" in told


def test_an_import_done_twice_records_nothing_twice(tmp_path):
    file = tmp_path / "some.jsonl"
    file.write_text(f"{GOOD}\n{GOOD}\n")

    run(file)
    run(file)
    settle()

    assert Interaction.objects.count() == 2


def test_the_same_file_in_two_projects_is_recorded_in_both(tmp_path, project):
    other = factories.make_project()
    file = tmp_path / "some.jsonl"
    file.write_text(GOOD)

    run(file, project=project.slug)
    run(file, project=other.slug)
    settle()

    assert {found.project for found in Interaction.objects.all()} == {project, other}


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, zstandard.ZstdCompressor().compress, lambda data: data],
    ids=["gzip", "zstd", "plain"],
)
def test_compressed_files_are_read(tmp_path, pack):
    file = tmp_path / "some.data"
    file.write_bytes(pack(f"{GOOD}\n".encode() * 10))

    status, told = run(file)

    settle()
    assert (status, Interaction.objects.count()) == (0, 10)
    assert told.startswith("10 interactions received")


def test_a_dash_reads_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(GOOD.encode()))))

    run("-", source="from-pipe")
    settle()

    assert Interaction.objects.get().source.name == "from-pipe"


def test_the_output_of_a_batch_is_joined_with_its_requests(tmp_path):
    asked = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": []},
    }
    answered = {
        "id": "b",
        "custom_id": "a",
        "response": {"status_code": 200, "body": {"choices": [{"message": {"content": "Hi"}}]}},
        "error": None,
    }
    (tmp_path / "in.jsonl").write_text(json.dumps(asked) + "\n")
    (tmp_path / "out.jsonl").write_text(json.dumps(answered) + "\nrubbish\n")

    status, told = run(tmp_path / "out.jsonl", format="openai-batch", requests=str(tmp_path / "in.jsonl"))
    settle()

    found = Interaction.objects.get()
    assert (found.model, found.answer_preview) == ("m", "Hi")
    assert status == 1
    assert "line 2" in told


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(CommandError, match=r"nothing\.jsonl: No such file"):
        call_command("import_interactions", str(tmp_path / "nothing.jsonl"))


def test_an_unknown_project_names_those_there_are(tmp_path):
    with pytest.raises(CommandError, match=r"no project “nope”.*demo"):
        call_command("import_interactions", "x", project="nope")


def test_among_several_projects_one_must_be_named():
    factories.make_project()

    with pytest.raises(CommandError, match="--project"):
        call_command("import_interactions", "x")


def test_what_another_project_holds_too_gets_an_id_of_its_own(project, tmp_path):
    other = factories.make_project(name="Other")
    there = factories.make_interaction(project=other)
    file = tmp_path / "one.jsonl"
    file.write_text(GOOD.replace("{", f'{{"id": "{there.pk}", ', 1))

    status, told = run(file, project=project.slug)
    again, _ = run(file, project=project.slug)
    settle()

    assert (status, again) == (0, 0)
    assert "1 of them got new ids" in told
    assert [one.pk != there.pk for one in Interaction.objects.filter(project=project)] == [True]


def test_a_dry_run_says_what_would_come_in_and_records_nothing(tmp_path, capsys):
    path = tmp_path / "runs.json"
    run_of_langsmith = {
        "id": "r1",
        "run_type": "llm",
        "inputs": {"model": "m", "seed": 7, "messages": [{"role": "user", "content": "Hi"}]},
        "outputs": {"choices": [], "system_fingerprint": "fp_1"},
    }
    path.write_text(json.dumps([run_of_langsmith, {"run_type": "chain", "id": "r0"}]))
    told = io.StringIO()

    call_command("import_interactions", str(path), "--dry-run", stdout=told)

    assert "LangSmith runs (langsmith)\n1 interactions would be recorded" in told.getvalue()
    assert "1 with a seed, 1 with a fingerprint" in told.getvalue()
    assert "1 would be left out: chain run of LangSmith" in told.getvalue()
    assert settle() == 0


def test_a_dry_run_says_what_is_here_already_and_what_comes_along(tmp_path):
    path = tmp_path / "mine.jsonl"
    line = {"request": {"model": "m", "messages": []}, "response": {"choices": []}}
    path.write_text(json.dumps(line) + "\n" + json.dumps({**line, "replays": [{}, {}]}))
    _, first = run(path)
    settle()
    flagged = {**line, "flags": [{"reason": "Wrong", "created_by": "ada@example.org"}]}
    other = tmp_path / "flagged.jsonl"
    other.write_text(json.dumps(flagged))
    told, again = io.StringIO(), io.StringIO()

    call_command("import_interactions", str(path), "--dry-run", stdout=told)
    call_command("import_interactions", str(other), "--dry-run", stdout=again)

    assert "Not brought along: 2 replays." in first
    assert "0 interactions would be recorded\n2 are here already" in told.getvalue()
    assert "1 flags would come along" in again.getvalue()
    assert "outside reviewers, who have no account: ada@example.org" in again.getvalue()


def test_a_run_of_another_tool_is_recorded_once_however_often_it_is_imported(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text(
        json.dumps({"id": "r1", "run_type": "llm", "inputs": {"model": "m", "messages": []}, "error": "late"})
    )

    first, told = run(path)
    run(path, "--format", "langsmith", "--source", "other")
    settle()

    assert (first, Interaction.objects.count()) == (0, 1)
    assert "1 interactions received" in told


def test_a_file_of_no_format_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"a": 1}')

    with pytest.raises(
        CommandError, match="No format is recognised: the file is a document with the members a"
    ):
        run(path)
