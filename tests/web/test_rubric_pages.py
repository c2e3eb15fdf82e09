from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from django.urls import reverse

from reviewapp.models import Rubric
from reviewapp.stages import review
from reviewapp.stages.administer import DEFAULT_LABELS
from tests.factories import NOW, make_interaction

HERE = "/settings/rubrics/"


class Fields(HTMLParser):
    """What a browser would send of the page's rubric form."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._area = self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        name = said.get("name") or ""
        if tag == "input" and (said.get("type") != "checkbox" or "checked" in said):
            self.values[name] = said.get("value") or "on" * (said.get("type") == "checkbox")
        if tag == "textarea":
            self._area, self.values[name] = name, ""
        if tag == "select":
            self._select = name
        if tag == "option" and "selected" in said:
            self.values[self._select] = said.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""


@pytest.fixture
def signed_in(client, admin):
    client.force_login(admin.person)
    return client


def form_of(answer: Any) -> dict[str, str]:
    reader = Fields()
    reader.feed(answer.content.decode())
    return {name: value for name, value in reader.values.items() if name and name != "reasons"}


def send(client: Any, form: dict[str, str], deed: str = "save", **changes: str) -> Any:
    return client.post(HERE, {**form, "do": deed, **changes})


def questions() -> list[dict[str, Any]]:
    return Rubric.objects.get(is_default=True).questions


def test_the_form_sent_as_it_came_changes_nothing(signed_in, project, reviewer):
    interaction = make_interaction(project=project)
    review.annotate(
        actor=reviewer, interaction=interaction, scores={"verdict": "good", "correct": True}, now=NOW
    )
    before = Rubric.objects.get()

    send(signed_in, form_of(signed_in.get(HERE)))

    after = Rubric.objects.get()
    assert (after.version, after.labels) == (1, DEFAULT_LABELS)
    assert after.questions == before.questions


def test_a_question_is_added_by_posting_the_form_and_saved_only_then(signed_in, project):
    added = send(signed_in, form_of(signed_in.get(HERE)), "add")
    count_before_saving = len(questions())
    number = count_before_saving
    words = {f"question-{number}-label": "Is it polite?", f"question-{number}-kind": "choice"}

    send(signed_in, {**form_of(added), **words, f"question-{number}-choices": "Yes\nNot quite\n\nNo"})

    assert "not saved yet" in added.content.decode()
    assert count_before_saving == 4
    assert questions()[number] == {
        "key": "is_it_polite",
        "label": "Is it polite?",
        "kind": "choice",
        "required": True,
        "help": "",
        "choices": [
            {"value": "yes", "label": "Yes"},
            {"value": "not_quite", "label": "Not quite"},
            {"value": "no", "label": "No"},
        ],
    }


def test_questions_move_up_and_down_and_go_away(signed_in, project):
    page = send(signed_in, form_of(signed_in.get(HERE)), "down:0")
    page = send(signed_in, form_of(page), "up:3")
    page = send(signed_in, form_of(page), "remove:2")

    send(signed_in, form_of(page))

    assert [question["key"] for question in questions()] == ["correct", "verdict", "helpful"]


def test_a_mended_word_keeps_the_name_that_answers_are_kept_under(signed_in, project):
    form = form_of(signed_in.get(HERE))

    send(
        signed_in,
        form,
        **{"question-0-label": "Good enough?", "question-0-choices": "Fine\nMinor problems\nBad"},
    )

    asked = questions()[0]
    assert (asked["key"], asked["label"]) == ("verdict", "Good enough?")
    assert [choice["value"] for choice in asked["choices"]] == ["good", "minor", "bad"]
    assert asked["choices"][0]["label"] == "Fine"


def test_choices_that_only_change_places_keep_their_names(signed_in, project):
    form = form_of(signed_in.get(HERE))

    send(signed_in, form, **{"question-0-choices": "Bad\nGood\nMinor problems"})

    assert [choice["value"] for choice in questions()[0]["choices"]] == ["bad", "good", "minor"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question-0-choices": "Only one"}, "Question 1 can&#x27;t be saved. It must have 2 to 20 choices."),
        ({"question-2-max": "many"}, "Question 3 can&#x27;t be saved. It needs a number at “To”."),
        ({"question-1-label": " "}, "Question 2 can&#x27;t be saved. It must be the question in words"),
    ],
)
def test_what_cannot_be_saved_is_told_at_its_question_and_nothing_typed_is_lost(
    signed_in, project, changes, said
):
    answer = send(signed_in, form_of(signed_in.get(HERE)), instructions="Typed.", **changes)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert form_of(answer)["instructions"] == "Typed."
    assert len(questions()) == 4


def test_a_judged_rubric_that_is_changed_by_the_form_becomes_a_new_version(signed_in, project, reviewer):
    review.annotate(
        actor=reviewer,
        interaction=make_interaction(project=project),
        scores={"verdict": "good", "correct": True},
        now=NOW,
    )

    send(signed_in, form_of(signed_in.get(HERE)), instructions="Be kind.")

    assert list(Rubric.objects.order_by("version").values_list("version", "is_default")) == [
        (1, False),
        (2, True),
    ]


def test_the_json_of_a_rubric_stays_within_reach(signed_in, project):
    assert f"{reverse('settings-rubrics')}?as=json" in signed_in.get(HERE).content.decode()
    assert "rubric-questions" in signed_in.get(f"{HERE}?as=json").content.decode()


def test_choices_are_ordered_where_the_form_says_so(signed_in, project):
    form = form_of(signed_in.get(HERE))
    assert form["question-0-ordered"] == "on"

    send(signed_in, {name: value for name, value in form.items() if name != "question-0-ordered"})
    assert "ordered" not in Rubric.objects.get(project=project, is_default=True).questions[0]

    send(signed_in, form)
    assert Rubric.objects.get(project=project, is_default=True).questions[0]["ordered"] is True
