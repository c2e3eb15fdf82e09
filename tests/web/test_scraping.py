"""/metrics: who may read it, and that each figure says what happened."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from datetime import timedelta
from urllib.error import HTTPError

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from reviewapp import metrics
from reviewapp.metrics import exposing
from reviewapp.models import FailedMessage, WaitingWords
from reviewapp.web import scraping
from tests.conftest import ROOT
from tests.factories import NOW
from tests.serving import serving, settle

QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Capital of France?"}]}
TOKEN = "a-token-of-the-tests"


def scrape(address: str, **headers: str) -> dict[str, float]:
    """Every sample by its name and labels."""
    request = urllib.request.Request(f"{address}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = answer.read().decode()
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def status_of(address: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{address}/metrics", headers=headers), timeout=20
        ) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """Each test asks anew: the answer is kept for seconds."""
    monkeypatch.setattr(scraping, "_latest", scraping._Latest())


def test_a_call_through_the_gateway_is_counted_timed_and_recorded(gateway):
    address = str(gateway.base_url).rstrip("/")
    before = scrape(address)
    for _ in range(3):
        assert gateway.post("/v1/chat/completions", json=QUESTION).status_code == 200
    settle()
    scraping._latest = scraping._Latest()

    after = scrape(address)

    def grew(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    call = "[('method', 'POST'), ('route', '/v1/chat/completions'), ('status', '200')]"
    assert grew(f"reviewapp_http_requests_total{call}") == 3
    assert grew("reviewapp_http_request_duration_seconds_count[('route', '/v1/chat/completions')]") == 3
    assert grew("reviewapp_gateway_added_seconds_count") == 3
    assert 0 < grew("reviewapp_gateway_added_seconds_sum") < 3
    assert grew("reviewapp_interactions_recorded_total") == 3


def test_the_state_of_the_parts_is_told(gateway):
    FailedMessage.objects.create(payload=b"x", digest=b"d" * 32, error="Unreadable.", created_at=NOW)

    found = scrape(str(gateway.base_url).rstrip("/"))

    assert found["reviewapp_up[('part', 'database')]"] == 1
    assert found["reviewapp_up[('part', 'worker')]"] == 0
    assert found["reviewapp_messages_waiting_aside"] == 1
    assert found["reviewapp_queue_messages[('queue', 'record')]"] == 0
    assert found["reviewapp_replay_attempts_unfinished[('state', 'queued')]"] == 0
    assert found["reviewapp_database_size_bytes"] > 1_000_000
    assert found["reviewapp_journal_waiting_frames"] == 0


def test_what_waits_in_the_journal_is_told(gateway):
    gateway.post("/v1/chat/completions", json=QUESTION)

    found = scrape(str(gateway.base_url).rstrip("/"))

    # The broker has it, nobody recorded it: so the journal keeps it.
    assert found["reviewapp_journal_waiting_frames"] == 1
    assert found["reviewapp_journal_waiting_bytes"] > 100
    assert found["reviewapp_journal_segments"] == 1
    assert 0 <= found["reviewapp_journal_oldest_age_seconds"] < 60


def test_what_no_search_finds_yet_is_told(gateway):
    WaitingWords.objects.create(count=3, texts=b"", recorded_at=timezone.now() - timedelta(minutes=9))
    WaitingWords.objects.create(count=4, texts=b"", recorded_at=timezone.now())

    found = scrape(str(gateway.base_url).rstrip("/"))

    assert found["reviewapp_search_waiting_interactions"] == 7
    assert 540 <= found["reviewapp_search_oldest_age_seconds"] < 600


@pytest.mark.django_db(transaction=True)
def test_a_page_is_counted_by_its_route_not_by_its_address():
    with serving() as address:
        for path in ("/accounts/login/", "/wp-admin/x.php?q=secret"):
            try:
                urllib.request.urlopen(f"{address}{path}", timeout=120).read()
            except HTTPError as error:
                error.close()
        found = scrape(address)

    assert found["reviewapp_http_request_duration_seconds_count[('route', '/accounts/login/')]"] >= 1
    assert not [name for name in found if "wp-admin" in name or "secret" in name]


@pytest.mark.django_db(transaction=True)
def test_with_a_token_only_who_has_it_may_read(settings):
    settings.METRICS_TOKEN = TOKEN
    with serving() as address:
        assert status_of(address) == 404
        assert status_of(address, Authorization="Bearer wrong-token-of-somebody") == 404
        assert status_of(address, Authorization=f"Bearer {TOKEN}") == 200


@pytest.mark.django_db(transaction=True)
def test_without_a_token_nobody_may_read_through_a_proxy():
    with serving() as address:
        assert status_of(address, **{"X-Forwarded-For": "127.0.0.1"}) == 404


def test_production_without_a_token_counts_nothing_and_traces_nothing(tmp_path):
    code = (
        "import reviewapp.asgi as a, sys; from django.conf import settings;"
        "print(settings.METRICS, a.application is a.product, settings.METRICS_DIR or None,"
        " 'opentelemetry.sdk' in sys.modules)"
    )
    (tmp_path / "static").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REVIEWAPP_")}
    production = {
        "REVIEWAPP_ENV": "production",
        "REVIEWAPP_DATA": str(tmp_path),
        "REVIEWAPP_SECRET_KEY": "x" * 64,
        "REVIEWAPP_ENCRYPTION_KEYS": "b25seS1mb3ItdGhlLXRlc3RzLTAwMDAwMDAwMDAwMDA=",
        "REVIEWAPP_ALLOWED_HOSTS": "review.example",
    }

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | production,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.stdout.strip() == "False True None False", done.stderr


def test_what_a_dead_process_said_of_its_present_is_forgotten_and_its_counts_are_not(tmp_path, settings):
    settings.METRICS_DIR = str(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (
        f"gauge_livesum_{ended.pid}.db",
        f"counter_{ended.pid}.db",
        f"gauge_livesum_{os.getpid()}.db",
    ):
        (tmp_path / name).touch()

    exposing.forget_the_dead(tmp_path)

    assert {file.name for file in tmp_path.iterdir()} == {
        f"counter_{ended.pid}.db",
        f"gauge_livesum_{os.getpid()}.db",
    }


def test_the_folder_of_a_host_that_is_gone_for_a_week_is_removed(tmp_path, settings):
    settings.METRICS_DIR = str(tmp_path / "here")
    for host, age in (("here", 30), ("gone", 8), ("quiet", 1)):
        file = tmp_path / host / "counter_1.db"
        file.parent.mkdir()
        file.touch()
        os.utime(file, (time.time() - age * 86_400,) * 2)

    exposing.tidy(now=time.time())

    assert {folder.name for folder in tmp_path.iterdir()} == {"here", "quiet"}


def test_a_host_without_a_web_process_serves_its_own_counts(settings):
    settings.METRICS_TOKEN = TOKEN
    metrics.TASKS.labels("record_batch", "done").inc()
    server = exposing.start_server(host="127.0.0.1", port=0)
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        assert status_of(address) == 404
        found = scrape(address, Authorization=f"Bearer {TOKEN}")
    finally:
        server.shutdown()
        server.server_close()

    assert found["reviewapp_tasks_total[('outcome', 'done'), ('task', 'record_batch')]"] >= 1


def test_rules_and_dashboard_ask_for_figures_that_exist(gateway):
    gateway.post("/v1/chat/completions", json=QUESTION)
    metrics.SEEN.labels("celery@host").set(1)
    known = {name.partition("[")[0] for name in scrape(str(gateway.base_url).rstrip("/"))}
    # Of a counter nobody has counted with yet there is only the name.
    known |= {
        f"{counter._name}_total" for counter in vars(metrics).values() if hasattr(counter, "_labelnames")
    }
    known.add("reviewapp_scheduler_last_sent_timestamp_seconds")
    monitoring = ROOT / "docs" / "monitoring"

    asked = set(re.findall(r"reviewapp_\w+", (monitoring / "alerts.yml").read_text()))
    asked |= set(re.findall(r"reviewapp_\w+", (monitoring / "dashboard.json").read_text()))

    assert len(asked) > 15
    assert asked <= known
