"""What counting needs of the texts, told when they are recorded; null in what was recorded before."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0034_rare_values"),
    ]

    operations = [
        migrations.AddField(model_name="interactionbody", name="shape", field=models.TextField(null=True)),
        migrations.AddField(
            model_name="interactionbody", name="service_tier", field=models.TextField(null=True)
        ),
        migrations.AddField(
            model_name="interactionbody", name="answered_seed", field=models.BigIntegerField(null=True)
        ),
    ]
