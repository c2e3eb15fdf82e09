"""Interactions partitioned by month, for installations with some hundred million of them.

    foresee(now)      what partitioning would do; nothing is changed
    partition(now)    do it, or go on where it was cut off; months ahead, too
    keep(now)         the day's work: months ahead, and the disk space of those that retention emptied
    worry(now)        what an operator should see to

An operator begins it; nothing here changes an installation that has plain tables. See docs/growing.md.
"""

from reviewapp.stages.administer.partitions.converting import foresee, partition
from reviewapp.stages.administer.partitions.keeping import keep, worry
from reviewapp.stages.administer.partitions.shaping import Busy, CannotPartition, Patience

__all__ = ["Busy", "CannotPartition", "Patience", "foresee", "keep", "partition", "worry"]
