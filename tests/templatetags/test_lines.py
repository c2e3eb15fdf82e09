"""The lines of the interactions list."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.template import Context, Template
from django.utils.translation import override

from reviewapp.models import Flag, Interaction, Provider, Source
from reviewapp.models.browsing import ListRow
from reviewapp.models.passages import Passages
from reviewapp.models.tag import AddedTag
from reviewapp.pure.passages import Part
from reviewapp.web.pages.listing import COLUMNS
from tests.factories import NOW

HOSTILE = '<script>alert("1")</script>\''
ID = UUID("01900000-0000-7000-8000-000000000001")


def interaction(**values):
    values = {"provider": Provider(name="openai"), "source": Source(name="bot"), "status": 200} | values
    return Interaction(id=ID, started_at=NOW, created_at=NOW, **values)


def drawn(row, *, shown=tuple(COLUMNS), can_choose=True):
    template = Template("{% load lines %}{% lines rows shown can_choose %}")
    return template.render(Context({"rows": [row], "shown": shown, "can_choose": can_choose, "now": NOW}))


def test_nothing_that_was_recorded_becomes_markup():
    row = ListRow(
        interaction=interaction(
            source=Source(name=HOSTILE),
            provider=Provider(name=HOSTILE),
            model=HOSTILE,
            fingerprint=HOSTILE,
            prompt_preview=HOSTILE,
            answer_preview=HOSTILE,
            tags=[HOSTILE],
        ),
        flags=[Flag(reason=HOSTILE, severity="high")],
        verdict=HOSTILE,
        comparison_of=uuid4(),
        added_tags=[AddedTag(name=f"{HOSTILE}2")],
    )

    html = drawn(row)

    # The name of the model is said twice, that of the fingerprint on hover too, and of a verdict in its key.
    assert html.count("&lt;script&gt;") >= 11
    assert "<script" not in html
    assert 'alert("1")' not in html


def test_neither_an_error_nor_what_a_search_found_becomes_markup():
    part = Part(text=HOSTILE, found=True)

    failed = drawn(ListRow(interaction=interaction(status=500, error=HOSTILE)))
    found = drawn(ListRow(interaction=interaction(), passages=Passages(prompt=(part,), answer=(part,))))

    assert '<span class="error-line">500 &lt;script&gt;' in failed
    assert found.count('<mark class="found">&lt;script&gt;') == 2
    assert "<script" not in failed + found


def test_a_line_has_the_columns_that_are_shown_and_no_others():
    row = ListRow(interaction=interaction(seed=1234567, latency_ms=812, output_tokens=12408, model="gpt"))

    few, all_ = drawn(row, shown=["seed"], can_choose=False), drawn(row)

    assert few.count("<td") == 3
    assert '<td class="number mono extra-cell">1234567</td>' in few
    assert all_.count("<td") == 3 + len(COLUMNS)
    assert "12\u202f408" in all_
    assert 'name="ids"' in all_
    assert 'name="ids"' not in few


def test_what_is_not_known_is_a_dash():
    html = drawn(ListRow(interaction=interaction(status=None, error="no answer")))

    assert html.count('<span class="muted">–</span>') == 5
    assert '<td class="number">–</td>' in html


def test_a_chip_that_was_drawn_is_drawn_again_in_the_readers_language():
    row = ListRow(interaction=interaction(fingerprint="fp_1"), fingerprint_state="retired")

    english = drawn(row)
    with override("de"):
        german = drawn(row)

    assert "Retired: no longer valid" in english
    assert "Retired: no longer valid" not in german


@pytest.mark.parametrize("again", [True, False])
def test_flags_say_the_worst_and_how_many_others(again):
    flags = [Flag(reason="Tone", severity="low"), Flag(reason="Wrong", severity="high")]
    template = Template("{% load lines %}{% flags_of row again %}")

    html = template.render(Context({"row": ListRow(interaction=interaction(), flags=flags), "again": again}))

    assert "Wrong" in html
    assert "Tone" not in html
    assert "+1" in html
    assert ("hx-swap-oob" in html) == again
