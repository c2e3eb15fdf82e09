"""Watch: what the recorded answers say about the backends behind them.

It pulls what was recorded, and nothing calls it from the left.
"""

from reviewapp.stages.watch.alerts import acknowledge, note_seen, raise_alert, take_back
from reviewapp.stages.watch.asking import NothingToAsk, begin, begin_due, due_sets, spent_today
from reviewapp.stages.watch.canaries import (
    CanaryValues,
    ask_now,
    change_set,
    check_can_watch,
    make_set,
    pause,
    remove_canary,
    remove_set,
    resume,
    watch_with,
)
from reviewapp.stages.watch.changes import Seen, note_event, open_or_join
from reviewapp.stages.watch.checking import advance, recompute_check
from reviewapp.stages.watch.closing import (
    accept_change,
    check_can_decide,
    check_can_report,
    dismiss_change,
    report_change,
    undo_decision,
)
from reviewapp.stages.watch.deciding import accept, overlap, put_back, retire, settle
from reviewapp.stages.watch.pools import pull, rebuild, uncounted_since
from reviewapp.stages.watch.preparing import prepare, waiting
from reviewapp.stages.watch.renewing import renew, renew_accepted
from reviewapp.stages.watch.verifying import (
    CHANGED_ANSWERS,
    cancel_verification,
    check_can_verify,
    counted_scope,
    retry_unmeasured,
    scope_of,
    settle_verifications,
    start_verification,
    verify_by_policy,
)
from reviewapp.stages.watch.walking import walk

__all__ = [
    "CHANGED_ANSWERS",
    "CanaryValues",
    "NothingToAsk",
    "Seen",
    "accept",
    "accept_change",
    "acknowledge",
    "advance",
    "ask_now",
    "begin",
    "begin_due",
    "cancel_verification",
    "change_set",
    "check_can_decide",
    "check_can_report",
    "check_can_verify",
    "check_can_watch",
    "counted_scope",
    "dismiss_change",
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
    "recompute_check",
    "remove_canary",
    "remove_set",
    "renew",
    "renew_accepted",
    "report_change",
    "resume",
    "retire",
    "retry_unmeasured",
    "scope_of",
    "settle",
    "settle_verifications",
    "spent_today",
    "start_verification",
    "take_back",
    "uncounted_since",
    "undo_decision",
    "verify_by_policy",
    "waiting",
    "walk",
    "watch_with",
]
