"""Which roles somebody's groups at a single sign-on give them here.

`reviewers=support:reviewer, leads=support:admin, staff=*:viewer` reads: who is in `reviewers` reviews in the
project `support`; who is in `staff` may look at every project. The highest role of all groups counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

# From the least to the most.
ROLES: Final = ("viewer", "reviewer", "admin")
EVERY_PROJECT: Final = "*"


class WrongGroups(ValueError):
    """The text is no list of groups and roles; the message names the part."""


@dataclass(frozen=True, slots=True)
class GroupRole:
    """A role in a project (by its slug) for whoever is in the group."""

    group: str
    project: str
    role: str


def read_groups(text: str) -> tuple[GroupRole, ...]:
    """The rules of a setting. Raises WrongGroups."""
    return tuple(_read(part.strip()) for part in text.split(",") if part.strip())


def _read(part: str) -> GroupRole:
    group, _, given = part.rpartition("=")
    project, _, role = given.strip().partition(":")
    if not group.strip() or not project or role not in ROLES:
        raise WrongGroups(part)
    return GroupRole(group.strip(), project, role)


def groups_of(claim: Any) -> frozenset[str]:
    """The groups that a claim names: a list, or one text; anything else is none."""
    if isinstance(claim, str):
        return frozenset([claim])
    if isinstance(claim, Sequence):
        return frozenset(one for one in claim if isinstance(one, str))
    return frozenset()


def roles_by_project(
    rules: Iterable[GroupRole], *, groups: frozenset[str], projects: Iterable[str]
) -> dict[str, str | None]:
    """For each project that a rule is about the role that the groups give there; None: no longer any."""
    found: dict[str, str | None] = {}
    known = list(projects)
    for rule in rules:
        for project in known if rule.project == EVERY_PROJECT else [rule.project] * (rule.project in known):
            had = found.setdefault(project, None)
            if rule.group in groups and (had is None or ROLES.index(had) < ROLES.index(rule.role)):
                found[project] = rule.role
    return found
