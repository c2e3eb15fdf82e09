"""The files for production: what they name must exist in this project.

No container engine is needed: the compose file is read, its commands are tried on this
machine, and each variable must be one that the app reads.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("prepare", "web", "worker", "beat")
SECRETS = {
    "REVIEWAPP_SECRET_KEY": "x" * 64,
    "REVIEWAPP_ENCRYPTION_KEYS": "b25seS1mb3ItdGhlLXRlc3RzLTAwMDAwMDAwMDAwMDA=",
    "REVIEWAPP_ALLOWED_HOSTS": "review.example",
    "REVIEWAPP_DATABASE_PASSWORD": "secret",
}
KEYS_OF_A_SERVICE = {
    *("image", "build", "restart", "init", "read_only", "tmpfs", "cap_drop", "security_opt", "networks"),
    *(
        "volumes",
        "logging",
        "environment",
        "command",
        "depends_on",
        "healthcheck",
        "ports",
        "stop_grace_period",
    ),
    "shm_size",
}


def filled_in(text: str) -> str:
    """`${NAME:-default}` and `${NAME:?message}` as compose would fill them in."""

    def value(found: re.Match[str]) -> str:
        name, rest = found.group(1), found.group(2) or ""
        return SECRETS.get(name) or rest.removeprefix(":-")

    before = ""
    while before != text:  # a default may hold another: the innermost first
        before, text = text, re.sub(r"\$\{(\w+)(:[-?][^{}]*)?\}", value, text)
    return text


def environment_of(name: str) -> dict[str, str]:
    return {key: filled_in(str(value)) for key, value in SERVICES[name].get("environment", {}).items()}


def command_of(name: str) -> list[str]:
    command = [filled_in(part) for part in SERVICES[name]["command"]]
    assert command[0] == "python"
    return [sys.executable, *command[1:]]


def what_the_app_reads() -> set[str]:
    found: set[str] = set()
    for file in (ROOT / "reviewapp").rglob("*.py"):
        found |= set(re.findall(r"REVIEWAPP_[A-Z_]*[A-Z]", file.read_text()))
    return found


def test_all_parts_are_there():
    assert {"database", "broker", "prepare", "web", "worker", "beat"} == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_only_keys_that_compose_knows(name):
    assert set(SERVICES[name]) <= KEYS_OF_A_SERVICE


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_networks_and_services_that_are_named_are_defined(name):
    service = SERVICES[name]

    assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_who_waits_for_health_waits_for_a_service_that_checks_it():
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert how["condition"] == "service_completed_successfully"
                assert other == "prepare"


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "prepare"])
def test_what_runs_on_is_checked(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", OURS)
def test_each_variable_is_one_that_the_app_reads(name):
    given = {key for key in environment_of(name) if key.startswith("REVIEWAPP_")}

    assert given <= what_the_app_reads()


def test_each_variable_of_the_compose_file_is_in_the_example():
    named = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    example = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))

    assert named - {"REVIEWAPP_VERSION"} == example


# What containers need not choose: the demo, the embedded servers and the ports inside a container.
NOT_PASSED = {"BROKER_BIN", "POSTGRES_BIN", "DEMO", "SIM_PORT", "METRICS_PORT"}


def test_each_documented_variable_reaches_the_containers():
    told = re.findall(
        r"^\| (`REVIEWAPP_[^|]+)\|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE
    )
    documented = {name for cell in told for name in re.findall(r"REVIEWAPP_\w+", cell)}
    passed = set().union(*(environment_of(name) for name in OURS))

    assert len(documented) > 30
    assert {name for name in documented - passed if not name.endswith("_FILE")} == {
        f"REVIEWAPP_{name}" for name in NOT_PASSED
    }


@pytest.mark.parametrize("name", OURS)
def test_an_app_container_is_read_only_and_without_privileges(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


def test_only_the_web_server_is_published_and_only_to_this_host():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert {name: [filled_in(port) for port in ports] for name, ports in published.items()} == {
        "web": ["127.0.0.1:8000:8000"]
    }


def test_workers_can_be_multiplied():
    assert not {"ports", "container_name", "hostname"} & set(SERVICES["worker"])


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_one_that_this_project_has(name):
    # --help comes last: the options before it have to be known, or the program refuses them.
    command = [*command_of(name), "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert shown.returncode == 0, shown.stderr
    assert "usage" in shown.stdout.lower()


def test_an_option_that_does_not_exist_would_be_noticed():
    command = [*command_of("worker"), "--no-such-option", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert shown.returncode != 0


def test_worker_and_embedded_worker_take_the_same_queues():
    from reviewapp.embedded.up import QUEUES

    assert QUEUES in SERVICES["worker"]["command"]


@pytest.mark.parametrize("name", OURS)
def test_the_settings_accept_a_containers_environment(name, tmp_path):
    variables = {key: value for key, value in os.environ.items() if not key.startswith("REVIEWAPP_")}
    variables |= environment_of(name) | {"REVIEWAPP_DATA": str(tmp_path)}
    code = "from django.conf import settings as s; assert s.PRODUCTION; print(s.DATABASES['default']['HOST'])"
    variables["DJANGO_SETTINGS_MODULE"] = "reviewapp.settings"

    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )

    assert said.stdout.strip() == "database", said.stderr


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_a_health_check_tells_illness_from_health(name, tmp_path):
    """Nothing runs here, so each check has to fail, and to say why."""
    command = SERVICES[name]["healthcheck"]["test"][1:]
    variables = {**os.environ, **environment_of(name), "REVIEWAPP_READY_FILE": str(tmp_path / "ready")}
    variables["REVIEWAPP_PORT"] = "1"

    said = subprocess.run(
        [sys.executable, *command[1:]], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )

    assert said.returncode == 1
    assert said.stderr.strip()
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_a_process_that_shows_life_is_healthy(name, tmp_path):
    ready = tmp_path / "ready"
    ready.touch()
    command = SERVICES[name]["healthcheck"]["test"][1:]

    said = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=ROOT,
        env={**os.environ, "REVIEWAPP_READY_FILE": str(ready)},
        check=False,
    )

    assert said.returncode == 0


def test_the_image_copies_what_exists_and_runs_as_nobody_special():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]

    assert all((ROOT / source).exists() for sources in copied for source in sources)
    assert "USER app" in lines


def test_what_the_image_copies_is_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = {
        source
        for line in lines
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    }

    assert copied <= allowed


def test_the_image_and_the_compose_file_start_the_same_web_server():
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    command = re.findall(r"^CMD (\[.*\])$", text, flags=re.MULTILINE)[-1]

    assert yaml.safe_load(command) == SERVICES["web"]["command"]


# --- Several hosts --------------------------------------------------------------------------------


class _Compose(yaml.SafeLoader):
    """Compose's own tags, which say that a value of the other file is dropped."""


