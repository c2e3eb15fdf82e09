"""What surrounds every page: whose request it is, in which project, and the frame's counts.

`request.actor` is set for every signed-in request: the person in the project that the session
(or `?project=` in a link) names. Views are deny-by-default: one without `@needs` can't be
reached by a member at all, which a test makes sure of.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, Final, ParamSpec, cast
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django_htmx.http import trigger_client_event
from django_htmx.middleware import HtmxDetails

from reviewapp.models import Actor, Membership, NotAllowed, Permission, Person, Project, actor_for_person
from reviewapp.models.change import undecided_count
from reviewapp.models.composed import Composed
from reviewapp.models.reviewing import waits
from reviewapp.models.scoping import actor_of
from reviewapp.web.bell import Bell, bell
from reviewapp.web.running import running_work

P = ParamSpec("P")


class AppRequest(HttpRequest):
    """A request of a signed-in member: what `@needs` hands to a view."""

    actor: Actor
    htmx: HtmxDetails
    user: Person
    # What the page asks of whoever opens it, in whichever project its row turns out to be.
    needed: Permission


View = Callable[Concatenate[AppRequest, P], HttpResponseBase]


class ProjectMiddleware:
    """Sets `request.actor`, or None for who is not signed in or belongs to no project."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.actor = None  # type: ignore[attr-defined]
        if request.user.is_authenticated:
            request.actor = _actor_of(request)  # type: ignore[attr-defined]
        return self.get_response(request)


# Every page begins with one of these two.
_MEMBERSHIP: Final = Composed(
    lambda person, project: Membership.objects.filter(person=person, project=project).select_related(
        "project"
    )
)
_FIRST_MEMBERSHIP: Final = Composed(
    lambda person: (
        Membership.objects.filter(person=person).select_related("project").order_by("project__name")[:1]
    )
)
_PROJECTS: Final = Composed(
    lambda person: Project.objects.filter(memberships__person=person).order_by("name")
)


def _actor_of(request: HttpRequest) -> Actor | None:
    person = cast(Person, request.user)
    wanted = request.GET.get("project")
    if wanted:
        memberships = Membership.objects.filter(person=person).select_related("project")
        found = memberships.filter(project__slug=wanted).first()
        if found is not None:
            request.session["project"] = str(found.project_id)
            return actor_of(membership=found, person=person)
    kept = request.session.get("project")
    if kept:
        found = _MEMBERSHIP.first(person=person.pk, project=UUID(kept))
        if found is not None:
            return actor_of(membership=found, person=person)
    found = _FIRST_MEMBERSHIP.first(person=person.pk)
    return None if found is None else actor_of(membership=found, person=person)


def needs(
    permission: Permission,
) -> Callable[[View[P]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]]:
    """A page for members whose role allows `permission` in the chosen project."""

    def decorate(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            actor: Actor | None = getattr(request, "actor", None)
            if actor is None:
                return redirect("no-project")
            app_request = cast(AppRequest, request)
            app_request.needed = permission
            try:
                actor.check(permission)
                return view(app_request, *args, **kwargs)
            except NotAllowed as error:
                raise PermissionDenied(str(error)) from None

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def find_or_404(request: AppRequest, queryset: QuerySet[Any], **lookup: Any) -> Any:
    """The row, in whichever of the person's projects it is: a link works for whoever may see it.

    Raises as `found_or_404` does.
    """
    visible = queryset.filter(**lookup, project__memberships__person=request.user)
    return found_or_404(request, visible.select_related("project").first())


def found_or_404(request: AppRequest, row: Any) -> Any:
    """The row, which was looked for in all of the person's projects, with its project; none: Http404.

    When it stands in another project than the chosen one, the session follows it there.
    Raises Http404 for what does not exist and for what this person may not see, alike, and NotAllowed
    where their role there does not allow what the page asks for.
    """
    if row is None:
        raise Http404
    if row.project_id != request.actor.project.pk:
        actor = actor_for_person(person=request.user, project=row.project)
        if actor is None:
            raise Http404
        actor.check(request.needed)
        request.session["project"] = str(row.project_id)
        request.actor = actor
    return row


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page: not boosted, not going back in history."""
    htmx = cast(AppRequest, request).htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


@dataclass(slots=True)
class Frame:
    """What base.html shows around the content."""

    actor: Actor | None
    person: Person | None
    projects: list[Project] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    running: list[Any] = field(default_factory=list)
    bell: Bell = field(default_factory=Bell)

    @property
    def project(self) -> Project | None:
        return self.actor.project if self.actor else None

    @property
    def role(self) -> str | None:
        return self.actor.role if self.actor else None

    @property
    def sends_mail(self) -> bool:
        """Whether mail reaches anybody; without a mail server it is printed to the log."""
        return settings.EMAIL_BACKEND != "django.core.mail.backends.console.EmailBackend"

    def _may(self, permission: Permission) -> bool:
        return self.actor is not None and self.actor.may(permission)

    @property
    def may_review(self) -> bool:
        return self._may(Permission.REVIEW)

    @property
    def may_replay(self) -> bool:
        return self._may(Permission.REPLAY)

    @property
    def may_export(self) -> bool:
        return self._may(Permission.EXPORT)

    @property
    def may_administer(self) -> bool:
        return self._may(Permission.ADMIN)


def waiting(*, actor: Actor) -> dict[str, int]:
    """How much waits for people on each screen, as the rail counts it."""
    return {"changes": undecided_count(project=actor.project), "review": waits(actor=actor)}


def frame(request: HttpRequest) -> dict[str, Frame]:
    """Context processor: `frame` in every template; a fragment does not show it, so it stays empty."""
    actor = getattr(request, "actor", None)
    person = request.user if getattr(request, "user", None) and request.user.is_authenticated else None
    value = Frame(actor=actor, person=person)
    if actor is not None and person is not None and not is_fragment(request):
        value.projects = _PROJECTS.rows(person=person.pk)
        value.running = running_work(actor=actor)
        value.counts = waiting(actor=actor)
        value.bell = bell(actor=actor, now=timezone.now())
    return {"frame": value}


def fragment_or_page(request: HttpRequest, template: str, part: str) -> str:
    """The template to render: its part for htmx, the whole page otherwise."""
    return f"{template}#{part}" if is_fragment(request) else template


def vary_on_htmx(response: HttpResponse) -> HttpResponse:
    """Keeps caches and the back button from showing a fragment as a page."""
    response.headers["Vary"] = "HX-Request, Cookie"
    return response


def toast(
    response: HttpResponse, message: str, *, undo: str = "", target: str = "", kind: str = "plain"
) -> HttpResponse:
    """Tell it; `undo` is where a POST takes it back, and `target` what its answer takes the place of."""
    detail = {"message": message, "kind": kind, **({"undo": undo, "target": target} if undo else {})}
    return trigger_client_event(response, "toast", detail)
