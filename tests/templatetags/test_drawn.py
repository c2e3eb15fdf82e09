"""What is drawn once is for whoever asks with the same values in the same language, and for no one else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.urls import set_script_prefix
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override

from reviewapp.templatetags import drawn as module
from reviewapp.templatetags.drawn import Drawings, drawn
from reviewapp.templatetags.frame import Screen

TEMPLATES = Path(__file__).parents[2] / "templates"
EMPTY = "components/empty.html"
REASONS = "components/flag-reasons.html"


@pytest.fixture(autouse=True)
def drawings(monkeypatch):
    """None are there yet."""
    fresh = Drawings(module.MOST_CHARACTERS)
    monkeypatch.setattr(module, "_drawings", fresh)
    return fresh


def screen(**values) -> Screen:
    known = {"name": "home", "url": "/", "word": gettext_lazy("Home"), "icon": "house", "key": "h"}
    return Screen(**{**known, "count": 0, "current": False, **values})


def test_what_is_the_same_is_drawn_once():
    assert drawn(REASONS, reasons=("Wrong", "Rude")) is drawn(REASONS, reasons=("Wrong", "Rude"))


def test_other_values_are_drawn_anew():
    assert "Rude" in drawn(REASONS, reasons=("Wrong", "Rude"))
    assert "Rude" not in drawn(REASONS, reasons=("Wrong",))
    assert 'aria-current="page"' in drawn("components/rail.html", entries=(screen(current=True),))
    assert 'aria-current="page"' not in drawn("components/rail.html", entries=(screen(),))


def test_each_reader_has_their_language():
    entries = (screen(),)

    with override("de"):
        german = drawn("components/rail.html", entries=entries)
    with override("en"):
        english = drawn("components/rail.html", entries=entries)

    assert "Start" in german
    assert "Home" not in german
    assert "Home" in english


def test_addresses_are_those_of_where_the_app_stands():
    at_root = drawn("components/palette.html", entries=())
    set_script_prefix("/below/")
    try:
        assert "/below/" in drawn("components/palette.html", entries=())
    finally:
        set_script_prefix("/")
    assert "/below/" not in at_root


def test_a_text_is_never_taken_for_markup_that_reads_the_same():
    markup = drawn(REASONS, reasons=(mark_safe("<b>Wrong</b>"),))
    text = drawn(REASONS, reasons=("<b>Wrong</b>",))

    assert "<b>Wrong</b>" in markup
    assert "<b>" not in text


def test_true_is_not_one():
    assert module._known_by((True, "x")) != module._known_by((1, "x"))


@dataclass
class Changing:
    name: str = ""


@pytest.mark.parametrize("value", [["Wrong"], {"a": 1}, Changing(), object()])
def test_what_may_change_is_refused(value):
    with pytest.raises(TypeError):
        drawn(REASONS, reasons=value)


def test_so_many_characters_are_kept_and_those_used_last():
    kept = Drawings(10)
    for key in "ab":
        kept.keep(key, mark_safe("12345"))
    kept.get("a")
    kept.keep("c", mark_safe("12345"))

    assert kept.characters == 10
    assert [key for key in "abc" if kept.get(key)] == ["a", "c"]


def test_what_is_very_long_is_not_kept(drawings):
    drawn(REASONS, reasons=("x" * module.LONGEST,))

    assert drawings.characters == 0


def test_no_component_that_is_drawn_once_asks_for_what_each_request_has_of_its_own():
    texts = {path.relative_to(TEMPLATES).as_posix(): path.read_text() for path in TEMPLATES.rglob("*.html")}
    names = {name for text in texts.values() for name in re.findall(r'\{% drawn "([^"]+)"', text)}
    # And what these consist of.
    names |= {part for name in names for part in re.findall(r'\{% include "([^"]+)"', texts[name])}
    own = re.compile(
        r"csrf_token|\brequest\b|\bmessages\b|\bframe\.|\buser\b|\{% (when|due|now|lines|screens)\b"
    )

    assert len(names) > 5
    assert not [name for name in names if own.search(re.sub(r"\{#.*?#\}", "", texts[name]))]
    assert not [name for name in names if re.search(r"\{% (include [^\"]|extends)", texts[name])]
