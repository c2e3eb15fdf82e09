"""Celery tasks: each takes one thing by keyword, calls one stage, returns nothing.

Names carry the queue they run in: record_*, replay_*, watch_*, export_*.
"""

from __future__ import annotations
