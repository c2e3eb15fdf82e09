from __future__ import annotations

import pytest
from django.urls import reverse

from reviewapp.models import AuditEntry, Membership, Project
from tests import factories


@pytest.fixture
def signed_in(client, admin):
    client.force_login(admin.person)
    return client


def test_whoever_begins_a_project_is_its_admin_and_stands_in_it(client, viewer):
    client.force_login(viewer.person)

    answer = client.post(reverse("project-new"), {"name": "  Second   team "}, follow=True)

    made = Project.objects.get(name="Second team")
    assert answer.status_code == 200
    assert answer.context["frame"].project == made
    assert Membership.objects.get(project=made).role == "admin"
    entry = AuditEntry.objects.get(project=made, action="project.create")
    assert entry.person == viewer.person


def test_somebody_without_a_project_can_begin_one(client, db):
    client.force_login(factories.make_person())

    offered = client.get(reverse("no-project")).content.decode()
    answer = client.post(reverse("project-new"), {"name": "Mine"})

    assert reverse("project-new") in offered
    assert answer.headers["Location"] == reverse("settings")


def test_two_projects_of_one_person_are_never_called_alike(signed_in, project):
    answer = signed_in.post(reverse("project-new"), {"name": project.name.upper()})

    assert answer.status_code == 422
    assert Project.objects.count() == 1


def test_a_name_that_strangers_use_is_free_and_gets_a_slug_of_its_own(signed_in):
    theirs = factories.make_project(name="Support")

    signed_in.post(reverse("project-new"), {"name": "Support"})

    mine = Project.objects.get(name="Support", memberships__isnull=False)
    assert mine.slug != theirs.slug
    assert mine.slug.startswith("support-")


def test_a_name_without_a_letter_of_the_alphabet_gets_a_slug(signed_in):
    signed_in.post(reverse("project-new"), {"name": "支援"})

    assert Project.objects.get(name="支援").slug


def test_an_empty_name_is_told_beside_its_field(signed_in):
    answer = signed_in.post(reverse("project-new"), {"name": " "})

    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()


def test_a_project_is_renamed_and_keeps_its_links(signed_in, project):
    signed_in.post(reverse("settings"), {"name": "Renamed"})

    now = Project.objects.get(pk=project.pk)
    assert (now.name, now.slug) == ("Renamed", project.slug)
    assert AuditEntry.objects.get(action="project.rename").detail == {"before": "Demo", "after": "Renamed"}


def test_the_menu_leads_to_each_of_ones_projects_and_to_a_new_one(signed_in, admin):
    other = factories.make_project(name="Other")
    factories.make_member(project=other, role="viewer", person=admin.person)

    shown = signed_in.get("/").content.decode()
    signed_in.get(f"/?project={other.slug}")

    assert f'href="/?project={other.slug}"' in shown
    assert f'href="{reverse("project-new")}"' in shown
    assert signed_in.get("/").context["frame"].project == other
