"""Characters that deceive are seen on every page, wherever a text stands in it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from reviewapp.web.rendering import DECEIVING, deceives, visible
from reviewapp.web.revealing import revealed
from tests import factories


def test_what_stands_between_tags_is_revealed_and_fields_and_attributes_stay():
    page = (
        '<title>a\u202eb</title><input value="a\u202eb"><textarea>a\u202eb</textarea>'
        '<script type="application/json">"a\u202eb"</script>'
        '<p data-raw="a\u202eb">a\u202eb<b>c\u200b</b>\u2066'
    )

    assert revealed(page) == (
        '<title>a⟨U+202E⟩b</title><input value="a\u202eb"><textarea>a\u202eb</textarea>'
        '<script type="application/json">"a\u202eb"</script>'
        '<p data-raw="a\u202eb">a⟨U+202E⟩b<b>c⟨U+200B⟩</b>⟨U+2066⟩'
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "⟨U+001B⟩[31mred"),
        ("pay\u200dpal", "pay⟨U+200D⟩pal"),
        ("ask\U000e0069\U000e0067", "ask⟨U+E0069⟩⟨U+E0067⟩"),
        ("a\ufe01\ufe02", "a⟨U+FE01⟩⟨U+FE02⟩"),
    ],
)
def test_escapes_joiners_in_words_and_letters_for_models_alone_are_revealed(text: str, shown: str):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "نمی\u200cخواهم",
        "👩\u200d🔬",
        "❤\ufe0f",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "tab\tand\nline",
    ],
    ids=["Persian", "a scientist", "a heart", "the flag of England", "white space"],
)
def test_what_scripts_and_emoji_need_stays(text: str):
    assert visible(text) == text


def test_a_name_that_turns_its_neighbours_around_is_told_as_such(client, project):
    factories.make_source(project=project, name="bot\u202egnp.exe")
    client.force_login(
        factories.make_member(project=project, role="admin"),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )

    page = client.get(reverse("settings-sources")).content.decode()

    assert "bot⟨U+202E⟩gnp.exe" in page


def test_an_attribute_that_holds_a_bracket_is_still_an_attribute():
    page = (
        '<a title="t><textarea>">x</a><b>a\u202eb</b>'
        "<!-- it's --><i>c\u202ed</i><textarea>e\u202ef</textarea>"
    )

    assert revealed(page) == page.replace("a\u202eb", "a⟨U+202E⟩b").replace("c\u202ed", "c⟨U+202E⟩d")


@pytest.mark.django_db
def test_a_page_that_was_rewritten_tells_its_length(client, project):
    client.force_login(factories.make_member(project=project, role="admin"))
    factories.make_source(project=project, name="left\u202etfel")

    answer = client.get(reverse("settings-sources"), headers={"accept-encoding": "identity"})

    assert "⟨U+202E⟩" in answer.content.decode()
    assert int(answer["Content-Length"]) == len(answer.content)


def test_nothing_that_deceives_escapes_the_quick_look():
    """Every character there is, alone, doubled and between letters."""
    for code in range(0x110000):
        one = chr(code)
        for text in (one, one * 2, f"a{one}b"):
            if DECEIVING.search(text):
                assert deceives(text), f"U+{code:04X}"
                assert visible(text) != text, f"U+{code:04X}"
