"""The REST API under /api/v1: keys with scopes, problem+json errors, OpenAPI at openapi.json, a page at docs.

A further part is a module with a `router`, added here. Each operation names what its caller's key
must be allowed, `auth=KeyAuth(Permission.…)` (one that forgets to is for admins only), takes an
`ApiRequest`, narrows every queryset by `request.auth` (the Actor), and raises `Problem` or an
error that problems.py knows.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from ninja import NinjaAPI

from reviewapp.models import Permission
from reviewapp.web.api import exports, interactions, judgements
from reviewapp.web.api.access import KeyAuth
from reviewapp.web.api.problems import answer_problems

api = NinjaAPI(
    title="reviewapp",
    version="1",
    description="Send, read, flag, annotate and replay recorded interactions.",
    urls_namespace="api",
    auth=KeyAuth(Permission.ADMIN),
)
answer_problems(api)
api.add_router("/interactions", interactions.router)
api.add_router("/interactions", judgements.router)
api.add_router("/exports", exports.router)


def api_urls() -> tuple[list[Any], str, str]:
    """The API's addresses. It has keys of its own: the pages' sign-in does not stand before it."""
    found: tuple[list[Any], str, str] = api.urls
    for pattern in found[0]:
        pattern.callback = login_not_required(pattern.callback)
    return found
