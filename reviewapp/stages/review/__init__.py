"""Review: what people say about interactions, and the queues in which they are handed them."""

from reviewapp.models.bodies import answer_text, reply_of
from reviewapp.stages.review.adjudicating import (
    adjudicate,
    can_adjudicate,
    check_can_adjudicate,
    undo_adjudication,
)
from reviewapp.stages.review.annotations import (
    EditedMeanwhile,
    Given,
    NotYours,
    annotate,
    annotate_all,
    edit_annotation,
    kept_among,
    remove_annotation,
    restore_annotation,
    said_of,
)
from reviewapp.stages.review.bringing import Brought, bring, foresee
from reviewapp.stages.review.deciding import decide
from reviewapp.stages.review.flags import flag, move_flag, save_flag_reasons, undo_flags
from reviewapp.stages.review.handing import (
    LEASE,
    check_can_review,
    leave,
    renew,
    return_expired,
    take,
)
from reviewapp.stages.review.items import Entry, disagreeing, enqueue, requeue, reviewers_of
from reviewapp.stages.review.judging import Judgement, Kept, judge, judged_interaction, skip, undo
from reviewapp.stages.review.queues import QueueValues, move_queue, save_queue, standing_queue
from reviewapp.stages.review.routing import (
    Preview,
    RuleValues,
    backfill,
    draft_rule,
    move_rule,
    preview,
    raise_rule,
    remove_rule,
    route,
    save_rule,
    takes,
)
from reviewapp.stages.review.rubrics import default_rubric, rubric_of, save_rubric
from reviewapp.stages.review.tags import add_tag, remove_tag
from reviewapp.stages.review.texts import NOTE_LIMIT

__all__ = [
    "LEASE",
    "NOTE_LIMIT",
    "Brought",
    "EditedMeanwhile",
    "Entry",
    "Given",
    "Judgement",
    "Kept",
    "NotYours",
    "Preview",
    "QueueValues",
    "RuleValues",
    "add_tag",
    "adjudicate",
    "annotate",
    "annotate_all",
    "answer_text",
    "backfill",
    "bring",
    "can_adjudicate",
    "check_can_adjudicate",
    "check_can_review",
    "decide",
    "default_rubric",
    "disagreeing",
    "draft_rule",
    "edit_annotation",
    "enqueue",
    "flag",
    "foresee",
    "judge",
    "judged_interaction",
    "kept_among",
    "leave",
    "move_flag",
    "move_queue",
    "move_rule",
    "preview",
    "raise_rule",
    "remove_annotation",
    "remove_rule",
    "remove_tag",
    "renew",
    "reply_of",
    "requeue",
    "restore_annotation",
    "return_expired",
    "reviewers_of",
    "route",
    "rubric_of",
    "said_of",
    "save_flag_reasons",
    "save_queue",
    "save_rubric",
    "save_rule",
    "skip",
    "standing_queue",
    "take",
    "takes",
    "undo",
    "undo_adjudication",
    "undo_flags",
]
