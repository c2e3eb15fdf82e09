from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from reviewapp.models import Membership, Project
from reviewapp.stages import administer
from tests import factories

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


def test_a_project_made_on_the_way_has_the_installations_operator_as_its_admin():
    operator = factories.make_person(email="ops@example.org", is_operator=True)

    _, told = create(project="Second team")

    member = Membership.objects.get()
    assert (member.person, member.role) == (operator, "admin")
    assert "Its only member is ops@example.org" in told


def test_a_project_that_nobody_is_a_member_of_says_so_and_how_to_become_one():
    _, told = create(project="Second team")

    assert "Nobody is a member of it yet" in told
    assert "add_member --project second-team" in told


def test_a_member_is_added_from_the_shell_and_gets_a_link(project):
    out = io.StringIO()

    call_command("add_member", email="new@example.org", stdout=out, stderr=io.StringIO())

    member = Membership.objects.get(project=project)
    assert (member.person.email, member.role) == ("new@example.org", "admin")
    assert "/accounts/link/" in out.getvalue()
