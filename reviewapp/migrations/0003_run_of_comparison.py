"""A comparison knows its run: a run of 100,000 attempts is counted and paged from indexes."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviewapp", "0002_replay_workers")]

    operations = [
        migrations.AddField(
            model_name="comparison",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="reviewapp.replayrun",
            ),
        ),
        migrations.RunSQL(
            # Checked at once: a table with checks outstanding can't be altered.
            "SET CONSTRAINTS ALL IMMEDIATE;"
            "UPDATE reviewapp_comparison SET run_id = reviewapp_attempt.run_id"
            " FROM reviewapp_attempt WHERE reviewapp_attempt.id = reviewapp_comparison.attempt_id",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="comparison",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="reviewapp.replayrun",
            ),
        ),
        migrations.AddIndex(
            model_name="comparison",
            index=models.Index(fields=["run", "verdict", "attempt"], name="comparison_run_verdict"),
        ),
        migrations.RemoveIndex(model_name="attempt", name="attempt_run_state"),
        migrations.AddIndex(
            model_name="attempt", index=models.Index(fields=["run", "state", "id"], name="attempt_of_run")
        ),
    ]
