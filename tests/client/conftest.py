"""The app on a socket, with a provider behind it that the watched clients ask directly."""

from __future__ import annotations

from tests.web.conftest import gateway, provider

__all__ = ["gateway", "provider"]
