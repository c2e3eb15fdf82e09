"""The interface in other languages: chosen, kept, complete, and never mixed up with what machines read."""

from __future__ import annotations

import re
import shutil
import subprocess
from gettext import GNUTranslations
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests import factories

LOCALE = Path(settings.LOCALE_PATHS[0])
CATALOGUE = Path("LC_MESSAGES") / "django.mo"
OTHERS = [code for code, _ in settings.LANGUAGES if code != "en"]


@pytest.fixture
def person(db):
    return factories.make_member(project=factories.make_project(), role="admin")


@pytest.mark.parametrize(
    ("code", "direction", "words"),
    [
        ("de", "ltr", "Zum Inhalt"),
        ("fr", "ltr", "Aller au contenu"),
        ("ja", "ltr", "本文へ"),
        ("ar", "rtl", "الانتقال إلى المحتوى"),
    ],
)
def test_a_page_is_in_the_language_of_the_browser(client: Client, person, code, direction, words):
    client.force_login(person)

    page = client.get(reverse("home"), headers={"accept-language": code}).content.decode()

    assert f'<html lang="{code}" dir="{direction}"' in page
    assert words in page


def test_a_chosen_language_overrules_the_browsers(client: Client, person):
    client.force_login(person)

    answer = client.post(reverse("language"), {"language": "de", "next": "/interactions/"})
    page = client.get(answer["location"], headers={"accept-language": "fr"}).content.decode()

    assert answer["location"] == "/interactions/"
    assert '<html lang="de"' in page


def test_choosing_a_language_leads_to_no_other_site(client: Client, person):
    client.force_login(person)

    answer = client.post(reverse("language"), {"language": "de", "next": "https://elsewhere.example/"})

    assert answer["location"] == "/"


def test_a_language_that_is_not_offered_is_english(client: Client, person):
    client.force_login(person)

    page = client.get(reverse("home"), headers={"accept-language": "nl"}).content.decode()

    assert '<html lang="en"' in page


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_keeps_what_is_put_into_it(code: str):
    wrong = {
        source: translated
        for source, translated in texts(LOCALE / code / CATALOGUE).items()
        # Of "once" and "%(n)s times" one holds less than the other; msgfmt looks at those.
        if isinstance(source, str) and source and placeholders(translated) != placeholders(source)
    }

    assert wrong == {}


@pytest.mark.parametrize("code", OTHERS)
def test_all_languages_translate_the_same_texts(code: str):
    first, other = (
        {source if isinstance(source, str) else source[0] for source in texts(LOCALE / each / CATALOGUE)}
        for each in (OTHERS[0], code)
    )

    assert first ^ other == set()


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_can_stand_in_an_attribute(code: str):
    """The words of templates are written out as they are."""
    wrong = {
        source: translated
        for source, translated in texts(LOCALE / code / CATALOGUE).items()
        if source and '"' in translated and '"' not in (source if isinstance(source, str) else source[0])
    }

    assert wrong == {}


@pytest.mark.parametrize("code", OTHERS)
def test_the_compiled_catalogue_is_that_of_its_source(code: str, tmp_path: Path):
    if (msgfmt := shutil.which("msgfmt")) is None:
        pytest.skip("needs msgfmt: apt-get install gettext")
    folder = LOCALE / code / "LC_MESSAGES"

    subprocess.run([msgfmt, "-o", tmp_path / "new.mo", folder / "django.po"], check=True)

    assert texts(folder / "django.mo") == texts(tmp_path / "new.mo")


def texts(catalogue: Path) -> dict[str | tuple[str, int], str]:
    """Translation by source; by source and form where a number decides."""
    with catalogue.open("rb") as file:
        # Nothing public lists what a catalogue has.
        return dict(GNUTranslations(file)._catalog)  # type: ignore[attr-defined]


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sdf]|\{\w+\}", text))
