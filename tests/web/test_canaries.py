"""The pages of canaries: settings, a check, the strip, an interaction's button."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp.models import AuditEntry, Canary, CanarySet, Project
from reviewapp.stages import watch
from tests.factories import (
    make_canaries,
    make_check,
    make_interaction,
    make_member,
    make_provider,
    make_session,
)

CHANGED = "The backend answers differently from what was recorded: log probabilities lie 0.02 nat away."


@pytest.fixture
def admin_client(client, project):
    client.force_login(make_member(project=project, role="admin"))
    return client


@pytest.fixture
def canaries(project, still):
    """A watched model with a baseline of ten minutes, and two checks."""
    made = make_canaries(project=project)
    now = still
    for minutes in (70, 65, 60):
        make_session(canaries=made, created_at=now - timedelta(minutes=minutes))
    make_check(canaries=made, created_at=now - timedelta(minutes=40))
    make_check(
        canaries=made,
        created_at=now - timedelta(minutes=10),
        verdict="backend_changed",
        sentence=CHANGED,
        effect=0.02,
        p=0.0001,
        alarmed=True,
        evidence=1700.0,
        notes=["Fingerprint: the same as before."],
        figures={
            "looks": [
                [
                    {
                        "statistic": "lp_nearest",
                        "kind": "token",
                        "effect": 0.02,
                        "floor": 1e-4,
                        "smallest_detectable": 2e-4,
                        "p": 0.0001,
                        "tested_rows": 20,
                        "baseline_rows": 300,
                        "can_tell": True,
                    }
                ]
            ]
        },
    )
    CanarySet.objects.filter(pk=made.pk).update(changed_at=now - timedelta(minutes=10))
    make_session(canaries=made, created_at=now, state="asking", fit=False)
    return made


def spent_today(canaries):
    """A session is 125 requests; shortly after midnight some of them were yesterday's."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return 125 * canaries.sessions.filter(created_at__gte=midnight).count()


def text(answer):
    return " ".join(answer.content.decode().split())


def test_the_list_says_what_each_model_did_and_what_it_costs(admin_client, canaries):
    page = text(admin_client.get("/settings/canaries/"))

    assert "gpt-4o-mini" in page
    assert "changed" in page
    assert "backend changed" in page.lower()
    assert "asking now" in page
    assert f"{spent_today(canaries)} / 2 000" in page


def test_an_empty_list_says_what_to_do(admin_client, project):
    make_provider(project=project, name="acme", base_url="http://127.0.0.1:9/v1")

    page = text(admin_client.get("/settings/canaries/"))

    assert "No model is watched yet" in page
    assert "/settings/canaries/new/" in page


def test_without_a_provider_that_can_be_called_the_list_leads_to_the_providers(admin_client, project):
    page = text(admin_client.get("/settings/canaries/"))

    assert "No provider can be called yet" in page


def test_a_model_is_watched_with_a_starter_set(admin_client, project):
    provider = make_provider(project=project, name="acme", base_url="http://127.0.0.1:9/v1")

    answer = admin_client.post(
        "/settings/canaries/new/",
        {
            "provider": provider.pk,
            "model": "acme-1",
            "every_minutes": 60,
            "learn_every_minutes": 480,
            "repeats": 1,
            "daily_budget": 900,
            "retires_on": "2027-03-01",
        },
    )

    made = CanarySet.objects.get()
    assert answer.status_code == 302
    assert (made.model, made.state, made.starter, made.daily_budget) == ("acme-1", "preparing", True, 900)
    assert made.retires_on.isoformat() == "2027-03-01"
    assert AuditEntry.objects.filter(action="canaries.create").count() == 1


def test_a_model_of_any_provider_can_be_watched(admin_client, project):
    for name in ("first", "second", "third"):
        last = make_provider(project=project, name=name, base_url="http://127.0.0.1:9/v1")

    answer = admin_client.post(
        "/settings/canaries/new/",
        {
            "provider": last.pk,
            "model": "m",
            "every_minutes": 60,
            "learn_every_minutes": 480,
            "repeats": 1,
            "daily_budget": 900,
        },
    )

    assert answer.status_code == 302
    assert CanarySet.objects.get().provider == last


def test_a_model_that_is_watched_already_is_refused_on_the_form(admin_client, project, canaries):
    provider = canaries.provider
    provider.base_url = "http://127.0.0.1:9/v1"
    provider.save()

    answer = admin_client.post(
        "/settings/canaries/new/",
        {
            "provider": provider.pk,
            "model": "gpt-4o-mini",
            "every_minutes": 60,
            "learn_every_minutes": 480,
            "repeats": 1,
            "daily_budget": 900,
        },
    )

    assert answer.status_code == 422
    assert "has its canaries already" in text(answer)


def test_a_set_tells_baseline_budget_and_that_it_is_young(admin_client, canaries):
    page = text(admin_client.get(f"/settings/canaries/{canaries.pk}/"))

    assert "3 sessions with 375 answers" in page
    assert "All of it was asked within 10 minutes." in page
    assert f"{spent_today(canaries)} of 2 000" in page
    assert "A day of checks that find nothing asks 120." in page
    assert "Take what answers now for the baseline" in page


@pytest.mark.parametrize(("budget", "warned"), [(10, True), (50_000, False)])
def test_a_schedule_that_asks_more_than_its_budget_says_so(admin_client, canaries, budget, warned):
    CanarySet.objects.filter(pk=canaries.pk).update(daily_budget=budget)

    page = text(admin_client.get(f"/settings/canaries/{canaries.pk}/"))

    assert ("more than the budget" in page) is warned


