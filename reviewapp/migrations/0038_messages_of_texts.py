"""Beside texts that are composed, the messages they are composed of, so that they are read in any language."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0037_limits"),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="alertdelivery",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="backendchange",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="canarybaseline",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="canarycheck",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="canaryset",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="changeevent",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="notification",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="queueitem",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="replayrun",
            name="said",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="seedprobe",
            name="said",
            field=models.JSONField(null=True),
        ),
    ]
