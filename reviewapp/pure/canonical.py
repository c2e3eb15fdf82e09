"""One spelling for equal JSON values, and the hash by which equal requests are found.

Canonical JSON sorts keys by code point, has no space, writes every character outside ASCII as
an escape (so a lone surrogate is as good as any other character), and writes numbers that are
equal the same way: 1, 1.0 and 1e0 are `1`, -0.0 is `0`. NaN and the infinities keep the names
that Python and JavaScript give them. It is for hashing and comparing, never for sending.

The request hash leaves out what doesn't say *what* is asked: the seed, which has its own
column and is what a replay varies, and whether the answer comes in pieces. All else takes
part, also a field that this version knows nothing of: taking two questions for one would
serve a wrong answer, taking one for two costs a call. For the same reason a field that is
null differs from one that is absent, and so do the orders of messages and of tools.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from reviewapp.pure.exchange import Endpoint

# The names under which vendors take the seed, all at the top of the request (`random_seed`: Mistral).
SEED_FIELDS: Final = ("seed", "random_seed")
TRANSPORT_FIELDS: Final = ("stream", "stream_options")

_APART: Final = frozenset(SEED_FIELDS + TRANSPORT_FIELDS)
# Part of the digest: whoever changes what takes part must change it, and the golden values.
_VERSION: Final = "r1"

_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, check_circular=False
).encode


def canonical_json(value: Any) -> str:
    """The one spelling of this JSON value."""
    return _encode(_with_plain_numbers(value))


def request_hash(endpoint: Endpoint, request: Any) -> str:
    """The tagged hash of what a request asks; equal for requests that differ in seed or transport only."""
    if isinstance(request, dict) and not _APART.isdisjoint(request):
        request = {key: value for key, value in request.items() if key not in _APART}
    text = f"{_VERSION}\n{endpoint}\n{canonical_json(request)}"
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def _with_plain_numbers(value: Any) -> Any:
    """The value with integral floats as integers; parts without floats are the same objects."""
    kind = type(value)
    if kind is dict:
        return {key: _with_plain_numbers(item) for key, item in value.items()}
    if kind is list:
        return [_with_plain_numbers(item) for item in value]
    if kind is float and value.is_integer():
        return int(value)
    return value
