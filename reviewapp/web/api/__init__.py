"""The REST API under /api/v1: keys with scopes, problem+json errors, OpenAPI at openapi.json, a page at docs.

A further part is a module with a `router`, added here. Each operation names what its caller's key
must be allowed, `auth=KeyAuth(Permission.…)` (one that forgets to is for admins only), takes an
`ApiRequest`, narrows every queryset by `request.auth` (the Actor), and raises `Problem` or an
error that problems.py knows.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from reviewapp.models import Permission
from reviewapp.web.api import (
    alerts,
    bulk,
    changes,
    discussions,
    exports,
    fingerprints,
    interactions,
    judgements,
    replays,
    seeds,
    studies,
)
from reviewapp.web.api.access import KeyAuth
from reviewapp.web.api.describing import DescribedAPI
from reviewapp.web.api.problems import answer_problems, problem_response

api = DescribedAPI(
    title="reviewapp",
    version="1",
    description="Send, read, flag, annotate, tag, discuss and replay recorded interactions.",
    urls_namespace="api",
    auth=KeyAuth(Permission.ADMIN),
)
answer_problems(api)
api.add_router("/interactions", interactions.router)
api.add_router("/interactions", judgements.router)
api.add_router("/interactions", discussions.on_interactions)
api.add_router("/threads", discussions.router)
api.add_router("/posts", discussions.posts)
api.add_router("/backend-changes", changes.router)
api.add_router("/alerts", alerts.router)
api.add_router("/bulk", bulk.router)
api.add_router("/exports", exports.router)
api.add_router("/fingerprints", fingerprints.router)
api.add_router("/replay-runs", replays.router)
api.add_router("/seeds", seeds.router)
api.add_router("/studies", studies.router)


def api_urls() -> tuple[list[Any], str, str]:
    """The API's addresses. It has keys of its own: the pages' sign-in does not stand before it."""
    found, app, namespace = api.urls
    patterns: list[Any] = [*found, re_path("", _unknown)]
    for pattern in patterns:
        pattern.callback = login_not_required(_in_this_shape(pattern.callback))
    return patterns, app, namespace


@csrf_exempt
def _unknown(request: HttpRequest) -> HttpResponse:
    return problem_response(404, f"The API has no {request.path}.")


def _in_this_shape(view: Any) -> Any:
    """Have a method that an address does not take answered like every other error."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = view(request, *args, **kwargs)
        if isinstance(response, HttpResponseNotAllowed):
            problem = problem_response(405, f"{request.path} does not take {request.method}.")
            problem.headers["Allow"] = response.headers["Allow"]
            return problem
        return response

    return answered
