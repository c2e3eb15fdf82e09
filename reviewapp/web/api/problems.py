"""Errors of the API as `application/problem+json` (RFC 9457): title, status, detail, and the fields."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from reviewapp.journal import JournalError
from reviewapp.models import NotAllowed
from reviewapp.models.filters import InvalidFilter
from reviewapp.models.pages import InvalidCursor
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages.administer import Refused
from reviewapp.web.limiting import TooOften

NO_KEY = "Send a key of this app as “Authorization: Bearer ra_…”; this one is missing, wrong or revoked."

log = logging.getLogger(__name__)


class Problem(Exception):
    """An answer that is an error; `detail` is a sentence, `more` are further members."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        self.status = status
        self.detail = detail
        self.more = more
        super().__init__(detail)


def problem_body(status: int, detail: str, *, more: Mapping[str, Any] | None = None) -> bytes:
    """The error as JSON."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return json.dumps(body | dict(more or {})).encode()


def problem_response(status: int, detail: str, *, more: Mapping[str, Any] | None = None) -> HttpResponse:
    """The error as an answer."""
    response = HttpResponse(
        problem_body(status, detail, more=more), status=status, content_type="application/problem+json"
    )
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="reviewapp"'
    return response


def answer_problems(api: NinjaAPI) -> None:
    """Have every error of the API answered in this shape."""

    @api.exception_handler(Problem)
    def problem(request: HttpRequest, error: Problem) -> HttpResponse:
        return problem_response(error.status, error.detail, more=error.more)

    @api.exception_handler(AuthenticationError)
    def not_authenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        return problem_response(401, NO_KEY)

    @api.exception_handler(TooOften)
    def too_often(request: HttpRequest, error: TooOften) -> HttpResponse:
        response = problem_response(429, str(error))
        response.headers["Retry-After"] = str(error.seconds)
        return response

    @api.exception_handler(NotAllowed)
    def not_allowed(request: HttpRequest, error: NotAllowed) -> HttpResponse:
        return problem_response(403, str(error))

    @api.exception_handler(Http404)
    def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
        return problem_response(404, str(error) or "There is no such thing in this key's project.")

    @api.exception_handler(HttpError)
    def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
        return problem_response(error.status_code, error.message)

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        errors = [{"field": _field(item["loc"]), "error": item["msg"]} for item in error.errors]
        detail = "; ".join(f"{item['field']}: {item['error']}" for item in errors[:5])
        return problem_response(422, detail or "The request is invalid.", more={"errors": errors})

    @api.exception_handler(Refused)
    def refused(request: HttpRequest, error: Refused) -> HttpResponse:
        return problem_response(422, str(error), more={"field": error.field} if error.field else None)

    @api.exception_handler(InvalidAnswer)
    def invalid_answer(request: HttpRequest, error: InvalidAnswer) -> HttpResponse:
        return problem_response(422, str(error), more={"field": error.field})

    @api.exception_handler(InvalidFilter)
    def invalid_filter(request: HttpRequest, error: InvalidFilter) -> HttpResponse:
        return problem_response(422, str(error), more={"field": error.field})

    @api.exception_handler(InvalidCursor)
    def invalid_cursor(request: HttpRequest, error: InvalidCursor) -> HttpResponse:
        return problem_response(422, str(error), more={"field": "cursor"})

    @api.exception_handler(RequestDataTooBig)
    def too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
        return problem_response(413, "The body is larger than 16 MiB; send it in several requests.")

    @api.exception_handler(JournalError)
    def not_kept(request: HttpRequest, error: JournalError) -> HttpResponse:
        response = problem_response(503, str(error))
        response.headers["Retry-After"] = "5"
        return response

    @api.exception_handler(Exception)
    def fault(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("An API call failed", exc_info=error)
        return problem_response(500, "The app failed at this request; its log says more.")


def _field(place: tuple[str | int, ...]) -> str:
    """Where in the request it is: without the part's name (`query`, `body`), unless there is no more."""
    return ".".join(str(part) for part in place[1:]) or str(place[0])
