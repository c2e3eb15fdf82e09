"""The address of a bucket in object storage: `s3://bucket/prefix?endpoint=https://minio:9000&region=eu-1`.

Keys are no part of it: they come the way that all programs of the S3 API take them (AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, a profile, the role of the machine).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, urlsplit

_FORM = "write s3://bucket/prefix, with ?endpoint=https://host:port where it is not Amazon's"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and under which prefix files go there."""

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the address. Raises ValueError with a sentence."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or parts.username or parts.password:
            raise ValueError(f"is no address of a bucket; {_FORM}")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc):
            raise ValueError(f"names the bucket {parts.netloc!r}, which is no bucket's name; {_FORM}")
        options = dict(parse_qsl(parts.query))
        if unknown := options.keys() - {"endpoint", "region"}:
            raise ValueError(f"has {min(unknown)!r}, which is not known; {_FORM}")
        endpoint = options.get("endpoint", "")
        if endpoint and not re.fullmatch(r"https?://[^/?#\s]+", endpoint):
            raise ValueError(f"has the endpoint {endpoint!r}; write it like https://host:port")
        return cls(parts.netloc, parts.path.strip("/"), endpoint, options.get("region", ""))
