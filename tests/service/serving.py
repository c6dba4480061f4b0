"""Runs the service for tests: real HTTP on a free port, and storage stand-ins that hold, count or fail."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from canonry.landing import list_segments, read_committed
from canonry.service import app, keys
from canonry.service.settings import Settings
from canonry.storage import Files, LocalStorage, Storage, Zones

ASSETS = Path(__file__).parents[2] / "assets"
SOURCE = "docs-assistant"


def call(number: int, **more: Any) -> dict[str, Any]:
    """A plain call of today, without a team."""
    started = dt.datetime.now(dt.UTC).replace(microsecond=number % 1_000_000)
    return {"inference_id": f"call-{number:05d}", "started_at": started.isoformat(), "product": "shop", **more}


def thumb(number: int, **more: Any) -> dict[str, Any]:
    """A thumb up of today."""
    given = dt.datetime.now(dt.UTC).isoformat()
    plain = {"feedback_id": f"thumb-{number:05d}", "given_at": given, "origin": "user", "signal": "thumb", "value": 1}
    return {**plain, "inference_id": f"call-{number:05d}", **more}


def make_key(zones: Zones, *scopes: str, team: str = "docs", source: str = SOURCE) -> str:
    """A key's token; by default it may write events."""
    now = dt.datetime.now(dt.UTC)
    return keys.create(zones.journal, team=team, source=source, scopes=scopes or ["write:events"], now=now)[1]


def bearer(token: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {token}"}


def build(zones: Zones, **settings: Any) -> FastAPI:
    """The application over these zones."""
    return app.build(Settings(assets=ASSETS, **settings), zones)


@contextmanager
def serving(application: FastAPI) -> Iterator[str]:
    """URL of the application on a real server, in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, loop="uvloop", http="httptools", access_log=False, server_header=False, log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def client_of(application: FastAPI, token: str | None = None) -> Iterator[httpx.Client]:
    """A client of a real server."""
    with serving(application) as url, httpx.Client(base_url=url, headers=bearer(token) if token else {}) as client:
        yield client


def landed(landing: Storage, kind: str = "inferences") -> list[dict[str, Any]]:
    """Every line of a kind that was acknowledged, unreadable ones with their `reason`."""
    found = []
    for segment in list_segments(landing, kind):
        with landing.local_copy(segment.path) as file:
            data = file.read_bytes()
            batches = read_committed(file).batches
        found += [json.loads(line) for each in batches for line in data[each.start : each.end].splitlines()]
    return found


def accepted(landing: Storage, kind: str = "inferences") -> list[str]:
    """Ids of the events that lie on a day."""
    name = {"inferences": "inference_id", "feedback": "feedback_id"}[kind]
    return sorted(line[name] for line in landed(landing, kind) if "reason" not in line)


class HeldFiles(Files):
    """A stand-in for a disk whose fsync can be held up; counts fsyncs of files."""

    def __init__(self) -> None:
        self.going = threading.Event()
        self.going.set()
        self.held = False
        self.syncs = 0

    def sync(self, path: Path) -> None:
        self.held = not self.going.is_set()
        assert self.going.wait(30), "nobody let the disk go on"
        super().sync(path)
        self.syncs += 1


class FailingFiles(Files):
    """A stand-in for a disk that refuses every append with an error, for as long as `error` is set."""

    def __init__(self) -> None:
        self.error = 0
        self.appends = 0

    def append(self, path: Path, data: bytes) -> None:
        self.appends += 1
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        super().append(path, data)


FULL, QUOTA, READ_ONLY = errno.ENOSPC, errno.EDQUOT, errno.EROFS


def on(zones: Zones, files: Files) -> Zones:
    """Zones whose landing lies on a stand-in for a disk."""
    assert isinstance(zones.landing, LocalStorage)
    return replace(zones, landing=LocalStorage(zones.landing.root, files))


async def wait_until(condition: Any, seconds: float = 20) -> None:
    """Wait for what another thread does."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
