"""Seeds over the API: a source's next ones, and whose a seed is."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from ninja import Router, Schema
from pydantic import ConfigDict, StrictInt

from reviewapp.models import Interaction, Permission, SeedRange, Source
from reviewapp.models.filters import Filter, apply
from reviewapp.pure.canonical import request_hash
from reviewapp.stages import administer
from reviewapp.web.api.access import ApiRequest, KeyAuth, key_of
from reviewapp.web.api.describing import described
from reviewapp.web.api.problems import Problem

router = Router(tags=["seeds"])
USED_UP = "The source's ranges are used up."


class Wanted(Schema):
    """Whose seeds, and how many. `request` (with its `endpoint`) for seeds that are derived from it."""

    model_config = ConfigDict(extra="forbid")

    source: str | None = None
    count: StrictInt = 1
    request: dict[str, Any] | None = None
    endpoint: str = "chat.completions"


def _range(found: SeedRange) -> dict[str, Any]:
    return {
        "id": str(found.pk),
        "source": found.source.name,
        "first": found.first,
        "last": found.last,
        "policy": found.policy,
        "given": found.counter.given if found.counts else None,
        "left": max(0, found.rule.length - found.counter.given) if found.counts else None,
        "open": found.is_open,
    }


def _source(request: ApiRequest, name: str | None) -> Source:
    own = key_of(request.auth).source
    if name is None and own is not None:
        return own
    if not name:
        raise Problem(422, "source: name the source whose seeds you want.", field="source")
    if len(name) > 100 or "\0" in name:
        raise Problem(422, "source: give a name of at most 100 characters.", field="source")
    # As with what is sent: a source not seen before is made.
    return administer.ensure_source(project=request.auth.project, name=name, now=timezone.now())


@router.post(
    "/allocate",
    auth=KeyAuth(Permission.INGEST, Permission.ADMIN),
    response=dict[str, Any],
    openapi_extra={"responses": {409: described(USED_UP)}},
    summary="Take a source's next seeds",
)
def allocate(request: ApiRequest, body: Wanted) -> dict[str, Any]:
    """Each seed is given once, however many ask at a time. 409 when the source's ranges are used up."""
    source = _source(request, body.source)
    if body.endpoint not in {"chat.completions", "completions", "responses", "embeddings"}:
        raise Problem(
            422, "endpoint: must be chat.completions, completions, responses or embeddings.", field="endpoint"
        )
    digest = "" if body.request is None else request_hash(body.endpoint, body.request)  # type: ignore[arg-type]
    try:
        seeds = administer.allocate_seeds(
            actor=request.auth, source=source, count=body.count, request_hash=digest, now=timezone.now()
        )
    except administer.NoSeedsLeft as error:
        raise Problem(409, f"count: {error}", field="count") from None
    return {"source": source.name, "seeds": list(seeds)}


@router.get("", auth=KeyAuth(Permission.READ), response=dict[str, Any], summary="List the seed ranges")
def ranges(request: ApiRequest) -> dict[str, Any]:
    """Every reserved range, in the order of their seeds."""
    sources = Source.objects.filter(project=request.auth.project).values_list("pk", flat=True)
    return {"items": [_range(one) for one in administer.ranges_of(sources=sources)], "next": None}


@router.get("/{int:seed}", auth=KeyAuth(Permission.READ), response=dict[str, Any], summary="Whose a seed is")
def describe(request: ApiRequest, seed: int) -> dict[str, Any]:
    """The source and range it belongs to, null where it lies in none, and who used it."""
    return _described(request, seed)


@router.get("/-{int:seed}", auth=KeyAuth(Permission.READ), response=dict[str, Any], include_in_schema=False)
def describe_negative(request: ApiRequest, seed: int) -> dict[str, Any]:
    """The same for a negative one, which an address's number is not."""
    return _described(request, -seed)


def _described(request: ApiRequest, seed: int) -> dict[str, Any]:
    found = administer.describe_seed(actor=request.auth, seed=seed)
    rows = apply(
        Interaction.objects.filter(project=request.auth.project),
        Filter(seed=str(seed)),
        project=request.auth.project,
    )
    used = list(rows.order_by("-started_at", "-id").values_list("pk", flat=True)[:50])
    return {
        "seed": seed,
        "source": found.range.source.name if found.range else None,
        "range": _range(found.range) if found.range else None,
        "ordinal": found.ordinal,
        "given": found.was_given,
        "warnings": list(found.warnings),
        "interactions": [str(pk) for pk in used],
    }
