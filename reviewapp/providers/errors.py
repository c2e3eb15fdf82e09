"""What can go wrong between us and a provider, as narrow as the reactions to it.

The message of each is a sentence that a reviewer may read. `may_pass` says whether asking once
more can help: that is the whole of the retry policy's knowledge of errors. The body of an error
is kept, because vendors say in it what no status says.
"""

from __future__ import annotations

from typing import ClassVar

from reviewapp.formats.openai import read_reply
from reviewapp.pure import rawjson
from reviewapp.pure.said import Message, Param, Said, said, say

BODY_KEPT = 64 * 1024
_SAID = 500


class CallFailed(Exception):
    """A call that brought no answer. `status` and `body` are those of the response, where one came."""

    kind: ClassVar[str] = "failed"
    may_pass: ClassVar[bool] = False

    def __init__(self, sentence: str, *, status: int | None = None, body: bytes = b"") -> None:
        self.status = status
        self.body = body[:BODY_KEPT]
        super().__init__(sentence)


class RateLimited(CallFailed):
    """The provider asks to slow down. `retry_after` is in seconds, None where it did not say."""

    kind = "rate_limited"
    may_pass = True

    def __init__(
        self, sentence: str, *, retry_after: float | None = None, status: int | None = None, body: bytes = b""
    ) -> None:
        self.retry_after = retry_after
        super().__init__(sentence, status=status, body=body)


class ProviderDown(CallFailed):
    """No connection, a connection that broke off, a server error, or an answer that is none."""

    kind = "provider_down"
    may_pass = True

    def __init__(
        self, sentence: str, *, retry_after: float | None = None, status: int | None = None, body: bytes = b""
    ) -> None:
        self.retry_after = retry_after
        super().__init__(sentence, status=status, body=body)


class TimedOut(CallFailed):
    """The answer took longer than the provider's time limit allows."""

    kind = "timed_out"
    may_pass = True


class BadRequest(CallFailed):
    """The provider understood and refuses this request; the same request will be refused again."""

    kind = "bad_request"


class NotCallable(CallFailed):
    """This provider can't be called as it is set up: no address, a wrong one, or a key that is refused."""

    kind = "not_callable"


_OVERLOADED = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_COME_BACK = frozenset({408, 409, 425})
# A 429 that waiting does not mend: the account has no money left.
_OUT_OF_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low")


def error_of(
    *, status: int, body: bytes, provider: str, retry_after: float | None = None, location: str = ""
) -> CallFailed:
    """The error that a response of this status is."""
    words = _said(status, body)

    def told(key: str, **params: Param) -> Said:
        return Said(say(key, name=provider, **params), words)

    if status == 429:
        if any(code in body[:BODY_KEPT].decode("utf-8", "replace") for code in _OUT_OF_MONEY):
            return NotCallable(told("call_quota"), status=status, body=body)
        return RateLimited(told("call_slow_down"), retry_after=retry_after, status=status, body=body)
    if status in (401, 403):
        return NotCallable(told("call_key_refused", status=status), status=status, body=body)
    if 300 <= status < 400:
        where = location or say("call_elsewhere")
        return NotCallable(said("call_redirects", name=provider, location=where), status=status, body=body)
    if status >= 500 or status in _COME_BACK:
        key = "call_overloaded" if status in _OVERLOADED else "call_failed"
        return ProviderDown(told(key, status=status), retry_after=retry_after, status=status, body=body)
    return BadRequest(told("call_refused", status=status), status=status, body=body)


def _said(status: int, body: bytes) -> Message:
    """The vendor's own words, cut to a readable length."""
    text, is_json = rawjson.read_body(body[:BODY_KEPT])
    reply = read_reply("chat.completions", rawjson.parse(text) if is_json else text, status)
    words = " ".join((reply.error or "").split())
    words = words.encode("utf-8", "replace").decode().replace("\x00", "")
    if not words:
        return say("call_said_nothing")
    return say("call_said", words=f"{words[:_SAID]}{'…' if len(words) > _SAID else ''}")
