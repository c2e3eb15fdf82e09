"""Find: views of the list that people keep, and what is done to all that a filter matches."""

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
    "check_can_edit_view",
    "choose_default",
    "edit_view",
    "remove_view",
    "restore_view",
    "save_view",
    "update_view",
]
