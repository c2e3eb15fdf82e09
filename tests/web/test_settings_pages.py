from __future__ import annotations

import hashlib

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from reviewapp.models import (
    ApiKey,
    FailedMessage,
    FlagReason,
    Membership,
    Provider,
    Rubric,
    Source,
    WaitingWords,
)
from reviewapp.providers.simulated import server
from reviewapp.stages import review
from tests.factories import NOW, make_channel, make_interaction, make_project, make_provider
from tests.partitioned import partitioned


@pytest.fixture
def signed_in(client, admin):
    client.force_login(admin.person)
    return client


def test_a_new_key_is_shown_once(signed_in):
    answer = signed_in.post(
        reverse("settings-keys"), {"name": "bot", "scopes": ["ingest", "read"], "expires": ""}
    )

    key = ApiKey.objects.get()
    shown = answer.content.decode()
    assert key.hint in shown
    secret = next(
        word
        for word in shown.replace("&quot;", " ").replace("<", " ").replace(">", " ").split()
        if word.startswith("ra_")
    )
    assert len(secret) > 40
    assert secret not in signed_in.get(reverse("settings-keys")).content.decode()
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_a_key_may_is_listed_in_the_words_of_its_choice(signed_in):
    signed_in.post(reverse("settings-keys"), {"name": "all", "scopes": ["admin"], "expires": ""})

    page = signed_in.get(reverse("settings-keys")).content.decode()

    assert '<span class="tag" title="admin">Everything</span>' in page


def test_the_empty_choice_of_a_hold_is_words(signed_in):
    page = signed_in.get(reverse("settings-privacy")).content.decode()

    assert "No source</option>" in page
    assert "---------" not in page


def test_a_key_without_a_scope_is_refused_in_the_form(signed_in):
    answer = signed_in.post(reverse("settings-keys"), {"name": "bot", "expires": ""})

    assert answer.status_code == 422
    assert not ApiKey.objects.exists()


def test_an_invited_newcomers_link_is_shown(signed_in, project):
    answer = signed_in.post(reverse("settings-members"), {"email": "new@example.org", "role": "reviewer"})

    assert "/accounts/link/" in answer.content.decode()
    assert Membership.objects.filter(project=project, person__email="new@example.org").exists()


def test_prices_are_written_a_line_for_each_model(signed_in, project):
    provider = make_provider(project=project, name="openai", base_url="http://127.0.0.1:1/v1")
    url = reverse("settings-provider", args=[provider.pk])
    form = {"name": "openai", "base_url": provider.base_url, "max_concurrency": 5, "timeout_seconds": 60}

    signed_in.post(url, {**form, "prices": "gpt-4o-mini 0.15 0.60\r\n\r\nmy model 1 2"})

    provider.refresh_from_db()
    assert provider.prices == {
        "gpt-4o-mini": {"input": 0.15, "output": 0.6},
        "my model": {"input": 1.0, "output": 2.0},
    }
    assert "gpt-4o-mini 0.15 0.6\nmy model 1 2</textarea>" in signed_in.get(url).content.decode()


@pytest.mark.parametrize(
    "line", ["gpt-4o-mini", "gpt-4o-mini 0.15", "0.15 0.60", "m one two", "m -1 2", "m nan 1"]
)
def test_a_price_that_is_none_is_told_by_its_line(signed_in, project, line):
    provider = make_provider(project=project, name="openai", base_url="http://127.0.0.1:1/v1")
    form = {"name": "openai", "base_url": provider.base_url, "max_concurrency": 5, "timeout_seconds": 60}

    answer = signed_in.post(
        reverse("settings-provider", args=[provider.pk]), {**form, "prices": f"good 1 2\n{line}"}
    )

    assert answer.status_code == 422
    assert "Line 2: write a name and two prices" in answer.content.decode()


def test_a_provider_is_connected_and_its_key_is_never_shown(signed_in):
    signed_in.post(
        reverse("settings-provider-new"),
        {
            "name": "openai",
            "base_url": "https://api.openai.com/v1",
            "api_key": "sk-very-secret",
            "max_concurrency": 20,
            "timeout_seconds": 60,
        },
    )

    provider = Provider.objects.get()
    assert provider.api_key == "sk-very-secret"
    assert provider.is_default
    assert (
        "sk-very-secret"
        not in signed_in.get(reverse("settings-provider", args=[provider.pk])).content.decode()
    )


