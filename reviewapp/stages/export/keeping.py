"""Where finished files are kept: in the data folder, or in object storage that every host reaches.

A file is always written on the worker's own disk first, since it is known to be whole only when it is
sealed. With `REVIEWAPP_EXPORTS_URL` it is then handed to a bucket by the S3 API, and any web host gives it
out from there, piece by piece; where it came from shows in nothing but its speed.
"""

from __future__ import annotations

import errno
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.conf import settings

from reviewapp.models import Export


class StorageAway(OSError):
    """The bucket does not take or give the file; the message is a sentence for the person."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EIO, sentence)


def folder_of(export: Export) -> Path:
    """Where the export's file is written, and kept where there is no bucket."""
    return Path(settings.DATA_DIR) / "exports" / str(export.project_id) / str(export.pk)


def file_of(export: Export) -> Path:
    """The finished file on this host's disk."""
    return folder_of(export) / export.file_name


def keep(*, export: Export, file: Path) -> None:
    """Hand the sealed file to the bucket, if there is one. Raises StorageAway."""
    bucket = settings.EXPORTS_BUCKET
    if bucket is None:
        return
    try:
        # In parts, several at once, each checked by its digest: boto3's transfer does that.
        _client().upload_file(str(file), bucket.name, _key(export, file.name))
    except _problems() as error:
        raise StorageAway(f"the object storage refuses it ({_reason(error)})") from error
    shutil.rmtree(file.parent)


def remove(*, export: Export) -> None:
    """Take the finished file away, wherever it is. Raises StorageAway."""
    bucket = settings.EXPORTS_BUCKET
    if bucket is not None and export.file_name:
        try:
            _client().delete_object(Bucket=bucket.name, Key=_key(export, export.file_name))
        except _problems() as error:
            raise StorageAway(f"the object storage does not delete it ({_reason(error)})") from error
    shutil.rmtree(folder_of(export), ignore_errors=True)


def opened(*, export: Export) -> BinaryIO | None:
    """The finished file, to be read once from its beginning; None where it is not. Raises StorageAway."""
    path = file_of(export)
    if path.is_file():
        return path.open("rb")
    bucket = settings.EXPORTS_BUCKET
    if bucket is None or not export.file_name:
        return None
    try:
        answer = _client().get_object(Bucket=bucket.name, Key=_key(export, export.file_name))
    except _problems() as error:
        if _reason(error) in {"NoSuchKey", "404"}:
            return None
        raise StorageAway(f"The object storage does not give it out ({_reason(error)}).") from error
    return cast(BinaryIO, answer["Body"])


def _key(export: Export, name: str) -> str:
    bucket = settings.EXPORTS_BUCKET
    assert bucket is not None
    return "/".join(part for part in (bucket.prefix, str(export.project_id), str(export.pk), name) if part)


def _reason(error: Exception) -> str:
    answer: dict[str, Any] = getattr(error, "response", {})
    return str(answer.get("Error", {}).get("Code") or type(error).__name__)


def _problems() -> tuple[type[Exception], ...]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    return (Boto3Error, BotoCoreError, ClientError)


def _client() -> Any:
    bucket = settings.EXPORTS_BUCKET
    assert bucket is not None
    return _client_of(bucket.endpoint, bucket.region)


@lru_cache(maxsize=2)
def _client_of(endpoint: str, region: str) -> Any:
    # Thirty megabytes of packages that an installation with local files need not have.
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region or None,
        config=Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 4, "mode": "standard"}),
    )
