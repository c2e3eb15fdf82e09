"""Indexes for what is rare among many: a verdict, a status, the newest flags and comparisons."""

from __future__ import annotations

from django.db import migrations, models

from reviewapp.models.online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("reviewapp", "0035_told_when_recorded"),
    ]

    operations = [
        AddIndexOnline(
            model_name="comparison",
            index=models.Index(fields=["project", "verdict", "original"], name="comparison_of_verdict"),
        ),
        AddIndexOnline(
            model_name="comparison",
            index=models.Index(fields=["project", "-created_at"], name="comparison_newest"),
        ),
        AddIndexOnline(
            model_name="flag",
            index=models.Index(
                fields=["project", "-created_at"], name="flag_open_newest", condition=models.Q(state="open")
            ),
        ),
        AddIndexOnline(
            model_name="interaction",
            index=models.Index(
                "project",
                "status",
                models.F("started_at").desc(),
                models.F("id").desc(),
                name="interaction_status",
                condition=~models.Q(status=200) | models.Q(status__isnull=True),
            ),
        ),
    ]
