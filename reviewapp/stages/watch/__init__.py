"""Watch: what the recorded answers say about the backends behind them.

It pulls what was recorded, and nothing calls it from the left.
"""

from reviewapp.stages.watch.alerts import acknowledge, note_seen, raise_alert, take_back
from reviewapp.stages.watch.asking import NothingToAsk, begin, due_sets, spent_today
from reviewapp.stages.watch.canaries import (
    CanaryValues,
    ask_now,
    change_set,
    check_can_watch,
    make_set,
    pause,
    remove_canary,
    remove_set,
    renew,
    renew_accepted,
    resume,
    watch_with,
)
from reviewapp.stages.watch.changes import Seen, note_event, open_or_join
from reviewapp.stages.watch.checking import advance
from reviewapp.stages.watch.deciding import accept, overlap, put_back, retire, settle
from reviewapp.stages.watch.pools import pull, rebuild
from reviewapp.stages.watch.preparing import prepare, waiting
from reviewapp.stages.watch.walking import walk

__all__ = [
    "CanaryValues",
    "NothingToAsk",
    "Seen",
    "accept",
    "acknowledge",
    "advance",
    "ask_now",
    "begin",
    "change_set",
    "check_can_watch",
    "due_sets",
    "make_set",
    "note_event",
    "note_seen",
    "open_or_join",
    "overlap",
    "pause",
    "prepare",
    "pull",
    "put_back",
    "raise_alert",
    "rebuild",
    "remove_canary",
    "remove_set",
    "renew",
    "renew_accepted",
    "resume",
    "retire",
    "settle",
    "spent_today",
    "take_back",
    "waiting",
    "walk",
    "watch_with",
]
