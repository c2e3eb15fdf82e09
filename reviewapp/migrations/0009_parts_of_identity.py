"""The other parts of a backend's identity, and how many answers came before a fingerprint."""

from __future__ import annotations


import django.db.models.deletion
import reviewapp.pure.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0008_queues"),
    ]

    operations = [
        migrations.AddField(
            model_name="fingerprint",
            name="calls_before",
            field=models.BigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="IdentityPart",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("model", models.TextField()),
                (
                    "part",
                    models.CharField(
                        choices=[
                            ("response_model", "Model named in the answer"),
                            ("service_tier", "Service tier"),
                            ("header", "Response header"),
                            ("seed", "Seed that came back"),
                        ],
                        max_length=20,
                    ),
                ),
                ("name", models.TextField(default="")),
                ("value", models.TextField()),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("count", models.BigIntegerField(default=0)),
                ("calls_before", models.BigIntegerField(default=0)),
                ("is_news", models.BooleanField(default=False)),
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
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "provider", "model", "part", "name", "value"),
                        name="identity_part_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("part__in", ["response_model", "service_tier", "header", "seed"])
                        ),
                        name="identity_part_known",
                    ),
                ],
            },
        ),
    ]
