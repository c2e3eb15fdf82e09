"""What was composed in the background, on the pages of readers of other languages; machines get English."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from reviewapp.models import Alert, BackendChange, ChangeEvent, Comparison, SeenKind
from reviewapp.pure.addresses import AddressRule
from reviewapp.pure.rubrics import InvalidAnswer, check_scores
from reviewapp.pure.said import Figure, Message, said
from reviewapp.stages import watch
from reviewapp.stages.administer import Refused
from reviewapp.stages.replay.starting import check_storable
from reviewapp.stages.watch import Seen
from reviewapp.stages.watch.messages import alert_json
from reviewapp.web.refusals import sentence_of
from tests.factories import (
    NOW,
    make_alert,
    make_attempt,
    make_canaries,
    make_check,
    make_interaction,
    make_key,
    make_provider,
    make_run,
    make_source,
)
from tests.stages.test_verifying import approved, finish


@pytest.fixture(autouse=True)
def no_language_stays() -> Iterator[None]:
    """A request leaves its language to the thread, and other tests to it."""
    yield
    translation.deactivate()


LATER = NOW + timedelta(minutes=5)
ENGLISH = "A value never seen before: fp_new, in 45.5 % of the answers since."
GERMAN = "Ein nie zuvor gesehener Wert: fp_new, seither in 45,5\u202f% der Antworten."


def opened(project, *, now=NOW):
    provider = make_provider(project=project, base_url="http://127.0.0.1:9/v1")
    seen = Seen(
        kind=SeenKind.NEW_VALUE,
        key="new_value:fp_new",
        at=now,
        sentence=said("pool_new", names="fp_new", share=Figure("45.5 %"), values=1),
        values=("fp_new",),
    )
    return watch.open_or_join(
        project_id=project.pk, provider_id=provider.pk, model="gpt-4o-mini", event=seen, now=now
    )


@pytest.fixture
def change(project):
    return opened(project)


@pytest.fixture
def verified(project, admin, change):
    for number in range(2):
        approved(project, prompt=f"Frage {number}")
    verification = watch.start_verification(actor=admin, change=change, now=LATER)
    finish(verification, ["identical", "backend_changed"])
    change.refresh_from_db()
    return change


@pytest.fixture
def read(client, admin):
    client.force_login(admin.person)

    def get(path: str, code: str = "de") -> str:
        answer = client.get(path, headers={"accept-language": code})
        assert answer.status_code == 200
        return answer.content.decode()

    return get


def test_an_alert_is_read_in_german(change, read):
    page = read("/alerts/")

    assert "Ein neuer Fingerprint antwortet für gpt-4o-mini" in page
    assert GERMAN in page
    assert "A new fingerprint" not in page
    assert "never seen before" not in page


def test_a_change_report_is_read_in_german(verified, read):
    page = read(f"/changes/{verified.pk}/")

    assert "<h2>Neuer Fingerprint</h2>" in page
    assert GERMAN in page
    assert "1 von 2 bewerteten Antworten kamen gleich heraus und behalten ihre Bewertung" in page
    assert "never seen before" not in page
    assert "came out the same" not in page


def test_a_changes_title_and_first_event_are_german_in_the_list(change, read):
    page = read("/changes/")

    assert "Ein neuer Fingerprint antwortet für gpt-4o-mini" in page
    assert GERMAN in page
    assert "A new fingerprint" not in page


def test_a_changes_title_is_german_at_home(project, read):
    opened(project, now=timezone.now())

    page = read("/")

    assert "Ein neuer Fingerprint antwortet für gpt-4o-mini" in page
    assert "A new fingerprint" not in page


def test_what_a_verification_found_is_an_alert_in_the_readers_language(verified, read):
    page = read("/alerts/")

    assert "gpt-4o-mini verifiziert: 1 von 2 bewerteten Antworten geändert" in page


def test_an_arabic_page_is_right_to_left_with_these_texts(change, read):
    page = read("/alerts/", "ar")

    assert '<html lang="ar" dir="rtl"' in page
    assert "بصمة جديدة تجيب عن \u200egpt-4o-mini\u200e" in page


def test_an_older_alert_is_shown_as_it_was_written(project, read):
    make_alert(project=project, title="Something of old", text="Told in English only.")

    page = read("/alerts/")

    assert '<span lang="en" dir="ltr">Something of old</span>' in page
    assert '<span lang="en" dir="ltr">Told in English only.</span>' in page


def test_machines_get_english_whatever_language_they_ask_for(client, project, change):
    headers = {
        "authorization": f"Bearer {make_key(project=project, scopes=('read',))}",
        "accept-language": "de",
    }

    (alert,) = client.get("/api/v1/alerts", headers=headers).json()["items"]
    (told,) = client.get("/api/v1/backend-changes", headers=headers).json()["items"]

    assert alert["title"] == told["title"] == "A new fingerprint answers for gpt-4o-mini"
    assert alert["text"] == told["events"][0]["sentence"] == ENGLISH
    assert "said" not in alert
    assert "said" not in told
    assert "said" not in told["events"][0]


def test_the_stored_english_is_that_of_the_messages(verified):
    for alert in Alert.objects.all():
        assert alert_json(alert)["title"] == english(alert.said["title"])
        assert alert_json(alert)["text"] == english(alert.said["text"])
    for event in ChangeEvent.objects.all():
        assert event.sentence == english(event.said["sentence"])
    for change in BackendChange.objects.all():
        assert change.title == english(change.said["title"])


def english(messages):

    return " ".join(Message.from_json(message).render() for message in messages)


def test_a_comparisons_sentence_is_german_in_a_change_report(verified, read):
    Comparison.objects.filter(verdict="backend_changed").update(
        sentence="Backend changed. The answers differ.",
        figures={"parts": [{"key": "changed_plain", "params": {}}, {"key": "part_somewhere", "params": {}}]},
    )

    page = read(f"/changes/{verified.pk}/")

    assert "Backend geändert. Die Antworten unterscheiden sich." in page
    assert "The answers differ." not in page


def test_a_failed_attempt_says_why_in_german(project, read):

    run = make_run(project=project)
    failed = make_attempt(
        run=run,
        original=make_interaction(project=project),
        state="failed",
        error="openai asks to slow down (429). It said nothing more.",
        said={
            "error": [
                {"key": "call_slow_down", "params": {"name": "openai"}},
                {"key": "call_said_nothing", "params": {}},
            ]
        },
    )

    page = read(f"/compare/{failed.pk}/")

    assert "openai bittet um weniger Anfragen (429). Mehr wurde nicht mitgeteilt." in page
    assert "slow down" not in page


def test_a_refusal_is_read_in_german(client, admin):
    client.force_login(admin.person)

    answer = client.post(
        "/settings/providers/new/",
        {"name": "x", "base_url": "ftp://x", "max_concurrency": 20, "timeout_seconds": 60},
        headers={"accept-language": "de"},
    )

    assert answer.status_code == 422
    assert "Schreiben Sie die Basis-URL mit http:// oder https://" in answer.content.decode()


def test_a_filter_that_can_not_be_is_told_in_the_readers_language(client, admin):
    client.force_login(admin.person)

    page = client.get("/interactions/?seed=abc", headers={"accept-language": "fr"}).content.decode()

    assert "seed: doit être un nombre entier" in page


def test_figures_in_a_refusal_are_written_as_the_reader_writes_them():
    with translation.override("de"), pytest.raises(Refused) as refused:
        check_storable({"user": "x" * 200_000})

    assert "höchstens 100.000 passen" in str(refused.value)


@pytest.mark.parametrize("code", ["de", "ar"])
def test_a_program_is_refused_in_english_whatever_its_library_accepts(client, project, code):
    headers = {"authorization": f"Bearer {make_key(project=project)}", "accept-language": code}

    answer = client.get("/api/v1/interactions", {"seed": "abc"}, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["detail"] == "seed: must be a whole number, a range like 100..199, or none"
    assert answer.headers["Content-Language"] == "en"
    assert "Accept-Language" not in answer.headers.get("Vary", "")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/settings/keys/", ["Interaktionen senden", "Replays starten", "Exporte erstellen"]),
        ("/settings/import/", ["eigene Form von reviewapp", "Traces von OpenAI Agents", "VCR-Kassette"]),
        ("/exports/new/", ["OpenAI-Batch-Eingabe", "Label-Studio-Import"]),
    ],
)
def test_what_can_be_chosen_is_named_in_german(read, path, words):
    page = read(path)

    assert [one for one in words if one not in page] == []


def test_why_a_judgement_is_not_saved_is_read_in_german(client, project, admin):
    client.force_login(admin.person)
    one = make_interaction(project=project)

    answer = client.post(
        f"/interactions/{one.pk}/annotate/",
        {"comment": "x" * 20_001},
        headers={"accept-language": "de", "hx-request": "true"},
    )

    assert answer.status_code == 422
    assert "ist länger als 20,000 Zeichen." in answer.content.decode()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("en", "“Is it right?” is required."),
        ("de", "„Is it right?“ wird gebraucht."),
        ("fr", "« Is it right? » est requis."),
        ("ja", "「Is it right?」は必須です。"),
        ("ar", "«Is it right?» مطلوب."),
    ],
)
def test_a_required_question_is_asked_for_by_its_words(code, sentence):
    questions = [{"key": "right", "label": "Is it right?", "kind": "boolean", "required": True}]

    with translation.override(code), pytest.raises(InvalidAnswer) as refused:
        check_scores(questions=questions, scores={})
    with translation.override(code):
        told = sentence_of(refused.value, questions)

    assert told == sentence
    assert str(refused.value) == "scores.right: is required: Is it right?"


def posted(client, admin, path, values, code="de"):
    client.force_login(admin.person)
    answer = client.post(path, values, headers={"accept-language": code})
    assert answer.status_code == 422
    return answer.content.decode()


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ("twice (a)\\1", "„twice“ ist kein brauchbares Muster"),
        ("all .+", "„all“ passt auf jeden Text"),
        ("alone", "Zeile 1: Schreiben Sie einen Namen, ein Leerzeichen und das Muster."),
    ],
)
def test_a_pattern_that_can_not_be_is_refused_in_german(client, project, admin, patterns, words):
    source = make_source(project=project, name="careful")

    page = posted(client, admin, f"/settings/sources/{source.pk}/redaction/", {"patterns": patterns})

    assert words in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"first": 9, "last": 3}, "Der Bereich endet bei 3, bevor er bei 9 beginnt."),
        ({"policy": "fixed"}, "Eine feste Regel braucht ihren Seed."),
        ({"policy": "fixed", "seed": 200}, "Der Seed, 200, liegt außerhalb des Bereichs 1…100."),
    ],
)
def test_a_seed_policy_that_can_not_be_is_refused_in_german(client, project, admin, values, words):
    source = make_source(project=project, name="careful")
    usual = {"source": str(source.pk), "first": 1, "last": 100, "policy": "random", "step": 1}

    assert words in posted(client, admin, "/settings/seeds/", usual | values)


def test_what_servers_do_with_a_seed_is_told_in_german(project, read):
    assert "Manche Server verbieten 0 oder halten sie für keinen Seed." in read("/seeds/0/")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("en", "10.0.0.1 is a private address, where this installation does not connect. An operator"),
        ("de", "10.0.0.1 ist eine private Adresse; dorthin verbindet sich diese Installation nicht."),
        ("fr", "10.0.0.1 est une adresse privée, où cette installation ne se connecte pas."),
        ("ja", "10.0.0.1はプライベートアドレスで、このシステムからは接続しません。"),
        ("ar", "10.0.0.1 هو عنوان خاص، ولا يتصل هذا التثبيت به."),
    ],
)
def test_a_providers_address_that_is_not_allowed_is_told_in_the_readers_language(
    client, admin, settings, code, words
):
    settings.ADDRESS_RULE = AddressRule()
    values = {"name": "x", "base_url": "http://10.0.0.1/v1", "max_concurrency": 20, "timeout_seconds": 60}

    assert words in posted(client, admin, "/settings/providers/new/", values, code)


def test_a_channels_address_that_is_not_allowed_is_told_in_german(client, admin, settings):
    settings.ADDRESS_RULE = AddressRule()
    values = {
        "kind": "webhook",
        "name": "x",
        "url": "https://[::ffff:10.0.0.1]/hook",
        "least_severity": "info",
        "time_zone": "UTC",
    }

    page = posted(client, admin, reverse("settings-alert-new"), values)

    assert "::ffff:10.0.0.1 ist eine private Adresse in einer IPv6-Adresse; dorthin" in page


def test_a_check_of_canaries_names_what_it_measured_in_german(project, read):
    measure = {
        "statistic": "lp_nearest",
        "kind": "greedy",
        "effect": 0.1,
        "floor": 0.2,
        "smallest_detectable": 0.3,
        "p": 0.5,
        "tested_rows": 5,
        "baseline_rows": 15,
        "can_tell": True,
    }
    check = make_check(
        canaries=make_canaries(project=project),
        statistic="lp_nearest",
        column="log probabilities",
        figures={"looks": [[measure]]},
    )

    page = read(f"/canaries/{check.pk}/")

    assert "<dd>Log-Wahrscheinlichkeiten</dd>" in page
    assert "<td>Text bei Temperatur 0</td>" in page
    assert "greedy" not in page


def test_who_can_not_be_asked_who_they_are_is_told_so_in_german(client, admin):
    client.force_login(admin.person)

    answer = client.get(reverse("account_reauthenticate"), headers={"accept-language": "de"})

    assert answer.status_code == 403
    assert "Ihr Konto hat weder ein Passwort noch einen zweiten Faktor." in answer.content.decode()
