"""What is kept secret: the key that signs, and the keys that provider keys are encrypted with."""

from __future__ import annotations

import secrets

from cryptography.fernet import Fernet

from reviewapp.settings.place import DATA_DIR, PRODUCTION
from reviewapp.settings.reading import WrongSetting, kept, text

SECRET_KEY = text("REVIEWAPP_SECRET_KEY")
if not SECRET_KEY:
    if PRODUCTION:
        raise WrongSetting(
            "REVIEWAPP_SECRET_KEY", "is not set; production needs one of 50 characters or more"
        )
    try:
        SECRET_KEY = kept(DATA_DIR / "secret_key", secrets.token_urlsafe(64))
    except OSError as _error:
        raise WrongSetting("REVIEWAPP_DATA", f"can't write to {DATA_DIR}: {_error.strerror}") from None
if PRODUCTION and len(SECRET_KEY) < 50:
    raise WrongSetting(
        "REVIEWAPP_SECRET_KEY", f"has {len(SECRET_KEY)} characters; production needs 50 or more"
    )

# Provider keys are encrypted with the first; the others still decrypt, so that keys can be rotated.
_encryption = text("REVIEWAPP_ENCRYPTION_KEYS")
if not _encryption:
    if PRODUCTION:
        raise WrongSetting(
            "REVIEWAPP_ENCRYPTION_KEYS", "is not set; make one: openssl rand -base64 32 | tr +/ -_"
        )
    _encryption = kept(DATA_DIR / "encryption_keys", Fernet.generate_key().decode())
ENCRYPTION_KEYS = [key.strip() for key in _encryption.replace("\n", ",").split(",") if key.strip()]
try:
    for _key in ENCRYPTION_KEYS:
        Fernet(_key)
except ValueError:
    raise WrongSetting(
        "REVIEWAPP_ENCRYPTION_KEYS", "holds a key that is not 32 url-safe base64-encoded bytes"
    ) from None
