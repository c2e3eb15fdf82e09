"""The audit trail is sealed into chains, and its seals can only be added to either."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE ON reviewapp_auditseal
    FOR EACH ROW EXECUTE FUNCTION reviewapp_refuse_change();
CREATE FUNCTION reviewapp_note_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reviewapp_auditunsealed (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_note_unsealed AFTER INSERT ON reviewapp_auditentry
    FOR EACH ROW EXECUTE FUNCTION reviewapp_note_unsealed();
INSERT INTO reviewapp_auditunsealed (entry_id) SELECT id FROM reviewapp_auditentry;
"""
BACKWARD = """
DROP TRIGGER audit_note_unsealed ON reviewapp_auditentry;
DROP FUNCTION reviewapp_note_unsealed();
DROP TRIGGER audit_seal_append_only ON reviewapp_auditseal;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("reviewapp", "0026_judgements_in_files"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditUnsealed",
            fields=[
                ("entry_id", models.UUIDField(primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="seal",
                        serialize=False,
                        to="reviewapp.auditentry",
                    ),
                ),
                ("seq", models.BigIntegerField()),
                ("previous", models.BinaryField(max_length=32)),
                ("digest", models.BinaryField(max_length=32)),
                ("sealed_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "seq"), name="audit_seal_once", nulls_distinct=False
                    ),
                    models.CheckConstraint(condition=models.Q(("seq__gte", 1)), name="audit_seal_from_one"),
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
