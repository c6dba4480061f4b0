"""Who calls, and what they may: a key in `Authorization: Bearer …`, its scopes, its rate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio.to_thread
from starlette.requests import HTTPConnection, Request

from canonry.service.keys import SCOPES, KeyRing
from canonry.service.limits import RateLimit
from canonry.service.problems import Problem, retry_after
from canonry.storage import StorageError

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="canonry"'}
_HOW = "send Authorization: Bearer cnr_…; `canonry keys create` makes a key"


@dataclass(frozen=True)
class Caller:
    """Whose request it is. `team` is empty where no key decides it (`--insecure-local`)."""

    key_id: str
    team: str
    source: str
    scopes: frozenset[str]
    access: frozenset[str]

    @property
    def identity(self) -> str:
        """Who the product is, whatever key it has at the moment."""
        return f"{self.team}/{self.source}"

    def identity_of(self, user: str | None) -> str:
        """Who one of the product's own callers is; the product itself where none is named."""
        return self.identity if user is None else f"{self.identity}/{user}"

    def may(self, scope: str) -> bool:
        """Whether the key has a scope; `admin` has all."""
        return scope in self.scopes or "admin" in self.scopes


LOCAL = Caller("local", "", "local", frozenset(SCOPES), frozenset())
"""Who calls without a key where `--insecure-local` lets them."""


class Gate:
    """Knows keys and their rates; lies in `app.state.gate`."""

    def __init__(self, ring: KeyRing, limit: RateLimit, *, insecure_local: bool = False) -> None:
        self._ring = ring
        self._limit = limit
        self._insecure_local = insecure_local

    async def admit(self, connection: HTTPConnection, scope: str) -> Caller:
        """The caller of a request, who has the scope. Raises Problem 401, 403, 429; 503 where keys cannot be read."""
        caller = await self._caller(connection.headers.get("authorization"))
        connection.scope["canonry.caller"] = caller
        if wait := self._limit.take(caller.key_id):
            detail = "this key makes more requests than it may; wait as Retry-After says, or send larger batches"
            raise Problem(429, detail, headers=retry_after(wait))
        if not caller.may(scope):
            detail = f"this key lacks the scope {scope}; a key's scopes are chosen when it is created"
            raise Problem(403, detail)
        return caller

    async def _caller(self, header: str | None) -> Caller:
        if header is None:
            if self._insecure_local:
                return LOCAL
            raise Problem(401, f"no key was sent; {_HOW}", headers=_CHALLENGE)
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Problem(401, f"the Authorization header is not a bearer token; {_HOW}", headers=_CHALLENGE)
        token = token.strip()
        if self._ring.stale(token):
            try:
                await anyio.to_thread.run_sync(self._ring.refresh)
            except (OSError, StorageError):
                detail = "keys cannot be read at the moment; try again"
                raise Problem(503, detail, headers=retry_after(2)) from None
        key = self._ring.verify(token)
        if key is None:
            raise Problem(401, f"the key is unknown or revoked; {_HOW}", headers=_CHALLENGE)
        return Caller(key.key_id, key.team, key.source, key.scopes, key.access)


def requires(scope: str) -> Callable[[Request], Awaitable[Caller]]:
    """A FastAPI dependency: the Caller, whose key has the scope; else an answer of 401, 403 or 429.

    caller: Annotated[Caller, Depends(requires("read:indexes"))]
    """
    if scope not in SCOPES:
        raise ValueError(f"scope {scope!r} is unknown; use {', '.join(SCOPES)}")

    async def admitted(request: Request) -> Caller:
        gate: Gate = request.app.state.gate
        return await gate.admit(request, scope)

    return admitted
