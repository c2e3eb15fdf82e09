"""Saved views: what they keep, who sees and changes them, and how deeds are taken back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from reviewapp.models import AuditEntry, DefaultView, SavedView
from tests import factories

HERE = "/interactions/"


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def me(project) -> Any:
    return factories.make_member(project=project, role="reviewer")


@pytest.fixture
def client(me) -> Client:
    return signed_in(me)


@pytest.fixture
def rows(project) -> list[Any]:
    """Three, oldest first, the middle one of another model."""
    return [factories.make_interaction(project=project, model=model) for model in ("a", "b", "a")]


def listed(response: Any) -> list[str]:
    return re.findall(r'data-row="([^"]+)"', response.content.decode())


def post(client: Client, deed: str, *args: Any, **data: str) -> Any:
    return client.post(reverse(f"interactions-view-{deed}", args=args), data, follow=True)


def test_a_view_brings_filters_columns_and_order_back(client, rows):
    saved = post(client, "save", name=" Model  a ", query="model=a&column=status&order=oldest")

    view = SavedView.objects.get()
    assert saved.redirect_chain[-1][0] == f"{HERE}?view={view.pk}"
    assert view.name == "Model a"
    page = client.get(HERE, {"view": view.pk})
    assert listed(page) == [str(rows[0].pk), str(rows[2].pk)]
    assert ">Status</th>" in page.content.decode()
    assert "<th>Fingerprint</th>" not in page.content.decode()


def test_what_is_kept_by_age_moves_with_time(client, rows):
    post(client, "save", name="Lately", query="since=7d")

    assert SavedView.objects.get().filter == {"since": "7d"}


def test_a_filter_that_can_not_be_is_not_kept(client):
    page = post(client, "save", name="Broken", query="seed=many")

    assert "must be a whole number" in page.content.decode()
    assert not SavedView.objects.exists()


def test_changing_a_filter_of_a_view_offers_to_save_the_change(client, project, me, rows):
    view = factories.make_view(project=project, created_by=me, filter={"model": "a"}, columns=["status"])
    page = client.get(HERE, {"view": view.pk}).content.decode()
    assert "Save changes" not in page
    assert f"of={view.pk}" in page

    changed = client.get(HERE, {"model": "b", "of": view.pk, "column": "status"})
    assert "Save changes" in changed.content.decode()
    page = post(client, "update", view.pk, query="model=b&column=status")

    assert listed(page) == [str(rows[1].pk)]
    undo = re.search(r'action="([^"]*/update/\?query=[^"]*)"', page.content.decode())
    assert undo
    client.post(undo[1])
    view.refresh_from_db()
    assert (view.filter, view.columns) == ({"model": "a"}, ["status"])


def test_a_private_view_is_there_for_its_owner_alone(project, client, me):
    view = factories.make_view(project=project, created_by=me, is_shared=False, name="Only mine")
    admin = signed_in(factories.make_member(project=project, role="admin"))

    assert "Only mine" in client.get(HERE).content.decode()
    assert "Only mine" not in admin.get(HERE).content.decode()
    assert admin.get(HERE, {"view": view.pk}).status_code == 404
    assert admin.post(reverse("interactions-view-remove", args=[view.pk])).status_code == 404


def test_a_link_to_a_shared_view_works_for_members_and_for_nobody_else(project, client):
    view = factories.make_view(project=project, name="Theirs")
    elsewhere = factories.make_project()
    both = factories.make_member(project=elsewhere, role="admin")
    factories.make_member(project=project, role="viewer", person=both)
    outsider = factories.make_member(project=elsewhere, role="admin")

    assert client.get(HERE, {"view": view.pk}).status_code == 200
    # The session follows the link into the view's project.
    assert "Theirs" in signed_in(both).get(HERE, {"view": view.pk}).content.decode()
    assert signed_in(outsider).get(HERE, {"view": view.pk}).status_code == 404
    assert client.get(HERE, {"view": "no-id"}).status_code == 404


def test_a_shared_view_is_changed_by_its_maker_or_an_admin(project, client, me):
    view = factories.make_view(project=project, name="Theirs")
    admin = signed_in(factories.make_member(project=project, role="admin"))

    page = post(client, "edit", view.pk, name="Ours", shared="yes")
    assert "Only the person who made a view" in page.content.decode()
    post(admin, "edit", view.pk, name="Ours", shared="yes")

    view.refresh_from_db()
    assert (view.name, view.is_shared) == ("Ours", True)
    assert AuditEntry.objects.get(action="view.edit").detail["before"] == "Theirs"


def test_a_viewer_keeps_views_but_shares_none(project):
    viewer = signed_in(factories.make_member(project=project, role="viewer"))

    assert post(viewer, "save", name="Mine", query="").status_code == 200
    assert (
        viewer.post(reverse("interactions-view-save"), {"name": "Ours", "shared": "yes"}).status_code == 403
    )
    assert [view.name for view in SavedView.objects.all()] == ["Mine"]


def test_a_name_is_there_once(client, project, me):
    factories.make_view(project=project, created_by=me, is_shared=False, name="Late")

    page = post(client, "save", name="Late", query="")

    assert "There is a view “Late” already." in page.content.decode()
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.make_view(project=project, created_by=me, is_shared=False, name="Late")


def test_deleting_a_view_can_be_taken_back(client, project, me):
    view = factories.make_view(project=project, created_by=me, name="Slow ones")
    DefaultView.objects.create(project=project, person=me, view=view)

    page = post(client, "remove", view.pk)
    assert client.get(HERE, {"view": view.pk}).status_code == 404
    assert "Slow ones" not in client.get(HERE).content.decode()
    undo = reverse("interactions-view-restore", args=[view.pk])
    assert f'action="{undo}"' in page.content.decode()
    client.post(undo)

    assert "Slow ones" in client.get(HERE).content.decode()


def test_the_list_opens_with_ones_own_default_else_the_projects(project, client, me, rows):
    shared = factories.make_view(project=project, filter={"model": "b"})
    admin = signed_in(factories.make_member(project=project, role="admin"))
    post(admin, "default", shared.pk, of="project")
    assert listed(client.get(HERE)) == [str(rows[1].pk)]

    own = factories.make_view(project=project, created_by=me, is_shared=False, filter={"model": "a"})
    post(client, "default", own.pk)

    assert len(listed(client.get(HERE))) == 2
    assert len(listed(client.get(HERE, {"view": "none"}))) == 3
    # Who searches is not held back by it.
    assert len(listed(client.get(HERE, {"q": "refund"}))) == 3
    post(client, "default", own.pk, off="yes")
    assert listed(client.get(HERE)) == [str(rows[1].pk)]


def test_only_an_admin_chooses_for_the_project_and_only_what_is_shared(project, client, me):
    view = factories.make_view(project=project, created_by=me)
    url = reverse("interactions-view-default", args=[view.pk])

    assert client.post(url, {"of": "project"}).status_code == 403

    boss = factories.make_member(project=project, role="admin")
    own = factories.make_view(project=project, created_by=boss, is_shared=False)
    assert "Share the view first" in post(signed_in(boss), "default", own.pk, of="project").content.decode()
    assert not DefaultView.objects.exists()


def test_pages_of_the_oldest_first_go_on_towards_now(client, project):
    rows = [factories.make_interaction(project=project) for _ in range(53)]
    ids = [str(row.pk) for row in rows]

    first = client.get(HERE, {"order": "oldest"})
    assert listed(first) == ids[:50]
    further = re.search(r'href="([^"]*cursor=[^"]*)"', first.content.decode())
    assert further
    second = client.get(further[1].replace("&amp;", "&"))

    assert listed(second) == ids[50:]
