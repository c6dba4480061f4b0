"""Releases over real HTTP: what each door gives, to whom, and what it refuses."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from canonry import lake, release
from canonry.client import open_index
from canonry.encode import MODEL_FILE
from canonry.search import CHUNKS, LEXICAL, VECTORS
from canonry.service import keys
from canonry.service.problems import Problem
from canonry.service.workers import Workers
from canonry.storage import Zones, open_zones
from tests.released import NOW, chunks, release_all, release_index, release_one, vectors
from tests.service.serving import bearer, build, serving

ALL = ("read:indexes", "read:prompts", "read:tables")
ARROW = "application/vnd.apache.arrow.stream"


def key_of(zones: Zones, *scopes: str, access: tuple[str, ...] = ()) -> dict[str, str]:
    found = keys.create(zones.journal, team="docs", source="docs-assistant", scopes=scopes, access=access, now=NOW)
    return bearer(found[1])


def tagged_chunks() -> pa.Table:
    tags = pa.array([["staff"] if row % 2 else [] for row in range(50)], pa.list_(pa.string()))
    teams = pa.array(["ab"[row % 5 == 0] for row in range(50)])
    return chunks().append_column("team", teams).append_column("access", tags)


@pytest.fixture(params=["local", "s3"])
def zones(request: pytest.FixtureRequest, tmp_path: Path) -> Zones:
    home: Any = tmp_path / "home" if request.param == "local" else f"{request.getfixturevalue('bucket')}/home"
    return release_all(open_zones(home))


@pytest.fixture
def url(zones: Zones) -> Iterator[str]:
    with serving(build(zones)) as found:
        yield found


@pytest.fixture
def client(url: str, zones: Zones) -> Iterator[httpx.Client]:
    """With a key that may read, and has no access tag."""
    with httpx.Client(base_url=url, headers=key_of(zones, *ALL)) as found:
        yield found


def test_an_index_is_searched_by_vector_and_by_text(client: httpx.Client) -> None:
    query = vectors()[7]
    found = client.post("/v1/indexes/docs/search", json={"vector": query.tolist(), "k": 3})
    assert found.status_code == 200, found.text
    answer = found.json()
    first = answer["hits"][0]
    assert first.pop("score") == pytest.approx(1, abs=1e-5)
    expected = {"chunk_id": "c7", "document_id": "d1", "title": "Title 7", "text": "text of chunk 7", "metadata": {}}
    assert first == expected
    assert len(answer["hits"]) == 3
    exact = np.argsort(-vectors()[:, 0])[:10]
    search = "/v1/indexes/docs/search"
    for each in (client.post(search, json={"text": "red"}), client.get(f"{search}?q=red")):
        assert [hit["chunk_id"] for hit in each.json()["hits"]] == [f"c{row}" for row in exact]
        assert each.json()["version"] == answer["version"]
    where = {"document_id": ["d2", "d3"]}
    some = client.post("/v1/indexes/docs/search", json={"text": "red", "k": 50, "where": where}).json()["hits"]
    assert {hit["document_id"] for hit in some} == {"d2", "d3"} and len(some) == 10
    again = client.get(search, params={"q": "red", "k": 50, "where": '{"document_id": ["d2", "d3"]}'})
    assert again.json()["hits"] == some


def test_a_text_is_searched_by_meaning_by_words_or_by_both(client: httpx.Client, zones: Zones) -> None:
    found = release_index(zones.published, vectors(), chunks(), name="worded", words=True)
    search = "/v1/indexes/worded/search"
    opened = open_index("worded", home=zones.home)
    assert opened.version == found.version
    for mode in (None, "hybrid", "dense", "lexical"):
        answers = [
            client.post(search, json={"text": "red 41", "k": 5, "mode": mode}),
            client.get(search, params={"q": "red 41", "k": 5, **({"mode": mode} if mode else {})}),
        ]
        for answer in answers:
            assert answer.json()["mode"] == (mode or "hybrid")
            expected = opened.search_text("red 41", 5, mode=mode)
            assert [hit["chunk_id"] for hit in answer.json()["hits"]] == [hit.chunk_id for hit in expected]
    by_vector = client.post(search, json={"vector": vectors()[7].tolist(), "k": 1}).json()
    assert (by_vector["mode"], by_vector["hits"][0]["chunk_id"]) == ("dense", "c7")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "Invalid JSON"),
        ([], "object"),
        ({}, "send either text or vector"),
        ({"text": "a", "vector": [1.0]}, "send either text or vector"),
        ({"text": "a", "k": 0}, "greater than or equal to 1"),
        ({"text": "a", "k": 10**9}, "less than or equal to 1000"),
        ({"text": ""}, "at least 1 character"),
        ({"text": "a", "other": 1}, "Extra inputs"),
        ({"vector": [1.0]}, "shape (1,), expected (8,)"),
        ({"vector": []}, "expected (8,)"),
        ({"vector": [1e39] * 8}, "not finite"),
        ({"text": "a", "where": {"colour": "red"}}, "no column 'colour'"),
        ({"text": "a", "where": {"ordinal": "first"}}, "holds int64"),
        ({"text": "a", "where": {"ordinal": {"a": 1}}}, "where"),
        ({"text": "a", "mode": "lexical"}, "has no lexical side"),
        ({"text": "a", "mode": "fuzzy"}, "'hybrid', 'dense' or 'lexical'"),
        ({"vector": [1.0] * 8, "mode": "hybrid"}, "a vector has no words"),
        ({"text": "a", "channel": "../x"}, "pattern"),
        ({"text": "a", "version": "latest"}, "pattern"),
    ],
)
def test_a_search_that_does_not_fit_says_why(client: httpx.Client, body: Any, message: str) -> None:
    answer = client.post("/v1/indexes/docs/search", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert message in answer.text


def test_lists_and_manifests_say_what_is_there(client: httpx.Client, zones: Zones) -> None:
    version = release.resolve(zones.published, "indexes", "docs").version
    [item] = client.get("/v1/indexes").json()["items"]
    assert (item["name"], item["version"], item["rows"], item["columns"]) == ("docs", version, 50, [])
    assert [item["name"] for item in client.get("/v1/tables").json()["items"]] == ["cost_daily"]
    assert [item["name"] for item in client.get("/v1/prompts").json()["items"]] == ["answer"]
    assert client.get("/v1/indexes?channel=canary").json()["items"] == []
    manifest = client.get("/v1/indexes/docs").json()
    assert manifest["version"] == version and set(manifest["files"]) >= {VECTORS, CHUNKS, MODEL_FILE}
    assert client.get("/v1/indexes/docs", params={"version": version}).json() == manifest
    about = client.get("/v1/releases/indexes/docs").json()
    assert about["channels"] == {"production": version}
    assert [each["version"] for each in about["releases"]] == [version]


def test_lists_look_at_names_and_not_at_everything_published(
    client: httpx.Client, zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = release.resolve(zones.published, "indexes", "docs").version
    zones.published.put("indexes/no name/channels/production.json", b"{}")
    zones.published.put("indexes/torn/channels/production.json", b"{}")
    everything, listed = type(zones.published).list, []

    def noted(storage: Any, prefix: str = "") -> Any:
        listed.append(storage.url)
        return everything(storage, prefix)

    monkeypatch.setattr(type(zones.published), "list", noted)
    for kind, names in (("indexes", ["docs"]), ("prompts", ["answer"]), ("tables", ["cost_daily"])):
        assert [item["name"] for item in client.get(f"/v1/{kind}").json()["items"]] == names
    for channel in ("canary", version):
        assert client.get("/v1/indexes", params={"channel": channel}).json()["items"] == []
    assert zones.published.url not in listed


def test_prompts_and_models_come_with_their_version(client: httpx.Client, zones: Zones) -> None:
    version = release.resolve(zones.published, "prompts", "answer").version
    prompt = client.get("/v1/prompts/answer")
    assert prompt.json()["template"].startswith("Q: {question}")
    assert (prompt.json()["name"], prompt.json()["version"]) == ("answer", version)
    assert client.get("/v1/prompts/answer", params={"version": version}).json() == prompt.json()
    unchanged = client.get("/v1/prompts/answer", headers={"If-None-Match": prompt.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert client.get("/v1/models").json()["models"]["m"]["stage"] == "production"


def test_a_table_is_arrow_or_json(client: httpx.Client) -> None:
    answer = client.get("/v1/tables/cost_daily", headers={"Accept": ARROW})
    assert answer.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column_names == ["day", "team", "cost"] and table.num_rows == 2
    rows = client.get("/v1/tables/cost_daily", params={"columns": "cost,team", "limit": 1}).json()
    assert rows["rows"] == [{"cost": 1.5, "team": "a"}]
    assert len(client.get("/v1/tables/cost_daily").json()["rows"]) == 2
    assert client.get("/v1/tables/cost_daily?limit=0").json()["rows"] == []
    none = pa.ipc.open_stream(client.get("/v1/tables/cost_daily?limit=0", headers={"Accept": ARROW}).content).read_all()
    assert (none.num_rows, none.column_names) == (0, ["day", "team", "cost"])
    refused = client.get("/v1/tables/cost_daily", params={"columns": ["team", "price"]})
    assert refused.status_code == 422
    assert "no price (it has day, team, cost)" in refused.json()["detail"]


def test_a_large_table_comes_whole_in_parts(tmp_path: Path) -> None:
    zones = open_zones(tmp_path)
    rows = 12_345
    made = pa.table(
        {
            "number": range(rows),
            "cost": pa.array([Decimal(row) / 1000 for row in range(rows)], pa.decimal128(18, 3)),
            "at": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * rows,
        }
    )
    release_one(zones.published, "tables", "large", {"table.parquet": lake.parquet_bytes(made)})
    with serving(build(zones)) as url, httpx.Client(base_url=url, headers=key_of(zones, *ALL)) as client:
        streamed = pa.ipc.open_stream(client.get("/v1/tables/large", headers={"Accept": ARROW}).content).read_all()
        assert streamed.equals(made)
        found = client.get("/v1/tables/large?limit=10001").json()["rows"]
        assert [row["number"] for row in found] == list(range(10_001))
        assert found[-1] == {"number": 10_000, "cost": "10.000", "at": "2026-01-01T00:00:00+00:00"}


def test_files_come_whole_in_ranges_and_not_twice(client: httpx.Client, zones: Zones) -> None:
    found = release.resolve(zones.published, "indexes", "docs")
    path = f"/v1/releases/indexes/docs/{found.version}/{CHUNKS}"
    whole = found.read(CHUNKS)
    answer = client.get(path)
    assert answer.content == whole
    assert answer.headers["etag"] == f'"{hashlib.sha256(whole).hexdigest()}"'
    assert "immutable" in answer.headers["cache-control"]
    head = client.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole)))
    assert head.headers["etag"] == answer.headers["etag"]
    part = client.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert client.get(path, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert client.get(path, headers={"Range": "bytes=10-19", "If-Range": '"other"'}).content == whole
    for known in (answer.headers["etag"], f'W/"x", {answer.headers["etag"]}', "*"):
        assert client.get(path, headers={"If-None-Match": known}).status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == whole
    manifest = client.get(f"/v1/releases/indexes/docs/{found.version}/manifest.json")
    assert release.Manifest.parse(manifest.content, "answer") == found.manifest
    pointer = client.get("/v1/channels/indexes/docs/production")
    assert (pointer.json()["version"], "immutable" in pointer.headers["cache-control"]) == (found.version, False)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/indexes/absent",
        "/v1/indexes/docs?channel=canary",
        "/v1/indexes/docs?version=0123456789abcdef",
        "/v1/prompts/absent",
        "/v1/tables/absent",
        "/v1/models?channel=canary",
        "/v1/releases/indexes/absent",
        "/v1/releases/indexes/docs/0123456789abcdef/chunks.parquet",
        "/v1/channels/indexes/docs/canary",
    ],
)
def test_what_is_not_there_is_not_found(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


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


def test_a_key_reads_what_its_scopes_say(zones: Zones, url: str) -> None:
    version = release.resolve(zones.published, "indexes", "docs").version
    release_one(zones.published, "gold", "set", {"gold.parquet": b"x"})
    gold = release.resolve(zones.published, "gold", "set").version
    doors = {
        "/v1/indexes/docs/search?q=red": "read:indexes",
        f"/v1/releases/indexes/docs/{version}/{CHUNKS}": "read:indexes",
        "/v1/channels/indexes/docs/production": "read:indexes",
        "/v1/prompts/answer": "read:prompts",
        "/v1/models": "read:prompts",
        "/v1/tables/cost_daily": "read:tables",
        f"/v1/releases/gold/set/{gold}/gold.parquet": "admin",
    }
    # A new key is known within a moment; these are all there before the first request.
    keys_by_scope = {scope: key_of(zones, scope) for scope in (*ALL, "write:events", "admin")}
    with httpx.Client(base_url=url) as client:
        for path in doors:
            assert client.get(path).status_code == 401
            assert client.get(path, headers=bearer("cnr_wrong_key")).status_code == 401
        for scope, key in keys_by_scope.items():
            for path, needed in doors.items():
                expected = 200 if scope in (needed, "admin") else 403
                assert client.get(path, headers=key).status_code == expected, (scope, path)


def test_chunks_are_shown_only_to_those_with_their_tags(zones: Zones, url: str) -> None:
    found = release_index(zones.published, vectors(), tagged_chunks(), name="mixed", words=True)
    search, file = "/v1/indexes/mixed/search", f"/v1/releases/indexes/mixed/{found.version}/"
    body = {"vector": vectors()[7].tolist(), "k": 50}
    keys_of_all = key_of(zones, *ALL), key_of(zones, *ALL, access=("staff", "other")), key_of(zones, "admin")
    with httpx.Client(base_url=url) as client:
        without, with_tag, admin = keys_of_all
        shown = client.post(search, json=body, headers=without).json()["hits"]
        assert sorted(int(hit["chunk_id"][1:]) for hit in shown) == list(range(0, 50, 2))
        assert all(set(hit["metadata"]) == {"team"} for hit in shown)
        some = client.post(search, json={**body, "where": {"team": "b"}}, headers=without).json()["hits"]
        assert sorted(int(hit["chunk_id"][1:]) for hit in some) == [0, 10, 20, 30, 40]
        assert len(client.post(search, json=body, headers=with_tag).json()["hits"]) == 50
        assert len(client.post(search, json=body, headers=admin).json()["hits"]) == 25
        for mode in ("hybrid", "lexical"):
            by_text = {"text": "red text of chunk", "k": 50, "mode": mode}
            shown = client.post(search, json=by_text, headers=without).json()["hits"]
            assert sorted(int(hit["chunk_id"][1:]) for hit in shown) == list(range(0, 50, 2))
            assert len(client.post(search, json=by_text, headers=with_tag).json()["hits"]) == 50
        # All of it is for several audiences: nobody is given it as files, whatever tags they have.
        for path in (VECTORS, CHUNKS, LEXICAL, MODEL_FILE):
            for key in keys_of_all:
                refused = client.get(file + path, headers=key)
                assert (refused.status_code, "several audiences" in refused.json()["detail"]) == (403, True)
                assert client.head(file + path, headers=key).status_code == 403
                assert client.get(file + path, headers={**key, "If-None-Match": "*"}).status_code == 403
        assert client.get(file + "manifest.json", headers=without).json()["metadata"]["audiences"] == 2


def test_files_of_one_audience_are_given_to_those_who_belong_to_it(zones: Zones, url: str) -> None:
    tags = pa.array([["legal", "staff"]] * 50, pa.list_(pa.string()))
    found = release_index(zones.published, vectors(), chunks().append_column("access", tags), name="own")
    file = f"/v1/releases/indexes/own/{found.version}/{CHUNKS}"
    some, every = key_of(zones, *ALL, access=("staff",)), key_of(zones, *ALL, access=("staff", "legal", "other"))
    old = release_one(
        zones.published, "indexes", "old", {"file": b"of before audiences were counted"}, access=["staff"]
    )
    with httpx.Client(base_url=url) as client:
        refused = client.get(file, headers=some)
        assert (refused.status_code, "access tags legal, which" in refused.json()["detail"]) == (403, True)
        assert client.get(file, headers=every).content == found.read(CHUNKS)
        assert client.get(f"/v1/releases/indexes/old/{old.version}/file", headers=every).status_code == 403


def test_a_damaged_release_is_not_handed_out(zones: Zones, url: str) -> None:
    # Of a text that no cache has: a sound copy would do.
    unlike = chunks().append_column("run", pa.array([uuid.uuid4().hex] * 50))
    found = release_index(zones.published, vectors(), unlike, name="broken")
    zones.published.put(f"{found.folder}/{CHUNKS}", b"?" * found.manifest.files[CHUNKS].size)
    with httpx.Client(base_url=url, headers=key_of(zones, *ALL)) as client:
        for path in ("/v1/indexes/broken/search?q=red", f"/v1/releases/indexes/broken/{found.version}/{CHUNKS}"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert "damaged" in answer.json()["detail"] and str(zones.home) not in answer.text


def test_more_than_may_wait_are_told_to_come_back() -> None:
    asyncio.run(more_than_may_wait())


async def more_than_may_wait() -> None:

    workers, going = Workers(1, 1), threading.Event()
    held = [asyncio.create_task(workers.run(going.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await workers.run(going.wait)
    assert caught.value.status == 429 and "Retry-After" in caught.value.headers
    going.set()
    assert await asyncio.gather(*held) == [True, True]
    assert await workers.run(int, "5") == 5


def test_every_route_is_described(url: str) -> None:
    document = httpx.get(f"{url}/openapi.json").json()
    search = document["paths"]["/v1/indexes/{name}/search"]["post"]
    schemas = document["components"]["schemas"]
    assert search["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/SearchQuery")
    assert schemas["SearchQuery"]["properties"]["k"]["maximum"] == 1000
    assert {"408", "413"} <= set(search["responses"])
    assert search["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/SearchAnswer")
    assert set(schemas["SearchAnswer"]["properties"]) == {"name", "version", "mode", "releases", "hits"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1/"):
                assert operation["security"] == [{"key": []}]
                assert {"401", "403"} <= set(operation["responses"])


def test_many_search_at_once(client: httpx.Client) -> None:
    def search(row: int) -> str:
        answer = client.post("/v1/indexes/docs/search", json={"vector": vectors()[row].tolist(), "k": 1})
        return str(answer.json()["hits"][0]["chunk_id"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(search, range(50))) == [f"c{row}" for row in range(50)]
