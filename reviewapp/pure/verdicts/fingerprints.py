"""What two fingerprints say about two answers: rarely much, and never alone.

A value that was not reported is neither another one nor the same. Rotating pools, constant and
random values are worth a clause in the sentence and no more; the provider's grade tells.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from reviewapp.pure.exchange import Reply
from reviewapp.pure.verdicts.messages import Message, say, short_fingerprint
from reviewapp.pure.verdicts.values import Evidence

Relation: TypeAlias = Literal[
    "same", "constant", "random", "none", "stopped", "started", "pool", "known", "new", "retired", "other"
]

# The provider says that something else answered; a rotating pool says so all day.
ANNOUNCED: Final[frozenset[Relation]] = frozenset({"known", "new", "retired", "other"})
# Of those, the values that no person has accepted: an accepted one is a known member of the pool.
UNKNOWN_VALUES: Final[frozenset[Relation]] = frozenset({"new", "retired", "other"})


def relation(original: Reply, attempt: Reply, evidence: Evidence) -> Relation:
    """How the replay's fingerprint stands to the original's."""
    one, other = original.fingerprint, attempt.fingerprint
    if not one and not other:
        return "none"
    if not other:
        return "stopped"
    if not one:
        return "started"
    if one == other:
        return "constant" if evidence.grade == "constant" else "same"
    if evidence.grade == "random":
        return "random"
    state = evidence.states.get(other)
    if state == "retired" or state == "new":
        return state
    if state is None and evidence.states:
        # So new that it is not even counted yet: no member that anybody knows.
        return "other"
    if evidence.grade == "rotating":
        return "pool"
    return "other" if state is None else "known"


def clause(how: Relation, original: Reply, attempt: Reply) -> Message:
    """The relation as a sentence of its own."""
    if how in ("none", "constant", "random"):
        return say(f"fp_{how}")
    if how in ("same", "stopped"):
        return say(f"fp_{how}", fingerprint=short_fingerprint(original.fingerprint or ""))
    if how == "started":
        return say("fp_started", fingerprint=short_fingerprint(attempt.fingerprint or ""))
    return say(f"fp_{how}", **_pair(original, attempt))


def changed_head(how: Relation, original: Reply, attempt: Reply) -> tuple[Message, ...]:
    """How a sentence about a changed backend begins."""
    if models_differ(original.model, attempt.model):
        return (say("changed_model", original=original.model or "", attempt=attempt.model or ""),)
    if how in ANNOUNCED:
        return (say("changed", **_pair(original, attempt)),)
    if how == "pool":
        return (say("changed_pool", **_pair(original, attempt)),)
    if how == "same":
        return (say("changed_same_fp", fingerprint=short_fingerprint(original.fingerprint or "")),)
    if how in ("stopped", "started"):
        return (say("changed_plain"), clause(how, original, attempt))
    return (say("changed_no_fp" if how == "none" else "changed_idle_fp"),)


def models_differ(original: str | None, attempt: str | None) -> bool:
    """Whether the replies name different models.

    gpt-4 and openai/gpt-4-0613 may be one, so they don't; nor do gpt-3.5 and gpt-35, as Azure writes it.
    """
    if not original or not attempt:
        return False
    names = (name.lower().rpartition("/")[2].replace(".", "") for name in (original, attempt))
    short, long = sorted(names, key=len)
    return long != short and not (long.startswith(short) and long[len(short)] in "-:@")


def is_file(model: str | None) -> bool:
    """Whether the name is that of a file, as some local servers answer.

    Machines of one fleet may keep the same model under different names, so a file's name is a
    hint as a fingerprint is, while a vendor's model name is a statement.
    """
    return model is not None and (model.startswith(("/", "./", "~")) or model.lower().endswith(_FILES))


_FILES: Final = (".gguf", ".ggml", ".bin", ".safetensors", ".pt", ".onnx")


def _pair(original: Reply, attempt: Reply) -> dict[str, str]:
    one, other = original.fingerprint or "", attempt.fingerprint or ""
    return {
        "original": short_fingerprint(one, beside=other),
        "attempt": short_fingerprint(other, beside=one),
    }
