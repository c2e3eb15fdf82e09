"""manage.py prepare and sign_in_link: what a start makes true, and what it leaves alone."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from reviewapp.models import Membership, Person, Project, Role
from reviewapp.stages import administer
from tests import factories


def prepare(*arguments: str) -> str:
    printed = io.StringIO()
    call_command("prepare", *arguments, stdout=printed)
    return printed.getvalue()


@pytest.fixture
def data(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    return tmp_path


def test_a_first_start_makes_a_project_and_an_admin_who_comes_in_by_link(db, data, client):
    link = prepare("--link").strip().splitlines()[-1].removeprefix("sign-in: ")

    path = link.removeprefix("http://127.0.0.1:8000")
    client.post(path)

    membership = Membership.objects.get(person_id=client.session["_auth_user_id"])
    assert membership.role == Role.ADMIN
    assert membership.person.is_operator
    assert not membership.person.has_usable_password()


def test_a_link_signs_in_once(db, data, client):
    path = prepare("--link").strip().splitlines()[-1].partition("8000")[2]
    client.post(path)
    client.logout()

    assert client.post(path).status_code == 410


def test_a_second_start_makes_nobody_and_nothing_again(db, data):
    prepare()
    prepare()

    assert Person.objects.count() == 1
    assert Project.objects.count() == 1


def test_the_demo_project_is_made_for_a_demo(db, data, settings):
    settings.DEMO = True

    prepare()

    assert Project.objects.get().slug == "demo"


def test_the_admin_of_the_settings_is_made_in_the_demo_project(db, data, settings):
    settings.DEMO = True
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "boss@example.org", "correct horse"

    prepare()

    admin = Person.objects.get()
    assert admin.email == "boss@example.org"
    assert admin.check_password("correct horse")
    assert admin.memberships.get().project.slug == "demo"


def test_an_admin_who_exists_keeps_what_they_changed(db, data, settings):
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "Boss@example.org", "correct horse"
    prepare()
    admin = Person.objects.get()
    admin.set_password("another one")
    admin.save()

    prepare()

    assert Person.objects.get().check_password("another one")


def test_production_makes_nobody_unasked(db, data, settings):
    settings.PRODUCTION = True

    prepare()

    assert not Person.objects.exists()
    assert not Project.objects.exists()


def test_production_without_anybody_says_how_to_get_in(db, settings):
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="REVIEWAPP_ADMIN_EMAIL"):
        call_command("sign_in_link")


def test_a_link_can_be_made_for_anybody(db, project):
    person = factories.make_member(project=project)
    printed = io.StringIO()

    call_command("sign_in_link", "--email", person.email.upper(), stdout=printed)

    token = printed.getvalue().strip().rstrip("/").rpartition("/")[2]
    signed_in = administer.use_sign_in_link(token=token, now=timezone.now() + timedelta(hours=11))
    assert signed_in == person


def test_a_link_for_a_stranger_is_refused(db):
    with pytest.raises(CommandError, match=r"stranger@example\.org"):
        call_command("sign_in_link", "--email", "stranger@example.org")


def test_in_production_a_link_leads_to_the_public_name(db, project, settings):
    settings.PRODUCTION = True
    settings.ALLOWED_HOSTS = ["review.example"]
    administer.ensure_admin(project=project, email="boss@example.org", now=factories.NOW)
    printed = io.StringIO()

    call_command("sign_in_link", stdout=printed)

    assert printed.getvalue().startswith("https://review.example/accounts/link/")


def test_static_files_are_collected_once_and_again_when_they_change(db, data, settings, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "one.css").write_text("a {}")
    settings.STATICFILES_DIRS = [source]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]

    first = prepare()
    second = prepare()
    (source / "one.css").write_text("a { color: red }")
    third = prepare()

    collected = ["Collecting static files" in printed for printed in (first, second, third)]
    assert collected == [True, False, True]
    assert (data / "static" / "one.css").read_text() == "a { color: red }"
