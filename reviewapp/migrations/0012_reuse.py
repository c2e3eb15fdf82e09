"""Stored answers served again, and what a source says of that."""

from __future__ import annotations

import django.db.models.deletion
import reviewapp.pure.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0011_canaries"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reuse",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("policy", models.CharField(max_length=10)),
                ("at", models.DateTimeField()),
                ("trace", models.TextField(null=True)),
                ("session", models.TextField(null=True)),
                ("end_user", models.TextField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ReuseDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("hits", models.BigIntegerField(default=0)),
                ("misses", models.BigIntegerField(default=0)),
                ("joined", models.BigIntegerField(default=0)),
                ("input_tokens", models.BigIntegerField(default=0)),
                ("output_tokens", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="source",
            name="reuse",
            field=models.CharField(
                choices=[
                    ("off", "Never: every call goes to the provider"),
                    ("valid", "When the answer’s fingerprint is still valid"),
                    ("reviewed", "When it is valid and people approved the answer"),
                ],
                default="off",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="source",
            name="reuse_days",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="source",
            name="reuse_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(("reuse__in", ["off", "valid", "reviewed"])), name="source_reuse_known"
            ),
        ),
        migrations.AddField(
            model_name="reuse",
            name="interaction",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="reuses",
                to="reviewapp.interaction",
            ),
        ),
        migrations.AddField(
            model_name="reuse",
            name="project",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="reviewapp.project",
            ),
        ),
        migrations.AddField(
            model_name="reuse",
            name="source",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="reviewapp.source",
            ),
        ),
        migrations.AddField(
            model_name="reuseday",
            name="source",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="reviewapp.source",
            ),
        ),
        migrations.AddIndex(
            model_name="reuse",
            index=models.Index(fields=["interaction", "-at"], name="reuse_of_interaction"),
        ),
        migrations.AddIndex(
            model_name="reuse",
            index=models.Index(fields=["source", "-at"], name="reuse_of_source"),
        ),
        migrations.AddConstraint(
            model_name="reuseday",
            constraint=models.UniqueConstraint(fields=("source", "day"), name="reuse_day_once"),
        ),
    ]
