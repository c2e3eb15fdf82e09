"""The index of costs, made while others go on writing; nothing has a cost yet, so it is empty."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("reviewapp", "0028_cost"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="interaction",
            index=models.Index(
                condition=models.Q(("cost__isnull", False)),
                fields=["project", "cost"],
                name="interaction_cost",
            ),
        ),
    ]
