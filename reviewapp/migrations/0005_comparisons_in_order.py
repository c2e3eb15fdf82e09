"""A run's comparisons with one verdict stand in the order of their originals."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviewapp", "0004_fingerprints")]

    operations = [
        migrations.RemoveIndex(model_name="comparison", name="comparison_run_verdict"),
        migrations.AddIndex(
            model_name="comparison",
            index=models.Index(fields=["run", "verdict", "original", "attempt"], name="comparison_of_run"),
        ),
    ]
