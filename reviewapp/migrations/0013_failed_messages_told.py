"""Whether an alert told of what was set aside."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0012_reuse"),
    ]

    operations = [
        migrations.AddField(
            model_name="failedmessage",
            name="told_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="failedmessage",
            index=models.Index(
                condition=models.Q(("told_at", None)), fields=["id"], name="failed_message_untold"
            ),
        ),
        migrations.AddIndex(
            model_name="failedmessage",
            index=models.Index(
                condition=models.Q(("recorded_at", None)),
                fields=["project", "-created_at", "-id"],
                name="failed_message_waiting",
            ),
        ),
    ]
