"""What concerns a person: the list, opening one, read and unread, and which kinds come by e-mail too."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.models import Interaction, Notification, NotificationChoice, NotificationKind, Permission, Post
from reviewapp.models.discussing import readable, unread, waiting_threads
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.stages import discuss
from reviewapp.web.bell import bell
from reviewapp.web.frame import AppRequest, find_or_404, fragment_or_page, needs, vary_on_htmx

PAGE = 50


@needs(Permission.READ)
@require_safe
def notifications(request: AppRequest) -> HttpResponse:
    """Newest first; htmx gets the list alone."""
    only_unread = request.GET.get("state") == "unread"
    mine = Notification.objects.visible_to(request.actor).filter(person=request.user)
    rows = mine.filter(read_at__isnull=True) if only_unread else mine
    try:
        page = page_of(
            rows.select_related("by", "post"),
            limit=PAGE,
            cursor=request.GET.get("cursor", ""),
            by="created_at",
        )
    except InvalidCursor:
        return redirect("notifications")
    posts = [one.post_id for one in page.items if one.post_id]
    open_to_me = set(readable(Post.objects.filter(pk__in=posts), request.actor).values_list("pk", flat=True))
    state = {"state": "unread"} if only_unread else {}
    context = {
        "rows": [(one, one.post_id is None or one.post_id in open_to_me) for one in page.items],
        "only_unread": only_unread,
        "unread": unread(actor=request.actor).count(),
        "waiting": waiting_threads(actor=request.actor) if not request.GET.get("cursor") else [],
        "newer": _address(**state, cursor=page.newer) if page.newer else "",
        "older": _address(**state, cursor=page.older) if page.older else "",
    }
    return vary_on_htmx(
        render(request, fragment_or_page(request, "pages/notifications.html", "list"), context)
    )


def _address(**query: str) -> str:
    return f"{reverse('notifications')}?{urlencode(query)}"


@needs(Permission.READ)
@require_safe
def notification(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Goes to what it is about; by that it is read, unless its reader may not see it yet."""
    found = find_or_404(request, Notification.objects.select_related("post"), id=id, person=request.user)
    hidden = (
        found.post is not None and not readable(Post.objects.filter(pk=found.post_id), request.actor).exists()
    )
    if not hidden:
        discuss.mark_read(actor=request.actor, ids=[found.pk], now=timezone.now())
    return redirect(found.path)


@needs(Permission.READ)
@require_POST
def move(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """Mark one as read, or as not."""
    if to not in {"read", "unread"}:
        raise Http404
    found = find_or_404(request, Notification.objects.all(), id=id, person=request.user)
    discuss.mark_read(actor=request.actor, ids=[found.pk], now=timezone.now(), read=to == "read")
    return redirect("notifications")


@needs(Permission.READ)
@require_POST
def read_all(request: AppRequest) -> HttpResponse:
    """Mark all of the project's as read."""
    n = discuss.mark_read(actor=request.actor, now=timezone.now())
    if n:
        messages.success(request, _("All marked as read."))
    return redirect("notifications")


@needs(Permission.READ)
@require_POST
def seen(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """I have the discussions of this interaction before my eyes; gives the bell."""
    found = find_or_404(request, Interaction.objects.all(), id=id)
    now = timezone.now()
    discuss.mark_thread_read(actor=request.actor, interaction_id=found.pk, now=now)
    return render(request, "components/alerts.html", {"bell": bell(actor=request.actor, now=now)})


@needs(Permission.READ)
@require_http_methods(["GET", "HEAD", "POST"])
def mail(request: AppRequest) -> HttpResponse:
    """Which kinds come by e-mail too."""
    if request.method == "POST":
        discuss.choose_mails(person=request.user, kinds=request.POST.getlist("kinds"))
        messages.success(request, _("Saved."))
        return redirect("notifications-mail")
    chosen = set(NotificationChoice.objects.filter(person=request.user).values_list("kind", flat=True))
    return render(
        request,
        "pages/notifications-mail.html",
        {
            "kinds": [(kind.value, kind.label, kind.value in chosen) for kind in NotificationKind],
            "is_set_up": discuss.mail_is_set_up(),
        },
    )
