"""Beside texts that are composed, the messages they are composed of, so that they are read in any language."""

from __future__ import annotations

from django.db import migrations, models

from reviewapp.models.online import AddFieldOnline


class Migration(migrations.Migration):
    # A table at a time: who holds one of them and wants another would wait for this, and this for them.
    atomic = False

    dependencies = [
        ("reviewapp", "0037_limits"),
    ]

    operations = [
        AddFieldOnline(
            model_name="alert",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="alertdelivery",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="attempt",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="backendchange",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="canarybaseline",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="canarycheck",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="canaryset",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="changeevent",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="notification",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="queueitem",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="replayrun",
            name="said",
            field=models.JSONField(null=True),
        ),
        AddFieldOnline(
            model_name="seedprobe",
            name="said",
            field=models.JSONField(null=True),
        ),
    ]
