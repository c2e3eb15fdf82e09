"""The timeline of the Fingerprints page: what its drawing, its links and its table say."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from reviewapp.models import Fingerprint
from reviewapp.pure.spans import MINUTE, floor
from reviewapp.stages import watch
from tests.factories import make_change, make_interaction, make_member

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def now(still):
    return still


@pytest.fixture
def page(client, project):
    """The page as an admin sees it, after everything has been counted."""
    client.force_login(make_member(project=project, role="admin"))

    def page(query="", **headers):
        while watch.pull(now=timezone.now()):
            pass
        return client.get(f"/fingerprints/{query}", headers=headers).content.decode()

    return page


@pytest.fixture
def young(project, now):
    """A project forty minutes old, whose model answers with another value since six minutes ago."""
    answer(project, "fp_old", *(now - n * MINUTE for n in range(40, 6, -1)))
    answer(project, "fp_new", *(now - n * MINUTE for n in range(6, 0, -1)))
    return project


def answer(project, value, *moments, **fields):
    for moment in moments:
        make_interaction(project=project, fingerprint=value, started_at=moment, **fields)


def lanes(page):
    """For each lane its bars, as shares of the width: from, to."""
    found = []
    for lane in re.findall(r'<svg class="timeline hue.*?</svg>', page, re.DOTALL):
        bars = re.findall(r'class="timeline-lane" x="([\d.]+)%" width="([\d.]+)%"', lane)
        found.append([(float(x), float(x) + float(width)) for x, width in bars])
    return found


def links(page, value):
    """The bars of a value: what stands on them, and where they lead."""
    found = re.findall(
        r'<a href="(/interactions/\?[^"]*)" tabindex="-1"><rect class="timeline-lane".*?<title>(.*?)</title>',
        page,
    )
    return [(title, unescape(url)) for url, title in found if f"fingerprint={value}&" in unescape(url)]


def test_a_change_of_the_last_minutes_lies_where_it_belongs(page, young):
    old, new = lanes(page())

    # Of the last hour.
    assert old[0][0] == pytest.approx(100 * 20 / 60, abs=3)
    assert old[-1][1] == pytest.approx(100 * 54 / 60, abs=3)
    assert new[0][0] == pytest.approx(100 * 54 / 60, abs=3)
    assert len(new) == 6


@pytest.mark.parametrize("span", ["minutes", "hour", "hours", "day", "week", "month", "all"])
def test_no_bar_reaches_into_the_future(page, young, span):
    assert all(end <= 100 for lane in lanes(page(f"?range={span}")) for _, end in lane)


def test_a_day_and_a_month_of_a_young_project_look_different(page, young):
    assert lanes(page("?range=day")) != lanes(page("?range=month"))


def test_in_a_long_span_a_young_value_begins_with_its_first_answer(page, young, now):
    old, new = lanes(page("?range=day"))

    assert old[0][0] < new[0][0]
    assert new[0][0] == pytest.approx(100 * (1 - 6 / 1440), abs=0.5)


def test_nothing_lies_after_now_but_an_overlap(page, young, now):
    Fingerprint.objects.filter(value="fp_old").update(state="retired")
    page()
    Fingerprint.objects.filter(value="fp_old").update(
        state="overlap", overlap_until=now + DAY, decided_at=now - 5 * MINUTE
    )

    shown = page()

    marks = re.findall(r'class="lanes-now" x1="([\d.]+)%"', shown)
    assert all(end <= float(marks[0]) + 0.01 for lane in lanes(shown) for _, end in lane)
    overlap = re.search(r'class="timeline-overlap" x="([\d.]+)%" width="([\d.]+)%"', shown)
    assert float(overlap[1]) + float(overlap[2]) == pytest.approx(100, abs=0.1)
    assert 'fill="url(#hatch-' in shown


def test_a_bar_leads_to_the_interactions_behind_it(page, client, young, now):
    answer(young, "fp_new", *[now - 3 * MINUTE] * 3)

    (title, url) = next(one for one in links(page(), "fp_new") if ": 4 of 4 answers" in one[0])

    rows = client.get(url).content.decode()
    assert rows.count("<tr data-row=") == 4
    assert rows.count("fp_new") >= 4
    at = floor(now - 3 * MINUTE, MINUTE)
    assert f"since={at:%Y-%m-%dT%H%%3A%MZ}" in url
    assert "(100" in title


def test_a_bar_of_answers_without_a_fingerprint_leads_to_those(page, client, project, now):
    answer(project, None, *[now - 3 * MINUTE] * 2)
    answer(project, None, now - 3 * MINUTE, status=500)
    answer(project, None, now - 3 * MINUTE, endpoint="responses")

    ((title, url),) = links(page(), "none")

    assert ": 2 of 2 answers" in title
    assert client.get(url).content.decode().count("<tr data-row=") == 2


def test_the_table_has_the_figures_and_links_of_the_drawing(page, young, now):
    answer(young, "fp_new", *[now - 10 * MINUTE] * 3)
    shown = page()

    table = re.search(r'class="table-scroll timeline-figures".*?</table>', shown, re.DOTALL)[0]
    rows = [re.findall(r">([\d–]+)<", row) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]]
    assert len(rows) == 40
    assert ["4", "1", "3"] in rows
    drawn = {url for value in ("fp_old", "fp_new") for _, url in links(shown, value)}
    assert drawn <= {unescape(url) for url in re.findall(r'<a href="([^"]*)"', table)}


def test_two_times_in_the_address_are_what_is_drawn(page, young, now):
    begin, end = (f"{moment:%Y-%m-%dT%H:%M}" for moment in (now - 8 * MINUTE, now - 2 * MINUTE))

    shown = page(f"?range=month&from={begin}&to={end}")

    old, new = lanes(shown)
    assert len(old) in (2, 3)
    assert new[0][0] == pytest.approx(100 * 2 / 6, abs=17)
    assert ">Back<" in shown
    assert 'href="/fingerprints/?range=month"' in shown


def test_times_that_can_not_be_are_told_in_words(page, young):
    assert "must lie after its start" in page("?from=2026-01-02&to=2026-01-01")


def test_a_span_without_answers_says_so(page, young):
    assert "No answers in this time." in page("?from=2020-01-01&to=2020-01-02")


def test_zooming_is_answered_with_the_timelines_alone(page, young):
    part = page("?range=day", **{"HX-Request": "true"})

    assert part.lstrip().startswith('<div class="page" id="timelines" ')


def test_a_decision_keeps_the_span_that_is_shown(page, client, young):
    page()
    new = Fingerprint.objects.get(value="fp_new")
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/fingerprints/?range=week"}

    part = client.post(f"/fingerprints/{new.pk}/accept/", headers=headers).content.decode()

    assert 'data-step="7200"' in part


def test_a_pin_of_a_change_leads_to_it(page, young, now):
    change = make_change(project=young)
    change.events.update(at=now - 6 * MINUTE)

    shown = page()

    assert f'<a href="/changes/{change.pk}/" tabindex="-1"><circle class="timeline-pin"' in shown
    assert shown.count("A value never seen before: fp_new") == 2


def test_values_beyond_the_lanes_are_told_by_number(page, project, now):
    for n in range(15):
        answer(project, f"fp_{n}", *[now - 2 * MINUTE] * (n + 1))

    shown = page()

    assert len(lanes(shown)) == 12
    assert "3 more values answered in this time" in shown


def test_an_overlap_that_passed_unseen_shows_as_retired_by_itself_and_when(page, project, now):
    answer(project, "fp_old", *(now - 30 * HOUR - n * MINUTE for n in range(5)))
    answer(project, "fp_new", *(now - n * MINUTE for n in range(1, 30)))
    page()
    Fingerprint.objects.filter(value="fp_old").update(
        state="overlap", overlap_until=now - HOUR, decided_at=now - 20 * HOUR
    )
    watch.settle(now=now - 10 * MINUTE)

    shown = page()

    assert re.search(r"retired</span>.*by itself, <time[^>]*>10 minutes ago", shown)
    assert "No longer seen when its overlap had passed." in shown
    assert re.search(r'class="timeline-ended".*?<title>[^<]*: retired by itself\.', shown)
