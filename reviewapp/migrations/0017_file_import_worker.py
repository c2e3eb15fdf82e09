"""Which worker has a file import."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0016_file_imports"),
    ]

    operations = [
        migrations.AddField(
            model_name="fileimport",
            name="worker",
            field=models.UUIDField(null=True),
        ),
    ]
