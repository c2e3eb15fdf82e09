"""Seed ranges that can't overlap, and how far each has been given."""

from __future__ import annotations

import django.contrib.postgres.constraints
import django.db.models.deletion
import django.db.models.functions.comparison
import reviewapp.models.seeds
import reviewapp.pure.ids
from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0009_parts_of_identity"),
    ]

    operations = [
        # For "the same project" in the constraint; PostgreSQL lets the database's owner add it.
        BtreeGistExtension(),
        migrations.CreateModel(
            name="SeedRange",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("first", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                (
                    "policy",
                    models.CharField(
                        choices=[
                            ("random", "Random, none twice"),
                            ("sequence", "Sequence"),
                            ("derived", "Derived from the request"),
                            ("fixed", "Always the same"),
                        ],
                        default="random",
                        max_length=10,
                    ),
                ),
                ("seed", models.BigIntegerField(blank=True, null=True)),
                ("start", models.BigIntegerField(blank=True, null=True)),
                ("step", models.BigIntegerField(default=1)),
                ("order", models.BinaryField(default=reviewapp.models.seeds.new_order, max_length=16)),
                ("is_open", models.BooleanField(default=True)),
                ("is_automatic", models.BooleanField(default=False)),
                ("note", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
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
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="seed_ranges",
                        to="reviewapp.source",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SeedCounter",
            fields=[
                (
                    "range",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="counter",
                        serialize=False,
                        to="reviewapp.seedrange",
                    ),
                ),
                ("given", models.BigIntegerField(default=0)),
                ("last_given_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("given__gte", 0)), name="seed_given_positive")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="seedrange",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("project", "="),
                    (
                        models.Func(
                            django.db.models.functions.comparison.Cast(
                                models.F("first"), models.DecimalField(decimal_places=0, max_digits=20)
                            ),
                            django.db.models.functions.comparison.Cast(
                                models.F("last"), models.DecimalField(decimal_places=0, max_digits=20)
                            ),
                            models.Value("[]"),
                            function="numrange",
                        ),
                        "&&",
                    ),
                ],
                name="seed_ranges_apart",
            ),
        ),
        migrations.AddConstraint(
            model_name="seedrange",
            constraint=models.CheckConstraint(
                condition=models.Q(("first__lte", models.F("last"))), name="seed_range_in_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="seedrange",
            constraint=models.CheckConstraint(
                condition=models.Q(("policy__in", ["random", "sequence", "derived", "fixed"])),
                name="seed_policy_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="seedrange",
            constraint=models.CheckConstraint(
                condition=models.Q(("step", 0), _negated=True), name="seed_step_moves"
            ),
        ),
        migrations.AddConstraint(
            model_name="seedrange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("policy", "fixed"), _negated=True),
                    models.Q(
                        ("seed__gte", models.F("first")),
                        ("seed__isnull", False),
                        ("seed__lte", models.F("last")),
                    ),
                    _connector="OR",
                ),
                name="seed_fixed_inside",
            ),
        ),
        migrations.AddConstraint(
            model_name="seedrange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("start__isnull", True),
                    models.Q(("start__gte", models.F("first")), ("start__lte", models.F("last"))),
                    _connector="OR",
                ),
                name="seed_start_inside",
            ),
        ),
    ]
