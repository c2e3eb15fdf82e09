"""What is told of the parts that the app runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates.marking import Template, gettext_noop, ngettext

TEMPLATES: Final[Mapping[str, Template]] = {
    "part_late": gettext_noop("The %(part)s did not answer within %(seconds)s seconds."),
    "mend_late": gettext_noop("Look at its load and its logs; if it hangs, start it again."),
    "database_away": gettext_noop("The database can't be reached."),
    "mend_database": gettext_noop(
        "Start it: `make run` brings its own; with REVIEWAPP_DATABASE_URL set, look at that server."
    ),
    "database_answers": gettext_noop("The database answers."),
    "replica_unused": gettext_noop("The replica is not used: lists and exports are read from the primary."),
    "mend_replica": gettext_noop(
        "Look at that server, at its way to the primary, and there at pg_stat_replication. It is used "
        "again by itself once it has caught up."
    ),
    "replica_answers": gettext_noop("The replica answers lists and exports."),
    "broker_away": gettext_noop("The broker can't be reached. What arrives waits in the journal."),
    "mend_broker": gettext_noop(
        "Start it: `make run` brings its own; with REVIEWAPP_BROKER_URL set, look at that server."
    ),
    "broker_answers": gettext_noop("The broker answers."),
    "worker_unasked": gettext_noop(
        "Whether a worker runs can't be asked, because the broker can't be reached."
    ),
    "mend_broker_first": gettext_noop("Mend the broker first."),
    "worker_none": gettext_noop("No worker answers: nothing is recorded."),
    "mend_worker": gettext_noop(
        "Start one: `make run` does, elsewhere `celery -A reviewapp worker` with all queues."
    ),
    "worker_answers": gettext_noop("A worker answers."),
    "scheduler_unasked": gettext_noop(
        "Whether the scheduler runs can't be said, because the database can't be reached."
    ),
    "mend_database_first": gettext_noop("Mend the database first."),
    "scheduler_never": gettext_noop("The scheduler has never run here."),
    "mend_scheduler": gettext_noop(
        "Start one: `make run` does, elsewhere exactly one `celery -A reviewapp beat`."
    ),
    "scheduler_silent": ngettext(
        "The scheduler has sent nothing for %(minutes)d minutes.",
        "The scheduler has sent nothing for %(minutes)d minutes.",
        by="minutes",
    ),
    "scheduler_last": gettext_noop("last task %(seconds)s s ago"),
    "scheduler_sends": gettext_noop("The scheduler sends its tasks."),
    "partitions_well": ngettext(
        "The interactions are in %(count)d partitions, with months ahead.",
        "The interactions are in %(count)d partitions, with months ahead.",
        by="count",
    ),
    "partitions_half": gettext_noop("Partitioning the interactions was begun and is not done."),
    "partitions_keys": ngettext(
        "%(count)d foreign keys of the partitioned interactions are not validated yet.",
        "%(count)d foreign keys of the partitioned interactions are not validated yet.",
        by="count",
    ),
    "partitions_none_ahead": gettext_noop(
        "There is no partition for the months ahead: what comes then can't be recorded."
    ),
    "partitions_missing": gettext_noop(
        "There is no partition for %(month)s yet: what comes then is kept with what is later."
    ),
    # ---- the audit log ----
    "chain_missing": gettext_noop("Entry %(seq)d is missing; entry %(next)d follows %(before)d."),
    "chain_parted": gettext_noop("Entry %(seq)d does not follow the one before it."),
    "chain_changed": gettext_noop("Entry %(seq)d is not what was sealed: it was changed."),
    # ---- parts by name ----
    "word_database": gettext_noop("database"),
    "word_broker": gettext_noop("broker"),
    "word_worker": gettext_noop("worker"),
    "word_scheduler": gettext_noop("scheduler"),
    "word_replica": gettext_noop("replica"),
}
