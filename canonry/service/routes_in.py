"""The door for events: native, OpenTelemetry, LiteLLM. All answer only when what they acknowledge is on disk.

These routes read their bodies themselves, within limits and while they come; `openapi` says what FastAPI would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from canonry.service import native, otlp_answer
from canonry.service.access import Caller, Gate
from canonry.service.body import Body, Disconnected
from canonry.service.formats import JSON, Converted, FormatError
from canonry.service.intake import Intake
from canonry.service.outcomes import Outcome
from canonry.service.problems import Problem
from canonry.service.settings import Settings
from canonry.service.telemetry import Metrics

SCOPE = "write:events"
FAULT = "this is our fault; the log says more under the request id of this answer"
_INLINE_BYTES = 32 << 10
_REASONS = 3

Convert = Callable[[bytes, str], Converted]


class Door:
    """One route that takes events: who calls, the body within limits, then what the door makes of it."""

    def __init__(self, path: str, gate: Gate, intake: Intake, settings: Settings, metrics: Metrics) -> None:
        self.path = path
        self._gate = gate
        self._intake = intake
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["canonry.route"] = self.path
        scope["canonry.log"] = {}
        headers = Headers(scope=scope)
        content_type = headers.get("content-type", "")
        try:
            caller = await self._gate.admit(HTTPConnection(scope), SCOPE)
            async with Body(headers, receive, self._intake, self._settings) as body:
                response = await self.take(caller, await body.read(), content_type, scope["canonry.log"])
        except Problem as problem:
            response = self.refuse(problem, content_type)
        except Disconnected:
            return
        except Exception:
            # Telemetry logs it, as it does all faults; only a door knows in which form to answer.
            await self.refuse(Problem(500, FAULT), content_type)(scope, receive, send)
            raise
        await response(scope, receive, send)

    async def take(self, caller: Caller, body: bytes, content_type: str, log: dict[str, Any]) -> Response:
        """The answer to a body. Raises Problem."""
        raise NotImplementedError

    def refuse(self, problem: Problem, content_type: str) -> Response:
        """How this door says no."""
        return problem.response()

    async def _converted(self, convert: Convert, body: bytes, content_type: str) -> Converted:
        try:
            if len(body) > _INLINE_BYTES:
                found = await asyncio.to_thread(convert, body, content_type)
            else:
                found = convert(body, content_type)
        except FormatError as error:
            if error.status == 400:
                raise native.malformed(1, "body", str(error)) from None
            raise Problem(error.status, str(error)) from None
        for kind, count in found.other.items():
            self._metrics.other.labels(kind).inc(count)
        return found

    async def _submitted(self, caller: Caller, found: Converted, size: int) -> list[Outcome]:
        rejected = [("inferences", reason, raw) for _, reason, raw in found.rejected]
        return await self._intake.submit(caller, found.events, rejected, size=size)


class NativeDoor(Door):
    """`/v1/inferences`, `/v1/feedback`."""

    def __init__(self, kind: str, *given: Any) -> None:
        super().__init__(f"/v1/{kind}", *given)
        self._kind = kind

    async def take(self, caller: Caller, body: bytes, content_type: str, log: dict[str, Any]) -> Response:
        if len(body) > _INLINE_BYTES:
            events, parsed = await asyncio.to_thread(native.parse_batch, body, content_type)
        else:
            events, parsed = native.parse_batch(body, content_type)
        size, kind = len(body), self._kind
        del body
        outcomes = await self._intake.submit_all(caller, kind, events, size=size, parsed=parsed)
        content, counts = native.answer(outcomes)
        log |= counts
        return Response(content, media_type=JSON)


class LiteLLMDoor(Door):
    """`/v1/litellm`: what its generic API callback posts."""

    async def take(self, caller: Caller, body: bytes, content_type: str, log: dict[str, Any]) -> Response:
        from canonry.service.formats import litellm

        found = await self._converted(litellm.convert, body, content_type)
        outcomes = await self._submitted(caller, found, len(body))
        content, counts = native.answer(outcomes)
        log |= counts
        return Response(content, media_type=JSON)


class OtlpDoor(Door):
    """`/v1/traces`, `/v1/logs`."""

    def __init__(self, signal: otlp_answer.Signal, *given: Any) -> None:
        super().__init__(f"/v1/{signal}", *given)
        self._signal = signal

    async def take(self, caller: Caller, body: bytes, content_type: str, log: dict[str, Any]) -> Response:
        from canonry.service.formats import otlp

        convert = otlp.convert if self._signal == "traces" else otlp.convert_logs
        found = await self._converted(convert, body, content_type)
        outcomes = await self._submitted(caller, found, len(body))
        rejected = [outcome for outcome in outcomes if outcome.status == "rejected"]
        log |= {**native.count(outcomes), "other": sum(found.other.values())}
        message = "; ".join(str(outcome.reason) for outcome in rejected[:_REASONS])
        if len(rejected) > _REASONS:
            message += f"; and {len(rejected) - _REASONS} more"
        return otlp_answer.success(self._signal, content_type, len(rejected), message)

    def refuse(self, problem: Problem, content_type: str) -> Response:
        return otlp_answer.failure(problem, content_type)


def routes(gate: Gate, intake: Intake, settings: Settings, metrics: Metrics) -> list[Route]:
    """The routes of this door, to be put before all others: they are the ones in a hurry."""
    given = (gate, intake, settings, metrics)
    doors: list[Door] = [
        NativeDoor("inferences", *given),
        NativeDoor("feedback", *given),
        OtlpDoor("traces", *given),
        OtlpDoor("logs", *given),
        LiteLLMDoor("/v1/litellm", *given),
    ]
    return [Route(door.path, door, methods=["POST"]) for door in doors]
