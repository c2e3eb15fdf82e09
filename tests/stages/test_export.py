from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from reviewapp.formats.interchange import read_interaction
from reviewapp.models import AuditEntry, Export, Interaction, NotAllowed
from reviewapp.models.filters import Filter
from reviewapp.pure.ids import new_id
from reviewapp.stages import export, record, review
from reviewapp.stages.administer import Refused
from reviewapp.stages.export.shape import StoredPages, fetch_stored
from tests.factories import NOW, make_interaction, make_project

LATER = NOW + timedelta(days=1)


def make(actor, kind, wanted=None):
    asked = export.start_export(actor=actor, format=kind, wanted=wanted or Filter(), now=LATER)
    export.make_export(export_id=asked.pk)
    made = Export.objects.get(pk=asked.pk)
    assert made.state == "done", made.error
    return made


def lines_of(made):
    return [json.loads(line) for line in export.file_of(made).read_text().splitlines()]


def corrected(project, reviewer, *, answer="Within five days.", correction="Within three days."):
    interaction = make_interaction(project=project, answer=answer)
    review.annotate(
        actor=reviewer,
        interaction=interaction,
        scores={"verdict": "minor", "correct": False},
        correction=correction,
        now=NOW,
    )
    return interaction


def test_json_lines_hold_everything_and_read_back_equal(project, reviewer):
    interaction = corrected(project, reviewer)
    review.flag(actor=reviewer, interaction=interaction, reason="Wrong", now=NOW)

    made = make(reviewer, "jsonl")

    (line,) = export.file_of(made).read_text().splitlines()
    value = json.loads(line)
    assert value["flags"][0]["reason"] == "Wrong"
    assert value["annotations"][0]["correction"] == "Within three days."
    assert value["seed"] == 123
    assert value["output_text"] == "Within five days."
    assert replace(read_interaction(line), metadata_text=None) == export.recorded_of(interaction)


def test_only_what_the_filter_matches_in_this_project_is_written(project, reviewer):
    flagged = make_interaction(project=project)
    make_interaction(project=project)
    make_interaction(project=make_project())
    review.flag(actor=reviewer, interaction=flagged, reason="Wrong", now=NOW)

    made = make(reviewer, "jsonl", Filter(flagged="yes"))

    assert [row["id"] for row in lines_of(made)] == [str(flagged.pk)]


def test_what_was_recorded_after_the_export_was_asked_for_stays_out(project, reviewer):
    make_interaction(project=project)
    asked = export.start_export(actor=reviewer, format="jsonl", wanted=Filter(), now=NOW + timedelta(days=1))
    make_interaction(project=project, started_at=NOW + timedelta(days=2))

    export.make_export(export_id=asked.pk)

    assert Export.objects.get().rows == 1


