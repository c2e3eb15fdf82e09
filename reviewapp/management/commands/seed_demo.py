"""`manage.py seed_demo`: fills the demo project through the real path, once.

What one sees in the demo was asked through the gateway, answered by the simulated provider,
and recorded by the worker, like anybody's data. Then a few answers are flagged, judged and
replayed. Runs beside the product after its first start; a second run finds the data and only
makes sure that the provider's address is right.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import aiohttp
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from reviewapp.management.demo import ANNOTATED, FLAGGED, PRICES, calls
from reviewapp.models import (
    Actor,
    Interaction,
    Membership,
    Person,
    Project,
    Provider,
    Role,
    actor_for_person,
)
from reviewapp.stages import administer, replay, review, watch
from reviewapp.stages.administer import ProviderValues, SourceValues
from reviewapp.stages.watch import CanaryValues
from reviewapp.tasks import replay_nudge, watch_prepare_canaries

CONCURRENCY = 12
REVIEWER = "reviewer@localhost"
WATCHED = "sim-small"


class Command(BaseCommand):
    help = "Fills the demo project through gateway, journal and worker from the simulated provider, once."

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug="demo").first()
        if project is None:
            raise CommandError("There is no project “demo”: start the product with REVIEWAPP_DEMO=1.")
        admin = first_admin(project)
        connect_simulator(admin)
        if Interaction.objects.filter(project=project).exists():
            return
        self.stdout.write("Asking the simulated provider some questions for the demo project")
        asyncio.run(self._ask(admin))
        recorded = _wait_until_recorded(project, at_least=len(list(calls())))
        reviewer = _reviewer(project)
        self._fill_queue(admin)
        flagged = self._judge(reviewer)
        # By their ids: what somebody quick has flagged meanwhile is not the demo's to replay.
        replay_flagged(reviewer=reviewer, flagged=flagged)
        _watch(admin)
        self.stdout.write(
            f"The demo project holds {recorded} interactions, all answered by the simulated provider"
        )

    async def _ask(self, admin: Actor) -> None:
        key, secret = await asyncio.to_thread(_demo_key, admin)
        address = f"http://{settings.HOST}:{settings.PORT}/v1/chat/completions"
        gate = asyncio.Semaphore(CONCURRENCY)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:

            async def one(call: Any) -> None:
                async with (
                    gate,
                    session.post(
                        address,
                        json=call.request,
                        headers={
                            "Authorization": f"Bearer {secret}",
                            "X-Review-Source": call.source,
                            "X-Review-Tags": ",".join(call.tags),
                            "X-Review-Session": call.session,
                            "X-Review-User": call.user,
                        },
                    ) as answer,
                ):
                    # Errors are data too: the flaky model is there to show them.
                    await answer.read()

            async with asyncio.TaskGroup() as group:
                for call in calls():
                    group.create_task(one(call))
        await asyncio.to_thread(administer.revoke_key, actor=admin, key_id=key.pk, now=timezone.now())

    def _judge(self, reviewer: Actor) -> list[str]:
        flagged = []
        rows = {
            row.prompt_preview: row
            for row in Interaction.objects.filter(project=reviewer.project, status=200)
            .select_related("body")
            .order_by("started_at")
        }
        for prompt, reason, severity, note in FLAGGED:
            if prompt in rows:
                review.flag(
                    actor=reviewer,
                    interaction=rows[prompt],
                    reason=reason,
                    severity=severity,
                    note=note,
                    now=timezone.now(),
                )
                flagged.append(str(rows[prompt].pk))
        for prompt, scores, comment, correct in ANNOTATED:
            if prompt not in rows:
                continue
            text = review.answer_text(rows[prompt])
            review.annotate(
                actor=reviewer,
                interaction=rows[prompt],
                scores=scores,
                comment=comment,
                correction=correct(text) if correct else None,
                now=timezone.now(),
            )
        return flagged

    def _fill_queue(self, admin: Actor) -> None:
        """A queue whose rule brings a few of what was recorded, and a few of what comes each day."""
        now = timezone.now()
        queue = review.save_queue(
            actor=admin,
            values=review.QueueValues(
                name="Sample of support answers",
                instructions="Would you send this answer to the customer as it is?",
            ),
            now=now,
        )
        rule = review.save_rule(
            actor=admin,
            queue=queue,
            values=review.RuleValues(
                name="A tenth of what the support bot answers",
                filter={"source": "support-bot", "status": "ok"},
                sample=0.1,
                daily_cap=20,
            ),
            now=now,
        )
        review.backfill(actor=admin, rule=rule, now=now)


def replay_flagged(*, reviewer: Actor, flagged: list[str]) -> None:
    """Ask the flagged answers again; none is flagged where the worker was too late or every call failed."""
    if not flagged:
        return
    with transaction.atomic():
        run = replay.start_run(
            actor=reviewer,
            selection={"interactions": flagged},
            attempts=3,
            overrides={},
            note="Do the flagged answers come out the same again?",
            now=timezone.now(),
        )
    replay_nudge.delay(run_id=str(run.pk))


def _watch(admin: Actor) -> None:
    """Canaries on the model that the demo asks most: a check every two minutes.

    Its baseline is learnt in three sessions a minute apart, and says so wherever it shows: in life
    they lie hours apart.
    """
    provider = Provider.objects.get(project=admin.project, name="simulated")
    made = watch.make_set(
        actor=admin,
        provider=provider,
        model=WATCHED,
        values=CanaryValues(every_minutes=2, learn_every_minutes=1, daily_budget=50_000),
        now=timezone.now(),
    )
    watch_prepare_canaries.delay(set_id=str(made.pk))


def connect_simulator(admin: Actor) -> None:
    """The simulated provider as the default one; its port may differ from start to start."""
    port = os.environ.get("REVIEWAPP_SIM_PORT")
    if not port:
        return
    found = Provider.objects.filter(project=admin.project, name="simulated").first()
    url = f"http://127.0.0.1:{port}/v1"
    if found is None or found.base_url != url:
        found = administer.save_provider(
            actor=admin,
            values=ProviderValues(
                name="simulated",
                base_url=url,
                max_concurrency=40,
                is_simulated=True,
                timeout_seconds=60,
                prices=PRICES if found is None else None,
            ),
            provider=found,
            now=timezone.now(),
        )
    if not Provider.objects.filter(project=admin.project, is_default=True).exists():
        administer.make_default_provider(actor=admin, provider=found, now=timezone.now())


def first_admin(project: Project) -> Actor:
    member = (
        Membership.objects.filter(project=project, role=Role.ADMIN)
        .select_related("person")
        .order_by("created_at")
        .first()
    )
    actor = actor_for_person(person=member.person, project=project) if member else None
    if actor is None:
        raise CommandError("The project “demo” has no admin: run `manage.py prepare` first.")
    return actor


def _reviewer(project: Project) -> Actor:
    person = Person.objects.filter(email=REVIEWER).first() or Person.objects.create_user(
        REVIEWER, name="Robin (demo reviewer)"
    )
    Membership.objects.get_or_create(
        project=project, person=person, defaults={"role": Role.REVIEWER, "created_at": timezone.now()}
    )
    actor = actor_for_person(person=person, project=project)
    assert actor is not None
    return actor


def _demo_key(admin: Actor) -> tuple[Any, str]:
    # This source asks for log probabilities on every call, so that the tokens view has something to show.
    if not admin.project.sources.filter(name="support-bot").exists():
        administer.save_source(
            actor=admin, values=SourceValues(name="support-bot", add_logprobs=True), now=timezone.now()
        )
    return administer.create_api_key(
        project=admin.project, name="demo data", scopes=["ingest"], now=timezone.now(), actor=admin
    )


def _wait_until_recorded(project: Project, *, at_least: int) -> int:
    """How many were recorded; gives up waiting after a minute, for some may be lost on the way on purpose."""
    deadline = time.monotonic() + 60
    count = 0
    while time.monotonic() < deadline:
        count = Interaction.objects.filter(project=project).count()
        if count >= at_least:
            break
        time.sleep(0.2)
    return count
