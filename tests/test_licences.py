"""What an installation brings along may be used and passed on freely: every locked dependency's licence."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest

from tests.conftest import ROOT

# Whoever passes the app on may do so under its own licence; these ask for no more than their notice.
PERMISSIVE = {
    "0BSD",
    "3-Clause BSD License",
    "Apache Software License",
    "Apache-2.0",
    "BSD",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT License",
    "MIT-0",
    "PSF-2.0",
    "Python Software Foundation License",
    "The Unlicense (Unlicense)",
    "ZPL-2.1",
    "Zlib",
}
# Copyleft that ends at the package itself, which we use unchanged: each with the reason why it is taken.
TAKEN_NEVERTHELESS = {
    "certifi": "MPL 2.0: the list of certificate authorities, a data file",
    "fido2": "MPL 2.0 for one data file of it; passkeys of the accounts library",
    "orjson": "MPL 2.0 for parts; the licence binds changes of its own files only",
    "psycopg": "LGPL: the one maintained PostgreSQL driver; imported, not copied",
    "psycopg-binary": "LGPL: as psycopg",
    "psycopg-pool": "LGPL: as psycopg",
    "python-crontab": "LGPL: comes with django-celery-beat; imported, not copied",
    "qrcode": "BSD by its text; a classifier says Other for the name QR Code, a trade mark",
}


def locked() -> set[str]:
    """The packages that an installation needs, extras of ours included, tools of development not."""
    packages = {
        package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    }
    found: set[str] = set()
    waiting = ["reviewapp"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        package = packages[name]
        extras = package.get("optional-dependencies", {}).values()
        for dependency in [*package.get("dependencies", []), *(one for extra in extras for one in extra)]:
            waiting.append(dependency["name"])
    return found - {"reviewapp"}


def licences_of(name: str) -> set[str]:
    """As the package says: an SPDX expression, else its classifiers, else its first line on it."""
    told = metadata.metadata(name)
    expression = told.get("License-Expression")
    if expression:
        return set(re.split(r"\s+(?:AND|OR)\s+", expression.replace("(", "").replace(")", "")))
    classified = [one for one in told.get_all("Classifier") or [] if one.startswith("License ::")]
    if classified:
        return {one.split(" :: ")[-1] for one in classified} - {"OSI Approved"}
    return {(told.get("License") or "none told").splitlines()[0].strip()}


@pytest.mark.parametrize("name", sorted(locked()))
def test_a_dependency_may_be_used_and_passed_on_freely(name):
    try:
        told = licences_of(name)
    except metadata.PackageNotFoundError:
        pytest.skip("is for another system or Python")

    assert told <= PERMISSIVE or name in TAKEN_NEVERTHELESS, told


def test_no_reason_is_kept_for_what_is_not_used_any_more():
    assert TAKEN_NEVERTHELESS.keys() <= locked()
