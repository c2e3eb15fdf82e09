from __future__ import annotations

import pytest
from django.urls import reverse

from tests.factories import make_interaction


@pytest.fixture
def signed_in(client, reviewer):
    client.force_login(reviewer.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def test_the_list_of_runs_opens(signed_in):
    answer = signed_in.get(reverse("replays"))

    assert answer.status_code == 200


@pytest.mark.parametrize("page", ["home", "interactions"])
def test_pages_that_link_to_replays_open(signed_in, project, page):
    make_interaction(project=project)

    assert signed_in.get(reverse(page)).status_code == 200


def test_a_run_of_chosen_interactions_can_be_begun(signed_in, project):
    one = make_interaction(project=project)

    answer = signed_in.get(reverse("replay-new"), {"ids": str(one.pk)})

    assert answer.status_code == 200
