"""Studies: runs that ask in several ways, and what their answers are held against."""

import django.db.models.deletion
import reviewapp.models.project
import reviewapp.pure.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0021_waiting_words"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReplayVariant",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("label", models.CharField(max_length=200)),
                ("overrides", models.JSONField(default=dict)),
                ("about", models.JSONField(default=dict)),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviewapp.provider",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="variants",
                        to="reviewapp.replayrun",
                    ),
                ),
            ],
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="attempt",
                    name="variant",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.replayvariant",
                    ),
                ),
            ],
            # The check of the rows that are there would lock the table while it reads all of it, and they
            # are all null: new rows are checked from the start.
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE reviewapp_attempt ADD COLUMN variant_id uuid NULL;"
                    "ALTER TABLE reviewapp_attempt ADD CONSTRAINT attempt_variant_exists"
                    " FOREIGN KEY (variant_id) REFERENCES reviewapp_replayvariant (id)"
                    " DEFERRABLE INITIALLY DEFERRED NOT VALID",
                    "ALTER TABLE reviewapp_attempt DROP COLUMN variant_id",
                ),
            ],
        ),
        migrations.CreateModel(
            name="Study",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=reviewapp.pure.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("deviation", "Prompt deviation"),
                            ("seeds", "Seed stability"),
                            ("providers", "Provider comparison"),
                        ],
                        max_length=10,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("reference", models.BinaryField(default=b"", max_length=32)),
                ("created_at", models.DateTimeField()),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_by_key",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviewapp.apikey",
                    ),
                ),
                (
                    "interaction",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.interaction",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="study",
                        to="reviewapp.replayrun",
                    ),
                ),
            ],
            bases=(reviewapp.models.project.MadeBy, models.Model),
        ),
        migrations.CreateModel(
            name="StudyPoint",
            fields=[
                (
                    "attempt",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="point",
                        serialize=False,
                        to="reviewapp.attempt",
                    ),
                ),
                ("identical", models.BooleanField()),
                ("equivalent", models.BooleanField()),
                ("similarity", models.FloatField()),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="points",
                        to="reviewapp.study",
                    ),
                ),
                (
                    "variant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.replayvariant",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="replayvariant",
            constraint=models.UniqueConstraint(fields=("run", "position"), name="variant_position_once"),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(fields=["project", "-created_at", "-id"], name="study_newest"),
        ),
        migrations.AddConstraint(
            model_name="study",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["deviation", "seeds", "providers"])), name="study_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="studypoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("similarity__gte", 0), ("similarity__lte", 1)),
                name="study_point_similarity_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="studypoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("identical", False), ("equivalent", True), _connector="OR"),
                name="study_point_identical_is_equivalent",
            ),
        ),
    ]
