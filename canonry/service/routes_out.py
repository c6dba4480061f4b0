"""The door for releases: indexes and their search, prompts, models, tables, files. Nothing here blocks the loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response, StreamingResponse

from canonry import release
from canonry.release import Release, ReleaseError
from canonry.search import Mode
from canonry.service import models_out as out
from canonry.service.access import Caller, Gate, requires
from canonry.service.library import Library
from canonry.service.listings import listing, releases_of
from canonry.service.problems import Problem
from canonry.service.release_files import IMMUTABLE, SCOPES, SHORT, file_answer, refuse_but_one_audience, small_answer
from canonry.service.searching import search
from canonry.service.small_body import SMALL_BYTES, SmallBodyRoute
from canonry.service.tables_out import ARROW, OpenTable
from canonry.service.workers import Workers
from canonry.storage import Storage

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
Version = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
Kind = Literal["indexes", "tables", "prompts", "models", "gold", "scorers", "scorecard"]


async def _admitted(request: Request, kind: Kind) -> Caller:
    gate: Gate = request.app.state.gate
    return await gate.admit(request, SCOPES[kind])


ReadsIndexes = Annotated[Caller, Depends(requires("read:indexes"))]
ReadsPrompts = Annotated[Caller, Depends(requires("read:prompts"))]
ReadsTables = Annotated[Caller, Depends(requires("read:tables"))]
ReadsKind = Annotated[Caller, Depends(_admitted)]
Channel = Annotated[out.NamePart, Query(description="Channel to read.")]
OfVersion = Annotated[out.VersionText | None, Query(description="Or the version.")]
OnBehalfOf = Annotated[
    out.CallerText | None,
    Query(
        alias="caller", description="Whom the product asks for, such as a hash of its user: see a search's `caller`."
    ),
]

_REFUSALS = {
    401: "No key, or one that is unknown or revoked.",
    403: "The key lacks the scope or an access tag, or files of several audiences were asked for.",
    404: "Nothing of this name is released there.",
    410: "The version was withdrawn.",
    422: "The request does not fit: which field, and what was expected.",
    429: "Too many requests. See Retry-After.",
    501: "The service has no encoder: send a vector.",
    503: "What is published cannot be read at the moment. See Retry-After.",
}
_BODY_REFUSALS = {408: "The body took too long to arrive.", 413: f"The body is longer than {SMALL_BYTES:,} bytes."}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_SEARCH_QUERY = {"$ref": "#/components/schemas/SearchQuery"}


def _described(refusals: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": description, "content": _PROBLEM} for status, description in refusals.items()}


_PROBLEMS, _BODY_PROBLEMS = _described(_REFUSALS), _described(_BODY_REFUSALS)


def router(published: Storage, *, threads: int | None = None, waiting: int = 256) -> APIRouter:
    """The routes over what is published; `threads` search and read at one time, and so many calls may wait for one."""
    routes = APIRouter(prefix="/v1", responses=_PROBLEMS, route_class=SmallBodyRoute)
    workers = Workers(threads or min(8, (os.cpu_count() or 1) + 2), waiting)
    library = Library(published)
    _add_indexes(routes, library, workers)
    _add_prompts_and_models(routes, library, workers)
    _add_tables(routes, library, workers)
    _add_files(routes, published, workers)
    return routes


def _add_indexes(routes: APIRouter, library: Library, workers: Workers) -> None:
    @routes.get("/indexes", tags=["indexes"], response_model=out.Listing)
    async def list_indexes(caller: ReadsIndexes, channel: Channel = "production") -> Response:
        """Indexes that a channel points to."""
        return _json(await workers.run(listing, library.published, "indexes", channel))

    @routes.get("/indexes/{name}", tags=["indexes"], response_model=out.ManifestOut)
    async def index_manifest(
        request: Request,
        caller: ReadsIndexes,
        name: Name,
        channel: Channel = "production",
        version: OfVersion = None,
    ) -> Response:
        """The manifest of an index: its version, columns, encoder, gate and the digests of its files."""
        which = version or channel
        found = await workers.run(release.resolve, library.published, "indexes", name, which, caller.identity)
        return small_answer(request, found.manifest.to_json(), SHORT if version is None else IMMUTABLE)

    @routes.post(
        "/indexes/{name}/search",
        tags=["indexes"],
        response_model=out.SearchAnswer,
        responses=_BODY_PROBLEMS,
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _SEARCH_QUERY}}}},
    )
    async def search_index(request: Request, caller: ReadsIndexes, name: Name) -> Response:
        """The k best chunks of a text or vector, of those that `where` and the key's access tags let through.

        What needs tags lies in releases of its own, one an audience: the answer names the version of each it is from.
        """
        try:
            # Not a parameter, which would be read before anybody is asked for a key.
            query = out.SearchQuery.model_validate_json(await request.body())
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in wrong]) from None
        return _json(await workers.run(search, library, name, query, caller))

    @routes.get("/indexes/{name}/search", tags=["indexes"], response_model=out.SearchAnswer)
    async def search_index_by_text(
        caller: ReadsIndexes,
        name: Name,
        q: Annotated[str, Query(description="What to look for, in words.", min_length=1, max_length=2_000)],
        k: Annotated[int, Query(description="How many hits.", ge=1, le=out.MAX_K)] = 10,
        mode: Annotated[Mode | None, Query(description="As in POST.")] = None,
        on_behalf_of: OnBehalfOf = None,
        where: Annotated[str | None, Query(description="JSON object, as in POST.", max_length=4_000)] = None,
        channel: Channel = "production",
        version: OfVersion = None,
    ) -> Response:
        """The same by a link: a text alone."""
        asked = {"text": q, "k": k, "mode": mode, "channel": channel, "version": version, "caller": on_behalf_of}
        try:
            found = out.SearchQuery(**asked, where={} if where is None else _WHERE.validate_json(where))
        except ValidationError as error:
            raise Problem(422, f"where: expected a JSON object of values by column: {_first(error)}") from None
        return _json(await workers.run(search, library, name, found, caller))


def _add_prompts_and_models(routes: APIRouter, library: Library, workers: Workers) -> None:
    @routes.get("/prompts", tags=["prompts"], response_model=out.Listing)
    async def list_prompts(caller: ReadsPrompts, channel: Channel = "production") -> Response:
        """Prompts that a channel points to."""
        return _json(await workers.run(listing, library.published, "prompts", channel))

    @routes.get("/prompts/{name}", tags=["prompts"], response_model=out.PromptOut)
    async def prompt(
        request: Request,
        caller: ReadsPrompts,
        name: Name,
        channel: Channel = "production",
        version: OfVersion = None,
        on_behalf_of: OnBehalfOf = None,
    ) -> Response:
        """The prompt that a channel points to, or the one with this version."""
        which, identity = version or channel, caller.identity_of(on_behalf_of)
        found, arm = await workers.run(library.served, "prompts", name, which, _prompt, identity)
        return small_answer(request, orjson.dumps({**found, "arm": arm}), SHORT if version is None else IMMUTABLE)

    @routes.get("/models", tags=["models"], response_model=out.ModelsOut)
    async def models(request: Request, caller: ReadsPrompts, channel: Channel = "production") -> Response:
        """Models that teams may use, their stages and their own prices."""
        return small_answer(request, await workers.run(library.get, "models", "all", channel, _models), SHORT)


def _add_tables(routes: APIRouter, library: Library, workers: Workers) -> None:
    @routes.get("/tables", tags=["tables"], response_model=out.Listing)
    async def list_tables(caller: ReadsTables, channel: Channel = "production") -> Response:
        """Tables that a channel points to."""
        return _json(await workers.run(listing, library.published, "tables", channel))

    @routes.get(
        "/tables/{name}",
        tags=["tables"],
        response_model=out.TableOut,
        responses={200: {"content": {ARROW: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    async def table(
        caller: ReadsTables,
        name: Name,
        columns: Annotated[list[str] | None, Query(description="Only these, in this order; all without.")] = None,
        limit: Annotated[int | None, Query(description="At most so many rows.", ge=0)] = None,
        channel: Channel = "production",
        version: OfVersion = None,
        accept: Annotated[str, Header()] = "application/json",
    ) -> Response:
        """Rows of a table: an Arrow IPC stream where the Accept header asks for one, else JSON."""
        found = await workers.run(library.get, "tables", name, version or channel, OpenTable)
        wanted = [part for each in columns or () for part in each.split(",")]
        schema = await workers.run(found.schema_of, wanted)
        headers = {"X-Canonry-Version": found.version, "Vary": "Accept"}
        if ARROW in accept:
            return StreamingResponse(found.arrow(schema, limit), headers=headers, media_type=ARROW)
        return StreamingResponse(found.json(schema, limit), headers=headers, media_type="application/json")


def _add_files(routes: APIRouter, published: Storage, workers: Workers) -> None:
    @routes.get("/releases/{kind}/{name}", tags=["releases"], response_model=out.ReleasesOut)
    async def releases(caller: ReadsKind, kind: Kind, name: Name) -> Response:
        """Everything released under a name, and where its channels point."""
        return _json(await workers.run(releases_of, published, kind, name))

    async def channel_pointer(request: Request, caller: ReadsKind, kind: Kind, name: Name, channel: Name) -> Response:
        """The last move of a channel: which version it points to, since when and why."""
        move = await workers.run(release.last_move, published, kind, name, channel)
        if move is None:
            raise Problem(404, "nothing was released to this channel")
        return small_answer(request, move.to_json(), SHORT)

    async def release_file(
        request: Request,
        caller: ReadsKind,
        kind: Kind,
        name: Name,
        version: Version,
        path: Annotated[str, Path(max_length=200)],
    ) -> Response:
        """A file of a release, or `manifest.json`: in ranges, its digest as ETag, and never changed."""
        found = await workers.run(release.resolve, published, kind, name, version)
        if path != "manifest.json":
            refuse_but_one_audience(found, caller)
        return await workers.run(file_answer, request, found, path)

    binary = {"schema": {"type": "string", "format": "binary"}}
    answers: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/octet-stream": binary, "application/json": {}}},
        206: {"description": "The range that was asked for."},
        304: {"description": "The digest in If-None-Match is this file's."},
        400: {"description": "A Range header that is none."},
        416: {"description": "The range lies outside the file."},
    }
    doors: dict[str, Callable[..., Any]] = {
        "/channels/{kind}/{name}/{channel}": channel_pointer,
        "/releases/{kind}/{name}/{version}/{path:path}": release_file,
    }
    for path, endpoint in doors.items():
        routes.add_api_route(path, endpoint, methods=["GET"], tags=["releases"], responses=answers)
        routes.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


def _prompt(found: Release, _: object) -> dict[str, Any]:
    return {"name": found.manifest.name, "version": found.version, **_document(found, "prompt.json")}


def _models(found: Release) -> bytes:
    return orjson.dumps({"version": found.version, "models": _document(found, "models.json")})


def _document(found: Release, path: str) -> dict[str, Any]:
    try:
        return dict(orjson.loads(found.read(path)))
    except (ValueError, TypeError):
        raise ReleaseError(f"{path} of {found.manifest.name} {found.version} is no JSON object") from None


def _json(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")


def _first(error: ValidationError) -> str:
    each = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ")


_WHERE: TypeAdapter[out.Where] = TypeAdapter(out.Where)
