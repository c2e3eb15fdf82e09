"""Tables in which web processes count together. Unlogged: they are written often and last for minutes."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0036_rare_among_many"),
    ]

    operations = [
        migrations.CreateModel(
            name="RateLevel",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("level", models.FloatField()),
                ("per_minute", models.IntegerField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Kept",
            fields=[
                ("key", models.TextField(primary_key=True, serialize=False)),
                ("value", models.JSONField()),
                ("expires_at", models.DateTimeField()),
            ],
        ),
        # New and empty, so it takes no time.
        migrations.RunSQL(
            [
                "ALTER TABLE reviewapp_ratelevel SET UNLOGGED",
                "ALTER TABLE reviewapp_kept SET UNLOGGED",
            ],
            migrations.RunSQL.noop,
        ),
    ]
