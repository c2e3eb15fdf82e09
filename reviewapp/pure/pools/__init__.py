"""Fingerprint pools: what the values that a model answers with say, and what of it is an event.

Fingerprints rotate, stop being reported, never change or are drawn at random, each by provider. So
a pool is first graded from its own data (`grades`), and "differs from the last one" is no event; a
value never seen before that takes a share of the traffic is one, and so are a lasting shift, a value
gone, and reporting that stops or starts (`events`; what is new, to the call: `arrivals`). Some values
say what they stand for (`parts`). Values also depend on what is asked for, so they are kept by the
request's shape (`shapes`).
"""

from reviewapp.pure.pools.arrivals import Arrival, arrivals
from reviewapp.pure.pools.events import Bucket, EventKind, PoolEvent, naive_changes, pool_events
from reviewapp.pure.pools.grades import Graded, Life, grade_of
from reviewapp.pure.pools.overlaps import LEARNING_CALLS, first_state, overlap_length
from reviewapp.pure.pools.parts import Parts, changed_parts, read_parts
from reviewapp.pure.pools.shapes import REPORTING, shape_of, shape_words

__all__ = [
    "LEARNING_CALLS",
    "REPORTING",
    "Arrival",
    "Bucket",
    "EventKind",
    "Graded",
    "Life",
    "Parts",
    "PoolEvent",
    "arrivals",
    "changed_parts",
    "first_state",
    "grade_of",
    "naive_changes",
    "overlap_length",
    "pool_events",
    "read_parts",
    "shape_of",
    "shape_words",
]
