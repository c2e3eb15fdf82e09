"""The rules of the design, checked on the files: contrast, strict CSP, names that exist."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path

import pytest
from django.urls import reverse

from reviewapp.templatetags.faces import VERDICTS

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STYLES = sorted((ROOT / "static" / "css").rglob("*.css"))
MODULES = sorted((ROOT / "static" / "js").glob("*.js"))
ICONS = (ROOT / "static" / "icons.svg").read_text()

Colour = tuple[float, float, float, float]
INKS = ["ink", "ink-2", "ink-3", "accent", "green", "teal", "amber", "violet", "red", "grey"]
SURFACES = ["canvas", "paper", "raised", "sunken"]
MEANINGS = ["green", "teal", "amber", "violet", "red", "grey"]
THEMES = ["light", "dark"]


@cache
def tokens() -> dict[str, tuple[str, str]]:
    text = (ROOT / "static" / "css" / "app.css").read_text()
    layer = text.split("@layer tokens {", 1)[1].split("@layer base {", 1)[0]
    found: dict[str, tuple[str, str]] = {}
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\((oklch\([^)]*\)), (oklch\([^)]*\))\);", layer
    ):
        found.setdefault(name, (light, dark))
    for name, both in re.findall(r"--([\w-]+): (oklch\([^)]*\));", layer):
        found.setdefault(name, (both, both))
    return found


def colour(name: str, theme: str) -> Colour:
    """A token as linear-light sRGB and alpha."""
    inside = tokens()[name][THEMES.index(theme)][6:-1]
    numbers, _, alpha = inside.partition("/")
    lightness, chroma, hue = (float(part) for part in numbers.split())
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    clipped = [min(1.0, max(0.0, part)) for part in (red, green, blue)]
    return clipped[0], clipped[1], clipped[2], float(alpha) if alpha else 1.0


def encoded(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def decoded(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def over(top: Colour, below: Colour) -> Colour:
    """Browsers mix encoded values."""
    alpha = top[3]
    mixed = [decoded(alpha * encoded(t) + (1 - alpha) * encoded(b)) for t, b in zip(top, below, strict=True)]
    return mixed[0], mixed[1], mixed[2], 1.0


def contrast(one: Colour, other: Colour) -> float:
    def luminance(c: Colour) -> float:
        return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("ink", INKS)
def test_every_ink_can_be_read_on_every_surface(ink: str, surface: str, theme: str):
    assert contrast(colour(ink, theme), colour(surface, theme)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("wash", ["hover", "press"])
@pytest.mark.parametrize("surface", ["canvas", "paper", "raised"])
@pytest.mark.parametrize("ink", ["ink", "ink-2", "ink-3", "accent"])
def test_inks_can_be_read_on_what_is_pointed_at(ink: str, surface: str, wash: str, theme: str):
    background = over(colour(wash, theme), colour(surface, theme))

    assert contrast(colour(ink, theme), background) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("meaning", [*MEANINGS, "accent"])
def test_a_meaning_can_be_read_on_its_own_wash(meaning: str, theme: str):
    wash = colour(f"{meaning}-wash", theme)

    assert contrast(colour(meaning, theme), wash) >= 4.5
    assert contrast(colour("ink-2", theme), wash) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("meaning", MEANINGS)
def test_the_verdicts_can_be_read_in_a_selected_row(meaning: str, theme: str):
    assert contrast(colour(meaning, theme), colour("accent-wash", theme)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("shape", ["edge", "focus", *[f"{meaning}-fill" for meaning in MEANINGS]])
def test_shapes_and_edges_stand_out(shape: str, theme: str):
    assert contrast(colour(shape, theme), colour("paper", theme)) >= 3


@pytest.mark.parametrize("theme", THEMES)
def test_the_primary_button_can_be_read(theme: str):
    assert contrast(colour("on-accent", theme), colour("accent-solid", theme)) >= 4.5
    assert contrast(colour("on-accent", theme), colour("accent-solid-hover", theme)) >= 4.5


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_needs_what_the_content_security_policy_refuses(path: Path):
    text = path.read_text()

    assert not re.search(r"<[^>]*\sstyle=", text), "inline style"
    assert "<style" not in text, "inline style sheet"
    assert not re.search(r"<[^>]*\son\w+=", text), "inline handler"
    assert not re.search(r"hx-on\b|hx-vals=[\"']js:|hx-trigger=\"[^\"]*\[", text), (
        "htmx attribute that needs eval"
    )
    for attributes in re.findall(r"<script([^>]*)>", text):
        assert "src=" in attributes or 'type="application/json"' in attributes, "inline script"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_icon_of_a_template_is_in_the_sprite(path: Path):
    named = re.findall(r'{% icon "([\w-]+)"', path.read_text())

    assert [name for name in named if f'id="{name}"' not in ICONS] == []


def test_every_verdict_has_a_shape():
    missing = [key for key in VERDICTS if f'id="verdict-{key.replace("_", "-")}"' not in ICONS]

    assert missing == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_module_is_one_behaviour_of_less_than_two_hundred_lines(path: Path):
    text = path.read_text()

    assert text.count("\n") < 200
    assert not re.search(r"^\s*import\b|\beval\(|new Function|innerHTML", text, re.MULTILINE)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_token_that_a_style_sheet_uses_is_defined(path: Path):
    everything = "\n".join(style.read_text() for style in STYLES)
    defined = set(re.findall(r"(--[\w-]+)\s*:", everything))

    used = set(re.findall(r"var\((--[\w-]+)\)", path.read_text()))

    assert used - defined == set()


@pytest.mark.parametrize("path", STYLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_use_tokens_rather_than_raw_colours(path: Path):
    if path.name == "app.css":
        pytest.skip("defines the tokens")

    raw = re.findall(r":[^;{]*#[0-9a-f]{3,8}\b", path.read_text())

    assert [text for text in raw if "data:" not in text] == []


def test_no_script_writes_to_an_object_by_a_computed_name():
    """Where such a name came from elsewhere (`__proto__`), all objects would have what is written."""
    # Of an array by a number, of an own object by one of two names, of a local pair.
    fine = ("span[edge] =", "let [", "[first]", "table[i * width + j] =")
    writes = re.compile(r"\][ ]*(?:=(?![=>])|\+=|\|\|=|\?\?=)|\.\.\.JSON\.parse|Object\.assign\(\{")
    found = [
        f"{file.name}: {line.strip()}"
        for file in sorted((ROOT / "static" / "js").rglob("*.js"))
        for line in file.read_text().splitlines()
        if writes.search(line) and not any(one in line for one in fine)
    ]

    assert found == []


def test_production_has_no_style_guide(client, admin, settings):
    client.force_login(admin.person)
    address = reverse("style")
    before = client.get(address).status_code

    settings.PRODUCTION = True

    assert (before, client.get(address).status_code) == (200, 404)
