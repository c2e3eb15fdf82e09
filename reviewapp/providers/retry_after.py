"""How long a provider asks to wait: seconds, milliseconds, a date, or OpenAI's own durations."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS: Final = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from whichever header says so; None where none does, or it makes no sense."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    told = headers.get("retry-after")
    if told is None:
        return _reset(headers)
    if (seconds := _number(told)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return _reset(headers)


def _reset(headers: Mapping[str, str]) -> float | None:
    """OpenAI tells when a used-up allowance is there again: `1s`, `6m0s`, `120ms`."""
    waits = []
    for kind in ("requests", "tokens"):
        if _number(headers.get(f"x-ratelimit-remaining-{kind}")) == 0:
            match = _DURATION.fullmatch(headers.get(f"x-ratelimit-reset-{kind}", "").strip())
            if match and any(match.groups()):
                parts = zip(match.groups(), _UNITS, strict=True)
                waits.append(sum(float(count) * unit for count, unit in parts if count))
    return max(waits) if waits else None


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", text):
        return None
    return float(text)
