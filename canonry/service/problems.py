"""How the service says no: RFC 9457 problem details, each with what to do. No content, no keys, no paths of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that is refused. `detail` says what was found, what was expected and what to do."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = list(errors)

    def response(self) -> Response:
        """The problem as an answer."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = self.errors
        return Response(orjson.dumps(document), self.status, self.headers, MEDIA_TYPE)


async def answer_problem(request: Request, error: Exception) -> Response:
    """Starlette's handler of Problem."""
    assert isinstance(error, Problem)
    return error.response()


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals (404, 405) in the same form."""
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, str(error.detail), headers=error.headers).response()


async def answer_invalid_request(request: Request, error: Exception) -> Response:
    """FastAPI's refusals of parameters and bodies in the same form; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    errors = [{"field": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors()]
    fields = ", ".join(dict.fromkeys(each["field"] for each in errors))[:300]
    return Problem(422, f"the request does not fit: {fields}; see errors and /openapi.json", errors=errors).response()


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to try again: whole seconds, at least 1."""
    return {"Retry-After": str(max(1, round(seconds + 0.499)))}
