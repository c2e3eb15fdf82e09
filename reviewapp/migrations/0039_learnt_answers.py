"""Which answers the completions were learnt from, so that forgetting reads these alone."""

from __future__ import annotations

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0038_messages_of_texts"),
    ]

    # What was learnt before is not known by answer. It is dropped by the first step of learning, not here:
    # workers of the earlier release may still be at it (stages/find/learning.py).
    operations = [
        migrations.CreateModel(
            name="LearntAnswer",
            fields=[
                ("interaction", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "alternatives",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
            ],
        ),
    ]
