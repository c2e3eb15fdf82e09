"""Errors of the gateway itself, in the shape of OpenAI's API, so that its clients raise their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from reviewapp.web.encrypted import IN_THE_CLEAR
from reviewapp.web.limiting import TooOften


class GatewayError(Exception):
    """An answer that comes from the gateway, not from a provider; the message is a sentence."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})
        super().__init__(message)

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return orjson.dumps({"error": self.error})

    @property
    def error(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"message": self.message, "type": kind, "param": self.param, "code": self.code}


def wrong_key() -> GatewayError:
    return GatewayError(
        401,
        "Send a key of reviewapp as “Authorization: Bearer ra_…”; this one is missing, wrong or revoked.",
        code="invalid_api_key",
        headers={"WWW-Authenticate": 'Bearer realm="reviewapp"'},
    )


def in_the_clear() -> GatewayError:
    return GatewayError(403, IN_THE_CLEAR, code="https_required")


def too_often(reason: TooOften) -> GatewayError:
    return GatewayError(
        429, str(reason), code="rate_limit_exceeded", headers={"Retry-After": str(reason.seconds)}
    )


def missing_scope() -> GatewayError:
    return GatewayError(
        403, "This key may not send interactions: it lacks the scope “ingest”.", code="insufficient_scope"
    )


def invalid_header(name: str, reason: str) -> GatewayError:
    return GatewayError(400, f"{name} {reason}", code="invalid_header", param=name)


def body_too_large(limit: int) -> GatewayError:
    return GatewayError(
        413, f"The request is larger than {limit // 1024 // 1024} MiB.", code="request_too_large"
    )


def no_json(reason: str) -> GatewayError:
    return GatewayError(400, f"The request body must be a JSON object. {reason}", code="invalid_json")


def unknown_provider(name: str) -> GatewayError:
    return GatewayError(
        400,
        f"This project has no provider named “{name}”.",
        code="provider_not_found",
        param="X-Review-Provider",
    )


def no_provider() -> GatewayError:
    return GatewayError(
        400,
        "This project has no default provider. An admin can choose one, or name one in X-Review-Provider.",
        code="provider_missing",
    )


def not_callable(name: str) -> GatewayError:
    return GatewayError(
        400,
        f"The provider “{name}” has no address, so it can't be called until an admin gives it one.",
        code="provider_not_callable",
    )


def unreadable_secret(reason: str) -> GatewayError:
    return GatewayError(500, reason, code="provider_key_unreadable")


def unreachable(name: str, reason: str) -> GatewayError:
    return GatewayError(502, f"The provider “{name}” can't be reached: {reason}", code="provider_unreachable")


def timed_out(name: str, seconds: float) -> GatewayError:
    return GatewayError(
        504, f"The provider “{name}” did not answer within {seconds:g} seconds.", code="provider_timeout"
    )


def broken_off(name: str, reason: str) -> GatewayError:
    message = f"The provider “{name}” broke off its answer: {reason}"
    return GatewayError(502, message, code="provider_broke_off")


def not_recorded(reason: str) -> GatewayError:
    return GatewayError(503, reason, code="not_recorded", headers={"Retry-After": "5"})


def not_ready() -> GatewayError:
    return GatewayError(
        503,
        "The keys can't be checked, because the database is not there yet.",
        code="not_ready",
        headers={"Retry-After": "2"},
    )
