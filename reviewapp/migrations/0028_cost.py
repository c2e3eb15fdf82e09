"""What each interaction cost. A column that may be null is added without touching the rows."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0027_audit_chain"),
    ]

    operations = [
        migrations.AddField(
            model_name="interaction",
            name="cost",
            field=models.FloatField(null=True),
        ),
    ]
