"""Beside what few interactions have (a verdict, a discussion, a flag, a tag of people) the time they were asked.

So the newest that have it are walked from an index, and nobody looks up and sorts all of them. The database
itself keeps the time: whoever writes such a row, an earlier release too, need not know of it.
"""

from __future__ import annotations

from django.db import migrations, models

from reviewapp.models.online import (
    AddFieldOnline,
    AddIndexOnline,
    FillOnline,
    RemoveIndexOnline,
    RunSQLOnline,
)

# The table of each, and which column names the interaction.
TABLES = {
    "comparison": "original_id",
    "flag": "interaction_id",
    "thread": "interaction_id",
    "addedtag": "interaction_id",
}

# A row whose interaction is not there is refused here rather than at the commit.
FUNCTION = """
CREATE OR REPLACE FUNCTION reviewapp_note_asked_of_{column}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.asked_at IS NULL THEN
        SELECT started_at INTO NEW.asked_at FROM reviewapp_interaction WHERE id = NEW.{column};
        IF NOT FOUND THEN
            RAISE EXCEPTION 'Interaction % is not there.', NEW.{column}
                USING ERRCODE = 'foreign_key_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER {table}_asked BEFORE INSERT OR UPDATE OF asked_at ON reviewapp_{table}
    FOR EACH ROW EXECUTE FUNCTION reviewapp_note_asked_of_{column}();
"""


class Migration(migrations.Migration):
    # A table at a time: who holds one of them and wants another would wait for this, and this for them.
    atomic = False

    dependencies = [
        ("reviewapp", "0039_learnt_answers"),
    ]

    operations = [
        *(
            AddFieldOnline(table, "asked_at", models.DateTimeField(null=True, editable=False))
            for table in TABLES
        ),
        *(
            RunSQLOnline(
                FUNCTION.format(column=column), f"DROP FUNCTION IF EXISTS reviewapp_note_asked_of_{column}()"
            )
            for column in sorted(set(TABLES.values()))
        ),
        *(
            RunSQLOnline(
                TRIGGER.format(table=table, column=column),
                f"DROP TRIGGER IF EXISTS {table}_asked ON reviewapp_{table}",
            )
            for table, column in TABLES.items()
        ),
        *(
            FillOnline(
                f"reviewapp_{table}",
                "asked_at",
                f"SELECT started_at FROM reviewapp_interaction i WHERE i.id = reviewapp_{table}.{column}",  # noqa: S608
            )
            for table, column in TABLES.items()
        ),
        AddIndexOnline(
            "comparison",
            models.Index(
                fields=["project", "verdict", "-asked_at", "-original"], name="comparison_along_the_list"
            ),
        ),
        RemoveIndexOnline("comparison", "comparison_of_verdict"),
        AddIndexOnline(
            "flag",
            models.Index(
                fields=["project", "-asked_at", "-interaction"],
                name="flag_along_the_list",
                condition=models.Q(state="open"),
            ),
        ),
        AddIndexOnline(
            "thread",
            models.Index(fields=["project", "-asked_at", "-interaction"], name="thread_along_the_list"),
        ),
        AddIndexOnline(
            "thread",
            models.Index(
                fields=["project", "-asked_at", "-interaction"],
                name="thread_open_along_the_list",
                condition=models.Q(state="open"),
            ),
        ),
        AddIndexOnline(
            "addedtag",
            models.Index(
                fields=["project", "name", "-asked_at", "-interaction"], name="added_tag_along_the_list"
            ),
        ),
    ]
