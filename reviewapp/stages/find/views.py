"""Saved views: kept, renamed, shared, changed, removed and brought back.

Whoever may read may keep views of their own; sharing one is for those who review, and a shared one
is changed by who made it or by an admin. What others see leaves an audit entry, and so does what a
person keeps to themselves: the log says who did what, whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from reviewapp.models import Actor, DefaultView, Permission, SavedView
from reviewapp.models.filters import Filter
from reviewapp.pure.words import storable
from reviewapp.stages.administer import Refused, write_audit

NAME_LIMIT = 80
# What a menu can show; nobody keeps more on purpose.
MOST_VIEWS = 200


@dataclass(frozen=True, slots=True)
class ViewValues:
    """What of the list a view keeps."""

    filter: Filter
    columns: Sequence[str] = ()
    oldest_first: bool = False


def save_view(*, actor: Actor, name: str, is_shared: bool, values: ViewValues, now: datetime) -> SavedView:
    """Keep the list as it is under a name. Raises Refused."""
    actor.check(Permission.REVIEW if is_shared else Permission.READ)
    if actor.person is None:
        raise Refused(gettext("Views belong to people; a key has none."))
    name = _name(name)
    if SavedView.objects.visible_to(actor).kept().count() >= MOST_VIEWS:
        raise Refused(
            gettext("There are %(most_views)s views already; delete some first.") % {"most_views": MOST_VIEWS}
        )
    with _named_once(name), transaction.atomic():
        made: SavedView = SavedView.objects.create(
            project=actor.project,
            name=name,
            is_shared=is_shared,
            created_by=actor.person,
            created_at=now,
            **_kept(values),
        )
        write_audit(
            actor=actor,
            action="view.save",
            target=made,
            now=now,
            name=name,
            shared=is_shared,
            filter=made.filter,
        )
    return made


def check_can_edit_view(*, actor: Actor, view: SavedView) -> None:
    """Raises Refused with the reason."""
    mine = actor.person is not None and view.created_by_id == actor.person.pk
    if not mine and not (view.is_shared and actor.may(Permission.ADMIN)):
        raise Refused(gettext("Only the person who made a view, or an admin of the project, can change it."))


def can_edit_view(*, actor: Actor, view: SavedView) -> bool:
    """Whether `check_can_edit_view` lets them."""
    try:
        check_can_edit_view(actor=actor, view=view)
    except Refused:
        return False
    return True


def edit_view(*, actor: Actor, view: SavedView, name: str, is_shared: bool, now: datetime) -> None:
    """Rename a view, share it or keep it to oneself. Raises Refused."""
    check_can_edit_view(actor=actor, view=view)
    if is_shared and not view.is_shared:
        actor.check(Permission.REVIEW)
    if not is_shared and view.is_shared and (actor.person is None or view.created_by_id != actor.person.pk):
        raise Refused(
            gettext("Only the person who made a view can keep it to themselves."), field="is_shared"
        )
    name = _name(name)
    with _named_once(name), transaction.atomic():
        SavedView.objects.filter(pk=view.pk).update(name=name, is_shared=is_shared)
        if not is_shared:
            DefaultView.objects.filter(view=view).exclude(person=view.created_by_id).delete()
        write_audit(
            actor=actor,
            action="view.edit",
            target=view,
            now=now,
            before=view.name,
            name=name,
            shared=is_shared,
        )


@transaction.atomic
def update_view(*, actor: Actor, view: SavedView, values: ViewValues, now: datetime) -> None:
    """Have a view keep the list as it is now. Raises Refused."""
    check_can_edit_view(actor=actor, view=view)
    kept = _kept(values)
    SavedView.objects.filter(pk=view.pk).update(**kept)
    write_audit(
        actor=actor, action="view.update", target=view, now=now, before=view.filter, filter=kept["filter"]
    )


@transaction.atomic
def remove_view(*, actor: Actor, view: SavedView, now: datetime) -> bool:
    """Take a view away. False when somebody was first. Raises Refused."""
    check_can_edit_view(actor=actor, view=view)
    moved = SavedView.objects.filter(pk=view.pk, removed_at=None).update(removed_at=now)
    if moved:
        write_audit(actor=actor, action="view.remove", target=view, now=now, name=view.name)
    return bool(moved)


def restore_view(*, actor: Actor, view: SavedView, now: datetime) -> bool:
    """Undo taking it away; where it was a default it is one again. Raises Refused."""
    check_can_edit_view(actor=actor, view=view)
    with _named_once(view.name), transaction.atomic():
        moved = SavedView.objects.filter(pk=view.pk, removed_at__isnull=False).update(removed_at=None)
        if moved:
            write_audit(actor=actor, action="view.restore", target=view, now=now, name=view.name)
    return bool(moved)


@transaction.atomic
def choose_default(*, actor: Actor, view: SavedView | None, for_project: bool = False, now: datetime) -> None:
    """Open the list with this view (None: with everything), for oneself or all. Raises Refused."""
    actor.check(Permission.ADMIN if for_project else Permission.READ)
    if for_project and view is not None and not view.is_shared:
        raise Refused(gettext("Share the view first: the others can't see it."))
    person = None if for_project else actor.person
    if view is None:
        DefaultView.objects.filter(project=actor.project, person=person).delete()
    else:
        DefaultView.objects.update_or_create(project=actor.project, person=person, defaults={"view": view})
    write_audit(
        actor=actor,
        action="view.default",
        target=view or actor.project,
        now=now,
        of="project" if for_project else "person",
        name=view.name if view else "",
    )


def _kept(values: ViewValues) -> dict[str, object]:
    return {
        "filter": values.filter.values(),
        "columns": list(values.columns),
        "oldest_first": values.oldest_first,
    }


def _name(text: str) -> str:
    name = " ".join(storable(text).split())
    if not name:
        raise Refused(gettext("Give the view a name."), field="name")
    if len(name) > NAME_LIMIT:
        raise Refused(
            gettext("The name is longer than %(name_limit)s characters.") % {"name_limit": NAME_LIMIT},
            field="name",
        )
    return name


@contextmanager
def _named_once(name: str) -> Iterator[None]:
    """What the database says of a name that is taken, as a sentence."""
    try:
        yield
    except IntegrityError as error:
        if "name_once" not in str(error):
            raise
        raise Refused(
            gettext("There is a view “%(name)s” already.") % {"name": name}, field="name"
        ) from error