_Compose.add_constructor("!reset", lambda loader, node: None)
MANY: dict[str, Any] = yaml.load((ROOT / "docs/many-hosts/compose.yml").read_text(), _Compose)


def queues_of(service: dict[str, Any]) -> set[str]:
    return set(service["command"][service["command"].index("--queues") + 1].split(","))


def test_the_workers_of_many_hosts_take_every_queue_once_and_nothing_else_does():
    workers = {name: one for name, one in MANY["services"].items() if name.startswith("worker-")}
    taken = [queue for one in workers.values() for queue in queues_of(one)]

    assert sorted(taken) == sorted(queues_of(SERVICES["worker"]))
    assert MANY["services"]["worker"]["deploy"]["replicas"] == 0
    assert all(one["extends"]["service"] == "worker" for one in workers.values())


def test_recording_stands_behind_no_long_task_on_many_hosts():
    assert queues_of(MANY["services"]["worker-record"]) == {"record", "default"}


def test_only_the_proxy_of_many_hosts_is_published():
    assert [name for name, one in MANY["services"].items() if one.get("ports")] == ["proxy"]
    # Any number of web containers, so none may claim a port of the host.
    assert MANY["services"]["web"]["ports"] is None


def test_what_the_proxy_reads_is_there():
    [mount] = [text for text in MANY["services"]["proxy"]["volumes"] if text.startswith("./")]

    assert (ROOT / mount.partition(":")[0]).is_file()


def test_the_replica_of_many_hosts_is_there_when_asked_for_and_the_database_lets_it_in():
    replica, database = MANY["services"]["database-replica"], MANY["services"]["database"]
    mounted = [text.split(":") for one in (replica, database) for text in one["volumes"] if text[0] == "."]

    assert replica["profiles"] == ["replica"]
    assert all((ROOT / source).is_file() for source, *_ in mounted)
    assert {target for _, target, _ in mounted} == {"/replica.sh", "/etc/postgresql/pg_hba.conf"}
    # Settings of the database itself stay as in the project's own file.
    assert database["command"][: len(SERVICES["database"]["command"])] == SERVICES["database"]["command"]
