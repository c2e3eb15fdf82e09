"""Reading the environment strictly: a wrong value stops the start with one line."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import NoReturn


class WrongSetting(SystemExit):
    """Ends the start: one line that names the variable, what is wrong with it and the mend."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


def text(name: str, default: str = "") -> str:
    """The variable, or the content of the file that NAME_FILE names (for secrets kept as files)."""
    file = os.environ.get(f"{name}_FILE", "")
    if file:
        if os.environ.get(name):
            raise WrongSetting(name, f"set either {name} or {name}_FILE, not both")
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise WrongSetting(f"{name}_FILE", f"can't read {file}: {error.strerror}") from None
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise WrongSetting(name, f"is {value!r}; write 1 or 0")


def number(name: str, *, default: int, low: int, high: int) -> int:
    value = text(name)
    if not value:
        return default
    if not re.fullmatch(r"\d{1,12}", value) or not low <= int(value) <= high:
        raise WrongSetting(name, f"is {value!r}; write a whole number from {low} to {high}")
    return int(value)


def kept(path: Path, make: str) -> str:
    """The secret kept in `path`; written once, readable by this user only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make)
            file.flush()
            os.fsync(file.fileno())
        # Two processes of a first start may race: link() lets exactly one of them win.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    value = path.read_text(encoding="utf-8").strip()
    if not value:
        _stop(path)
    return value


def _stop(path: Path) -> NoReturn:
    raise WrongSetting(str(path), "is empty; restore it from a backup, or delete it to start afresh")
