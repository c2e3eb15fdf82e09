"""Privacy: what is deleted, when, and for whom; what must not be.

    clear(project, interactions)     delete interactions and all that hangs on them
    retain(now)                      what the project's rules of retention want gone
    start_erasure, erase             everything of one end user, with a certificate
    place_hold, lift_hold            what nobody deletes meanwhile
    choose_pseudonyms, reveal        values that are hidden so that they can be looked up

It stands at the right end: it may delete what every other stage wrote.
"""

from reviewapp.stages.privacy.accounts import account_data
from reviewapp.stages.privacy.clearing import clear, not_held
from reviewapp.stages.privacy.erasing import (
    erase,
    export_person,
    look_for,
    start_erasure,
    sweep_erasures,
)
from reviewapp.stages.privacy.holding import lift_hold, place_hold
from reviewapp.stages.privacy.naming import choose_pseudonyms, forget_pseudonyms, reveal
from reviewapp.stages.privacy.retaining import add_rule, remove_rule, retain, would_go

__all__ = [
    "account_data",
    "add_rule",
    "choose_pseudonyms",
    "clear",
    "erase",
    "export_person",
    "forget_pseudonyms",
    "lift_hold",
    "look_for",
    "not_held",
    "place_hold",
    "remove_rule",
    "retain",
    "reveal",
    "start_erasure",
    "sweep_erasures",
    "would_go",
]
