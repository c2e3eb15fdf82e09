"""What icons, fingerprints, verdicts and moments look like."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.template import Context, Template

from reviewapp.templatetags import faces

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def render(source: str, **context: object) -> str:
    return Template("{% load faces %}" + source).render(Context(context))


def test_a_face_is_the_same_for_the_same_value_for_ever():
    face = faces.face_of("fp_44709d6fcb")

    rows = ["".join("#" if cell else "." for cell in row) for row in face.cells]

    assert (rows, face.hue) == (["##.##", "#####", "##.##", "..#..", "#.#.#"], 2)


def test_a_face_is_symmetric():
    faces_of_many = [faces.face_of(f"fp_{number}") for number in range(200)]

    assert all(row == row[::-1] for face in faces_of_many for row in face.cells)


def test_no_face_is_nearly_empty_or_nearly_full():
    filled = [sum(cell for row in faces.face_of(f"fp_{n}").cells for cell in row[:3]) for n in range(500)]

    assert min(filled) >= 5
    assert max(filled) <= 11


def test_a_thousand_values_have_nearly_a_thousand_faces():
    different = {faces.face_of(f"fp_{number:010x}") for number in range(1000)}

    assert len(different) > 990


def test_a_fingerprint_chip_holds_the_value_and_the_word_of_its_state():
    html = render("{% fingerprint value state %}", value="fp_a1c9e02b7d", state="new")

    assert "fp_a1c9e02b7d</bdi>" in html
    assert '<span class="fingerprint-state">new</span>' in html


def test_the_ordinary_state_is_a_tick_with_a_name():
    html = render("{% fingerprint value state %}", value="fp_a1c9e02b7d", state="accepted")

    assert 'aria-label="accepted"' in html
    assert ">accepted<" not in html


@pytest.mark.parametrize("value", [None, ""])
def test_no_fingerprint_is_said_in_words(value: str | None):
    html = render("{% fingerprint value %}", value=value)

    assert "no fingerprint reported" in html
    assert "is-none" in html


def test_a_fingerprint_that_tries_to_be_markup_stays_text():
    html = render("{% fingerprint value %}", value='"><script>alert(1)</script>')

    assert "<script" not in html


def test_a_fingerprint_with_half_a_character_can_be_sent():
    html = render("{% fingerprint value %}", value="fp_\ud800")

    assert html.encode("utf-8")


@pytest.mark.parametrize("name", ["backend changed", "backend-changed", "backend_changed"])
def test_a_verdict_has_a_word_a_shape_and_a_colour(name: str):
    html = render("{% verdict name %}", name=name)

    assert "backend changed</span>" in html
    assert "#verdict-backend-changed" in html
    assert 'data-verdict="backend_changed"' in html


def test_a_verdict_may_carry_a_count():
    assert ">8</span>" in render("{% verdict name count=8 %}", name="identical")


def test_no_replay_yet_is_a_dash():
    assert "–" in render("{% verdict name %}", name=None)


def test_an_icon_is_hidden_from_screen_readers_unless_it_is_named():
    assert 'aria-hidden="true"' in render('{% icon "flag" %}')
    assert 'aria-label="Flagged"' in render('{% icon "flag" label="Flagged" %}')


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (dt.timedelta(seconds=10), "just now"),
        (dt.timedelta(minutes=5), "5 minutes ago"),
        (dt.timedelta(minutes=61), "1 hour ago"),
        (dt.timedelta(days=2), "2 days ago"),
        (-dt.timedelta(hours=2), "in 2 hours"),
    ],
)
def test_a_moment_is_told_as_people_say_it(before: dt.timedelta, words: str):
    assert faces.ago(moment=NOW - before, now=NOW) == words


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (dt.timedelta(seconds=10), "now"),
        (dt.timedelta(minutes=5), "5 min"),
        (dt.timedelta(hours=3), "09:00"),
        (dt.timedelta(days=2), "20 Nov"),
        (dt.timedelta(days=400), "18 Oct 2025"),
    ],
)
def test_in_a_column_a_moment_is_short(before: dt.timedelta, words: str, settings):
    settings.TIME_ZONE = "UTC"

    assert faces.ago_short(moment=NOW - before, now=NOW) == words


def test_a_moment_carries_its_exact_time():
    html = render("{% when moment %}", moment=NOW - dt.timedelta(hours=30), now=NOW)

    assert 'datetime="2026-11-21T06:00:00+00:00"' in html


def test_no_face_needs_a_style_attribute():
    html = render(
        "{% fingerprint 'fp_1' 'new' %}{% verdict 'failed' %}{% flag_chip 'wrong' 'high' %}{% icon 'x' %}"
    )

    assert not re.search(r"\sstyle=", html)
