"""Who may do what: every address of the app, tried as everybody.

A new address fails here until it is written into the matrix, so that its access is decided and
not inherited by accident.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from reviewapp.models import (
    Annotation,
    ApiKey,
    Attempt,
    BackendChange,
    BulkWork,
    Comparison,
    Erasure,
    Export,
    FailedMessage,
    FileImport,
    Fingerprint,
    Flag,
    Hold,
    Membership,
    Notification,
    Person,
    Project,
    ReplayRun,
    RetentionRule,
    RoutingRule,
    Rubric,
)
from reviewapp.stages import discuss, review
from tests import factories, keeping
from tests.factories import NOW

# Address name: (least role that may GET, least role that may POST); None: no such method.
# "anyone" needs no sign-in, "person" any signed-in one, also without a project.
PAGES: dict[str, tuple[str | None, str | None]] = {
    "home": ("viewer", None),
    "home-seen": (None, "viewer"),
    "palette": ("viewer", None),
    "running": ("viewer", None),
    "interactions": ("viewer", None),
    "interactions-suggest": ("viewer", None),
    "interactions-flag": (None, "reviewer"),
    # Who may do what to which view is said in words on the list; tests/web/test_views.py holds it.
    "interactions-view-save": (None, "viewer"),
    "interactions-view-edit": (None, "viewer"),
    "interactions-view-update": (None, "viewer"),
    "interactions-view-remove": (None, "viewer"),
    "interactions-view-restore": (None, "viewer"),
    "interactions-view-default": (None, "viewer"),
    "interactions-choose": (None, "viewer"),
    "interaction-tag": (None, "reviewer"),
    "interaction-untag": (None, "reviewer"),
    "bulk": ("viewer", None),
    "bulk-new": ("reviewer", "reviewer"),
    "bulk-cancel": (None, "reviewer"),
    "bulk-undo": (None, "reviewer"),
    "interactions-unflag": (None, "reviewer"),
    "interaction": ("viewer", None),
    "interaction-flag": (None, "reviewer"),
    "interaction-annotate": (None, "reviewer"),
    "discussion": ("viewer", "reviewer"),
    "thread-reply": (None, "reviewer"),
    "thread-move": (None, "reviewer"),
    "post-edit": (None, "reviewer"),
    "post-set": (None, "reviewer"),
    "people": ("admin", None),
    "people-names": ("reviewer", None),
    # A notification is its reader's alone: for everybody else, admins too, it is not there.
    "notifications": ("viewer", None),
    "notifications-mail": ("viewer", "viewer"),
    "notifications-read": (None, "viewer"),
    "notifications-seen": (None, "viewer"),
    "notification": ("viewer", None),
    "notification-move": (None, "viewer"),
    "flag-move": (None, "reviewer"),
    "annotation-remove": (None, "reviewer"),
    "annotation-restore": (None, "reviewer"),
    "review": ("viewer", None),
    "review-queue": ("reviewer", None),
    "review-queue-new": ("admin", "admin"),
    "review-queue-edit": ("admin", "admin"),
    "review-queue-state": (None, "admin"),
    "review-queue-next": (None, "reviewer"),
    "review-queue-items": ("viewer", None),
    "review-queue-agreement": ("viewer", None),
    "review-queue-rules": ("admin", "admin"),
    "review-queue-preview": (None, "admin"),
    "review-rule-deed": (None, "admin"),
    "review-item": ("viewer", None),
    "review-item-adjudicate": (None, "reviewer"),
    "review-item-undo": (None, "reviewer"),
    "review-item-requeue": (None, "admin"),
    "review-person": ("viewer", None),
    "review-renew": (None, "reviewer"),
    "review-leave": (None, "reviewer"),
    # A slot is its holder's alone: for everybody else, admins too, it is not there.
    "review-slot": ("reviewer", None),
    "review-slot-judge": (None, "reviewer"),
    "review-slot-skip": (None, "reviewer"),
    "review-slot-undo": (None, "reviewer"),
    "review-slot-replay": ("reviewer", "reviewer"),
    "replays": ("viewer", None),
    "replay-new": ("reviewer", "reviewer"),
    "replay-estimate": (None, "reviewer"),
    "replay-run": ("viewer", None),
    "replay-cancel": (None, "reviewer"),
    "replay-retry": (None, "reviewer"),
    "compare": ("viewer", None),
    "compare-decide": (None, "reviewer"),
    "interaction-watch": (None, "admin"),
    "canary-check": ("viewer", None),
    "fingerprints": ("viewer", None),
    "fingerprint-accept": (None, "admin"),
    "fingerprint-overlap": (None, "admin"),
    "fingerprint-retire": (None, "admin"),
    "fingerprint-undo": (None, "admin"),
    "changes": ("viewer", None),
    "change": ("viewer", None),
    "change-verify": (None, "admin"),
    "change-cancel": (None, "admin"),
    "change-retry": (None, "admin"),
    "change-accept": (None, "admin"),
    "change-report": (None, "admin"),
    "change-dismiss": (None, "admin"),
    "change-undo": (None, "admin"),
    "alerts": ("viewer", None),
    "alerts-bell": ("viewer", None),
    "alerts-seen": (None, "viewer"),
    "alert-acknowledge": (None, "reviewer"),
    "alert-take-back": (None, "reviewer"),
    "exports": ("viewer", None),
    "export": ("viewer", None),
    "export-new": ("reviewer", "reviewer"),
    "export-cancel": (None, "reviewer"),
    "export-download": ("reviewer", None),
    "settings": ("admin", "admin"),
    "settings-members": ("admin", "admin"),
    "settings-member-role": (None, "admin"),
    "settings-member-remove": (None, "admin"),
    "settings-keys": ("admin", "admin"),
    "settings-key-revoke": (None, "admin"),
    "settings-providers": ("admin", None),
    "settings-provider-new": ("admin", "admin"),
    "settings-provider": ("admin", "admin"),
    "settings-provider-default": (None, "admin"),
    "settings-provider-test": (None, "admin"),
    "settings-sources": ("admin", None),
    "settings-source-new": ("admin", "admin"),
    "settings-source": ("admin", "admin"),
    "settings-source-purge": (None, "admin"),
    "settings-source-redaction": (None, "admin"),
    "settings-canaries": ("admin", None),
    "settings-canary-new": ("admin", "admin"),
    "settings-canary-set": ("admin", "admin"),
    "settings-canary-ask": (None, "admin"),
    "settings-canary-move": (None, "admin"),
    "settings-canary-remove": (None, "admin"),
    "settings-canary-drop": (None, "admin"),
    "settings-seeds": ("admin", "admin"),
    "settings-seeds-import": (None, "admin"),
    "settings-import": ("admin", "admin"),
    "settings-import-file": ("admin", None),
    "settings-import-start": (None, "admin"),
    "settings-import-cancel": (None, "admin"),
    "settings-seeds-move": (None, "admin"),
    "seed": ("viewer", None),
    "studies": ("viewer", None),
    "study": ("viewer", None),
    "study-new": ("reviewer", "reviewer"),
    "study-estimate": (None, "reviewer"),
    "study-cancel": (None, "reviewer"),
    "study-points": ("reviewer", None),
    "settings-rubrics": ("admin", "admin"),
    "settings-flag-reasons": (None, "admin"),
    "settings-alerts": ("admin", None),
    "settings-alert-new": ("admin", "admin"),
    "settings-alert": ("admin", "admin"),
    "settings-alert-delete": (None, "admin"),
    "settings-alert-restore": (None, "admin"),
    "settings-alert-test": (None, "admin"),
    "settings-alert-switch": (None, "admin"),
    "settings-alert-retry": (None, "admin"),
    "settings-privacy": ("admin", None),
    "settings-privacy-rules": (None, "admin"),
    "settings-privacy-rule-remove": (None, "admin"),
    "settings-privacy-holds": (None, "admin"),
    "settings-privacy-hold-lift": (None, "admin"),
    "settings-privacy-person": (None, "admin"),
    "settings-privacy-erase": (None, "admin"),
    "settings-privacy-erasure": ("admin", None),
    "settings-privacy-pseudonyms": (None, "admin"),
    "settings-privacy-pseudonyms-forget": (None, "admin"),
    "settings-privacy-reveal": (None, "admin"),
    "settings-operations": ("admin", None),
    "settings-operations-parts": ("admin", None),
    "settings-operations-retry": (None, "admin"),
    "settings-operations-retry-one": (None, "admin"),
    "settings-audit": ("admin", None),
    "settings-audit-export": (None, "admin"),
    "style": ("admin", None),
    "sign-in-link": ("anyone", "anyone"),
    "language": (None, "person"),
    "no-project": ("person", None),
    "own-data": ("person", None),
    "project-new": ("person", "person"),
}
# The accounts library's own addresses: its own tests hold them; here only that strangers see no data.
LIBRARY_PREFIXES = ("account_", "mfa_", "usersessions_", "socialaccount_", "openid_connect_")

ROLES = ("anonymous", "outsider", "viewer", "reviewer", "admin")
_RANK = {"anonymous": 0, "outsider": 1, "viewer": 2, "reviewer": 3, "admin": 4}
_LEAST = {"anyone": 0, "person": 1, "viewer": 2, "reviewer": 3, "admin": 4}


def addresses(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield prefix, pattern


def page_names() -> set[str]:
    return {
        pattern.name
        for prefix, pattern in addresses(get_resolver().url_patterns)
        if pattern.name and not prefix.startswith("api/") and not pattern.name.startswith(LIBRARY_PREFIXES)
    }


def test_the_matrix_knows_every_page():
    assert page_names() == set(PAGES)


@pytest.fixture(scope="module")
def made(taken_out):
    """The rows of `world`, made once with a session of each person, and what is known of them."""

    def make() -> Any:
        ids, people = make_world()
        return (ids, people), {role: session_of(person) for role, person in people.items()}

    return taken_out(make)


@pytest.fixture
def world(db, made):
    """One of everything in a project, and a person of each kind."""
    rows, (known, _) = made
    keeping.put_back(rows)
    return deepcopy(known)


@pytest.fixture
def sessions(world, made):
    """The cookie with which each person of the world is signed in: to sign in for each look takes as long."""
    _, (_, sessions) = made
    return sessions


def session_of(person: Person) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def make_world() -> tuple[dict[str, Any], dict[str, Person]]:
    project = factories.make_project(name="Demo")
    interaction = factories.make_interaction(project=project)
    rubric = Rubric.objects.get(project=project)
    reviewer = factories.make_member(project=project, role="reviewer")
    member = factories.make_member(project=project, role="viewer")
    run = ReplayRun.objects.create(project=project, created_at=NOW, state="done")
    answer = factories.make_interaction(project=project, replay_of=interaction)
    attempt = Attempt.objects.create(
        id=answer.pk,
        project=project,
        run=run,
        original=interaction,
        provider=interaction.provider,
        answer=answer,
        state="done",
        created_at=NOW,
        finished_at=NOW,
        compared_at=NOW,
    )
    Comparison.objects.create(
        project=project,
        run=run,
        attempt=attempt,
        original=interaction,
        verdict="identical",
        sentence="Same.",
        method=1,
        created_at=NOW,
    )
    canaries = factories.make_canaries(project=project)
    channel = factories.make_channel(project=project)
    alert = factories.make_alert(project=project)
    ids = {
        "alert": alert.pk,
        "settings-alert": channel.pk,
        "settings-alert-retry": alert.deliveries.get().pk,
        "settings-operations": FailedMessage.objects.create(
            project=project, payload=b"x", digest=b"x" * 32, error="Unreadable.", created_at=NOW
        ).pk,
        "interaction": interaction.pk,
        "interactions-view": factories.make_view(project=project).pk,
        "bulk": BulkWork.objects.create(
            project=project,
            deed="tag",
            parameters={"tag": "x"},
            expected=1,
            created_by=reviewer,
            created_at=NOW,
        ).pk,
        "canary": factories.make_check(canaries=canaries).pk,
        "settings-canary": canaries.pk,
        "settings-canary-drop": canaries.canaries.get().pk,
        "flag": Flag.objects.create(
            project=project, interaction=interaction, reason="Wrong", created_at=NOW
        ).pk,
        "annotation": Annotation.objects.create(
            project=project,
            interaction=interaction,
            rubric=rubric,
            created_by=reviewer,
            created_at=NOW,
            updated_at=NOW,
        ).pk,
        "replay": run.pk,
        "compare": attempt.pk,
        "study": factories.make_study(project=project, interaction=interaction).pk,
        "fingerprint": Fingerprint.objects.create(
            project=project,
            provider=interaction.provider,
            model="gpt-4o-mini",
            shape="chat.completions",
            value="fp_1",
            state="new",
            first_seen=NOW,
            last_seen=NOW,
            count=1,
        ).pk,
        "change": BackendChange.objects.create(
            project=project,
            provider=interaction.provider,
            model="gpt-4o-mini",
            title="A new fingerprint answers for gpt-4o-mini",
            opened_at=NOW,
            last_event_at=NOW,
        ).pk,
        "export": Export.objects.create(project=project, format="jsonl", created_at=NOW).pk,
        "settings-member": Membership.objects.get(person=member).pk,
        "settings-key": ApiKey.objects.create(
            project=project, name="k", hint="ra_", digest=uuid4().bytes * 2, scopes=["read"], created_at=NOW
        ).pk,
        "settings-privacy-rule": RetentionRule.objects.create(project=project, days=30, created_at=NOW).pk,
        "settings-privacy-hold": Hold.objects.create(
            project=project, interaction=interaction, reason="A case.", created_at=NOW
        ).pk,
        "settings-privacy-erasure": Erasure.objects.create(
            project=project, salt="s", digest="d", end_user="x", created_at=NOW
        ).pk,
        "settings-provider": interaction.provider_id,
        "settings-source": interaction.source_id,
        "settings-seeds": factories.make_seed_range(source=interaction.source).pk,
        "settings-import": FileImport.objects.create(
            project=project, file_name="runs.json", bytes=1, format="auto", created_at=NOW
        ).pk,
    }
    queue = factories.make_queue(project=project)
    [item] = factories.fill_queue(queue, interaction)
    slot = review.take(actor=factories.make_actor(project=project, role="reviewer"), queue=queue, now=NOW)
    rule = RoutingRule.objects.create(project=project, queue=queue, name="All", since=NOW, created_at=NOW)
    ids |= {
        "review-queue": queue.pk,
        "review-item": item.pk,
        "review-slot": slot.pk,
        "review-rule": rule.pk,
        "review-person": member.pk,
    }
    thread = discuss.start_thread(
        actor=factories.make_actor(project=project, role="reviewer"),
        interaction=interaction,
        text=f"@{member.short_name}, see here.",
        now=NOW,
    )
    ids |= {
        "discussion": interaction.pk,
        "notifications-seen": interaction.pk,
        "thread": thread.pk,
        "post": thread.posts.get().pk,
        "notification": Notification.objects.get(person=member).pk,
    }
    people = {
        "outsider": factories.make_member(project=factories.make_project(), role="admin"),
        "viewer": factories.make_member(project=project, role="viewer"),
        "reviewer": factories.make_member(project=project, role="reviewer"),
        "admin": factories.make_member(project=project, role="admin"),
    }
    return ids, people


def address_of(name: str, ids: dict[str, Any]) -> str:
    pattern = next(p for _, p in addresses(get_resolver().url_patterns) if p.name == name)
    kwargs: dict[str, Any] = {}
    for argument in pattern.pattern.converters:
        if argument == "to":
            kwargs[argument] = "resolved"
        elif argument == "format":
            kwargs[argument] = "csv"
        elif argument == "seed":
            kwargs[argument] = "4711"
        elif argument == "token":
            kwargs[argument] = "no-such-token"
        else:
            longest = max((key for key in ids if name.startswith(key)), key=len)
            kwargs[argument] = ids[longest]
    return reverse(name, kwargs=kwargs)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_each_page_opens_to_those_who_may_and_to_nobody_else(client, world, sessions, name):
    ids, _ = world
    address = address_of(name, ids)
    is_about_a_row = any(str(id_) in address for id_ in ids.values())

    for role in ROLES:
        client.cookies.clear()
        if role in sessions:
            client.cookies[settings.SESSION_COOKIE_NAME] = sessions[role]
        for method, least in zip(("get", "post"), PAGES[name], strict=True):
            status = getattr(client, method)(address).status_code
            who = f"{role} {method} {address}: {status}"
            if least is None:
                assert status in {405, 403, 404, 302}, who
            elif _RANK[role] < _LEAST[least]:
                # Strangers are sent to sign in; who may not is told so; another project's rows are not there.
                allowed = {302} if role == "anonymous" else {403, 404}
                if role == "outsider" and not is_about_a_row:
                    continue  # an outsider's own project answers, with its own data
                assert status in allowed, who
            elif role == "outsider" and is_about_a_row:
                assert status == 404, who
            else:
                assert status not in {401, 403, 405, 500}, who


@pytest.mark.parametrize("name", sorted(name for name, (least, _) in PAGES.items() if least == "viewer"))
def test_no_page_tells_an_outsider_anything_of_the_project(client, world, name):
    ids, people = world
    client.force_login(people["outsider"])

    answer = client.get(address_of(name, ids))

    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert b"When is my refund due" not in body
    assert b"Within five days" not in body


def test_a_stranger_is_led_to_sign_in_and_back(client, world):
    answer = client.get("/interactions/?model=x")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=/interactions/")


def test_a_member_of_nothing_is_told_so(client, db):
    client.force_login(factories.make_person())

    assert client.get("/", follow=True).redirect_chain[-1][0] == reverse("no-project")


def test_a_removed_member_is_out_at_once(client, world):
    _, people = world
    client.force_login(people["viewer"])
    assert client.get("/interactions/").status_code == 200

    Membership.objects.filter(person=people["viewer"]).delete()

    assert client.get("/interactions/").status_code == 302


def test_the_role_counts_in_the_project_that_the_row_belongs_to(client, world):
    """Who may take exports in one project, and only look in another, takes none of the other's."""
    ids, people = world
    project = Project.objects.get(memberships__person=people["admin"])
    both = factories.make_member(project=factories.make_project(), role="admin")
    factories.make_member(project=project, role="viewer", person=both)
    client.force_login(both)
    client.get("/exports/")

    assert client.get(reverse("export-download", args=[ids["export"]])).status_code == 403
    assert client.get(reverse("export", args=[ids["export"]])).status_code == 200
