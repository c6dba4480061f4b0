"""The door for Label Studio: it says that something changed, and is answered at once. Its body is never read."""

from __future__ import annotations

import datetime as dt
import hmac
from typing import Annotated

from fastapi import APIRouter, Header, Path
from starlette.background import BackgroundTask
from starlette.responses import Response

from canonry.catalog.specs import NAME_PATTERN
from canonry.label.wakeup import wake
from canonry.label.webhook import ROUTE
from canonry.service.problems import Problem
from canonry.service.small_body import SmallBodyRoute
from canonry.storage import Storage

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="canonry"'}


def router(exchange: Storage, secret: str, schemes: frozenset[str]) -> APIRouter:
    """The route, for those who know the secret, over the schemes that are governed."""
    routes = APIRouter(route_class=SmallBodyRoute)
    wanted = f"Bearer {secret}".encode()

    @routes.post(
        f"{ROUTE}/{{scheme}}",
        status_code=204,
        tags=["webhooks"],
        responses={401: {"description": "No secret, or a wrong one."}, 404: {"description": "No such scheme."}},
    )
    async def label_studio_changed(
        scheme: Annotated[str, Path(pattern=NAME_PATTERN, max_length=80)],
        authorization: Annotated[str, Header()] = "",
    ) -> Response:
        """Something changed in a scheme's project on Label Studio: its answers are pulled soon."""
        if not hmac.compare_digest(authorization.encode(), wanted):
            raise Problem(401, "the secret is missing or wrong; send it as Authorization: Bearer …", headers=_CHALLENGE)
        if scheme not in schemes:
            raise Problem(404, "no such scheme is governed here; add it to assets/schemes and restart")
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        # The annotator waits for this answer, the store may be slow, and the schedule pulls what is not noted.
        return Response(status_code=204, background=BackgroundTask(wake, exchange, scheme, now))

    return routes
