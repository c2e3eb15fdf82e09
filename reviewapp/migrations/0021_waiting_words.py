from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0020_discussions"),
    ]

    operations = [
        migrations.CreateModel(
            name="WaitingWords",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("count", models.IntegerField()),
                ("texts", models.BinaryField()),
                ("recorded_at", models.DateTimeField()),
            ],
        ),
        # The texts are compressed already: PostgreSQL must not try again.
        migrations.RunSQL(
            "ALTER TABLE reviewapp_waitingwords ALTER COLUMN texts SET STORAGE EXTERNAL",
            migrations.RunSQL.noop,
        ),
    ]
