"""Watch: what the recorded answers say about the backends behind them.

It pulls what was recorded, and nothing calls it from the left.
"""

from reviewapp.stages.watch.alerts import acknowledge, note_seen, raise_alert, take_back
from reviewapp.stages.watch.changes import Seen, note_event, open_or_join
from reviewapp.stages.watch.deciding import accept, overlap, put_back, retire, settle
from reviewapp.stages.watch.pools import pull, rebuild
from reviewapp.stages.watch.walking import walk

__all__ = [
    "Seen",
    "accept",
    "acknowledge",
    "note_event",
    "note_seen",
    "open_or_join",
    "overlap",
    "pull",
    "put_back",
    "raise_alert",
    "rebuild",
    "retire",
    "settle",
    "take_back",
    "walk",
]
