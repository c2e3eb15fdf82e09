"""Which deeds ask once more who is there, and which of an admin's do not, and why.

What destroys, opens a door, sends data elsewhere, takes it out of the app, or lets a watch miss something
asks. Each is one row here; the decorators of `web/reauthenticating.py` at its view do the asking. Tests hold
the rows against the views, the addresses of the app, and docs/configuration.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Asks(StrEnum):
    """Who is asked, and when."""

    WHO_CAN = "who can be asked"
    BEFORE_THE_FORM = "who can be asked, before the form opens"
    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Deed:
    """One that asks: what it is in the docs' words, and whom it asks."""

    what: str
    asks: Asks = Asks.WHO_CAN


ASKING: Final = {
    "settings-keys": Deed("Making an API key"),
    "settings-members": Deed("Inviting a member"),
    "settings-member-role": Deed("Giving a member another role"),
    "settings-member-remove": Deed("Removing a member"),
    "settings-provider-new": Deed("Connecting a provider", Asks.BEFORE_THE_FORM),
    "settings-provider": Deed("Changing a provider", Asks.BEFORE_THE_FORM),
    "settings-provider-default": Deed("Choosing the default provider"),
    "settings-source-new": Deed("Adding a source"),
    "settings-source": Deed("Changing a source, and so where its calls go"),
    "settings-source-redaction": Deed("Changing what a source hides"),
    "settings-source-purge": Deed("Forgetting a source's stored answers"),
    "settings-canary-set": Deed("Changing when canaries are asked, and their budget"),
    "settings-canary-move": Deed("Pausing or resuming canaries, or renewing their baseline"),
    "settings-canary-remove": Deed("Removing a model's canaries"),
    "settings-canary-drop": Deed("Removing one canary"),
    "settings-alert-new": Deed("Adding an alert channel", Asks.BEFORE_THE_FORM),
    "settings-alert": Deed("Changing an alert channel", Asks.BEFORE_THE_FORM),
    "settings-alert-switch": Deed("Switching an alert channel on or off"),
    "settings-alert-delete": Deed("Deleting an alert channel"),
    "settings-privacy-rules": Deed("Adding a rule of retention"),
    "settings-privacy-rule-remove": Deed("Removing a rule of retention"),
    "settings-privacy-hold-lift": Deed("Lifting a hold"),
    "settings-privacy-person": Deed("Taking along all that is recorded of an end user"),
    "settings-privacy-pseudonyms": Deed("Writing pseudonyms that can be looked up"),
    "settings-privacy-erase": Deed("Erasing an end user", Asks.EVERYBODY),
    "settings-privacy-pseudonyms-forget": Deed("Forgetting what pseudonyms stand for", Asks.EVERYBODY),
    "settings-privacy-reveal": Deed("Looking up a pseudonym", Asks.EVERYBODY),
    "settings-audit-export": Deed("Taking the audit log along"),
    "review-rule-deed": Deed("Removing a routing rule, or turning it off"),
    "export-new": Deed("Making an export"),
    "usersessions_list": Deed("Ending one's other sessions"),
}

# What else an admin alone may do. Nothing in it is lost, opened or sent elsewhere for good.
LEFT_OPEN: Final = {
    "settings": "a name, which nothing hangs on",
    "settings-key-revoke": "closes a door, and who lost a key is not to be held up",
    "settings-provider-test": "asks the provider a few questions and changes nothing",
    "settings-canary-new": "begins something, within a budget",
    "settings-canary-ask": "asks now, within the budget, what is asked anyway",
    "interaction-watch": "begins something, within a budget",
    "settings-seeds": "reserves seeds that were free",
    "settings-seeds-import": "reserves seeds that were free",
    "settings-seeds-move": "gives back only what nobody was given a seed of",
    "settings-import": "adds",
    "settings-import-start": "adds",
    "settings-import-cancel": "throws a copy away, of a file that somebody has",
    "settings-rubrics": "a version more; the old ones stay",
    "settings-flag-reasons": "a list to choose from; flags keep theirs",
    "settings-alert-restore": "brings back what was there within the hour",
    "settings-alert-test": "sends a sentence that says nothing",
    "settings-alert-retry": "sends again what was to be sent there",
    "settings-privacy-holds": "keeps things",
    "settings-operations-retry": "records what was set aside",
    "settings-operations-retry-one": "records what was set aside",
    "review-queue-new": "begins something",
    "review-queue-edit": "what was judged stays as it is",
    "review-queue-state": "goes back as easily",
    "review-queue-rules": "adds",
    "review-queue-preview": "counts and changes nothing",
    "review-item-requeue": "asks for another judgement; the old ones stay",
    "fingerprint-accept": "is taken back by Undo",
    "fingerprint-overlap": "is taken back by Undo",
    "fingerprint-retire": "is taken back by Undo",
    "fingerprint-undo": "takes back",
    "change-verify": "asks again, within its bounds",
    "change-cancel": "can be begun again",
    "change-retry": "asks again, within its bounds",
    "change-accept": "is taken back by Undo",
    "change-report": "is taken back by Undo",
    "change-dismiss": "is taken back by Undo",
    "change-undo": "takes back",
}
