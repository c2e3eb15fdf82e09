"""Discussing: what people say to one another about interactions, and telling them what concerns them."""

from reviewapp.stages.discuss.mailing import is_set_up as mail_is_set_up
from reviewapp.stages.discuss.mailing import send_due, sweep
from reviewapp.stages.discuss.noticing import notice
from reviewapp.stages.discuss.telling import (
    Matter,
    choose_mails,
    mark_read,
    mark_thread_read,
    path_of,
    tell,
)
from reviewapp.stages.discuss.threads import (
    TEXT_LIMIT,
    Anchor,
    ChangedMeanwhile,
    NotYourPost,
    check_can_read,
    edit_post,
    find_anchor,
    handles_of,
    move_thread,
    remove_post,
    reply,
    restore_post,
    start_thread,
)
from reviewapp.stages.discuss.values import post_value, thread_value, threads_value
from reviewapp.stages.discuss.wording import sentence_of

__all__ = [
    "TEXT_LIMIT",
    "Anchor",
    "ChangedMeanwhile",
    "Matter",
    "NotYourPost",
    "check_can_read",
    "choose_mails",
    "edit_post",
    "find_anchor",
    "handles_of",
    "mail_is_set_up",
    "mark_read",
    "mark_thread_read",
    "move_thread",
    "notice",
    "path_of",
    "post_value",
    "remove_post",
    "reply",
    "restore_post",
    "send_due",
    "sentence_of",
    "start_thread",
    "sweep",
    "tell",
    "thread_value",
    "threads_value",
]
