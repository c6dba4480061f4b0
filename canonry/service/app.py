"""The service as one ASGI application: who calls, events in, releases out, and how it is."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

import canonry
from canonry import catalog
from canonry.service import openapi_in, routes_in, routes_out, wakeups
from canonry.service.access import Gate
from canonry.service.intake import Intake
from canonry.service.keys import KeyRing
from canonry.service.limits import RateLimit
from canonry.service.problems import Problem, answer_http_error, answer_invalid_request, answer_problem
from canonry.service.settings import Settings
from canonry.service.small_body import SmallBodyRoute
from canonry.service.sources import writers
from canonry.service.state import healthz, metrics, readyz
from canonry.service.telemetry import Metrics, Telemetry
from canonry.storage import Zones, open_zones

_NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)
"""FastAPI's own would send messages of errors, which may quote what was sent, wherever the environment says."""


def build(settings: Settings, zones: Zones | None = None) -> FastAPI:
    """The application over the zones that the settings name. `zones` puts stand-ins in their place.

    `app.state` holds `settings`, `zones`, `gate`, `intake` and `metrics`. Raises CatalogError, StorageError.
    """
    app = FastAPI(
        title="Canonry",
        version=canonry.__version__,
        description="Events in, releases out. Keys are made by `canonry keys create`.",
        # Their pages load scripts from elsewhere; /openapi.json is what tools read.
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        telemetry=_NO_TELEMETRY,
    )
    state = app.state
    state.settings, state.zones, state.metrics = settings, zones or open_zones(settings.home), Metrics()
    state.ring = KeyRing(state.zones.journal)
    limit = RateLimit(settings.requests_per_second, settings.burst)
    state.gate = Gate(state.ring, limit, insecure_local=settings.insecure_local)
    state.intake = Intake(
        state.zones.landing,
        writer=writers(state.zones.landing, settings.assets),
        queue_bytes=settings.max_queue_bytes,
        remembered=settings.remembered_ids,
        observer=state.metrics,
    )
    state.metrics.queue.set_function(lambda: state.intake.budget.held)
    app.router.routes.extend(routes_in.routes(state.gate, state.intake, settings, state.metrics))
    app.router.route_class = SmallBodyRoute
    app.include_router(routes_out.router(state.zones.published))
    if settings.webhook_secret:
        schemes = frozenset(catalog.load(settings.assets).schemes)
        app.include_router(wakeups.router(state.zones.exchange, settings.webhook_secret, schemes))
    for endpoint in (healthz, readyz):
        app.add_api_route(f"/{endpoint.__name__}", endpoint, methods=["GET"], tags=["state"])
    app.add_api_route("/metrics", metrics, methods=["GET"], tags=["state"], response_class=PlainTextResponse)
    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_invalid_request)
    app.add_middleware(Telemetry, metrics=state.metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.intake.start()
    # What is loaded now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    # Events are trees that die young, by the thousand, and never in cycles.
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        app.state.intake.close()


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        app.openapi_schema = openapi_in.describe(described)
    return app.openapi_schema
