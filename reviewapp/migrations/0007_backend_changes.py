"""Backend changes, what was seen of them, their verifications, and the verdicts these carry over."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
import reviewapp.models.project
import reviewapp.pure.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0006_alerts"),
    ]

    operations = [
        migrations.AddField(
            model_name="fingerprint",
            name="returned_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="provider",
            name="verifies_by_itself",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="BackendChange",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("model", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("verifying", "Verifying"),
                            ("verified", "Verified"),
                            ("accepted", "Accepted"),
                            ("reported", "Regressions reported"),
                            ("dismissed", "Dismissed"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("title", models.TextField()),
                ("opened_at", models.DateTimeField()),
                ("last_event_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True)),
                ("moved", models.JSONField(default=list)),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "decided_by_key",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviewapp.apikey",
                    ),
                ),
                (
                    "export",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="reviewapp.export",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.provider",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ChangeEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("model", models.TextField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("new_value", "New fingerprint"),
                            ("parts_changed", "Fingerprint names another backend"),
                            ("value_returned", "Retired fingerprint returned"),
                            ("shares_shifted", "Shares of the pool moved"),
                            ("value_gone", "Fingerprint gone"),
                            ("reporting_stopped", "Fingerprint no longer reported"),
                            ("reporting_started", "Fingerprint reported again"),
                            ("behaviour_changed", "Canaries answer differently"),
                            ("model_changed", "Another model answers"),
                            ("tier_changed", "Another service tier answers"),
                            ("header_changed", "A response header changed"),
                            ("seed_ignored", "The seed is not honoured"),
                        ],
                        max_length=20,
                    ),
                ),
                ("key", models.TextField()),
                ("at", models.DateTimeField()),
                ("noticed_at", models.DateTimeField()),
                ("sentence", models.TextField()),
                (
                    "values",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list, size=None
                    ),
                ),
                ("evidence", models.JSONField(default=dict)),
                (
                    "change",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="reviewapp.backendchange",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.provider",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("approved", models.PositiveIntegerField()),
                ("flagged", models.PositiveIntegerField()),
                ("asked", models.PositiveIntegerField()),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("was_cancelled", models.BooleanField(default=False)),
                (
                    "change",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="verifications",
                        to="reviewapp.backendchange",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_by_key",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviewapp.apikey",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="verification",
                        to="reviewapp.replayrun",
                    ),
                ),
            ],
            bases=(reviewapp.models.project.MadeBy, models.Model),
        ),
        migrations.CreateModel(
            name="CarriedVerdict",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("verdict", models.CharField(max_length=20)),
                ("created_at", models.DateTimeField()),
                (
                    "annotation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="carried",
                        to="reviewapp.annotation",
                    ),
                ),
                (
                    "answer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="carried_to",
                        to="reviewapp.interaction",
                    ),
                ),
                (
                    "flag",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="carried",
                        to="reviewapp.flag",
                    ),
                ),
                (
                    "original",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="carried_from",
                        to="reviewapp.interaction",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                (
                    "verification",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="carried",
                        to="reviewapp.verification",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WatchedPool",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.TextField()),
                ("counted", models.BigIntegerField(default=0)),
                ("walked", models.BigIntegerField(default=0)),
                ("walked_at", models.DateTimeField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.provider",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="backendchange",
            index=models.Index(fields=["project", "-opened_at", "-id"], name="change_newest"),
        ),
        migrations.AddConstraint(
            model_name="backendchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["open", "verifying", "verified", "accepted", "reported", "dismissed"])
                ),
                name="change_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="backendchange",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("open", "verifying", "verified"))),
                fields=("project", "provider", "model"),
                name="change_one_undecided",
            ),
        ),
        migrations.AddConstraint(
            model_name="backendchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ("accepted", "reported", "dismissed")), _negated=True),
                    ("decided_at__isnull", False),
                    _connector="OR",
                ),
                name="change_decision_dated",
            ),
        ),
        migrations.AddIndex(
            model_name="changeevent",
            index=models.Index(fields=["project", "-at", "-id"], name="seen_newest"),
        ),
        migrations.AddConstraint(
            model_name="changeevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "new_value",
                            "parts_changed",
                            "value_returned",
                            "shares_shifted",
                            "value_gone",
                            "reporting_stopped",
                            "reporting_started",
                            "behaviour_changed",
                            "model_changed",
                            "tier_changed",
                            "header_changed",
                            "seed_ignored",
                        ],
                    )
                ),
                name="seen_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="changeevent",
            constraint=models.UniqueConstraint(
                fields=("project", "provider", "model", "key"), name="seen_once"
            ),
        ),
        migrations.AddIndex(
            model_name="verification",
            index=models.Index(fields=["change", "-started_at"], name="verification_of_change"),
        ),
        migrations.AddIndex(
            model_name="verification",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", True)), fields=["id"], name="verification_running"
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.UniqueConstraint(
                condition=models.Q(("finished_at__isnull", True)),
                fields=("change",),
                name="verification_one_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="carriedverdict",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("annotation__isnull", False), ("flag__isnull", True)),
                    models.Q(("annotation__isnull", True), ("flag__isnull", False)),
                    _connector="OR",
                ),
                name="carried_one_judgement",
            ),
        ),
        migrations.AddConstraint(
            model_name="carriedverdict",
            constraint=models.UniqueConstraint(
                fields=("verification", "answer", "annotation", "flag"),
                name="carried_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddIndex(
            model_name="watchedpool",
            index=models.Index(
                condition=models.Q(("walked__lt", models.F("counted"))),
                fields=["walked_at"],
                name="watched_pool_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="watchedpool",
            constraint=models.UniqueConstraint(
                fields=("project", "provider", "model"), name="watched_pool_once"
            ),
        ),
    ]