def test_more_rows_than_a_batch_come_oldest_first_and_once(project, reviewer, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 3)
    made_ids = [
        str(make_interaction(project=project, started_at=NOW + timedelta(seconds=n // 2)).pk)
        for n in range(8)
    ]

    made = make(reviewer, "jsonl")

    assert [row["id"] for row in lines_of(made)] == made_ids


def test_bodies_larger_than_a_batch_holds_come_one_by_one_and_all(project, reviewer, monkeypatch):
    monkeypatch.setattr(export, "BATCH_BYTES", 1)
    made_ids = [
        str(make_interaction(project=project, started_at=NOW + timedelta(seconds=n)).pk) for n in range(3)
    ]

    made = make(reviewer, "jsonl")

    assert [row["id"] for row in lines_of(made)] == made_ids


def test_what_is_read_at_once_is_bounded_by_its_bytes(project):
    for n in range(3):
        make_interaction(project=project, started_at=NOW + timedelta(seconds=n))

    statement = StoredPages(Interaction.objects.filter(project=project), rows=100, most=1).statement()

    assert len(fetch_stored(statement, over=connection.connection)) == 1


def test_what_was_said_of_an_interaction_is_with_it_on_whichever_page(project, reviewer, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 2)
    rows = [make_interaction(project=project, started_at=NOW + timedelta(seconds=n)) for n in range(5)]
    for interaction in rows[::2]:
        review.flag(actor=reviewer, interaction=interaction, reason="Wrong", now=NOW)

    made = make(reviewer, "jsonl")

    assert [len(row["flags"]) for row in lines_of(made)] == [1, 0, 1, 0, 1]


def test_a_cell_of_csv_is_no_formula(project, reviewer):
    make_interaction(project=project, prompt="hello", answer='=HYPERLINK("http://x")')

    made = make(reviewer, "csv")

    with export.file_of(made).open(encoding="utf-8-sig", newline="") as file:
        (row,) = list(csv.DictReader(file))
    assert row["answer"] == '\'=HYPERLINK("http://x")'


def test_a_cell_of_csv_reads_back_whatever_signs_it_holds(project, reviewer):
    answer = "one, \"two\"\r\nthree; 'four' \t five\r six\n"
    make_interaction(project=project, prompt="hello", answer=answer)

    made = make(reviewer, "csv")

    with export.file_of(made).open(encoding="utf-8-sig", newline="") as file:
        (row,) = list(csv.DictReader(file))
    assert row["answer"] == answer
    assert row["endpoint"] == "chat.completions"
    assert row["has_logprobs"] == "false"
    assert row["error"] == ""


def test_parquet_has_typed_columns_and_whole_bodies(project, reviewer):
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="the optional package for Parquet is not installed"
    )
    make_interaction(project=project)

    made = make(reviewer, "parquet")

    (row,) = parquet.read_table(export.file_of(made)).to_pylist()
    assert row["seed"] == 123
    assert row["started_at"].tzinfo is not None
    assert json.loads(row["request"])["seed"] == 123


def test_batch_input_asks_the_same_again(project, reviewer):
    interaction = make_interaction(project=project)

    made = make(reviewer, "openai-batch")

    (line,) = lines_of(made)
    assert line["custom_id"] == str(interaction.pk)
    assert line["url"] == "/v1/chat/completions"
    assert line["body"]["seed"] == 123


def test_fine_tuning_examples_end_with_the_correction(project, reviewer):
    corrected(project, reviewer)
    make_interaction(project=project)

    made = make(reviewer, "fine-tuning")

    (line,) = lines_of(made)
    assert line["messages"][-1] == {"role": "assistant", "content": "Within three days."}
    assert made.manifest["skipped"] == {"no correction": 1}


def test_preference_pairs_prefer_the_correction(project, reviewer):
    corrected(project, reviewer)

    made = make(reviewer, "preferences")

    (line,) = lines_of(made)
    assert line["preferred_output"][0]["content"] == "Within three days."
    assert line["non_preferred_output"][0]["content"] == "Within five days."


def test_a_bundle_tells_how_it_was_made_and_carries_a_script_that_starts(project, reviewer, tmp_path):
    make_interaction(project=project)

    made = make(reviewer, "bundle", Filter(model="gpt-4o-mini"))

    with zipfile.ZipFile(export.file_of(made)) as archive:
        archive.extractall(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["filter"] == {"model": "gpt-4o-mini"}
    for file in manifest["files"]:
        assert hashlib.sha256((tmp_path / file["name"]).read_bytes()).hexdigest() == file["sha256"]
    asked = subprocess.run([sys.executable, tmp_path / "rerun.py", "--help"], capture_output=True, text=True)
    assert "--base-url" in asked.stdout


def test_the_row_and_the_file_agree_on_size_and_digest(project, reviewer):
    make_interaction(project=project)

    made = make(reviewer, "jsonl")

    data = export.file_of(made).read_bytes()
    assert (made.bytes, made.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert AuditEntry.objects.filter(action="export.create", object_id=str(made.pk)).exists()


def test_a_viewer_may_not_export(viewer):
    with pytest.raises(NotAllowed):
        export.start_export(actor=viewer, format="jsonl", wanted=Filter(), now=NOW)


def test_an_unknown_format_is_refused_by_name(reviewer):
    with pytest.raises(Refused, match="choose from jsonl"):
        export.start_export(actor=reviewer, format="xml", wanted=Filter(), now=NOW)


def test_a_cancelled_export_leaves_no_file(project, reviewer):
    make_interaction(project=project)
    asked = export.start_export(actor=reviewer, format="jsonl", wanted=Filter(), now=LATER)

    assert export.cancel_export(actor=reviewer, export=asked, now=LATER)
    export.make_export(export_id=asked.pk)

    assert Export.objects.get().state == "cancelled"
    assert not export.folder_of(asked).exists()


def test_an_export_whose_worker_died_is_written_again(project, reviewer):
    make_interaction(project=project)
    asked = export.start_export(actor=reviewer, format="jsonl", wanted=Filter(), now=LATER)
    Export.objects.update(state="running", heartbeat_at=LATER)
    (export.folder_of(asked)).mkdir(parents=True)
    (export.folder_of(asked) / "part").write_text("half a li")

    assert export.sweep_exports(now=LATER + timedelta(minutes=5)) == [asked.pk]
    export.make_export(export_id=asked.pk)

    assert len(lines_of(Export.objects.get())) == 1


def test_a_batch_costs_the_same_queries_however_many_rows_it_has(
    project, reviewer, django_assert_num_queries
):
    rows = [corrected(project, reviewer) for _ in range(5)]

    with django_assert_num_queries(6):
        export.rows_of(list(export.with_bodies(type(rows[0]).objects.all())))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "bundle"])
def test_bodies_of_any_content_are_written(project, reviewer, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="the optional package for Parquet is not installed")
    request = b'{"model": "m",\n "messages": [], "seed": 123456789012345678901234567890}'
    for response in (b"<html>\x00\xff</html>", '{"choices": [{"message": {"content": "é"}}]}'.encode(), None):
        wire = record.Wire(
            endpoint="chat.completions",
            request=request,
            response=response,
            started_at=NOW,
            status=200,
        )
        arrival = record.Arrival(id=new_id(), project_id=project.pk, received_at=NOW, content=wire)
        record.record_now(arrivals=[arrival], now=NOW)

    made = make(reviewer, kind)

    assert made.rows == 3
    if kind == "jsonl":
        rows = lines_of(made)
        assert {row["seed"] for row in rows} == {123456789012345678901234567890}
        assert sorted(str(row["response"]) for row in rows)[0] == "<html>\x00\udcff</html>"