def test_a_wrong_base_url_is_told_beside_its_field(signed_in):
    answer = signed_in.post(
        reverse("settings-provider-new"),
        {"name": "x", "base_url": "ftp://x", "max_concurrency": 20, "timeout_seconds": 60},
    )

    assert answer.status_code == 422
    assert "with http:// or https://" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_test_button_says_what_worked(signed_in, project):
    with server.running() as base_url:
        provider = make_provider(project=project, name="sim", base_url=base_url)

        answer = signed_in.post(
            reverse("settings-provider-test", args=[provider.pk]),
            {"model": "sim-steady"},
            headers={"HX-Request": "true"},
        )

    assert "It honours the seed" in answer.content.decode()
    provider.refresh_from_db()
    assert len(provider.tested["findings"]) == 5


def test_a_source_is_saved_with_what_it_adds(signed_in):
    signed_in.post(reverse("settings-source-new"), {"name": "bot", "provider": "", "add_seed": "on"})

    assert Source.objects.get().add_seed


def test_a_rubric_that_was_judged_by_gets_a_new_version(signed_in, project, reviewer):
    review.annotate(
        actor=reviewer,
        interaction=make_interaction(project=project),
        scores={"verdict": "good", "correct": True},
        now=NOW,
    )

    signed_in.post(
        reverse("settings-rubrics"),
        {
            "instructions": "Be kind.",
            "questions": '[{"key": "ok", "label": "Fine?", "kind": "boolean", "required": true}]',
            "labels": "[]",
        },
    )

    assert list(Rubric.objects.order_by("version").values_list("version", "is_default")) == [
        (1, False),
        (2, True),
    ]


def test_questions_that_cannot_be_are_refused_by_name(signed_in):
    answer = signed_in.post(
        reverse("settings-rubrics"),
        {
            "instructions": "",
            "questions": '[{"key": "ok", "label": "Fine?", "kind": "stars"}]',
            "labels": "[]",
        },
    )

    assert answer.status_code == 422
    assert "questions.0.kind" in answer.content.decode()


def test_flag_reasons_are_saved_in_their_order(signed_in, project):
    signed_in.post(reverse("settings-flag-reasons"), {"reasons": "Rude\nWrong\n\n"})

    active = FlagReason.objects.filter(project=project, is_active=True).order_by("position")
    assert [reason.name for reason in active] == ["Rude", "Wrong"]


def test_the_audit_log_tells_who_did_what(signed_in, admin):
    signed_in.post(reverse("settings-source-new"), {"name": "bot", "provider": ""})

    shown = signed_in.get(reverse("settings-audit")).content.decode()
    assert "source.save" in shown
    assert admin.person.email in shown


def test_what_was_set_aside_is_shown_with_its_reason_and_tried_again(client, project, admin):
    client.force_login(admin.person)
    FailedMessage.objects.create(
        project=project,
        payload=b"<b>no frame",
        digest=hashlib.sha256(b"<b>no frame").digest(),
        error="Unreadable <i>.",
        created_at=NOW,
    )

    page = client.get("/settings/operations/").content.decode()
    client.post("/settings/operations/retry/")

    assert "Unreadable &lt;i&gt;." in page
    assert "&lt;b&gt;no frame" in page
    assert FailedMessage.objects.get().retried_at is not None


def test_what_was_set_aside_elsewhere_is_not_shown(client, project, admin):
    client.force_login(admin.person)
    FailedMessage.objects.create(
        project=make_project(), payload=b"x", digest=b"d" * 32, error="Elsewhere.", created_at=NOW
    )
    FailedMessage.objects.create(payload=b"x", digest=b"e" * 32, error="Nowhere.", created_at=NOW)

    page = client.get("/settings/operations/").content.decode()

    assert "Elsewhere." not in page
    assert "Nowhere." not in page


