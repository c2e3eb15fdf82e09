"""Judgements over real sockets: the quick way past Django keeps and refuses what the ordinary way does."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import httpx2
import pytest
from django.db import OperationalError

from reviewapp.models import Annotation, ApiKey, AuditEntry, Rubric
from reviewapp.pure.rates import Rate
from reviewapp.stages import administer, review
from reviewapp.web import limiting
from reviewapp.web.limiting import limits
from tests import factories
from tests.serving import serving

SAID = {"scores": {"verdict": "good", "correct": True}, "comment": "as it should be"}


@pytest.fixture
def api(transactional_db, journal, project):
    """A client whose key may judge, and which the server knows already."""
    key = factories.make_key(project=project, scopes=["review"])
    with (
        serving() as address,
        httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=120) as client,
    ):
        # Before that its first call would be answered the ordinary way.
        one = factories.make_interaction(project=project)
        while "x-frame-options" in judge(client, one).headers:
            pass
        yield client


def judge(api, interaction, said=SAID):
    return api.post(f"/api/v1/interactions/{interaction.pk}/annotations", json=said)


def test_what_the_quick_way_keeps_and_answers_is_what_the_ordinary_way_does(api, project):
    one = factories.make_interaction(project=project, answer="Within five days.")
    said = {**SAID, "spans": [{"start": 7, "end": 11, "label": "wrong", "note": ""}], "correction": "Three."}

    quick = judge(api, one, said)
    # Whatever is packed is read by the ordinary way.
    ordinary = api.post(
        f"/api/v1/interactions/{one.pk}/annotations",
        json=said,
        headers={"Content-Encoding": "identity"},
    )

    assert (quick.status_code, "x-frame-options" in quick.headers) == (201, False)
    assert (ordinary.status_code, "x-frame-options" in ordinary.headers) == (201, True)
    kept = Annotation.objects.filter(interaction=one)
    assert {str(row.pk) for row in kept} == {quick.json()["id"], ordinary.json()["id"]}
    apart = ("id", "created_at", "updated_at")
    assert without(quick.json(), apart) == without(ordinary.json(), apart)
    first, second = kept.values(
        "scores", "spans", "correction", "comment", "rubric", "project", "created_by_key"
    )
    assert first == second
    audited = AuditEntry.objects.filter(object_id__in=[row.pk for row in kept])
    assert len({(row.action, row.key_id, str(row.detail), row.project_id) for row in audited}) == 1
    assert audited.count() == 2


def test_a_key_that_judges_too_often_is_told_so_as_on_the_ordinary_way(api, project, monkeypatch):
    one = factories.make_interaction(project=project)
    monkeypatch.setattr(limits, "by_key", Rate(1))
    # Both at the same second, however long the machine takes for them.
    monkeypatch.setattr(limiting, "time", SimpleNamespace(monotonic=lambda: 1_000.0))

    answers = [judge(api, one) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 429]
    assert answers[1].headers["Retry-After"]
    assert Annotation.objects.filter(interaction=one).count() == 1


def test_judgements_that_come_together_are_each_kept(api, project):
    rows = [factories.make_interaction(project=project) for _ in range(8)]

    async def together():
        async with httpx2.AsyncClient(base_url=api.base_url, headers=api.headers, timeout=120) as many:
            return await asyncio.gather(
                *(many.post(f"/api/v1/interactions/{one.pk}/annotations", json=SAID) for one in rows)
            )

    answers = asyncio.run(together())

    assert {answer.status_code for answer in answers} == {201}
    assert Annotation.objects.filter(interaction__in=rows).count() == 8


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 422),
        ({"scores": {"verdict": "no such verdict", "correct": True}}, 422),
        ({"scores": {}, "other": 1}, 422),
        ([], 422),
    ],
)
def test_what_is_refused_is_refused_with_its_reason(api, project, said, status):
    answer = judge(api, factories.make_interaction(project=project), said)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_another_projects_interaction_is_not_there(api):
    other = factories.make_interaction(project=factories.make_project())

    assert judge(api, other).status_code == 404
    assert not Annotation.objects.filter(interaction=other).exists()


def test_a_key_that_may_not_judge_is_told_so(api, project):
    key = factories.make_key(project=project, scopes=["ingest"])
    one = factories.make_interaction(project=project)

    answer = api.post(
        f"/api/v1/interactions/{one.pk}/annotations", json=SAID, headers={"Authorization": f"Bearer {key}"}
    )

    assert answer.status_code == 403


def test_a_revoked_key_ends_at_once(api, project):
    one = factories.make_interaction(project=project)
    actor = factories.make_actor(project=project)
    administer.revoke_key(actor=actor, key_id=ApiKey.objects.get().pk, now=factories.NOW)

    assert judge(api, one).status_code == 401
    assert not Annotation.objects.filter(interaction=one).exists()


def test_a_judgement_whose_commit_was_kept_though_its_answer_got_lost_is_kept_once(api, project, monkeypatch):
    one = factories.make_interaction(project=project)
    kept = review.annotate_all

    def lost(**given):
        kept(**given)
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(review, "annotate_all", lost)

    answer = judge(api, one)

    assert answer.status_code == 201
    assert [str(row.pk) for row in Annotation.objects.filter(interaction=one)] == [answer.json()["id"]]


def test_where_nobody_knows_whether_it_is_kept_it_is_not_written_again(api, project, monkeypatch):
    one = factories.make_interaction(project=project)

    def away(**given):
        raise OperationalError("the database is away")

    monkeypatch.setattr(review, "annotate_all", away)
    monkeypatch.setattr(review, "kept_among", away)

    answer = judge(api, one)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert not Annotation.objects.filter(interaction=one).exists()


@pytest.mark.django_db
def test_what_one_says_beyond_the_database_does_not_keep_others_from_the_quick_way(project):
    Rubric.objects.filter(project=project).delete()
    actor = factories.make_key_actor(project=project, scopes=("review",))
    rows = [factories.make_interaction(project=project) for _ in range(3)]
    said = {"scores": {}, "spans": [], "correction": None, "comment": "fine"}
    given = [
        review.Given(
            actor=actor, interaction=one.pk, said={**said, "scores": {"n": float("nan")} if n == 1 else {}}
        )
        for n, one in enumerate(rows)
    ]

    made = review.annotate_all(given=given, now=factories.NOW)

    assert [one is not None for one in made] == [True, False, True]


def without(value, names):
    return {name: told for name, told in value.items() if name not in names}
