"""What docs/asvs.md and SECURITY.md say is held by a test is, and no requirement was left out."""

from __future__ import annotations

import re

import pytest
from django.apps import apps

from reviewapp.models.provider import EncryptedTextField
from tests.conftest import ROOT

# Sections of ASVS 5.0.0 and how many requirements of levels 1 and 2 each has.
SECTIONS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2,
    "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1,
    "3.2": 2, "3.3": 4, "3.4": 6, "3.5": 5, "3.7": 2,
    "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4,
    "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3,
    "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
    "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1,
    "9.1": 3, "9.2": 4,
    "10.1": 2, "10.2": 2, "10.3": 4, "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3,
    "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
    "12.1": 3, "12.2": 2, "12.3": 4,
    "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5,
    "14.1": 2, "14.2": 4, "14.3": 3,
    "15.1": 3, "15.2": 3, "15.3": 7,
    "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3,
    "17.1": 1, "17.2": 4, "17.3": 2,
}  # fmt: skip
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| (yes|part|no|operator|none) \| (\S.*) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")


def test_every_requirement_of_the_levels_stands_in_its_place_once():
    wanted = [f"{section}.{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)]

    assert [item for item, _, _ in ROW.findall((ROOT / "docs" / "asvs.md").read_text())] == wanted


@pytest.mark.parametrize("page", ["docs/asvs.md", "SECURITY.md"])
def test_a_test_that_is_named_exists(page: str):
    missing = []
    for file, name in TEST.findall((ROOT / page).read_text()):
        there = (ROOT / file).read_text() if (ROOT / file).is_file() else ""
        if not there or (name and f"def {name}(" not in there):
            missing.append(f"{file}::{name}")

    assert missing == []


def test_the_sums_that_are_stated_are_those_of_the_page():
    states = [state for _, state, _ in ROW.findall((ROOT / "docs" / "asvs.md").read_text())]
    said = re.search(
        r"(\d+) met, (\d+) in part, (\d+) not, (\d+) for the operator, (\d+) about",
        (ROOT / "SECURITY.md").read_text(),
    )

    assert said is not None
    assert [int(one) for one in said.groups()] == [
        states.count(state) for state in ("yes", "part", "no", "operator", "none")
    ]


NAMED = re.compile(r"`([\w./]+)`")
SECRETIVE = re.compile(
    r"^ *(?:import (?:hashlib|hmac|secrets|jwt)\b|from (?:cryptography|jwt|django\.core\.signing)\b)",
    re.MULTILINE,
)


def test_every_table_stands_in_one_level():
    page = (ROOT / "docs" / "classification.md").read_text()
    named = NAMED.findall(page[page.index("## Levels") : page.index("## Rules")])
    tables = [
        model._meta.label.removeprefix("reviewapp.") for model in apps.get_models(include_auto_created=True)
    ]

    assert sorted(named) == sorted(tables)


def test_what_computes_digests_or_secrets_stands_in_the_inventory():
    named = NAMED.findall((ROOT / "docs" / "cryptography.md").read_text())
    files = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "reviewapp").rglob("*.py")
        if SECRETIVE.search(file.read_text())
    ]

    assert sorted(set(files) - set(named)) == []
    assert [one for one in named if one.endswith(".py") and not (ROOT / one).is_file()] == []


def test_every_encrypted_column_stands_in_the_inventory():
    page = (ROOT / "docs" / "cryptography.md").read_text()
    columns = [
        f"`{model.__name__}.{field.attname}`"
        for model in apps.get_models()
        for field in model._meta.fields
        if isinstance(field, EncryptedTextField)
    ]

    assert [one for one in columns if one not in page] == []


def test_every_event_with_a_name_stands_in_the_inventory_of_logs():
    page = (ROOT / "docs" / "operations.md").read_text()
    said = re.compile(r"log\.\w+\(\s*\"([a-z_]+\.[a-z_]+)\"")
    events = {one for file in (ROOT / "reviewapp").rglob("*.py") for one in said.findall(file.read_text())}

    assert len(events) >= 4
    assert sorted(one for one in events if f"`{one}`" not in page) == []
