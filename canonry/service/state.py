"""How the service is: alive, ready, and in figures. Open to whoever reaches the port; none of it is content."""

from __future__ import annotations

import os

import anyio.to_thread
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from canonry.service.keys import KeyRing
from canonry.storage import LocalStorage, Storage, StorageError


async def healthz() -> JSONResponse:
    """Whether the process answers. It looks at nothing else: a full disk is no reason to restart it."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> JSONResponse:
    """Whether events should be sent here: keys can be read, landing can be written. 503 with the reasons where not."""
    state = request.app.state
    refusal = state.intake.refusal()
    checks = {
        "keys": await anyio.to_thread.run_sync(_keys, state.ring),
        "landing": refusal.detail if refusal else await anyio.to_thread.run_sync(_landing, state.zones.landing),
    }
    ready = all(found == "ok" for found in checks.values())
    return JSONResponse({"status": "ready" if ready else "unready", "checks": checks}, 200 if ready else 503)


async def metrics(request: Request) -> Response:
    """Figures in Prometheus' text format."""
    content = generate_latest(request.app.state.metrics.registry)
    return Response(content, headers={"content-type": CONTENT_TYPE_LATEST})


def _keys(ring: KeyRing) -> str:
    try:
        ring.refresh()
    except (OSError, StorageError):
        return "the journal cannot be read"
    return "ok"


def _landing(landing: Storage) -> str:
    if isinstance(landing, LocalStorage):
        return "ok" if os.access(landing.root, os.W_OK | os.X_OK) else "the landing folder is gone or read-only"
    try:
        landing.head("ready")
    except (OSError, StorageError):
        return "the object store does not answer"
    return "ok"
