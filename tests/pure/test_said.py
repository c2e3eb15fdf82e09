"""Texts that remember what they were composed of: stored, put together, and told in another language."""

from __future__ import annotations

import ast
import copy
import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reviewapp
from reviewapp.pure.said import (
    Day,
    Figure,
    Joined,
    Message,
    Month,
    Said,
    figure,
    said,
    say,
    stored,
    text_of,
    to_store,
    together,
)
from reviewapp.pure.said.templates import TEMPLATES, Several
from tests.pure.languages import Invented

LANGUAGE = Invented(
    pool_gone="Weg: %(names)s (%(share)s)",
    names_more="%(names)s und %(more)d weitere",
    check_gathered="Kleines summiert sich.",
)


def places(key: str) -> set[str]:
    template = TEMPLATES[key]
    texts = [template.one, template.many] if isinstance(template, Several) else [template]
    return set(re.findall(r"%\((\w+)\)", " ".join(texts)))


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


def test_a_text_is_its_english_words() -> None:
    text = said("pool_gone", names="fp_1", share=Figure("45.5 %"))

    assert text == "fp_1 had 45.5 % of the answers and is not seen any more."
    assert isinstance(text, str)


def test_a_text_is_told_in_another_language() -> None:
    text = said("pool_gone", names="fp_1", share=Figure("45.5 %"))

    assert text.render(LANGUAGE) == "Weg: fp_1 (45,5 %)"


def test_what_stands_in_a_place_brings_its_own_translation() -> None:
    names = say("names_more", names=Joined(("a", "b")), more=2)

    text = said("pool_gone", names=names, share=Figure("1 %"))

    assert text == "a, b and 2 more had 1 % of the answers and is not seen any more."
    assert text.render(LANGUAGE) == "Weg: a, b und 2 weitere (1 %)"


def test_a_number_chooses_the_words() -> None:
    assert said("alert_set_aside", count=1) == "A message could not be recorded and was set aside"
    assert said("alert_set_aside", count=3) == "3 messages could not be recorded and were set aside"


def test_days_and_months_are_told_as_the_language_does() -> None:
    day = said("ask_retired", day=Day(dt.date(2026, 11, 3)))
    month = said("partitions_missing", month=Month(2027, 1))

    assert day == "The model was to be retired on 3 November 2026."
    assert "3/11/2026" in day.render(LANGUAGE)
    assert "for January 2027 yet" in month
    assert "1/2027" in month.render(LANGUAGE)


def test_texts_put_together_keep_their_messages_and_what_others_wrote() -> None:
    text = together(say("check_gathered"), "Vendor's words.", said("pool_gone", names="x", share=figure(1)))

    assert text.startswith("Small differences have added up over many checks. Vendor's words. x had 1")
    assert text.render(LANGUAGE) == "Kleines summiert sich. Vendor's words. Weg: x (1)"


@pytest.mark.parametrize(
    "param",
    [
        "fp_1",
        7,
        Figure("1,204"),
        Day(dt.date(2026, 11, 3), with_year=False),
        Month(2026, 11),
        Joined(("a", say("part_none")), by="; "),
        say("pool_stopped"),
        said("pool_stopped"),
    ],
)
def test_messages_come_back_from_their_store_as_they_were(param: Any) -> None:
    message = say("verbatim", text=param)

    assert Message.from_json(through_json(message.as_json())) == message


def test_a_row_keeps_the_messages_of_its_texts_by_field() -> None:
    kept = through_json(to_store(sentence=said("pool_stopped"), notes=[said("check_returned"), "A note."]))

    assert stored("…", kept["sentence"]) == said("pool_stopped")
    assert [stored("…", one) for one in kept["notes"]] == [said("check_returned"), "…"]


def test_a_text_that_is_none_of_ours_has_no_messages_to_keep() -> None:
    assert to_store(sentence="A vendor's words.") is None


@pytest.mark.parametrize(
    "messages",
    [None, [], [{"key": "of_tomorrow", "params": {}}], [{"key": "pool_gone", "params": {}}], [3], 5],
)
def test_messages_that_can_not_be_read_leave_the_text(messages: Any) -> None:
    text = stored("As it was written.", messages)

    assert text == "As it was written."
    assert not isinstance(text, Said)


def test_a_copied_text_still_knows_its_messages() -> None:
    text = copy.deepcopy(said("check_waits", n=4))

    assert text.parts == (say("check_waits", n=4),)


def test_an_errors_text_keeps_its_messages() -> None:
    assert isinstance(text_of(ValueError(said("pool_stopped"))), Said)
    assert text_of(ValueError("Plain.")) == "Plain."
    assert text_of(ValueError()) == ""


def test_what_a_column_can_not_hold_is_in_no_text() -> None:
    assert text_of(ValueError("No\x00.")) == "No\ufffd."
    assert together("No\x00.", say("pool_gone", names=Joined(("a\x00",)), share="\x001")) == (
        together("No\ufffd.", say("pool_gone", names=Joined(("a\ufffd",)), share="\ufffd1"))
    )


def test_what_a_column_can_not_hold_is_not_in_what_is_stored() -> None:
    kept = say("verbatim", text="a\x00b\ud800").as_json()

    assert kept["params"]["text"] == "a\ufffdb\ufffd"


@pytest.mark.parametrize("key", TEMPLATES)
def test_each_template_takes_its_places_and_no_others(key: str) -> None:
    params: dict[str, Any] = dict.fromkeys(places(key), 3)
    template = TEMPLATES[key]
    if isinstance(template, Several):
        params[template.by] = 1

    text = say(key, **params).render()

    assert "%(" not in text
    assert "%%" not in text


def test_each_message_that_the_code_names_has_its_template_and_its_places() -> None:
    wrong = [
        f"{file.name}: {key} takes {sorted(places(key)) if key in TEMPLATES else 'nothing: unknown'}"
        for file, key, given in said_in_code()
        if key not in TEMPLATES or not places(key) <= given
    ]

    assert wrong == []


def said_in_code() -> Iterator[tuple[Path, str, set[str]]]:
    """Calls of `say`, `said` and `tell` with a key written out, and the places that they fill."""
    for file in Path(reviewapp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            # Where the word `said` means what people said, others compose.
            composers = {"say", "said", "wording.say", "wording.said"}
            composers |= {"tell"} if "imports" in file.parts else set()
            if ast.unparse(node.func) not in composers:
                continue
            key = node.args[0]
            if isinstance(key, ast.Constant):
                names = {one.arg for one in node.keywords if one.arg is not None}
                stars = any(one.arg is None for one in node.keywords)
                told = str(key.value)
                yield file, told, places(told) if stars and told in TEMPLATES else names
