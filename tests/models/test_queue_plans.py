"""The next item of a queue is found by walking one small index, however many items wait and were judged.

The rows are some thousand; the planner is told that they are a hundred thousand, and nothing is forbidden it.
"""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewapp.stages import review
from tests import emptying
from tests.factories import NOW, make_actor, make_interaction, make_project, make_queue
from tests.models.test_plans import nodes

ROWS = 3_000
BELIEVED = 100_000
TABLES = ("reviewapp_queueitem", "reviewapp_queueslot")
_ITEMS = """
INSERT INTO reviewapp_queueitem (id, project_id, queue_id, interaction_id, attempt_id, reason, rank, position,
    state, free, round, created_at)
SELECT gen_random_uuid(), project_id, %s, id, NULL, '', 0, row_number() OVER (ORDER BY id),
    'pending', 2, 1, now()
FROM reviewapp_interaction
"""
# More of them than one has read of a morning; each item still waits for another person.
_SLOTS = """
INSERT INTO reviewapp_queueslot (id, project_id, queue_id, item_id, person_id, round, state, replay_first,
    taken_at, finished_at)
SELECT gen_random_uuid(), project_id, queue_id, id, %s, 1, 'judged', false, now(), now()
FROM reviewapp_queueitem ORDER BY position LIMIT %s
"""
_INTERACTIONS = """
INSERT INTO reviewapp_interaction ({columns})
SELECT {values} FROM reviewapp_interaction CROSS JOIN generate_series(2, %s)
"""


@pytest.fixture(scope="module")
def queued(django_db_setup, django_db_blocker):
    """A queue with its person, who judged the first third of it; gone with the module."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            # New files: what earlier tests left in the indexes makes one look dearer than another.
            cursor.execute("TRUNCATE reviewapp_project CASCADE")
            for name in TABLES:
                # What the planner is told below must not be put right meanwhile.
                cursor.execute(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")
        project = make_project()
        make_interaction(project=project)
        actor = make_actor(project=project, role="reviewer")
        queue = make_queue(project=project, judgements_needed=2)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_name = 'reviewapp_interaction' AND is_generated = 'NEVER'"
            )
            names = [name for (name,) in cursor.fetchall()]
            values = ", ".join("gen_random_uuid()" if name == "id" else name for name in names)
            cursor.execute(_INTERACTIONS.format(columns=", ".join(names), values=values), [ROWS])
            cursor.execute(_ITEMS, [queue.pk])
            cursor.execute(f"ANALYZE {TABLES[0]}")
            # What was judged since the last look, statistics don't know.
            cursor.execute(f"ANALYZE {TABLES[1]}")
            cursor.execute(_SLOTS, [actor.person.pk, ROWS // 3])
            cursor.execute(
                "UPDATE pg_class SET reltuples = %s WHERE relname = %s OR oid IN (SELECT indexrelid FROM"
                " pg_index WHERE indrelid = %s::regclass) AND reltuples > 1000",
                [BELIEVED, TABLES[0], TABLES[0]],
            )
        yield actor, queue
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE reviewapp_project CASCADE")
            cursor.execute(f"ANALYZE {', '.join(TABLES)}")
            for name in TABLES:
                cursor.execute(f"ALTER TABLE {name} RESET (autovacuum_enabled)")
        # What speaks of a project by a value alone.
        emptying.empty()


def analysed(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        return cursor.fetchone()[0][0]["Plan"]


@pytest.mark.django_db
def test_the_next_item_is_found_along_the_index_of_free_places(queued):
    actor, queue = queued
    with CaptureQueriesContext(connection) as captured:
        slot = review.take(actor=actor, queue=queue, now=NOW)

    found = [query["sql"] for query in captured.captured_queries if "SKIP LOCKED" in query["sql"]]
    plan = analysed(found[0])

    assert slot.item.position == ROWS // 3 + 1
    walked = {node["Index Name"]: node for node in nodes(plan) if "Index Name" in node}
    assert set(walked) == {"queue_item_next", "queue_slot_once"}
    # Each of those before it is asked for by itself, once; none is held against all that was judged.
    assert walked["queue_slot_once"]["Actual Rows"] <= 1
    assert not {node["Node Type"] for node in nodes(plan)} & {"Sort", "Materialize", "Hash", "Seq Scan"}


@pytest.mark.django_db
def test_handing_out_asks_a_handful_of_questions(queued):
    actor, queue = queued
    with CaptureQueriesContext(connection) as captured:
        review.take(actor=actor, queue=queue, now=NOW)

    asked = [query["sql"] for query in captured.captured_queries]
    # Who may, what ran out, the person's lock, what they hold, the next, and both writes at once.
    assert len([sql for sql in asked if not sql.startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))]) == 6
