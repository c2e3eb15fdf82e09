"""A worker that is killed while it deletes leaves whole batches and says nothing false; another goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from reviewapp.models import AuditEntry, Erasure, Interaction, InteractionBody
from reviewapp.stages import privacy
from reviewapp.stages.privacy.erasing import is_genuine
from reviewapp.stages.privacy.retaining import RuleValues
from tests import factories
from tests.conftest import ROOT
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + timedelta(days=100)
WHO = "zanzibar-4711"
# When the second batch's interactions are deleted, and not committed.
KILLED = """
import os, signal, sys
from datetime import datetime
from uuid import UUID
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from reviewapp.stages import privacy
from reviewapp.stages.privacy import clearing
batches = []
delete = clearing._delete_bare
def watch(*given):
    delete(*given)
    batches.append(given)
    if len(batches) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
clearing._delete_bare = watch
about, later = UUID(sys.argv[3]), datetime.fromisoformat(sys.argv[4])
if sys.argv[2] == "erase":
    privacy.erase(erasure_id=about, clock=lambda: later, batch=2)
else:
    while privacy.retain(rule_id=about, now=later, batch=2):
        pass
"""


def killed(deed: str, about: Any) -> None:
    """Do it in a process of its own, which kills itself amid the second batch."""
    name = str(connection.settings_dict["NAME"])
    told = [deed, str(about.pk), LATER.isoformat()]
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "reviewapp.settings"}
    done = subprocess.run([sys.executable, "-c", KILLED, name, *told], cwd=ROOT, env=env, check=False)
    assert done.returncode == -signal.SIGKILL


def calls(project: Any, *, count: int, **fields: Any) -> None:
    for _ in range(count):
        factories.make_interaction(project=project, **fields)


def test_an_erasure_goes_on_where_its_worker_was_killed():
    project = factories.make_project()
    admin = factories.make_actor(project=project)
    calls(project, count=5, end_user=WHO)
    made = privacy.start_erasure(actor=admin, name=WHO, now=LATER)

    killed("erase", made)
    made.refresh_from_db()
    left = Interaction.objects.count()
    half = (made.state, made.counts["interaction"], made.certificate)
    told_early = AuditEntry.objects.filter(action="person.erased").exists()
    [again] = privacy.sweep_erasures(now=LATER + timedelta(minutes=5))
    privacy.erase(erasure_id=again, clock=lambda: LATER)
    made = Erasure.objects.get(pk=made.pk)

    # One batch is gone whole, and what is counted is what is gone.
    assert (left, InteractionBody.objects.count()) == (3, 0)
    assert half == ("running", 2, {})
    assert not told_early
    assert (made.state, Interaction.objects.count()) == ("done", 0)
    assert made.certificate["erased"]["interaction"] == 5
    assert is_genuine(made.certificate)


def test_a_rule_goes_on_where_its_worker_was_killed_and_tells_of_what_is_gone_alone():
    project = factories.make_project()
    admin = factories.make_actor(project=project)
    calls(project, count=5)
    rule = privacy.add_rule(actor=admin, values=RuleValues(days=30), now=NOW)

    killed("retain", rule)
    left = Interaction.objects.count()
    told = deleted()
    while privacy.retain(rule_id=rule.pk, now=LATER, batch=2):
        pass

    assert (left, told) == (3, [2])
    assert (Interaction.objects.count(), sum(deleted())) == (0, 5)


def deleted() -> list[int]:
    """How many interactions each entry of the audit log says were deleted."""
    entries = AuditEntry.objects.filter(action="retention.run")
    return [entry.detail["deleted"]["interaction"] for entry in entries]
