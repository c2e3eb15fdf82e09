"""The values that models answer with, their hours, and how far the counting has come."""

from __future__ import annotations

import django.db.models.deletion
import reviewapp.pure.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0003_run_of_comparison"),
    ]

    operations = [
        migrations.CreateModel(
            name="Watermark",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(null=True)),
                ("interaction", models.UUIDField(null=True)),
                ("swept_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="CountedLately",
            fields=[
                ("interaction", models.UUIDField(primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["created_at"], name="counted_lately_age")],
            },
        ),
        migrations.CreateModel(
            name="Fingerprint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("model", models.TextField()),
                ("shape", models.TextField()),
                ("value", models.TextField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("accepted", "Accepted"),
                            ("overlap", "Overlap"),
                            ("retired", "Retired"),
                        ],
                        max_length=10,
                    ),
                ),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("count", models.BigIntegerField(default=0)),
                ("overlap_until", models.DateTimeField(null=True)),
                ("decided_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True)),
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
            name="FingerprintHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("count", models.BigIntegerField()),
                (
                    "fingerprint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hours",
                        to="reviewapp.fingerprint",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="fingerprint",
            index=models.Index(
                condition=models.Q(("state", "overlap")),
                fields=["overlap_until"],
                name="fingerprint_overlaps",
            ),
        ),
        migrations.AddConstraint(
            model_name="fingerprint",
            constraint=models.UniqueConstraint(
                fields=("project", "provider", "model", "value", "shape"),
                name="fingerprint_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="fingerprint",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["new", "accepted", "overlap", "retired"])),
                name="fingerprint_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="fingerprint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "overlap"), _negated=True),
                    ("overlap_until__isnull", False),
                    _connector="OR",
                ),
                name="fingerprint_overlap_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="fingerprint",
            constraint=models.CheckConstraint(
                condition=models.Q(("first_seen__lte", models.F("last_seen"))),
                name="fingerprint_seen_in_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="fingerprint",
            constraint=models.CheckConstraint(
                condition=models.Q(("count__gte", 0)), name="fingerprint_count_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="fingerprinthour",
            constraint=models.UniqueConstraint(fields=("fingerprint", "hour"), name="fingerprint_hour_once"),
        ),
        migrations.AddConstraint(
            model_name="fingerprinthour",
            constraint=models.CheckConstraint(
                condition=models.Q(("count__gt", 0)), name="fingerprint_hour_counted"
            ),
        ),
    ]
