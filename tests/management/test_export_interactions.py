from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_interaction, make_project


@pytest.mark.django_db(transaction=True)
def test_the_file_holds_what_the_filter_matches(tmp_path):
    project = make_project(name="Demo")
    wanted = make_interaction(project=project, model="gpt-4.1")
    make_interaction(project=project)
    out = tmp_path / "out.jsonl"

    call_command(
        "export_interactions",
        "--format",
        "jsonl",
        "--out",
        str(out),
        "--project",
        "demo",
        "--model",
        "gpt-4.1",
    )

    (line,) = out.read_text().splitlines()
    assert json.loads(line)["id"] == str(wanted.pk)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--seed", "abc"], "seed"),
        (["--project", "nobody"], "nobody"),
        (["--out", "/no/such/folder/x"], "/no/such/folder"),
    ],
)
def test_what_cannot_be_is_refused_by_name(project, tmp_path, arguments, named):
    with pytest.raises(CommandError, match=named):
        call_command("export_interactions", "--format", "jsonl", "--out", str(tmp_path / "x"), *arguments)
