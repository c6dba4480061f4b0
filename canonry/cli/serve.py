"""`canonry serve`: the two doors over HTTP."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Annotated

import typer

from canonry.cli._shared import errors, said
from canonry.storage import StorageError, open_zones


class ServeProblem(Exception):
    """The service does not start; the message says what to do."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (8090).", min=0, max=65535)] = None,
    insecure_local: Annotated[
        bool, typer.Option("--insecure-local", help="Answer without keys, on a loopback address only: to try it out.")
    ] = False,
) -> None:
    """Take events in and hand releases out over HTTP. Put a reverse proxy with TLS before it.

    Every setting is also a variable, such as CANONRY_SERVICE_PORT or CANONRY_SERVICE_MAX_BODY_BYTES.

    Example: CANONRY_HOME=/var/lib/canonry/home canonry serve --port 8090
    """
    try:
        import uvicorn

        from canonry.catalog import CatalogError
        from canonry.service import app, settings, telemetry
        from canonry.service.keys import KeyProblem, list_keys
    except ImportError as error:
        errors.print(f"{error.name} is missing: pip install 'canonry[service]'", style="red", markup=False)
        raise typer.Exit(1) from None

    with said(ServeProblem, CatalogError, KeyProblem, StorageError, OSError, ValueError):
        found = replace(settings.from_environment(), insecure_local=insecure_local)
        found = replace(found, host=host or found.host, port=found.port if port is None else port)
        if insecure_local and not is_loopback(found.host):
            raise ServeProblem(
                f"--insecure-local answers anybody, so not on {found.host}: use 127.0.0.1, or make a key"
            )
        zones = open_zones(found.home)
        if not insecure_local and not any(key.revoked_at is None for key in list_keys(zones.journal)):
            raise ServeProblem(
                f"{zones.journal.url} holds no key, so nobody could use the service. Make one:\n"
                "  canonry keys create --team TEAM --source SOURCE --scope write:events\n"
                "or, to try it out on this machine alone: canonry serve --insecure-local"
            )
        built = app.build(found)
    uvicorn.run(
        built,
        host=found.host,
        port=found.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=telemetry.LOG_CONFIG,
        timeout_graceful_shutdown=30,
    )


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone. A name other than localhost cannot be told."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
