"""Composed texts as a reader of another language gets them."""

from __future__ import annotations

import datetime as dt
from gettext import GNUTranslations
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils.translation import override

from reviewapp.models import SeenKind
from reviewapp.pure.said import Day, Figure, Month, Said, said, to_store
from reviewapp.pure.said.templates import TEMPLATES, Several
from reviewapp.stages.privacy.clearing import REMOVED
from reviewapp.stages.watch.changes import title_of
from reviewapp.templatetags.said import (
    READER,
    in_reader,
    in_words,
    row_text,
    told,
    told_notes,
    typed,
    typed_plain,
)

OTHERS = [code for code, _ in settings.LANGUAGES if code != "en"]
# Nothing in them is a word.
WORDLESS = {"verbatim", "ours", "verified", "part_moved", "part_value", "test_no_answer"}


def row(**texts: Any) -> dict[str, Any]:
    return {**texts, "said": to_store(**texts)}


@pytest.mark.parametrize("code", OTHERS)
def test_each_message_is_translated(code: str):
    with (Path(settings.LOCALE_PATHS[0]) / code / "LC_MESSAGES" / "django.mo").open("rb") as file:
        known = {key if isinstance(key, str) else key[0] for key in GNUTranslations(file)._catalog}  # type: ignore[attr-defined]

    missing = [
        key
        for key, template in TEMPLATES.items()
        if key not in WORDLESS and (template.one if isinstance(template, Several) else template) not in known
    ]

    assert missing == []


def test_a_german_reader_gets_german_words_and_figures():
    text = said("pool_gone", names="fp_1", share=Figure("45.5 %"))

    with override("de"):
        words = in_reader(text)

    assert words == "fp_1 hatte 45,5\u202f% der Antworten und wird nicht mehr gesehen."


def test_an_english_reader_gets_what_is_stored():
    kept = row(title=said("check_waits", n=4)) | {"title": "As it was stored."}

    with override("en"):
        assert (
            in_reader(row_text({"title": "As it was stored.", "said": None}, "title")) == "As it was stored."
        )
        assert in_words(said("pool_gone", names="a", share=Figure("1,204"))) == (
            "a had 1,204 of the answers and is not seen any more."
        )
    assert kept["said"] is not None


def test_thousands_are_set_apart_as_everywhere_on_the_pages():
    with override("fr"):
        assert READER.figure("1,204.5") == "1\u202f204,5"


@pytest.mark.parametrize(
    ("code", "day", "month"),
    [("de", "3. November 2026", "November 2026"), ("ja", "2026年11月3日", "2026年11月")],
)
def test_days_and_months_are_the_languages_own(code: str, day: str, month: str):
    with override(code):
        assert READER.day(dt.date(2026, 11, 3), with_year=True) == day
        assert READER.month(dt.date(2026, 11, 1)) == month


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "رسالة واحدة"),
        (2, "رسالتين"),
        (3, "3 رسائل"),
        (11, "11 رسالة"),
        (100, "100 رسالة"),
    ],
)
def test_arabic_counts_in_its_own_forms(count: int, words: str):
    with override("ar"):
        assert words in in_reader(said("alert_set_aside", count=count))


def test_names_keep_their_direction_amid_arabic():
    with override("ar"):
        words = in_reader(title_of(SeenKind.NEW_VALUE, "gpt-4o (eu)"))

    assert "\u200egpt-4o (eu)\u200e" in words


def test_an_arabic_name_amid_arabic_needs_no_mark():
    with override("ar"):
        assert READER.name("نموذج") == "نموذج"


def test_an_older_rows_text_is_marked_as_english():
    with override("ar"):
        shown = told({"title": "A <new> value.", "said": None}, "title")

    assert shown == '<span lang="en" dir="ltr">A &lt;new&gt; value.</span>'


def test_a_composed_text_carries_no_mark_and_is_escaped():
    with override("de"):
        shown = told(row(title=title_of(SeenKind.NEW_VALUE, "<b>")), "title")

    assert shown == "Ein neuer Fingerprint antwortet für &lt;b&gt;"


def test_an_english_reader_sees_no_marks():
    with override("en"):
        assert told({"title": "A new value.", "said": None}, "title") == "A new value."


def test_an_older_text_without_places_is_found_in_the_catalogue():
    row = {"error": REMOVED, "said": None}

    with override("fr"):
        assert told(row, "error") == (
            "Le fichier a été retiré, car il contenait ce qui a été supprimé depuis."
        )


def test_notes_are_told_each_as_far_as_they_are_known():
    class Check:
        notes = ["It answers as its baseline again.", "Of old."]
        said = to_store(notes=[said("check_returned"), "Of old."])

    with override("de"):
        assert told_notes(Check()) == [
            "Die Antworten entsprechen wieder der Baseline.",
            '<span lang="en" dir="ltr">Of old.</span>',
        ]


def test_the_tag_and_the_filters_work_in_templates():
    template = Template(
        '{% load said %}{% told row "title" %}|{{ row|told_plain:"title" }}'
        "|{{ text|in_words }}|{{ text|plain_words }}"
    )
    text = said("label_same")

    with override("de"):
        page = template.render(Context({"row": row(title=text), "text": text}))

    assert page == "|".join(["Fingerprint: derselbe wie zuvor."] * 4)


@pytest.mark.parametrize("kind", [kind for kind in SeenKind if not kind.startswith("reporting_")])
def test_each_kind_of_event_has_its_own_title(kind: SeenKind):
    assert title_of(kind, "m") != title_of("unheard_of", "m")


def test_months_and_days_in_a_text_are_the_readers():
    text = Said(*said("ask_retired", day=Day(dt.date(2026, 11, 3))).parts)

    with override("de"):
        assert in_reader(text) == "Das Modell sollte am 3. November 2026 eingestellt werden."
        assert "Für November 2026" in in_reader(said("partitions_missing", month=Month(2026, 11)))


def test_what_people_typed_is_shown_as_they_typed_it():
    with override("de"):
        assert typed({"reason": "Open"}, "reason") == "<bdi>Open</bdi>"
        assert typed({"reason": "<b>شكاوى"}, "reason") == "<bdi>&lt;b&gt;شكاوى</bdi>"
        assert typed_plain({"note": "Home"}, "note") == "Home"


def test_what_was_composed_where_people_may_type_is_told_in_the_readers_language():
    text = said("word_database")
    row = {"note": str(text), "said": to_store(note=text)}

    with override("de"):
        assert typed_plain(row, "note") == "Datenbank"
