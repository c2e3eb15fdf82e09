"""Probing on a schedule whether seeds count for anything."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django_celery_beat.models import PeriodicTask

from reviewapp.models import SeedProbe
from reviewapp.models.probing import Probes, probed_of, together
from reviewapp.providers.simulated import server
from reviewapp.stages import administer
from reviewapp.stages.administer import ProviderValues
from reviewapp.stages.watch import probing
from tests.factories import NOW, make_interaction, make_provider

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def base_url():
    with server.running() as url:
        yield url


def save(admin, *, provider=None, **values):
    given = {"name": "sim", "base_url": "http://127.0.0.1:9/v1", **values}
    return administer.save_provider(actor=admin, values=ProviderValues(**given), provider=provider, now=NOW)


def test_a_provider_is_probed_as_often_as_an_admin_says(admin):
    provider = save(admin, probe_every_hours=24)

    row = PeriodicTask.objects.get(name=f"seed probe {provider.pk}")
    assert (row.task, row.interval.every, row.interval.period) == (administer.PROBE_TASK, 24, "hours")

    save(admin, provider=provider, probe_every_hours=None)
    assert not PeriodicTask.objects.filter(pk=row.pk).exists()


def test_models_that_were_asked_with_a_seed_lately_are_probed(project):
    provider = make_provider(project=project)
    for model, seed, ago in (
        ("often", 1, 1),
        ("often", 2, 1),
        ("once", 3, 1),
        ("unseeded", None, 1),
        ("old", 4, 30),
    ):
        make_interaction(
            project=project, provider=provider, model=model, seed=seed, started_at=NOW - timedelta(days=ago)
        )

    assert probing.models_to_probe(provider=provider, now=NOW) == ["often", "once"]


def test_what_a_probe_finds_is_kept_for_each_model(project, base_url):
    provider = make_provider(project=project, base_url=base_url, probe_every_hours=24)
    for model in ("sim-steady", "sim-no-seed"):
        make_interaction(project=project, provider=provider, model=model, started_at=NOW)

    assert probing.probe_seeds(provider_id=provider.pk, now=NOW) == 2

    found = {
        one.model: one for one in probed_of(pairs=[(provider.pk, "sim-steady"), (provider.pk, "sim-no-seed")])
    }
    assert found["sim-steady"].honoured is True
    assert found["sim-no-seed"].honoured is False
    assert SeedProbe.objects.filter(scheduled=True).count() == 2
    probes = Probes()
    assert probes.honoured(provider=provider, model="sim-no-seed") is False
    assert probes.honoured(provider=provider, model="never-probed") is None


def test_a_provider_that_is_away_leaves_what_was_known(project):
    provider = make_provider(project=project, base_url="http://127.0.0.1:9/v1", probe_every_hours=24)
    make_interaction(project=project, provider=provider, started_at=NOW)

    assert probing.probe_seeds(provider_id=provider.pk, now=NOW) == 0
    assert not SeedProbe.objects.exists()


def test_models_of_which_nothing_is_known_are_named_together(project):
    provider = make_provider(project=project)
    counted = {"same": 3, "asked": 3, "chance": 0, "others": 3}
    SeedProbe.objects.create(
        provider=provider,
        project=project,
        model="known",
        sentence="It does.",
        honoured=True,
        at=NOW,
        **counted,
    )

    told = together(probed_of(pairs=[(provider.pk, name) for name in ("a", "known", "b", "c")]))

    assert [one.model for one in told] == ["a, b, c", "known"]
