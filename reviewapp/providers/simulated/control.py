"""Everything of the simulated provider that is no generation: models, the controls under `/_sim/`, the
page, errors.

Controls take JSON with its content type and nothing else, so that no page in somebody's browser can press
them by a plain form.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from reviewapp.providers.simulated.app import Application
from reviewapp.providers.simulated.behaviour import ModelState
from reviewapp.providers.simulated.config import FAULTS, parse_fault_shares
from reviewapp.providers.simulated.fields import Fields, InvalidConfig
from reviewapp.providers.simulated.prompts import phrases
from reviewapp.providers.simulated.refusals import Refusal
from reviewapp.providers.simulated.simulator import Simulator

_CREATED = 1_793_491_200  # 2026-11-01, the snapshot that the catalogue serves
_PAGE = Path(__file__).parent / "console.html"


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status, dict(headers or {}), "application/json")


async def _said(request: Request) -> Fields:
    """The JSON body of a control; an empty one is an empty object."""
    raw = await request.body()
    if raw and request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InvalidConfig("", "send JSON, with Content-Type: application/json")
    try:
        return Fields(orjson.loads(raw) if raw else {}, "")
    except orjson.JSONDecodeError as error:
        raise InvalidConfig("", f"the body is not valid JSON: {error}") from error


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Controls:
    """The handlers; each is one method."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def _chosen(self, fields: Fields) -> list[ModelState]:
        name = fields.text("model", None)
        if name == "*":
            return list(self._simulator.models.values())
        state = self._simulator.models.get(name)
        if state is None:
            known = ", ".join(self._simulator.models)
            raise fields.wrong("model", f"there is no model {name!r}; there are {known}; * means all")
        return [state]

    async def models(self, request: Request) -> Response:
        """`GET /v1/models`."""
        found = [_model(name) for name in self._simulator.config.models]
        return _json({"object": "list", "data": found})

    async def model(self, request: Request) -> Response:
        """`GET /v1/models/NAME`."""
        name = request.path_params["name"]
        found = self._simulator.config.model(name)
        if found is None:
            raise Refusal(
                404, f"The model '{name[:80]}' does not exist", param="model", code="model_not_found"
            )
        return _json(_model(name))

    async def state(self, request: Request) -> Response:
        """`GET /_sim/state`; `POST` lays settings over the present ones."""
        if request.method == "POST":
            fields = await _said(request)
            self._simulator.patch({name: fields.any(name) for name in fields.names()})
        return _json(self._shown())

    def _shown(self) -> dict[str, Any]:
        simulator = self._simulator
        now = simulator.now()
        return {
            "simulated": True,
            "started_at": _when(simulator.started),
            "now": _when(now),
            "config_path": str(simulator.config_path) if simulator.config_path else None,
            "config_error": simulator.config_error,
            "seed": simulator.config.seed,
            "time_scale": simulator.config.time_scale,
            "change_sizes": {"little": simulator.config.little, "lot": simulator.config.lot},
            "models": {name: _shown_model(state, now) for name, state in simulator.models.items()},
        }

    async def change(self, request: Request) -> Response:
        """`POST /_sim/change`: changes a backend."""
        fields = await _said(request)
        states = self._chosen(fields)
        size = fields.any("size", "lot")
        sizes = {"little": self._simulator.config.little, "lot": self._simulator.config.lot, "none": 0.0}
        if isinstance(size, str):
            amount = sizes[fields.one_of("size", "lot", tuple(sizes))]
        else:
            amount = fields.number("size", 0, low=0, high=10)
        fingerprint = fields.text("fingerprint", "new")
        share = fields.number("share", 1.0, low=0, high=1)
        over = fields.number("over_seconds", 0.0, low=0, high=1e7)
        top_p = fields.number("top_p", 1.0, low=0.01, high=1) if "top_p" in fields else None
        fields.done()
        now = self._simulator.now()
        made = {
            state.model.name: state.change(
                size=amount, fingerprint=fingerprint, now=now, share=share, over=over, top_p=top_p
            )
            for state in states
        }
        return _json({"changed": made, "models": {s.model.name: _shown_model(s, now) for s in states}})

    async def reset(self, request: Request) -> Response:
        """`POST /_sim/reset`: back to the configuration, one model or all."""
        fields = await _said(request)
        name = None
        if "model" in fields and fields.any("model") not in (None, "*"):
            name = self._chosen(fields)[0].model.name
        fields.any("model")
        fields.done()
        self._simulator.reset(name)
        return _json(self._shown())

    async def faults(self, request: Request) -> Response:
        """`GET`, `POST` and `DELETE /_sim/faults`: what goes wrong, by share or for the next requests."""
        if request.method == "POST":
            fields = await _said(request)
            states = self._chosen(fields)
            shares = parse_fault_shares(fields.any("shares"), "shares") if "shares" in fields else None
            coming = fields.items("next")
            for path, fault in coming:
                if fault not in FAULTS:
                    raise InvalidConfig(path, f"must be one of {', '.join(FAULTS)}; is {fault!r}")
            fields.done()
            for state in states:
                if shares is not None:
                    state.fault_shares = dict(shares)
                state.next_faults.extend(fault for _, fault in coming)
        elif request.method == "DELETE":
            for state in self._simulator.models.values():
                state.fault_shares = {}
                state.next_faults.clear()
        models = self._simulator.models.items()
        return _json({"kinds": FAULTS, "models": {name: _shown_faults(state) for name, state in models}})

    async def requests(self, request: Request) -> Response:
        """`GET /_sim/requests`: the last requests as they arrived, newest first. `DELETE` forgets them."""
        if request.method == "DELETE":
            self._simulator.received.clear()
        wanted = request.query_params.get("model")
        found = [
            {
                "at": _when(each.at),
                "path": each.path,
                "model": each.model,
                "seed": each.seed,
                "used_seed": each.used_seed,
                "fingerprint": each.fingerprint,
                "fault": each.fault,
                "status": each.status,
                "headers": each.headers,
                "body": each.body.decode("utf-8", "replace"),
            }
            for each in reversed(self._simulator.received)
            if wanted in (None, each.model)
        ]
        return _json({"items": found})

    async def page(self, request: Request) -> Response:
        """`GET /`: the page for people."""
        return HTMLResponse(_PAGE.read_text("utf-8"))

    async def health(self, request: Request) -> Response:
        """`GET /healthz`."""
        return _json({"status": "ok", "simulated": True})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "simulated"}