def test_a_models_last_day_counts_down(admin_client, canaries):
    day = (timezone.now() + timedelta(days=12)).date()
    CanarySet.objects.filter(pk=canaries.pk).update(retires_on=day)

    page = text(admin_client.get(f"/settings/canaries/{canaries.pk}/"))

    assert "The model retires in 12 days" in page


@pytest.mark.parametrize(("state", "reads_again"), [("asking", True), ("read", False)])
def test_a_set_is_read_again_only_while_something_is_asked(admin_client, canaries, state, reads_again):
    canaries.sessions.filter(state="asking").update(state=state)

    page = admin_client.get(f"/settings/canaries/{canaries.pk}/").content.decode()

    assert ('hx-trigger="every 3s"' in page) is reads_again


def test_the_schedule_is_changed_in_the_app(admin_client, canaries):
    admin_client.post(
        f"/settings/canaries/{canaries.pk}/",
        {"every_minutes": 180, "learn_every_minutes": 60, "repeats": 2, "daily_budget": 700},
    )

    canaries.refresh_from_db()
    assert (canaries.every_minutes, canaries.repeats, canaries.daily_budget) == (180, 2, 700)
    assert canaries.schedule.interval.every == 180


def test_a_wrong_schedule_is_told_at_its_field(admin_client, canaries):
    answer = admin_client.post(
        f"/settings/canaries/{canaries.pk}/",
        {"every_minutes": 7, "learn_every_minutes": 60, "repeats": 11, "daily_budget": 700},
    )

    assert answer.status_code == 422
    assert "Select a valid choice" in text(answer)


def test_pause_and_resume(admin_client, canaries):
    admin_client.post(f"/settings/canaries/{canaries.pk}/move/pause/")
    paused = CanarySet.objects.get().state
    admin_client.post(f"/settings/canaries/{canaries.pk}/move/resume/")

    assert (paused, CanarySet.objects.get().state) == ("paused", "watching")


def test_asking_now_while_a_session_is_under_way_says_so(admin_client, canaries):
    answer = admin_client.post(f"/settings/canaries/{canaries.pk}/ask/check/", follow=True)

    assert "A session is under way" in text(answer)


def test_a_canary_can_be_removed(admin_client, canaries):
    canary = Canary.objects.get(set=canaries)

    admin_client.post(f"/settings/canaries/one/{canary.pk}/remove/")

    assert not Canary.objects.exists()
    assert AuditEntry.objects.filter(action="canary.remove").exists()


def test_a_checks_page_has_the_sentence_and_the_evidence(client, project, canaries):
    client.force_login(make_member(project=project, role="viewer"))
    check = canaries.checks.get(verdict="backend_changed")

    page = text(client.get(f"/canaries/{check.pk}/"))

    assert CHANGED in page
    assert "Fingerprint: the same as before." in page
    assert "distance of log probabilities from the nearest known answer" in page
    assert "0.02 nat" in page
    assert "0.0001 nat" in page
    assert "0 → 1700" in page
    assert "20 / 300" in page


def test_the_fingerprints_page_draws_a_dot_for_each_check_and_tells_the_same_in_a_table(
    client, project, canaries
):
    client.force_login(make_member(project=project, role="viewer"))
    while watch.pull(now=timezone.now()):
        pass

    page = text(client.get("/fingerprints/?range=all"))

    assert page.count('class="strip-dot"') == 2
    assert page.count('data-verdict="backend_changed" cx=') == 1
    assert "The last 2 checks" in page
    assert "Its canaries answer differently from their baseline since" in page


def test_a_model_without_a_pool_has_its_strip_too(client, project, canaries):
    client.force_login(make_member(project=project, role="viewer"))

    page = text(client.get("/fingerprints/"))

    assert "Watched by canaries alone" in page
    assert page.count('class="strip-dot"') == 2


def test_the_fingerprints_page_takes_as_many_queries_however_many_models_are_watched(
    client, project, canaries, django_assert_max_num_queries
):
    client.force_login(make_member(project=project, role="viewer"))
    client.get("/fingerprints/")
    for number in range(5):
        make_canaries(project=project, model=f"model-{number}")

    with django_assert_max_num_queries(35):
        client.get("/fingerprints/")


def test_an_admin_makes_an_interaction_a_canary_from_its_page(admin_client, project):
    provider = make_provider(project=project, name="acme", base_url="http://127.0.0.1:9/v1")
    interaction = make_interaction(project=project, provider=provider)

    before = text(admin_client.get(f"/interactions/{interaction.pk}/"))
    answer = admin_client.post(f"/interactions/{interaction.pk}/watch/")
    after = text(admin_client.get(f"/interactions/{interaction.pk}/"))

    assert "Make it a canary" in before
    assert answer["Location"] == f"/settings/canaries/{CanarySet.objects.get().pk}/"
    assert Canary.objects.get().interaction == interaction
    assert "A canary" in after
    assert "Make it a canary" not in after


def test_what_can_not_be_watched_says_why_on_the_button(admin_client, project):
    interaction = make_interaction(project=project)

    page = text(admin_client.get(f"/interactions/{interaction.pk}/"))

    assert 'aria-disabled="true" title="openai has no base URL yet' in page


def test_a_reviewer_sees_no_such_button(client, project):
    client.force_login(make_member(project=project, role="reviewer"))
    interaction = make_interaction(project=project)

    assert "Make it a canary" not in text(client.get(f"/interactions/{interaction.pk}/"))


def test_another_projects_set_is_not_there(client, canaries, db):
    other = Project.objects.create(slug="other", name="Other", created_at=timezone.now())
    client.force_login(make_member(project=other, role="admin"))

    assert client.get(f"/settings/canaries/{canaries.pk}/").status_code == 404
