"""A release's files over real HTTP: whole, in ranges, not twice, and no other file of the machine."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from canonry import release
from canonry.search import CHUNKS
from canonry.service import keys
from canonry.storage import Zones, open_zones
from tests.released import NOW, chunks, release_all, release_index, vectors
from tests.service.reading import ALL, key_of
from tests.service.serving import bearer, build, serving


def test_files_come_whole_in_ranges_and_not_twice(reader: httpx.Client, released: Zones) -> None:
    found = release.resolve(released.published, "indexes", "docs")
    path = f"/v1/releases/indexes/docs/{found.version}/{CHUNKS}"
    whole = found.read(CHUNKS)
    answer = reader.get(path)
    assert answer.content == whole
    assert answer.headers["etag"] == f'"{hashlib.sha256(whole).hexdigest()}"'
    assert "immutable" in answer.headers["cache-control"]
    head = reader.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole)))
    assert head.headers["etag"] == answer.headers["etag"]
    part = reader.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert reader.get(path, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert reader.get(path, headers={"Range": "bytes=10-19", "If-Range": '"other"'}).content == whole
    for known in (answer.headers["etag"], f'W/"x", {answer.headers["etag"]}', "*"):
        assert reader.get(path, headers={"If-None-Match": known}).status_code == 304
    assert reader.get(path, headers={"If-None-Match": '"other"'}).content == whole
    manifest = reader.get(f"/v1/releases/indexes/docs/{found.version}/manifest.json")
    assert release.Manifest.parse(manifest.content, "answer") == found.manifest
    pointer = reader.get("/v1/channels/indexes/docs/production")
    assert (pointer.json()["version"], "immutable" in pointer.headers["cache-control"]) == (found.version, False)


SECRET = "kept-outside-of-what-is-published"


@pytest.mark.parametrize(
    "path",
    [
        "releases/indexes/docs/VERSION/{}",
        "releases/indexes/{}/VERSION/chunks.parquet",
        "releases/{}/docs/VERSION/chunks.parquet",
        "channels/indexes/docs/{}",
        "channels/indexes/{}/production",
        "indexes/{}",
        "prompts/{}",
        "tables/{}",
        "tables/cost_daily?version={}",
        "indexes/docs?channel={}",
    ],
)
@pytest.mark.parametrize(
    "inside",
    [
        "../../../../../secret",
        "..%2f..%2f..%2f..%2f..%2fsecret",
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret",
        "..%252f..%252fsecret",
        "%2fetc%2fpasswd",
        "..\\..\\secret",
        "secret%00.json",
        "..;/secret",
        "a" * 3000,
        "%ff%fe",
    ],
)
def test_no_path_leaves_what_is_published(tmp_path: Path, shared: tuple[str, str, str], path: str, inside: str) -> None:
    url, version, token = shared
    raw = f"/v1/{path.replace('VERSION', version).format(inside)}"
    request = httpx.Request("GET", url, headers=bearer(token))
    request.url = request.url.copy_with(raw_path=raw.encode())
    with httpx.Client() as client:
        answer = client.send(request)
    assert 400 <= answer.status_code < 500
    assert SECRET not in answer.text and "root:" not in answer.text


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """A service beside a secret file: its URL, a version, a key that may read everything."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "secret").write_text(SECRET)
    zones = release_all(open_zones(folder / "home"))
    (folder / "home" / "secret").write_text(SECRET)
    token = keys.create(zones.journal, team="t", source="docs-assistant", scopes=["admin"], now=NOW)[1]
    with serving(build(zones)) as url:
        yield url, release.resolve(zones.published, "indexes", "docs").version, token


def test_a_damaged_release_is_not_handed_out(released: Zones, url: str) -> None:
    # Of a text that no cache has: a sound copy would do.
    unlike = chunks().append_column("run", pa.array([uuid.uuid4().hex] * 50))
    found = release_index(released.published, vectors(), unlike, name="broken")
    released.published.put(f"{found.folder}/{CHUNKS}", b"?" * found.manifest.files[CHUNKS].size)
    with httpx.Client(base_url=url, headers=key_of(released, *ALL)) as client:
        for path in ("/v1/indexes/broken/search?q=red", f"/v1/releases/indexes/broken/{found.version}/{CHUNKS}"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert "damaged" in answer.json()["detail"] and str(released.home) not in answer.text
