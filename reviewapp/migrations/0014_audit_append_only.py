"""The audit trail can only be added to: the database refuses to change or delete an entry."""

from __future__ import annotations

from django.db import migrations

FORWARD = """
CREATE FUNCTION reviewapp_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'An entry of the audit log is never changed or deleted.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON reviewapp_auditentry
    FOR EACH ROW EXECUTE FUNCTION reviewapp_refuse_change();
"""
BACKWARD = """
DROP TRIGGER audit_append_only ON reviewapp_auditentry;
DROP FUNCTION reviewapp_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("reviewapp", "0013_failed_messages_told")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
