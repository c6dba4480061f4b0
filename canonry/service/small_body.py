"""Routes that take no events: what they read of a body is short, and there in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive

from canonry.service import body
from canonry.service.problems import Problem

SMALL_BYTES = 1 << 20
"""Longest body that such a route reads."""


class SmallBodyRoute(APIRoute):
    """A route that reads no body but a small one.

    What is a parameter of a handler, FastAPI reads before it asks who calls. A handler that takes the request and
    reads it itself does so for those who have a key.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, to which a long body never comes."""
        handle = super().get_route_handler()

        async def handle_small(request: Request) -> Response:
            return await handle(Request(request.scope, _short_and_in_time(request)))

        return handle_small


def _short_and_in_time(request: Request) -> Receive:
    """The request's `receive`. Raises Problem 400, 408, 413."""
    stated = body.stated_length(request.headers.get("content-length"))
    deadline = time.monotonic() + body.SECONDS
    length = 0

    async def receive() -> Message:
        nonlocal length
        if stated > SMALL_BYTES:
            raise _too_long()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                message = await request.receive()
        except TimeoutError:
            raise body.too_slow() from None
        if message["type"] == "http.disconnect":
            raise Problem(400, "the body ends too early; send all of it")
        length += len(message.get("body", b""))
        if length > SMALL_BYTES:
            raise _too_long()
        return message

    return receive


def _too_long() -> Problem:
    return Problem(413, f"the body is longer than {SMALL_BYTES:,} bytes; ask for less at a time")
