"""What a source hides, chosen on its page; tried before; what callers get stays as it was."""

from __future__ import annotations

import pytest
from django.urls import reverse

from reviewapp.models import AuditEntry, Interaction, Reuse, Source
from reviewapp.stages import record, reuse
from tests import factories
from tests.answering import completion
from tests.scanning import where

EMAIL = "zanzibar.quux@example.org"
ALL = {"detectors": ["email"], "patterns": []}


@pytest.fixture
def source(project):
    return factories.make_source(project=project, name="careful")


@pytest.fixture
def page(client, project, source):
    client.force_login(factories.make_member(project=project, role="admin"))
    return reverse("settings-source-redaction", args=[source.pk])


def test_what_a_source_hides_is_saved_and_told_in_the_audit_log_without_the_patterns(client, source, page):
    client.post(page, {"detectors": ["email", "card"], "patterns": "customer C-\\d{6}"})

    source.refresh_from_db()
    assert source.redaction == {
        "detectors": ["card", "email"],
        "patterns": [{"name": "customer", "pattern": "C-\\d{6}"}],
    }
    detail = AuditEntry.objects.get(action="source.redaction").detail
    assert (detail["detectors"], detail["patterns"]) == (["card", "email"], ["customer"])


def test_a_pattern_that_can_not_be_used_is_told_at_its_field_and_nothing_is_saved(client, source, page):
    answer = client.post(page, {"detectors": ["email"], "patterns": "twice (a)\\1"})

    assert answer.status_code == 422
    assert "“twice” is no pattern that can be used" in answer.content.decode()
    source.refresh_from_db()
    assert source.redaction is None


def test_a_dry_run_shows_what_would_have_been_hidden_with_counts_and_saves_nothing(client, source, page):
    factories.make_interaction(
        project=source.project, source=source, prompt=f"Please write to {EMAIL} soon.", answer="I shall."
    )
    factories.make_interaction(project=source.project, source=source, prompt="Nothing here.")

    answer = client.post(page, {"detectors": ["email", "iban"], "try": "1"})

    text = answer.content.decode()
    assert "Something in 1 of the latest 2 calls." in text
    assert f"Please write to <mark>{EMAIL}</mark> soon." in text
    source.refresh_from_db()
    assert source.redaction is None


def test_the_sources_own_form_beside_a_dry_run_sends_to_the_source(client, source, page):
    answer = client.post(page, {"detectors": ["email"], "try": "1"})

    own = reverse("settings-source", args=[source.pk])
    assert f'<form class="form card" method="post" action="{own}" novalidate>' in answer.content.decode()


def test_the_interactions_page_says_how_many_values_were_hidden(client, source, page):
    one = factories.make_interaction(project=source.project, hidden=3)
    one.body.hidden = {"email": 2, "card": 1}
    one.body.save()

    text = client.get(reverse("interaction", args=[one.pk])).content.decode()

    assert "3 values hidden before storage" in text


def test_the_caller_gets_what_the_model_said_and_the_tables_do_not(gateway, provider):
    factories.make_source(project=gateway.project, name="careful", redaction=ALL)
    provider.behave = lambda _: completion(f"Ask {EMAIL}.")
    asked = {"model": "m", "messages": [{"role": "user", "content": f"I am {EMAIL}"}]}

    answer = gateway.post(
        "/v1/chat/completions", json=asked, headers={"X-Review-Source": "careful", "X-Review-User": EMAIL}
    )

    one = gateway.recorded(answer)
    assert answer.json()["choices"][0]["message"]["content"] == f"Ask {EMAIL}."
    assert provider.asked[0].json == asked
    assert (one.answer_preview, one.hidden) == ("Ask [email].", 1)
    assert where("zanzibar") == []


def test_what_was_hidden_is_never_served_again_and_who_asked_is_hidden_too(project):
    source = Source.objects.create(project=project, name="careful", redaction=ALL, created_at=factories.NOW)
    one = factories.make_interaction(project=project, source=source, hidden=1)
    wanted = reuse.Wanted(
        project=one.project_id,
        provider=one.provider_id,
        endpoint=one.endpoint,
        digest=bytes(one.request_hash),
        seed=123,
        policy="valid",
        source=source.pk,
        end_user=EMAIL,
    )

    assert reuse.find(wanted=wanted, now=factories.NOW) is None

    Interaction.objects.filter(pk=one.pk).update(hidden=0)
    assert reuse.find(wanted=wanted, now=factories.NOW) is not None
    serving = reuse.serving_of(wanted=wanted, interaction=one.pk, at=factories.NOW)
    record.record_frames(frames=[record.encode_serving(serving)], now=factories.NOW)
    assert Reuse.objects.get().end_user == "[email]"
