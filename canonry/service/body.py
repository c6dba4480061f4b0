"""Reads a request's body within limits, while it comes: too long, packed too tightly, or too slow is said at once."""

from __future__ import annotations

import asyncio
import zlib
from types import TracebackType
from typing import Self

from starlette.datastructures import Headers
from starlette.types import Receive

from canonry.service.intake import Intake, overloaded
from canonry.service.problems import Problem
from canonry.service.settings import Settings

ENCODINGS = "gzip, identity"
SECONDS = 60.0
"""How long a body may take to arrive."""

_STEP = 256 << 10
_MAX_MEMBERS = 1_000


class Disconnected(Exception):
    """Whoever sent the request went away before all of it was there."""


class Body:
    """A request's body, its bytes counted against the intake's budget for as long as the context lasts.

    async with Body(headers, receive, intake, settings) as body:
        data = await body.read()
    """

    def __init__(self, headers: Headers, receive: Receive, intake: Intake, settings: Settings) -> None:
        self._receive = receive
        self._budget = intake.budget
        self._limit = settings.max_body_bytes
        self._unpacked_limit = settings.max_decompressed_bytes
        self._encoding = (headers.get("content-encoding") or "identity").strip().lower()
        self._stated = stated_length(headers.get("content-length"))
        self._taken = 0
        self._admit = intake.admit

    async def __aenter__(self) -> Self:
        """Refuse what can be refused before any of it is read. Raises Problem 413, 415, 429, 503, 507."""
        if self._encoding not in ("identity", "gzip", "x-gzip"):
            detail = f"content encoding {self._encoding[:40]!r} is not supported; send {ENCODINGS}"
            raise Problem(415, detail, headers={"Accept-Encoding": ENCODINGS})
        if self._stated > self._limit:
            raise self._too_long()
        self._admit(self._stated)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._budget.give_back(self._taken)

    async def read(self) -> bytes:
        """All of it, unpacked. Raises Problem 400, 408, 413, 429, and Disconnected."""
        parts: list[bytes] = []
        unpacking = None if self._encoding == "identity" else _Unpacking(self._unpacked_limit)
        try:
            async with asyncio.timeout(SECONDS):
                message = await self._receive()
                if message["type"] == "http.request" and not message.get("more_body") and unpacking is None:
                    return self._counted(message.get("body", b""))  # nearly all requests: one piece
                length = 0
                while True:
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    piece = message.get("body", b"")
                    length += len(piece)
                    if length > self._limit:
                        raise self._too_long()
                    if unpacking is None:
                        parts.append(self._counted(piece))
                    else:
                        unpacking.feed(piece)
                        while unpacked := unpacking.step():
                            parts.append(self._counted(unpacked))
                            await asyncio.sleep(0)
                    if not message.get("more_body"):
                        break
                    message = await self._receive()
        except TimeoutError:
            raise too_slow() from None
        if unpacking is not None:
            unpacking.finish()
        return b"".join(parts)

    def _counted(self, piece: bytes) -> bytes:
        if not self._budget.take(len(piece)):
            raise overloaded()
        self._taken += len(piece)
        if self._taken > max(self._limit, self._unpacked_limit):
            raise self._too_long()
        return piece

    def _too_long(self) -> Problem:
        return Problem(413, f"the body is longer than {self._limit:,} bytes; send smaller batches")


class _Unpacking:
    """Unpacks gzip step by step, so that a small body cannot become a large one unseen."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._length = 0
        self._packed = b""
        self._member = zlib.decompressobj(wbits=31)
        self._fed = False
        self._members = 1

    def feed(self, packed: bytes) -> None:
        self._packed += packed

    def step(self) -> bytes:
        """The next bytes, at most 256 KB; none where more must be fed."""
        while self._packed:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
                self._members += 1
                if self._members > _MAX_MEMBERS:
                    raise Problem(413, f"more than {_MAX_MEMBERS:,} gzip members; pack the body as one")
            try:
                unpacked = self._member.decompress(self._packed, _STEP)
            except zlib.error:
                raise Problem(400, "the body is not gzip, as its Content-Encoding says", errors=[_AT_BODY]) from None
            self._fed = True
            self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            self._length += len(unpacked)
            if self._length > self._limit:
                raise Problem(413, f"the body unpacks to more than {self._limit:,} bytes; send smaller batches")
            if unpacked:
                return unpacked
        return b""

    def finish(self) -> None:
        if self._fed and not self._member.eof:
            raise Problem(400, "the gzip body ends too early; send all of it", errors=[_AT_BODY])


def too_slow() -> Problem:
    """What is said where a body does not come in time."""
    return Problem(408, f"the body was not there within {SECONDS:.0f} s; send less at a time")


_AT_BODY = {"row": None, "field": "body", "message": "cannot be unpacked"}


def stated_length(stated: str | None) -> int:
    """The length that is stated; 0 where none is. The server in front has checked that it is a number."""
    return int(stated) if stated and stated.isdecimal() and len(stated) < 20 else 0
