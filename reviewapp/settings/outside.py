"""Where the app reaches out to: addresses that it may connect to, and the bucket of its exports."""

from __future__ import annotations

from reviewapp.pure.addresses import AddressRule, WrongNetwork
from reviewapp.pure.buckets import Bucket
from reviewapp.settings.place import PRODUCTION
from reviewapp.settings.reading import WrongSetting, text

# Where providers, webhooks and other alert channels may be beyond public addresses. On one's own machine
# they are often local (the simulated provider is); in production an admin of a project must not reach
# into the operator's network.
try:
    ADDRESS_RULE = AddressRule.of(text("REVIEWAPP_ALLOW_PRIVATE_ADDRESSES", "0" if PRODUCTION else "1"))
except WrongNetwork as _error:
    raise WrongSetting(
        "REVIEWAPP_ALLOW_PRIVATE_ADDRESSES",
        f"holds {str(_error)!r}; write 1, 0, or networks separated by commas, such as 10.20.0.0/16",
    ) from None

# Of the files of exports. Unset: the data folder. On several hosts a bucket that all of them reach.
_exports = text("REVIEWAPP_EXPORTS_URL")
try:
    EXPORTS_BUCKET = Bucket.of(_exports) if _exports else None
except ValueError as _error:
    raise WrongSetting("REVIEWAPP_EXPORTS_URL", str(_error)) from None
