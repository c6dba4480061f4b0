"""The client over a folder, an object store and the service: the same answers, and files that are fetched once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from canonry import client, lake, release
from canonry.client import NotReleased
from canonry.client._service import ServiceAway, ServiceStorage
from canonry.release import File
from canonry.search import VECTORS
from canonry.service import keys
from canonry.storage import NotFound, StorageError, Zones, open_zones
from tests.released import NOW, chunks, release_all, release_index, release_one, vectors
from tests.service.serving import build, serving


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CANONRY_CACHE", str(tmp_path / "cache"))
    for name in ("CANONRY_HOME", "CANONRY_URL", "CANONRY_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def make_key(zones: Zones, *access: str, scopes: tuple[str, ...] = ("admin",)) -> str:
    return keys.create(zones.journal, team="docs", source="docs-assistant", scopes=scopes, access=access, now=NOW)[1]


@pytest.fixture(params=["folder", "store", "service"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Zones, str]]:
    """Zones with everything released, and the `home` that leads a client there."""
    if request.param == "store":
        zones = release_all(open_zones(f"{request.getfixturevalue('bucket')}/home"))
        yield zones, zones.home
        return
    zones = release_all(open_zones(tmp_path / "home"))
    if request.param == "folder":
        yield zones, zones.home
        return
    monkeypatch.setenv("CANONRY_API_KEY", make_key(zones, "staff"))
    with serving(build(zones)) as url:
        yield zones, url


def test_everything_is_read_alike(place: tuple[Zones, str]) -> None:
    _, home = place
    index = client.open_index("docs", home=home)
    assert index.search(vectors()[7], k=1)[0].chunk_id == "c7"
    assert index.search_text("red", k=3) == index.search(np.eye(8, dtype=np.float32)[0], k=3)
    assert index.search_text("red", k=50, where={"document_id": "d1"})[0].document_id == "d1"
    assert client.open_index("docs", version=index.version, home=home).version == index.version
    prompt = client.get_prompt("answer", home=home)
    assert (prompt.render(question="q", passages="p"), prompt.stale) == ("Q: q\n{x} p", False)
    assert client.read_table("cost_daily", columns=["cost"], home=home).to_pydict() == {"cost": [1.5, 2.5]}
    assert client.get_model("m", home=home).stage == "production"
    with pytest.raises(NotReleased, match="channels: production"):
        client.open_index("docs", channel="canary", home=home)
    with pytest.raises(NotReleased, match=f"known: {index.version}"):
        client.open_index("docs", version="0123456789abcdef", home=home)
    with pytest.raises(NotReleased):
        client.read_table("absent", home=home)


def test_the_event_loop_is_not_held_up(place: tuple[Zones, str]) -> None:
    _, home = place

    async def read() -> tuple[Any, ...]:
        index, model, prompt, table = await asyncio.gather(
            client.aopen_index("docs", home=home),
            client.aget_model("m", home=home),
            client.aget_prompt("answer", home=home),
            client.aread_table("cost_daily", home=home),
        )
        hits = await asyncio.gather(index.asearch(vectors()[3], k=1), index.asearch_text("blue", k=1))
        assert not await index.arefresh()
        return prompt.name, model.stage, table.num_rows, hits[0][0].chunk_id, len(hits[1])

    assert asyncio.run(read()) == ("answer", "production", 2, "c3", 1)


def test_an_index_follows_its_channel_when_told_to(place: tuple[Zones, str]) -> None:
    zones, home = place
    staying, following = client.open_index("docs", home=home), client.open_index("docs", home=home, follow=1e9)
    first = following.opened
    found = release_index(zones.published, vectors(20, seed=3), chunks(20))
    assert (staying.version, following.version) == (first.version, first.version)
    assert following.refresh() is True
    assert following.refresh() is False
    assert (following.version, len(following), staying.version) == (found.version, 20, first.version)
    assert first.vectors.search(vectors()[49], 1)[0].chunk_id == "c49", "what was taken before stays whole"
    assert client.open_index("docs", version=first.version, home=home).refresh() is False
    with pytest.raises(ValueError, match="a version stays what it is"):
        client.open_index("docs", version=first.version, home=home, follow=True)


def test_a_channel_that_moves_to_something_unusable_leaves_the_index_as_it_was(
    place: tuple[Zones, str], caplog: pytest.LogCaptureFixture
) -> None:
    zones, home = place
    index = client.open_index("docs", home=home)
    other = release.publish(zones.published, "indexes", "docs", {"x": b"1"}, metadata={}, lineage={}, now=NOW)
    release.promote(zones.published, "indexes", "docs", other.version, reason="by hand", now=NOW)
    with pytest.raises(client.ReleaseError, match="not an index"):
        index.refresh()
    assert index.search(vectors()[7], k=1)[0].chunk_id == "c7"


def test_what_was_fetched_is_not_fetched_again(
    place: tuple[Zones, str], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones, home = place
    if home == zones.home and not home.startswith("s3://"):
        pytest.skip("a folder is read in place")
    client.open_index("docs", home=home).search_text("red")
    kept = {path.name for path in own_cache.glob("releases/??/*") if not path.name.startswith(".")}
    manifest = release.resolve(zones.published, "indexes", "docs").manifest
    assert {name for name in kept if "." not in name} == {file.sha256 for file in manifest.files.values()}
    kind = type(client.open_index("docs", home=home).opened._release.published)
    monkeypatch.setattr(kind, "local_copy", lambda *_: pytest.fail("fetched again"))
    assert client.open_index("docs", home=home).search_text("red")


def test_only_what_is_read_of_a_table_is_fetched(place: tuple[Zones, str], own_cache: Path) -> None:
    zones, home = place
    parquet = lake.parquet_bytes(pa.table({"day": [1]}))
    release_one(zones.published, "tables", "wide", {"a.parquet": parquet, "preview.html": b"<table>" * 1000})
    assert client.read_table("wide", home=home).num_rows == 1
    fetched = [path.name for path in own_cache.glob("releases/??/*") if not path.name.startswith(".")]
    assert fetched in ([], [File.of(parquet).sha256]), "a folder is read in place"


def test_the_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    release_index(zones.published, vectors(5), chunks(5))
    elsewhere = release_all(open_zones(tmp_path / "elsewhere"))
    with serving(build(zones)) as url:
        monkeypatch.setenv("CANONRY_URL", url)
        monkeypatch.setenv("CANONRY_API_KEY", make_key(zones))
        assert len(client.open_index("docs")) == 5
        monkeypatch.setenv("CANONRY_HOME", elsewhere.home)
        assert len(client.open_index("docs")) == 50
        assert len(client.open_index("docs", home=url)) == 5


def test_a_key_that_may_not_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    tags = pa.array([["staff"]] * 50, pa.list_(pa.string()))
    release_index(zones.published, vectors(), chunks().append_column("access", tags), name="inside")
    some = pa.array([["staff"]] * 49 + [[]], pa.list_(pa.string()))
    release_index(zones.published, vectors(), chunks().append_column("access", some), name="mixed")
    reader, writer = make_key(zones, scopes=("read:indexes",)), make_key(zones, scopes=("write:events",))
    staff = make_key(zones, "staff", scopes=("read:indexes",))
    with serving(build(zones)) as url:
        for key, message in {
            "": "401: no key was sent",
            "cnr_none_none": "401: the key is unknown .*CANONRY_API_KEY is the key that was sent",
            writer: "403: this key lacks the scope read:indexes",
            reader: "403: .*access tags staff, which this key lacks",
        }.items():
            monkeypatch.setenv("CANONRY_API_KEY", key)
            with pytest.raises(StorageError, match=message) as caught:
                client.open_index("inside", home=url)
            assert not isinstance(caught.value, ServiceAway | NotFound)
            assert not key or key not in str(caught.value)
        monkeypatch.setenv("CANONRY_API_KEY", staff)
        assert len(client.open_index("inside", home=url)) == 50
        with pytest.raises(StorageError, match=r"403: .*several audiences, .*/v1/indexes/mixed/search"):
            client.open_index("mixed", home=url)


def test_a_service_that_is_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceAway, match=r"127\.0\.0\.1:9: cannot be reached"):
        client.open_index("docs", home="http://127.0.0.1:9")


def test_a_download_that_breaks_off_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    found = release.resolve(zones.published, "indexes", "docs")
    ranges: list[str | None] = []

    class Breaking(httpx.BaseTransport):
        """A stand-in for a connection that breaks after a part of each answer, twice."""

        def __init__(self) -> None:
            self._inner = httpx.HTTPTransport()

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = self._inner.handle_request(request)
            ranges.append(request.headers.get("range"))
            if len(ranges) > 2:
                return answer

            def parts() -> Iterator[bytes]:
                for part in answer.iter_raw(100):
                    yield part
                    raise httpx.ReadError("the connection broke")

            return httpx.Response(answer.status_code, headers=answer.headers, content=parts())

    with serving(build(zones)) as url:
        storage = ServiceStorage(url, make_key(zones))
        inner = storage._client()
        storage._clients = dict.fromkeys(
            storage._clients, httpx.Client(base_url=url, headers=inner.headers, transport=Breaking())
        )
        with storage.local_copy(f"{found.folder}/{VECTORS}") as path:
            assert path.read_bytes() == found.read(VECTORS)
    assert ranges == [None, "bytes=100-", "bytes=200-"]


def test_reading_parts_and_nothing_else(tmp_path: Path) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    found = release.resolve(zones.published, "indexes", "docs")
    path, whole = f"{found.folder}/{VECTORS}", found.read(VECTORS)
    with serving(build(zones)) as url:
        storage = ServiceStorage(url, make_key(zones))
        assert storage.read(path) == whole
        assert storage.read(path, 5, 9) == whole[5:9]
        assert storage.read(path, len(whole) - 3) == whole[-3:]
        assert storage.read(path, 9, 5) == storage.read(path, len(whole) + 5) == b""
        entry = storage.head(path)
        assert entry and (entry.size, entry.etag) == (len(whole), f'"{found.manifest.files[VECTORS].sha256}"')
        assert storage.head(f"{found.folder}/absent") is None
        for refused in (lambda: storage.put(path, b""), lambda: storage.delete(path), lambda: storage.read("other")):
            with pytest.raises(StorageError):
                refused()
    assert zones.published.read(path) == whole
