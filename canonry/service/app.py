"""The service as one ASGI application: who calls, events in, releases out, and how it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

import canonry
from canonry.service.access import Gate
from canonry.service.keys import KeyRing
from canonry.service.limits import RateLimit
from canonry.service.problems import Problem, answer_problem
from canonry.service.settings import Settings
from canonry.storage import Zones, open_zones


def build(settings: Settings, zones: Zones | None = None) -> FastAPI:
    """The application over the zones that the settings name. `zones` puts stand-ins in their place.

    `app.state` holds `settings`, `zones` and `gate`.
    """
    app = FastAPI(
        title="Canonry",
        version=canonry.__version__,
        description="Events in, releases out. Keys are made by `canonry keys create`.",
        # Their pages load scripts from elsewhere; /openapi.json is what tools read.
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.zones = zones or open_zones(settings.home)
    app.state.ring = KeyRing(app.state.zones.journal)
    limit = RateLimit(settings.requests_per_second, settings.burst)
    app.state.gate = Gate(app.state.ring, limit, insecure_local=settings.insecure_local)
    app.add_exception_handler(Problem, answer_problem)
    app.add_api_route("/healthz", healthz, methods=["GET"], tags=["state"])
    app.add_api_route("/readyz", readyz, methods=["GET"], tags=["state"])
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield


async def healthz() -> JSONResponse:
    """Whether the process answers. It looks at nothing else: a full disk is no reason to restart it."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> JSONResponse:
    """Whether requests should be sent here."""
    return JSONResponse({"status": "ready"})
