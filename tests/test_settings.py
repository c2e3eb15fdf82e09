"""What the environment says, read strictly; each in a process of its own, since settings are read once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SAY = "from django.conf import settings; print(settings.ADDRESS_RULE)"
PRODUCTION = {
    "REVIEWAPP_ENV": "production",
    "REVIEWAPP_SECRET_KEY": "s" * 60,
    "REVIEWAPP_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "REVIEWAPP_ALLOWED_HOSTS": "review.example",
}


def start(tmp_path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REVIEWAPP_")}
    return subprocess.run(
        [sys.executable, "-c", SAY],
        env=kept
        | {"DJANGO_SETTINGS_MODULE": "reviewapp.settings", "REVIEWAPP_DATA": str(tmp_path)}
        | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        ({}, "1"),
        (PRODUCTION, "0"),
        (PRODUCTION | {"REVIEWAPP_ALLOW_PRIVATE_ADDRESSES": "10.20.0.0/16"}, "10.20.0.0/16"),
        ({"REVIEWAPP_ALLOW_PRIVATE_ADDRESSES": "0"}, "0"),
    ],
)
def test_private_addresses_are_for_ones_own_machine_unless_the_operator_says_otherwise(
    tmp_path, variables, rule
):
    said = start(tmp_path, **variables)

    assert said.stdout.strip() == rule


def test_a_network_that_is_none_stops_the_start_with_one_line(tmp_path):
    said = start(tmp_path, REVIEWAPP_ALLOW_PRIVATE_ADDRESSES="10.0.0.1/8")

    assert said.returncode == 1
    assert said.stderr == (
        "REVIEWAPP_ALLOW_PRIVATE_ADDRESSES: holds '10.0.0.1/8'; "
        "write 1, 0, or networks separated by commas, such as 10.20.0.0/16\n"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REVIEWAPP_PORT", "abc"),
        ("REVIEWAPP_PORT", "99999"),
        ("REVIEWAPP_HOST", "not a host"),
        ("REVIEWAPP_DEMO", "maybe"),
        ("REVIEWAPP_ENV", "prod"),
        ("REVIEWAPP_DATABASE_URL", "mysql://host/name"),
        ("REVIEWAPP_REPLICA_DATABASE_URL", "mysql://host/name"),
        ("REVIEWAPP_REPLICA_DATABASE_URL", "postgresql://host"),
        ("REVIEWAPP_REPLICA_WAIT_MS", "-1"),
        ("REVIEWAPP_BROKER_URL", "ftp://host"),
        ("REVIEWAPP_ADMIN_EMAIL", "nobody"),
        ("REVIEWAPP_ALLOWED_HOSTS", "https://review.example/"),
        ("REVIEWAPP_ALLOWED_HOSTS", "review.example:8000"),
        ("REVIEWAPP_METRICS_TOKEN", "too-short"),
        ("REVIEWAPP_TRACES_URL", "collector:4318"),
        ("REVIEWAPP_OIDC_ROLES", "reviewers=support:owner"),
        ("REVIEWAPP_OIDC_URL", "id.example.org"),
        ("REVIEWAPP_REQUIRE_SECOND_FACTOR", "admin"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line_that_names_it(tmp_path, name, value):
    said = start(tmp_path, **{name: value})

    assert said.returncode == 1
    assert said.stderr.startswith(f"{name}: ")
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("hosts", ["review.example, .review.example", "127.0.0.1,[::1],localhost", "*"])
def test_hosts_are_taken_in_every_way_they_are_written(tmp_path, hosts):
    assert start(tmp_path, REVIEWAPP_ALLOWED_HOSTS=hosts).returncode == 0
