"""What kind of start this is, and where its files are."""

from __future__ import annotations

import os
import re
from pathlib import Path

from reviewapp.settings.reading import WrongSetting, flag, number, text

BASE_DIR = Path(__file__).resolve().parent.parent.parent

ENVIRONMENT = text("REVIEWAPP_ENV", "local")
if ENVIRONMENT not in {"local", "production"}:
    raise WrongSetting("REVIEWAPP_ENV", f"is {ENVIRONMENT!r}; write local or production")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = False
DEMO = flag("REVIEWAPP_DEMO", default=False)
if PRODUCTION and DEMO:
    raise WrongSetting("REVIEWAPP_DEMO", "is 1 in production; the demo project is for trying out, unset it")

HOST = text("REVIEWAPP_HOST", "127.0.0.1")
if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", HOST):
    raise WrongSetting("REVIEWAPP_HOST", f"is {HOST!r}; write a host name or an address")
PORT = number("REVIEWAPP_PORT", default=8000, low=1, high=65535)
DATA_DIR = Path(text("REVIEWAPP_DATA", str(BASE_DIR / "var"))).expanduser().absolute()
if DATA_DIR.exists() and not DATA_DIR.is_dir():
    raise WrongSetting("REVIEWAPP_DATA", f"{DATA_DIR} is a file; name a folder")
# What was received and is not with the broker yet; see reviewapp/journal.
JOURNAL_DIR = str(DATA_DIR / "journal")
# Who this process is: the web process pools its connections, the others do not.
ROLE = os.environ.get("REVIEWAPP_ROLE", "")
