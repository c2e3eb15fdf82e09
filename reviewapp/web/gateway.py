"""The gateway: the OpenAI API, recorded."""

from __future__ import annotations

from starlette.applications import Starlette

gateway = Starlette()
