"""Release files and channel pointers over HTTP: in ranges, by digest, to the one audience of what is inside."""

from __future__ import annotations

import hashlib
import os
import re

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from canonry.release import LocalFiles, Release, local_files
from canonry.service.access import Caller
from canonry.service.problems import Problem

IMMUTABLE = "private, max-age=31536000, immutable"
"""A release never changes. Private, since who may read it is a matter of the key."""

SHORT = "private, max-age=2, must-revalidate"
MANIFEST = "manifest.json"

SCOPES = {
    "indexes": "read:indexes",
    "prompts": "read:prompts",
    "models": "read:prompts",
    "tables": "read:tables",
    "scorecard": "read:tables",
    "gold": "admin",
    "scorers": "admin",
}
"""Scope that a kind of release needs. A gold set holds what people asked in production, a scorer words of it."""

_TAG = re.compile(r'(?:W/)?("[^"]*")')


class HeldFile(FileResponse):
    """A file that stays in the cache until it is sent."""

    def __init__(self, path: str, files: LocalFiles, headers: dict[str, str], media_type: str) -> None:
        super().__init__(path, headers=headers, media_type=media_type, stat_result=os.stat(path))
        self._files = files


def refuse_but_one_audience(release: Release, caller: Caller) -> None:
    """Raises Problem where a release's chunks are for several audiences, or for one that the caller does not belong to.

    Files lie where they are copied to, and who reads them there nobody knows; a search shows each caller their own.
    """
    metadata = release.manifest.metadata
    tags = set(metadata.get("access") or ())
    search = f"POST /v1/indexes/{release.manifest.name}/search"
    if tags and metadata.get("audiences") != 1:
        detail = (
            "its chunks are for several audiences, and only what is for one is handed out as files; search through "
            f"{search}, which shows each key what it may read, or publish an index an audience"
        )
        raise Problem(403, detail)
    if missing := sorted(tags - caller.access):
        detail = (
            f"its chunks need the access tags {', '.join(missing)}, which this key lacks; ask for a key with the tags"
        )
        raise Problem(403, detail)


def file_answer(request: Request, release: Release, path: str) -> Response:
    """One verified file. Raises Problem 404, Damaged."""
    media_type = "application/json" if path.endswith(".json") else "application/octet-stream"
    if path == MANIFEST:
        data = release.published.read(f"{release.folder}/{MANIFEST}")
        return small_answer(request, data, IMMUTABLE)
    expected = release.manifest.files.get(path)
    if expected is None:
        raise Problem(404, f"the release has no such file; it has {', '.join(release.manifest.files)}")
    headers = {"ETag": f'"{expected.sha256}"', "Cache-Control": IMMUTABLE}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    files = local_files(release, [path])
    return HeldFile(str(files[path]), files, headers, media_type)


def small_answer(request: Request, data: bytes, cached: str) -> Response:
    """A JSON document, whole, with its digest as ETag."""
    headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Cache-Control": cached}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="application/json")


def is_known(request: Request, etag: str) -> bool:
    """Whether If-None-Match says that the caller has it already."""
    said = request.headers.get("if-none-match")
    return said is not None and (said.strip() == "*" or etag in _TAG.findall(said))
