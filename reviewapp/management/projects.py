"""Which project a command means."""

from __future__ import annotations

from django.core.management.base import CommandError

from reviewapp.models import Project


def find_project(name: str | None) -> Project | None:
    """The project of that slug or name; without one, the only project there is."""
    if name:
        return Project.objects.filter(slug=name).first() or Project.objects.filter(name=name).first()
    projects = list(Project.objects.order_by("created_at")[:2])
    return projects[0] if len(projects) == 1 else None


def the_project(name: str | None) -> Project:
    """The same, or an error that names those there are."""
    found = find_project(name)
    if found is None:
        there = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none yet"
        wanted = f"There is no project “{name}”." if name else "Name a project with --project."
        raise CommandError(f"{wanted} Projects here: {there}.")
    return found
