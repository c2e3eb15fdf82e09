from __future__ import annotations

import json

import pytest

from reviewapp.models import AuditEntry, Notification, Post, PostRevision, Thread
from reviewapp.stages import discuss
from tests.factories import NOW, make_actor, make_interaction, make_key, make_person, make_project


@pytest.fixture
def call(client, project):
    """Calls the API with a key of the project that has the scopes."""

    def call(method, path, body=None, *, scopes=("read", "review"), of=None):
        key = make_key(project=of or project, scopes=scopes)
        return client.generic(
            method,
            f"/api/v1{path}",
            data=json.dumps(body) if body is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return call


@pytest.fixture
def one(project):
    return make_interaction(project=project, answer="Within five days.")


@pytest.fixture
def thread(one, reviewer):
    return discuss.start_thread(actor=reviewer, interaction=one, text="Is it?", now=NOW)


def test_a_thread_is_begun_on_words_of_the_answer_and_names_somebody(call, project, one):
    bo = make_actor(project=project, person=make_person(name="Bo"))

    answer = call(
        "POST",
        f"/interactions/{one.pk}/threads",
        {"text": "@bo, is it?", "span": {"start": 7, "end": 11}},
        scopes=("review",),
    )

    assert answer.status_code == 201
    assert answer.json()["span"] == {"on": "answer", "message": None, "start": 7, "end": 11, "quote": "five"}
    assert answer.json()["created_by"] == "key test key"
    assert answer.json()["posts"][0]["mentions"] == ["bo"]
    assert Notification.objects.get().person == bo.person
    assert AuditEntry.objects.get(action="thread.create").key is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "x", "span": {"start": 5, "end": 5}}, "span"),
        ({"text": "x", "span": {"start": 0, "end": 3, "on": "moon"}}, "span.on"),
        ({"text": "x", "span": {"start": 0, "end": 3, "on": "message"}}, "span.message"),
        ({"text": "x", "span": {"start": 0, "end": 3, "message": 0}}, "span.message"),
        ({"text": "x", "span": {"start": 0, "end": 3, "on": "message", "message": 7}}, "span.message"),
        ({"text": "x", "colour": "red"}, "colour"),
    ],
)
def test_a_thread_that_can_not_be_is_refused_by_its_field(call, one, body, field):
    answer = call("POST", f"/interactions/{one.pk}/threads", body)

    assert answer.status_code == 422
    assert field in answer.content.decode()
    assert not Thread.objects.exists()


def test_a_reply_resolving_and_reopening(call, thread):
    said = call("POST", f"/threads/{thread.pk}/replies", {"text": "It is."})
    resolved = call("POST", f"/threads/{thread.pk}/resolve")
    again = call("POST", f"/threads/{thread.pk}/resolve")
    opened = call("POST", f"/threads/{thread.pk}/reopen")

    assert (said.status_code, said.json()["text"]) == (201, "It is.")
    assert [one.json()["state"] for one in (resolved, again, opened)] == ["resolved", "resolved", "open"]
    assert [post["text"] for post in opened.json()["posts"]] == ["Is it?", "It is."]


def test_a_key_that_may_not_read_is_told_no_words(call, thread):
    answer = call("POST", f"/threads/{thread.pk}/resolve", scopes=("review",))

    assert answer.json()["posts"] == []


def test_an_interaction_lists_its_threads(call, one, thread, reviewer):
    discuss.remove_post(actor=reviewer, post=thread.posts.get(), now=NOW)

    whole = call("GET", f"/interactions/{one.pk}").json()
    alone = call("GET", f"/interactions/{one.pk}/threads").json()

    assert whole["threads"] == alone["items"]
    assert whole["response"]["choices"][0]["message"]["content"] == "Within five days."
    [post] = whole["threads"][0]["posts"]
    assert (post["text"], post["removed_at"]) == (None, "2026-11-22T12:00:00Z")


def test_threads_are_listed_by_state_page_by_page(call, project, reviewer):
    for number in range(3):
        found = discuss.start_thread(
            actor=reviewer, interaction=make_interaction(project=project), text=f"{number}", now=NOW
        )
    discuss.move_thread(actor=reviewer, thread=found, to="resolved", now=NOW)

    first = call("GET", "/threads?state=open&limit=1").json()
    second = call("GET", f"/threads?state=open&limit=1&cursor={first['next']}").json()

    assert [one["items"][0]["posts"][0]["text"] for one in (first, second)] == ["1", "0"]
    assert second["next"] is None
    assert call("GET", "/threads?state=gone").status_code == 422
    assert call("GET", "/threads?cursor=nonsense").status_code == 422