def test_only_who_runs_the_installation_sees_its_parts(client, project, admin):
    client.force_login(admin.person)
    assert client.get("/settings/operations/parts/").status_code == 404
    admin.person.is_operator = True
    admin.person.save()

    page = client.get("/settings/operations/parts/").content.decode()

    assert "The database answers." in page
    assert "Queue record" in page
    assert "Connections to the database" in page
    assert "everything recorded can be found" in page


def test_what_no_search_finds_yet_is_told(client, admin):
    client.force_login(admin.person)
    admin.person.is_operator = True
    admin.person.save()
    WaitingWords.objects.create(count=41, texts=b"", recorded_at=NOW)

    page = client.get("/settings/operations/parts/").content.decode()

    assert "41 interactions not found by their words yet" in page
    assert "none under way" in page
    assert "The scheduler has not started yet." in page


def test_the_parts_tell_when_the_scheduler_last_sent_each_task_and_what_waits_longest(client, admin):
    admin.person.is_operator = True
    admin.person.save()
    client.force_login(admin.person)
    every = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="watch-pull", task="x", interval=every, last_run_at=NOW)
    PeriodicTask.objects.create(name="canary-nightly", task="y", interval=every)
    FailedMessage.objects.create(payload=b"x", digest=b"f" * 32, error="Unreadable.", created_at=NOW)

    page = client.get("/settings/operations/parts/").content.decode()

    assert page.index("canary-nightly") < page.index("watch-pull")
    assert "every 5\u202fs" in page
    assert "Set aside, of all projects</dt><dd>1, the oldest" in page


def test_the_parts_show_partitions_where_there_are_any(client, admin):
    admin.person.is_operator = True
    admin.person.save()
    client.force_login(admin.person)
    plain = client.get("/settings/operations/parts/").content.decode()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    partitioned(now=timezone.now())

    page = client.get("/settings/operations/parts/").content.decode()

    assert "partitions" not in plain.lower()
    assert "partitions, with months ahead." in page
    assert '<dt class="mono">later</dt><dd>about 0 interactions,' in page


LOST_KEY = ["b25seS1mb3ItYS10ZXN0LTAwMDAwMDAwMDAwMDAwMDA="]


def test_pages_open_when_the_encryption_key_is_lost_and_say_the_mend(signed_in, project, settings):
    provider = make_provider(project=project, base_url="http://127.0.0.1:9/v1", api_key="sk-1")
    channel = make_channel(project=project)
    settings.ENCRYPTION_KEYS = LOST_KEY

    for address in (
        reverse("settings-providers"),
        reverse("settings-provider", args=[provider.pk]),
        reverse("settings-alerts"),
        reverse("settings-alert", args=[channel.pk]),
    ):
        shown = signed_in.get(address)
        assert shown.status_code == 200, address
        assert "Restore the file encryption_keys" in shown.content.decode(), address


def test_a_secret_that_cannot_be_read_can_be_entered_again(signed_in, project, settings):
    provider = make_provider(project=project, base_url="http://127.0.0.1:9/v1", api_key="sk-1")
    settings.ENCRYPTION_KEYS = LOST_KEY
    form = {"name": "openai", "base_url": provider.base_url, "max_concurrency": 5, "timeout_seconds": 60}

    kept = signed_in.post(reverse("settings-provider", args=[provider.pk]), form)
    still_lost = Provider.objects.get().key_problem
    signed_in.post(reverse("settings-provider", args=[provider.pk]), {**form, "api_key": "sk-2"})

    assert kept.status_code == 302
    assert still_lost
    assert Provider.objects.get().api_key == "sk-2"


def test_saving_a_row_keeps_a_secret_that_nobody_can_read(project, settings):
    make_provider(project=project, api_key="sk-1")
    good, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, LOST_KEY

    Provider.objects.get().save()

    settings.ENCRYPTION_KEYS = good
    assert Provider.objects.get().api_key == "sk-1"


def test_the_address_of_a_channel_is_shown_with_its_port_and_without_its_password(signed_in, project):
    make_channel(project=project, url="http://me:word@127.0.0.1:9/hook?token=1")

    shown = signed_in.get(reverse("settings-alerts")).content.decode()

    assert "http://127.0.0.1:9/…" in shown
    assert "word@" not in shown
