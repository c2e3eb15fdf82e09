from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from reviewapp.models import Project
from reviewapp.stages import administer

pytestmark = pytest.mark.django_db


def create(**options: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(
        "create_api_key", stdout=out, stderr=err, **{"name": "bot", "scopes": "ingest,read"} | options
    )
    return out.getvalue(), err.getvalue()


def test_the_key_stands_alone_on_standard_output_and_works(project):
    printed, _ = create(project="demo", source="support-bot")

    key = administer.find_key(secret=printed.removesuffix("\n"), now=timezone.now())
    assert key is not None
    assert (key.project, key.name, key.scopes) == (project, "bot", ["ingest", "read"])
    assert key.source.name == "support-bot"


def test_a_project_that_does_not_exist_is_made_and_told_apart_from_the_key():
    printed, told = create(project="Second team")

    assert printed.startswith("ra_")
    assert "it is made" in told
    assert Project.objects.get().slug == "second-team"


def test_an_unknown_scope_names_those_there_are_and_makes_nothing():
    with pytest.raises(CommandError, match="Unknown scope fly: choose from ingest"):
        create(project="x", scopes="read,fly")

    assert not Project.objects.exists()
