"""How the service is doing: figures for Prometheus, and one line of JSON a request. Never content, never keys."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import sys
import time
import traceback
from contextlib import suppress
from typing import Any, BinaryIO, cast

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from canonry.service.outcomes import Observer, Status
from canonry.service.problems import Problem

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(r"cnr_[^/]*")
_PROCESS, _NUMBERS = secrets.token_hex(6).encode(), itertools.count()
"""Ids of requests: of this process, and in order."""

_MAX_PATH = 200
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


disable_created_metrics()


class Metrics(Observer):
    """Figures of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.events = Counter(
            "canonry_events", "Events by outcome.", ("kind", "source", "outcome"), registry=self.registry
        )
        self.other = Counter(
            "canonry_other_items", "Spans and records that are no event.", ("kind",), registry=self.registry
        )
        self.requests = Histogram(
            "canonry_request_seconds",
            "Seconds from a request to its answer.",
            ("route", "method", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.commits = Counter("canonry_commits", "Appends to landing that were durable.", registry=self.registry)
        self.failures = Counter(
            "canonry_commit_failures", "Appends to landing that failed.", ("error",), registry=self.registry
        )
        self.append = Histogram(
            "canonry_commit_seconds",
            "Seconds of an append to landing, fsync included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue = Gauge("canonry_queue_bytes", "Bytes of bodies held.", registry=self.registry)
        self._timers: dict[tuple[str, str, int], Histogram] = {}
        self._counters: dict[tuple[str, str, str], Counter] = {}

    def committed(self, events: int, seconds: float) -> None:
        self.commits.inc()
        self.append.observe(seconds)

    def counted(self, kind: str, source: str, status: Status, events: int) -> None:
        counter = self._counters.get((kind, source, status))
        if counter is None:
            counter = self._counters[kind, source, status] = self.events.labels(kind, source, status)
        counter.inc(events)

    def failed(self, error: BaseException) -> None:
        self.failures.labels(type(error).__name__).inc()
        log_error(structlog_logger(), "commit failed", error)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request that was answered."""
        timer = self._timers.get((route, method, status))
        if timer is None:
            timer = self._timers[route, method, status] = self.requests.labels(route, method, status)
        timer.observe(seconds)


class Telemetry:
    """ASGI middleware around everything: an id for each request, headers of safety, a figure and a line of log.

    What a route knows of its request it puts into `scope["canonry.log"]`, a dict of counts.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = structlog_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                headers = message["headers"] = [*headers, *_HEADERS, (b"x-request-id", request_id)]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            log_error(self._log, "fault", error, request_id=request_id.decode())
            if status == 0:
                problem = Problem(500, "this is our fault; the log says more under the request id of this answer")
                await problem.response()(scope, receive, sending)
        finally:
            self._note(scope, request_id.decode(), status, time.perf_counter() - started)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or scope.get("canonry.route") or "other"
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.request(route, method, status, seconds)
        caller = scope.get("canonry.caller")
        self._log.info(
            "request",
            request_id=request_id,
            key_id=caller.key_id if caller else None,
            team=caller.team if caller else None,
            method=method,
            path=_path(scope["path"]),
            status=status,
            milliseconds=round(seconds * 1000, 2),
            **scope.get("canonry.log", {}),
        )


class _Forgiving:
    """A file whose failures cost its lines only: a log on a full disk fails no request."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: bytes) -> None:
        with suppress(OSError):
            self._file.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def structlog_logger(file: BinaryIO | None = None) -> Any:
    """A logger that writes a line of JSON an event to standard error."""
    return structlog.wrap_logger(
        structlog.BytesLogger(cast(BinaryIO, _Forgiving(file or sys.stderr.buffer))),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
    )


def log_error(log: Any, event: str, error: BaseException, **more: Any) -> None:
    """Log an error by its kind and place. Its message is left out, which may quote what was sent."""
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    number = getattr(error, "errno", None)
    log.error(event, error=type(error).__name__, errno=number, places=places[-8:], **more)


class JsonLines(logging.Formatter):
    """Standard logging in the same form: what uvicorn and libraries say, errors without their messages."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"event": record.getMessage(), "logger": record.name, "level": record.levelname.lower()}
        if record.exc_info and record.exc_info[1]:
            line |= {"event": "error", "error": type(record.exc_info[1]).__name__}
        line["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        return orjson.dumps(line).decode()


LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": f"{__name__}.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn.access": {"handlers": [], "propagate": False},
    },
}
"""For uvicorn: its access log, which would write whole URLs, is left out."""


def _dumps(document: Any, default: Any = None, **_: Any) -> bytes:
    return orjson.dumps(document, default=default or str)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        # A key has the form of an id, and may be sent in its place.
        if name == b"x-request-id" and _ID.fullmatch(value) and b"cnr_" not in value:
            return bytes(value)
    return b"%b-%x" % (_PROCESS, next(_NUMBERS))


def _path(path: str) -> str:
    """A path as it may be logged: somebody may have put a key there."""
    shown = path[:_MAX_PATH].encode(errors="backslashreplace").decode()
    return _KEY.sub("cnr_…", shown) if "cnr_" in shown else shown
