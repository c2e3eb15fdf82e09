"""What a source hides: which detectors, and patterns of its own.

Own patterns are matched by RE2, in time proportional to the text whatever the pattern: it knows no
backreferences and no look-around, and there is none that takes minutes over a few kilobytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

from reviewapp.pure.redaction.detectors import DETECTORS
from reviewapp.pure.refusing import Worded
from reviewapp.pure.said.templates.marking import gettext_noop

PATTERNS_LIMIT: Final = 20
PATTERN_LIMIT: Final = 500
_MEMORY: Final = 4 << 20
_name: Final = re.compile(r"[a-z][a-z0-9_-]{0,29}").fullmatch


class InvalidPolicy(Worded):
    """A policy that can't be; `field` names the input, the message is a sentence for the person."""

    def __init__(self, field: str, template: str, **places: Any) -> None:
        self.field = field
        super().__init__(template, **places)


@dataclass(frozen=True, slots=True)
class OwnPattern:
    """A regular expression of the project's own; what it matches becomes `[name]`."""

    name: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What is hidden before it is stored."""

    detectors: tuple[str, ...] = ()
    patterns: tuple[OwnPattern, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.detectors or self.patterns)

    def as_json(self) -> dict[str, Any] | None:
        """As it is kept; None where nothing is hidden."""
        if not self:
            return None
        return {
            "detectors": list(self.detectors),
            "patterns": [{"name": one.name, "pattern": one.pattern} for one in self.patterns],
        }


def read_policy(value: Mapping[str, Any] | None) -> Policy:
    """The policy as it was kept."""
    if not value:
        return Policy()
    return Policy(
        tuple(name for name in DETECTORS if name in value.get("detectors", ())),
        tuple(OwnPattern(one["name"], one["pattern"]) for one in value.get("patterns", ())),
    )


def check_policy(policy: Policy) -> None:
    """Raise InvalidPolicy for one that can't be."""
    unknown = [name for name in policy.detectors if name not in DETECTORS]
    if unknown:
        raise InvalidPolicy(
            "detectors",
            gettext_noop("“%(unknown)s” is no detector; choose from %(choices)s."),
            unknown=unknown[0],
            choices=", ".join(DETECTORS),
        )
    if len(policy.patterns) > PATTERNS_LIMIT:
        raise InvalidPolicy(
            "patterns", gettext_noop("There are more than %(limit)s patterns."), limit=PATTERNS_LIMIT
        )
    seen: set[str] = set()
    for one in policy.patterns:
        if not _name(one.name):
            raise InvalidPolicy(
                "patterns",
                gettext_noop(
                    "“%(name)s” is no name for a pattern: small letters, digits, - and _, at most 30."
                ),
                name=one.name[:40],
            )
        if one.name in seen or one.name in DETECTORS:
            raise InvalidPolicy("patterns", gettext_noop("The name “%(name)s” is taken."), name=one.name)
        seen.add(one.name)
        _check_pattern(one)


def _check_pattern(one: OwnPattern) -> None:
    if not one.pattern or len(one.pattern) > PATTERN_LIMIT:
        raise InvalidPolicy(
            "patterns",
            gettext_noop("“%(name)s” needs a pattern of at most %(limit)s characters."),
            name=one.name,
            limit=PATTERN_LIMIT,
        )
    try:
        found = compiled(one.pattern)
    except re2.error as error:
        reason = _reason(error)
        template = gettext_noop("“%(name)s” is no pattern that can be used: %(reason)s.")
        if "invalid perl operator" in reason or "invalid escape sequence: \\" in reason:
            template = gettext_noop(
                "“%(name)s” is no pattern that can be used: %(reason)s (look-around and backreferences are "
                "not known, because they can take for ever)."
            )
        raise InvalidPolicy("patterns", template, name=one.name, reason=reason) from None
    except UnicodeEncodeError:
        raise InvalidPolicy(
            "patterns", gettext_noop("“%(name)s” holds half a surrogate pair."), name=one.name
        ) from None
    if found.search("") is not None:
        raise InvalidPolicy(
            "patterns",
            gettext_noop("“%(name)s” matches nothing at all, so it would match everywhere."),
            name=one.name,
        )
    if all(found.search(text) for text in ("a", "Z", "0", "ä", "-")):
        raise InvalidPolicy(
            "patterns",
            gettext_noop("“%(name)s” matches every text, so nothing would be left."),
            name=one.name,
        )


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """The pattern, ready to be used. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return re2.compile(pattern, options)  # type: ignore[no-untyped-call]


def patterns_of(lines: Sequence[str]) -> tuple[OwnPattern, ...]:
    """Patterns as a person writes them: a name, then the pattern, on each line. Raises InvalidPolicy."""
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, _, pattern = line.strip().partition(" ")
        if not pattern.strip():
            raise InvalidPolicy(
                "patterns",
                gettext_noop("Line %(number)s: write a name, a space and the pattern."),
                number=number,
            )
        found.append(OwnPattern(name, pattern.strip()))
    return tuple(found)
