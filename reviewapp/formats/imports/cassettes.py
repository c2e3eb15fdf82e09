"""HTTP exchanges that tests recorded: cassettes of VCR (Ruby), vcrpy and their kin, in YAML or JSON.

Only the exchanges with an endpoint of a model are calls; the others of the cassette are left out.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from reviewapp.formats.assembly import moment
from reviewapp.formats.imports.lines import Line, NotImportable, call
from reviewapp.formats.interchange import Recorded
from reviewapp.formats.openai import endpoint_of_url, kept_headers
from reviewapp.formats.openai.fields import integer, object_of, objects_in, text_of
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint, JsonObject
from reviewapp.pure.said import said as tell
from reviewapp.pure.said import text_of as reason_of
from reviewapp.pure.said.templates.marking import gettext_noop
from reviewapp.pure.streams import parse_sse

_BODY_LIMIT: Final = 64 * 1024 * 1024
# The compiled loader is ten times as fast; both make nothing but plain values.
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str) -> Any:
    """The value of a YAML document. Raises NotImportable."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        told = " ".join(str(error).split())[:200]
        raise NotImportable(tell("file_yaml", why=told)) from None


def is_cassette(value: Any) -> bool:
    """Whether the value is a cassette."""
    return bool(_exchanges(value))


def _exchanges(value: Any) -> list[JsonObject]:
    data = object_of(value)
    for name in ("http_interactions", "interactions"):
        found = objects_in(data.get(name))
        if found and all("request" in one and "response" in one for one in found):
            return found
    return []


def cassette(value: Any) -> Iterator[Line]:
    """The calls of a cassette."""
    for number, exchange in enumerate(_exchanges(value), start=1):
        request = object_of(exchange.get("request"))
        url = text_of(request.get("uri")) or text_of(request.get("url")) or ""
        endpoint = endpoint_of_url(url)
        if endpoint is None or str(request.get("method", "POST")).upper() != "POST":
            yield Line(number, left_out=gettext_noop("exchange with no endpoint of a model"))
            continue
        try:
            yield Line(number, _exchange(exchange, request, url, endpoint))
        except NotImportable as error:
            yield Line(number, reason=reason_of(error))


def _exchange(exchange: JsonObject, request: JsonObject, url: str, endpoint: Endpoint) -> Recorded:
    asked = _parsed(_body(request))
    if not isinstance(asked, dict):
        raise NotImportable(gettext_noop("The request's body is no JSON object."))
    response = object_of(exchange.get("response"))
    headers = _headers(response.get("headers"))
    data = _unpacked(_body(response), headers)
    told = object_of(response.get("status"))
    status = integer(told.get("code", response.get("status_code", response.get("status"))))
    given: dict[str, Any] = {}
    if data.lstrip().startswith((b"data:", b"event:")):
        events = parse_sse(data)
        given["chunks"] = [_parsed(chunk.encode("utf-8", "surrogatepass")) for chunk in events.chunks]
    else:
        answered = _parsed(data)
        given["response"] = data.decode("utf-8", "surrogateescape") if answered is None and data else answered
    if not given.get("chunks") and given.get("response") is None:
        raise NotImportable(gettext_noop("The response's body is empty."))
    return call(
        request=asked,
        endpoint=endpoint,
        status=status if status is not None and 100 <= status <= 599 else None,
        provider=_provider(url),
        started_at=moment(exchange.get("recorded_at"))
        if isinstance(exchange.get("recorded_at"), str)
        else None,
        headers=kept_headers(headers.items()),
        metadata={"cassette": {"url": url.partition("?")[0]}},
        **given,
    )


def _provider(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    return "openai" if host == "api.openai.com" else host or None


def _headers(value: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, told in object_of(value).items():
        texts = told if isinstance(told, list) else [told]
        found[str(name).lower()] = ", ".join(str(text) for text in texts)
    return found


def _body(part: JsonObject) -> bytes:
    """The body, which each tool keeps in its own way."""
    body = part.get("body", part.get("parsed_body", part.get("content")))
    if isinstance(body, dict):
        if isinstance(encoded := body.get("base64_string"), str):
            try:
                return base64.b64decode(encoded)
            except (ValueError, binascii.Error):
                raise NotImportable(gettext_noop("A body is no base64, though it says so.")) from None
        if not {"string", "encoding", "base64_string"} & body.keys():
            return json.dumps(body).encode()
        body = body.get("string")
    if isinstance(body, dict | list):
        return json.dumps(body).encode()
    if isinstance(body, bytes):
        return body
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else b""


def _unpacked(data: bytes, headers: dict[str, str]) -> bytes:
    """Without its content encoding, which some cassettes keep."""
    if not data.startswith(b"\x1f\x8b"):
        if headers.get("content-encoding") in ("br", "zstd") and not data.lstrip().startswith(
            (b"{", b"data:")
        ):
            raise NotImportable(tell("file_packed", encoding=headers["content-encoding"]))
        return data
    try:
        unpacker = zlib.decompressobj(wbits=31)
        found = unpacker.decompress(data, _BODY_LIMIT)
    except zlib.error as error:
        raise NotImportable(tell("file_gzip", why=str(error))) from None
    if unpacker.unconsumed_tail:
        raise NotImportable(gettext_noop("The response unpacks to more than 64 MiB."))
    return found


def _parsed(data: bytes) -> Any:
    try:
        return rawjson.parse(data)
    except rawjson.InvalidJson:
        return None
