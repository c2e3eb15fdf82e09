"""Keys that come in the clear are refused, where the operator did not allow it.

People are led from http to https. A program that was led so would send its key in the clear each time, and
nobody would notice: it is told instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

IN_THE_CLEAR: Final = "Call this by https. The key came in the clear: make another, and revoke this one."


def is_refused_in(scope: Mapping[str, Any]) -> bool:
    """Whether a call of the gateway or a receiver came in the clear and must not."""
    if not settings.HTTPS_KEYS_ONLY:
        return False
    if settings.TRUST_PROXY:
        # As Django reads it.
        told = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
        if told:
            return bool(told[0].split(b",", 1)[0].strip() != b"https")
    return scope.get("scheme") != "https"


def is_refused(request: HttpRequest) -> bool:
    """Whether a call of the API came in the clear and must not."""
    return bool(settings.HTTPS_KEYS_ONLY) and not request.is_secure()
