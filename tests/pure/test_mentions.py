from __future__ import annotations

import pytest

from reviewapp.pure.mentions import handles, mentions

KNOWN = {"anna": 1, "anna.meyer": 2, "zoë": 3, "max@example.org": 4}


def named(text):
    return [mention.handle for mention in mentions(text, KNOWN)]


def test_a_name_becomes_a_handle_in_lower_case_with_dots():
    assert handles([(1, "Anna Meyer-Öz", "a@example.org")]) == {"anna.meyer-öz": 1}


def test_who_has_no_name_goes_by_what_stands_before_the_at():
    assert handles([(1, "", "Bo.Li@example.org")]) == {"bo.li": 1}


def test_who_would_share_a_handle_goes_by_the_whole_address():
    people = [(1, "Anna", "a@example.org"), (2, "anna", "A2@example.org"), (3, "Bo", "b@example.org")]

    assert handles(people) == {"a@example.org": 1, "a2@example.org": 2, "bo": 3}


def test_a_name_of_signs_alone_goes_by_the_address():
    assert handles([(1, "!!!", "x@example.org")]) == {"x@example.org": 1}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@anna look", ["anna"]),
        ("(@Anna.Meyer), see", ["anna.meyer"]),
        ("Is it so, @zoë?", ["zoë"]),
        ("ask @anna.", ["anna"]),
        ("@anna's case", ["anna"]),
        ("@max@example.org please", ["max@example.org"]),
        ("@anna请看", ["anna"]),
        ("**@anna** and\n@zoë", ["anna", "zoë"]),
        ("@annabel", []),
        ("@anna.schmidt", []),
        ("@anna@example.org", []),
        ("write to me@anna", []),
        ("https://example.org/@anna", []),
        ("`@anna` is code", []),
        ("```\n@anna\n```", []),
        ("@nobody", []),
        ("@", []),
        ("@@anna", []),
    ],
)
def test_what_names_somebody(text, found):
    assert named(text) == found


def test_a_mention_says_where_it_stands():
    [mention] = mentions("so, @Anna: yes", KNOWN)

    assert (mention.start, mention.end) == (4, 9)