def test_threads_are_filtered_by_the_name_that_pages_use(call, one, thread, project):
    make_interaction(project=project)

    assert [row["id"] for row in call("GET", "/interactions?discussed=open").json()["items"]] == [str(one.pk)]
    assert call("GET", "/interactions?discussed=perhaps").status_code == 422


def test_another_projects_key_finds_nothing(call, one, thread):
    other = make_project()

    for method, path, body in (
        ("GET", f"/interactions/{one.pk}/threads", None),
        ("POST", f"/interactions/{one.pk}/threads", {"text": "Hello"}),
        ("GET", f"/threads/{thread.pk}", None),
        ("POST", f"/threads/{thread.pk}/replies", {"text": "Hello"}),
        ("POST", f"/threads/{thread.pk}/resolve", None),
    ):
        assert call(method, path, body, of=other).status_code == 404, path


def test_a_key_that_may_only_read_can_not_write(call, one, thread):
    for path in (f"/interactions/{one.pk}/threads", f"/threads/{thread.pk}/replies"):
        assert call("POST", path, {"text": "Hello"}, scopes=("read",)).status_code == 403


@pytest.fixture
def key(project):
    return make_key(project=project, scopes=("read", "review"))


@pytest.fixture
def by(client, key):
    """Calls the API with the same key each time."""

    def by(path, body=None, *, key=key):
        return client.post(
            f"/api/v1{path}",
            data=json.dumps(body or {}),
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return by


@pytest.fixture
def said(by, thread):
    """What the key wrote in the thread."""
    return by(f"/threads/{thread.pk}/replies", {"text": "It is."}).json()


def test_a_key_edits_what_it_wrote_and_whom_it_names_is_told(by, said, project):
    bo = make_actor(project=project, person=make_person(name="Bo"))

    answer = by(f"/posts/{said['id']}/edit", {"text": "It is, @bo.", "version": 1})

    assert answer.status_code == 200
    assert (answer.json()["text"], answer.json()["version"]) == ("It is, @bo.", 2)
    assert answer.json()["edited_at"] is not None
    assert PostRevision.objects.get().text == "It is."
    assert Notification.objects.filter(person=bo.person).exists()
    assert AuditEntry.objects.get(action="post.edit").key is not None


def test_a_change_that_one_has_not_seen_is_not_overwritten(by, said):
    by(f"/posts/{said['id']}/edit", {"text": "It is not.", "version": 1})

    late = by(f"/posts/{said['id']}/edit", {"text": "It may be.", "version": 1})

    assert (late.status_code, late.json()["field"]) == (409, "version")
    assert Post.objects.get(pk=said["id"]).text == "It is not."


def test_a_key_removes_what_it_wrote_and_restores_it(by, said):
    removed = [by(f"/posts/{said['id']}/remove") for _ in range(2)]
    restored = by(f"/posts/{said['id']}/restore")

    assert [one.status_code for one in removed] == [200, 200]
    assert (removed[0].json()["text"], restored.json()["text"]) == (None, "It is.")
    assert removed[0].json()["removed_at"] is not None
    told = AuditEntry.objects.filter(object_id=said["id"]).values_list("action", flat=True)
    assert sorted(told) == ["post.create", "post.remove", "post.restore"]


@pytest.mark.parametrize("deed", ["edit", "remove", "restore"])
def test_nobody_elses_post_is_touched(by, said, thread, project, deed):
    body = {"text": "No.", "version": 1} if deed == "edit" else None
    another = make_key(project=project, scopes=("admin",))
    reader = make_key(project=project, scopes=("read",))
    stranger = make_key(project=make_project(), scopes=("admin",))
    of_a_person = thread.posts.order_by("created_at").first()

    assert by(f"/posts/{said['id']}/{deed}", body, key=another).status_code == 403
    assert by(f"/posts/{of_a_person.pk}/{deed}", body).status_code == 403
    assert by(f"/posts/{said['id']}/{deed}", body, key=reader).status_code == 403
    assert by(f"/posts/{said['id']}/{deed}", body, key=stranger).status_code == 404
    assert not Post.objects.exclude(removed_at=None, version=1).exists()


def test_an_empty_text_is_no_change(by, said):
    assert by(f"/posts/{said['id']}/edit", {"text": "  ", "version": 1}).status_code == 422
