"""Personal data and secrets found in texts, and hidden before they are stored.

    policy = read_policy(value)          what a source hides, as its settings hold it
    hider = Hider(policy, key=...)       finds and replaces
    hider.text(text, found)              a text of its own
    hider.json(text, found)              the strings of a JSON text; all else stays byte for byte

A value becomes `[email]`, or with a project's key a pseudonym, `[email:k3vq7d2mzp4a]`, the same for the same
value for as long as the key is. `detectors` finds, `documents` knows where in a request, a response or a
stream's chunks a text goes on in another place.
"""

from reviewapp.pure.redaction.detectors import DETECTORS, Hit
from reviewapp.pure.redaction.documents import hide_in_json
from reviewapp.pure.redaction.hiding import Found, Hider
from reviewapp.pure.redaction.policies import InvalidPolicy, OwnPattern, Policy, check_policy, read_policy

__all__ = [
    "DETECTORS",
    "Found",
    "Hider",
    "Hit",
    "InvalidPolicy",
    "OwnPattern",
    "Policy",
    "check_policy",
    "hide_in_json",
    "read_policy",
]
