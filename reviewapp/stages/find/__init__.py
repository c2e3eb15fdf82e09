"""Find: views of the list that people keep, and what is done to all that a filter matches."""

from reviewapp.stages.find.bulk import (
    cancel_bulk,
    check_can_stop,
    choose,
    expected,
    start_bulk,
    step,
    undo_bulk,
    waiting_bulk,
)
from reviewapp.stages.find.learning import learn, rebuild_continuations
from reviewapp.stages.find.views import (
    ViewValues,
    can_edit_view,
    check_can_edit_view,
    choose_default,
    edit_view,
    remove_view,
    restore_view,
    save_view,
    update_view,
)

__all__ = [
    "ViewValues",
    "can_edit_view",
    "cancel_bulk",
    "check_can_edit_view",
    "check_can_stop",
    "choose",
    "choose_default",
    "edit_view",
    "expected",
    "learn",
    "rebuild_continuations",
    "remove_view",
    "restore_view",
    "save_view",
    "start_bulk",
    "step",
    "undo_bulk",
    "update_view",
    "waiting_bulk",
]
