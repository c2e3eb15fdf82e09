"""The index of values that few rows have, made while others go on writing."""

from __future__ import annotations

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("reviewapp", "0033_bulk_untag"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="interaction",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["project", "provider", "endpoint", "model", "response_model", "finish_reason"],
                name="interaction_values",
            ),
        ),
    ]