def _shown_faults(state: ModelState) -> dict[str, Any]:
    return {"shares": state.fault_shares, "next": list(state.next_faults)}


def _shown_model(state: ModelState, now: float) -> dict[str, Any]:
    model = state.model
    return {
        "kind": model.kind,
        "served_as": model.served_name,
        "requests": state.requests,
        "fingerprint_kind": model.fingerprints.kind,
        "backends": [
            {
                "fingerprint": backend.fingerprint,
                "share": round(backend.share, 6),
                "changed_by": [layer.size for layer in backend.weights.layers],
                "top_p": backend.weights.top_p,
            }
            for backend in state.backends(now=now)
        ],
        "changes": [{**change, "at": _when(change["at"])} for change in state.changes],
        "faults": _shown_faults(state),
    }


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return Response(error.body, error.status, error.headers, "application/json")


async def _wrong(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidConfig)
    body = {"message": str(error), "type": "invalid_config", "param": error.field or None, "code": None}
    return _json({"error": body}, 400)


async def _nowhere(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"Invalid URL ({request.method} {request.url.path})"
    if error.status_code == 405:
        message = f"Not allowed to {request.method} on {request.url.path}."
    body = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return _json({"error": body}, error.status_code, error.headers)


def control_app(simulator: Simulator) -> Starlette:
    """The Starlette application beside the OpenAI endpoints."""
    controls = Controls(simulator)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(simulator.watch()) if simulator.config_path else None
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching

    routes = [Route("/", controls.page), Route("/healthz", controls.health)]
    for prefix in ("/v1", ""):
        routes.append(Route(f"{prefix}/models", controls.models))
        routes.append(Route(f"{prefix}/models/{{name:path}}", controls.model))
    routes += [
        Route("/_sim/state", controls.state, methods=["GET", "POST"]),
        Route("/_sim/change", controls.change, methods=["POST"]),
        Route("/_sim/reset", controls.reset, methods=["POST"]),
        Route("/_sim/faults", controls.faults, methods=["GET", "POST", "DELETE"]),
        Route("/_sim/requests", controls.requests, methods=["GET", "DELETE"]),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={Refusal: _refused, InvalidConfig: _wrong, HTTPException: _nowhere},
    )


def create_app(*, settings: Mapping[str, Any] | None = None, config_path: Path | None = None) -> Application:
    """The whole application. Raises InvalidConfig when the configuration is wrong."""
    # Compiled here, so that the first request does not wait for it.
    phrases()
    simulator = Simulator(settings=settings, config_path=config_path)
    return Application(simulator, control_app(simulator))
