"""Flags and judgements as a browser's forms send them, with scripts and without."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from reviewapp.models import Annotation, Flag
from tests import factories

HTMX = {"HX-Request": "true"}
# The rubric that a project begins with asks these two.
ANSWERED = {"score-verdict": "good", "score-correct": "true"}


@pytest.fixture
def client(client: Client, admin) -> Client:
    client.force_login(admin.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def one(project):
    return factories.make_interaction(project=project)


def annotate(client: Client, one, **form):
    return client.post(reverse("interaction-annotate", args=[one.pk]), form)


def test_without_scripts_a_refused_judgement_comes_back_as_a_whole_page_with_why(client, one):
    answer = annotate(client, one, **{"score-verdict": "good", "comment": "Said on page two."})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert page.lstrip().startswith("<!doctype html>")
    assert "is required." in page
    assert "scores.correct" not in page


def test_without_scripts_a_refused_judgement_keeps_what_was_written(client, one):
    written = {
        "score-verdict": "minor",
        "comment": "Said on page two.",
        "correct": "1",
        "correction": "Within six days.",
        "spans": json.dumps([{"start": 0, "end": 6, "label": "wrong"}]),
    }

    page = annotate(client, one, **written).content.decode()

    assert 'value="minor" checked' in page
    assert "Said on page two.</textarea>" in page
    assert "Within six days.</textarea>" in page
    assert "&quot;end&quot;: 6" in page


def test_without_scripts_a_refused_flag_comes_back_as_a_whole_page_with_why(client, one):
    answer = client.post(reverse("interaction-flag", args=[one.pk]), {"reason": ""})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert page.lstrip().startswith("<!doctype html>")
    assert "Reason is missing" in page
    assert not Flag.objects.exists()


def test_with_scripts_a_refusal_is_put_beside_the_form_alone(client, one):
    answer = client.post(
        reverse("interaction-annotate", args=[one.pk]), {"score-verdict": "good"}, headers=HTMX
    )

    assert answer.status_code == 422
    assert answer.headers["HX-Retarget"] == "#judgement-problem"
    assert "<html" not in answer.content.decode()


def test_marks_that_are_no_json_are_refused(client, one):
    answer = annotate(client, one, **ANSWERED, spans="{nothing")

    assert answer.status_code == 422
    assert "Spans must be an array" in answer.content.decode()


# --- Line ends ------------------------------------------------------------------------------------


@pytest.fixture
def windows(project):
    """An answer whose lines end with CR LF, as some servers write them."""
    return factories.make_interaction(project=project, answer="First line.\r\nSecond line.\r\nThird.")


def test_an_answer_that_was_only_looked_at_is_no_correction(client, windows):
    answer = annotate(
        client, windows, **ANSWERED, correct="1", correction="First line.\r\nSecond line.\r\nThird."
    )

    assert answer.status_code == 302
    assert Annotation.objects.get().correction is None


def test_a_correction_keeps_the_line_ends_of_the_answer(client, windows):
    annotate(client, windows, **ANSWERED, correct="1", correction="First line.\r\n2nd line.\r\nThird.")

    assert Annotation.objects.get().correction == "First line.\r\n2nd line.\r\nThird."


def test_a_correction_of_an_answer_with_plain_line_ends_gets_plain_ones(client, project):
    unix = factories.make_interaction(project=project, answer="First line.\nSecond line.")

    annotate(client, unix, **ANSWERED, correct="1", correction="First line.\r\n2nd line.")

    assert Annotation.objects.get().correction == "First line.\n2nd line."


def test_a_mark_behind_line_ends_is_on_the_words_it_was_put_on(client, windows):
    spans = [{"start": 27, "end": 33, "label": "wrong", "note": ""}]

    annotate(client, windows, **ANSWERED, spans=json.dumps(spans))

    page = client.get(reverse("interaction", args=[windows.pk])).content.decode()
    assert 'dir="auto">Third.<span class="span-label">' in page


def test_the_page_gives_the_answer_to_its_scripts_character_for_character(client, project):
    said = {"role": "assistant", "content": "a\r\nb\x00c \ud83d <b>&amp;"}
    response = {"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    odd = factories.make_interaction(project=project, response=response)

    page = client.get(reverse("interaction", args=[odd.pk])).content.decode()

    assert r'data-text="&quot;a\r\nb\u0000c \ud83d &lt;b&gt;&amp;amp;&quot;"' in page


def test_what_people_named_keeps_its_own_direction_beside_the_pages(client, one):
    annotate(client, one, **ANSWERED)

    page = client.get(reverse("interaction", args=[one.pk])).content.decode()

    assert "<dt><bdi>Is the answer good enough to send?</bdi></dt>" in page
    assert "<bdi>Minor problems</bdi></label>" in page
