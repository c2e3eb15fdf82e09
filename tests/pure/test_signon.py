"""Groups of a single sign-on and the roles that they give."""

from __future__ import annotations

import pytest

from reviewapp.pure.signon import GroupRole, WrongGroups, groups_of, read_groups, roles_by_project

RULES = read_groups("reviewers=support:reviewer, leads=support:admin, CN=staff=*:viewer")


def test_a_rule_names_group_project_and_role():
    assert (
        GroupRole("reviewers", "support", "reviewer"),
        GroupRole("leads", "support", "admin"),
        GroupRole("CN=staff", "*", "viewer"),
    ) == RULES


@pytest.mark.parametrize(
    "text", ["reviewers", "reviewers=support", "reviewers=support:owner", "=support:admin"]
)
def test_what_is_no_rule_is_refused_by_name(text: str):
    with pytest.raises(WrongGroups, match=text):
        read_groups(text)


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ({"reviewers", "leads"}, {"support": "admin", "sales": None}),
        ({"CN=staff"}, {"support": "viewer", "sales": "viewer"}),
        ({"reviewers", "CN=staff"}, {"support": "reviewer", "sales": "viewer"}),
        ({"others"}, {"support": None, "sales": None}),
    ],
)
def test_the_highest_role_of_all_groups_counts(groups: set[str], roles: dict[str, str | None]):
    assert roles_by_project(RULES, groups=frozenset(groups), projects=["support", "sales"]) == roles


def test_a_project_that_no_rule_is_about_is_left_alone():
    assert roles_by_project(RULES[:2], groups=frozenset(), projects=["sales"]) == {}


@pytest.mark.parametrize(
    ("claim", "groups"), [(["a", 1, "b"], {"a", "b"}), ("a", {"a"}), (None, set()), ({"a": 1}, set())]
)
def test_a_claim_of_any_form_names_the_texts_in_it(claim: object, groups: set[str]):
    assert groups_of(claim) == groups
