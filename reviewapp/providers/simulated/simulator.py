"""The state of a simulated provider: its configuration, its models at run time, and what it received."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reviewapp.providers.simulated.answering import Writer
from reviewapp.providers.simulated.behaviour import ModelState, RateLimiter
from reviewapp.providers.simulated.config import merged, parse_config, read_settings
from reviewapp.providers.simulated.fast import Canned
from reviewapp.providers.simulated.fields import InvalidConfig
from reviewapp.providers.simulated.responses import Conversations

_REQUESTS_KEPT = 200


@dataclass(slots=True)
class Received:
    """A request as it arrived, for whoever wants to see what a client really sends."""

    at: float
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    model: str | None = None
    seed: int | None = None
    used_seed: int | None = None
    fingerprint: str | None = None
    fault: str | None = None
    status: int | None = None


class Simulator:
    """The state of a simulated provider: its configuration, its models at run time, what it received."""

    def __init__(self, *, settings: Mapping[str, Any] | None = None, config_path: Path | None = None) -> None:
        self.config_path = config_path
        self.config_error: str | None = None
        self.started = time.time()
        self.received: deque[Received] = deque(maxlen=_REQUESTS_KEPT)
        self.limiter = RateLimiter()
        self.writer = Writer()
        self.canned = Canned(self.writer)
        self.conversations = Conversations()
        self.models: dict[str, ModelState] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._settings: dict[str, Any] = dict(settings or {})
        if config_path is not None:
            self._stamp = _stamp(config_path)
            self._settings = read_settings(config_path)
        self.settings = self._settings
        self.config = parse_config(self.settings)
        self.reset(None)

    def now(self) -> float:
        """The clock of the edge."""
        return time.time()

    def reset(self, name: str | None) -> None:
        """Takes one model, or all of them, back to the configuration as it was given."""
        now = self.now()
        if name is None:
            self.settings = self._settings
            self.config = parse_config(self.settings)
            self.models = {}
            self.limiter = RateLimiter()
        else:
            above = {k: v for k, v in self.settings.get("models", {}).items() if k != name}
            if name in (given := self._settings.get("models", {})):
                above[name] = given[name]
            self.settings = {**self.settings, "models": above}
            self.config = parse_config(self.settings)
            self.models.pop(name, None)
        for model in self.config.models.values():
            if model.name not in self.models:
                self.models[model.name] = ModelState(model, self.config, now=now)

    def patch(self, settings: Mapping[str, Any]) -> None:
        """Lays settings over the present ones. Raises InvalidConfig and changes nothing when they are
        wrong."""
        models = settings.get("models", {})
        together = {**self.settings, **settings}
        if isinstance(models, Mapping):
            present = dict(self.settings.get("models", {}))
            for name, above in models.items():
                below = present.get(name, {})
                present[name] = merged(below, above) if isinstance(above, Mapping) else above
            together["models"] = present
        self._adopt(together)

    def _adopt(self, settings: dict[str, Any]) -> None:
        config = parse_config(settings)
        self.settings, self.config = settings, config
        now = self.now()
        for model in config.models.values():
            state = self.models.get(model.name)
            if state is None:
                self.models[model.name] = ModelState(model, config, now=now)
            else:
                state.reconfigure(model, config)
        for name in [name for name in self.models if name not in config.models]:
            del self.models[name]

    def reread(self) -> None:
        """Reads the configuration file again if it changed; a wrong one is reported and the last good one
        stays."""
        if self.config_path is None or (stamp := _stamp(self.config_path)) == self._stamp:
            return
        self._stamp = stamp
        try:
            settings = read_settings(self.config_path)
            self._adopt(settings)
            self._settings = settings
            self.config_error = None
        except InvalidConfig as error:
            self.config_error = str(error)

    async def watch(self) -> None:
        """Watches the configuration file for ever."""
        while True:
            await asyncio.sleep(0.3)
            self.reread()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
