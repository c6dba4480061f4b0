"""Releases over real HTTP: what each door gives, to whom, and what it refuses."""

from __future__ import annotations

import datetime as dt
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
from canonry.search import CHUNKS, VECTORS
from canonry.storage import Zones, open_zones
from tests.released import chunks, release_index, release_one, vectors
from tests.service.reading import ALL, ARROW, key_of
from tests.service.serving import build, serving


def test_an_index_is_searched_by_vector_and_by_text(reader: httpx.Client) -> None:
    query = vectors()[7]
    found = reader.post("/v1/indexes/docs/search", json={"vector": query.tolist(), "k": 3})
    assert found.status_code == 200, found.text
    answer = found.json()
    first = answer["hits"][0]
    assert first.pop("score") == pytest.approx(1, abs=1e-5)
    expected = {"chunk_id": "c7", "document_id": "d1", "title": "Title 7", "text": "text of chunk 7", "metadata": {}}
    assert first == expected
    assert len(answer["hits"]) == 3
    exact = np.argsort(-vectors()[:, 0])[:10]
    search = "/v1/indexes/docs/search"
    for each in (reader.post(search, json={"text": "red"}), reader.get(f"{search}?q=red")):
        assert [hit["chunk_id"] for hit in each.json()["hits"]] == [f"c{row}" for row in exact]
        assert each.json()["version"] == answer["version"]
    where = {"document_id": ["d2", "d3"]}
    some = reader.post("/v1/indexes/docs/search", json={"text": "red", "k": 50, "where": where}).json()["hits"]
    assert {hit["document_id"] for hit in some} == {"d2", "d3"} and len(some) == 10
    again = reader.get(search, params={"q": "red", "k": 50, "where": '{"document_id": ["d2", "d3"]}'})
    assert again.json()["hits"] == some


def test_a_text_is_searched_by_meaning_by_words_or_by_both(reader: httpx.Client, released: Zones) -> None:
    found = release_index(released.published, vectors(), chunks(), name="worded", words=True)
    search = "/v1/indexes/worded/search"
    opened = open_index("worded", home=released.home)
    assert opened.version == found.version
    for mode in (None, "hybrid", "dense", "lexical"):
        answers = [
            reader.post(search, json={"text": "red 41", "k": 5, "mode": mode}),
            reader.get(search, params={"q": "red 41", "k": 5, **({"mode": mode} if mode else {})}),
        ]
        for answer in answers:
            assert answer.json()["mode"] == (mode or "hybrid")
            expected = opened.search_text("red 41", 5, mode=mode)
            assert [hit["chunk_id"] for hit in answer.json()["hits"]] == [hit.chunk_id for hit in expected]
    by_vector = reader.post(search, json={"vector": vectors()[7].tolist(), "k": 1}).json()
    assert (by_vector["mode"], by_vector["hits"][0]["chunk_id"]) == ("dense", "c7")


REFUSED: list[tuple[Any, str]] = [
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
]


def test_a_search_that_does_not_fit_says_why(reader: httpx.Client, subtests: pytest.Subtests) -> None:
    for body, message in REFUSED:
        with subtests.test(body=body):
            answer = reader.post("/v1/indexes/docs/search", json=body)
            assert answer.status_code == 422
            assert answer.headers["content-type"] == "application/problem+json"
            assert message in answer.text


def test_lists_and_manifests_say_what_is_there(reader: httpx.Client, released: Zones) -> None:
    version = release.resolve(released.published, "indexes", "docs").version
    [item] = reader.get("/v1/indexes").json()["items"]
    assert (item["name"], item["version"], item["rows"], item["columns"]) == ("docs", version, 50, [])
    assert [item["name"] for item in reader.get("/v1/tables").json()["items"]] == ["cost_daily"]
    assert [item["name"] for item in reader.get("/v1/prompts").json()["items"]] == ["answer"]
    assert reader.get("/v1/indexes?channel=canary").json()["items"] == []
    manifest = reader.get("/v1/indexes/docs").json()
    assert manifest["version"] == version and set(manifest["files"]) >= {VECTORS, CHUNKS, MODEL_FILE}
    assert reader.get("/v1/indexes/docs", params={"version": version}).json() == manifest
    about = reader.get("/v1/releases/indexes/docs").json()
    assert about["channels"] == {"production": version}
    assert [each["version"] for each in about["releases"]] == [version]


def test_lists_look_at_names_and_not_at_everything_published(
    reader: httpx.Client, released: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = release.resolve(released.published, "indexes", "docs").version
    released.published.put("indexes/no name/channels/production.json", b"{}")
    released.published.put("indexes/torn/channels/production.json", b"{}")
    everything, listed = type(released.published).list, []

    def noted(storage: Any, prefix: str = "") -> Any:
        listed.append(storage.url)
        return everything(storage, prefix)

    monkeypatch.setattr(type(released.published), "list", noted)
    for kind, names in (("indexes", ["docs"]), ("prompts", ["answer"]), ("tables", ["cost_daily"])):
        assert [item["name"] for item in reader.get(f"/v1/{kind}").json()["items"]] == names
    for channel in ("canary", version):
        assert reader.get("/v1/indexes", params={"channel": channel}).json()["items"] == []
    assert released.published.url not in listed


def test_prompts_and_models_come_with_their_version(reader: httpx.Client, released: Zones) -> None:
    version = release.resolve(released.published, "prompts", "answer").version
    prompt = reader.get("/v1/prompts/answer")
    assert prompt.json()["template"].startswith("Q: {question}")
    assert (prompt.json()["name"], prompt.json()["version"]) == ("answer", version)
    assert reader.get("/v1/prompts/answer", params={"version": version}).json() == prompt.json()
    unchanged = reader.get("/v1/prompts/answer", headers={"If-None-Match": prompt.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert reader.get("/v1/models").json()["models"]["m"]["stage"] == "production"


def test_a_table_is_arrow_or_json(reader: httpx.Client) -> None:
    answer = reader.get("/v1/tables/cost_daily", headers={"Accept": ARROW})
    assert answer.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column_names == ["day", "team", "cost"] and table.num_rows == 2
    rows = reader.get("/v1/tables/cost_daily", params={"columns": "cost,team", "limit": 1}).json()
    assert rows["rows"] == [{"cost": 1.5, "team": "a"}]
    assert len(reader.get("/v1/tables/cost_daily").json()["rows"]) == 2
    assert reader.get("/v1/tables/cost_daily?limit=0").json()["rows"] == []
    none = pa.ipc.open_stream(reader.get("/v1/tables/cost_daily?limit=0", headers={"Accept": ARROW}).content).read_all()
    assert (none.num_rows, none.column_names) == (0, ["day", "team", "cost"])
    refused = reader.get("/v1/tables/cost_daily", params={"columns": ["team", "price"]})
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


ABSENT = [
    "/v1/indexes/absent",
    "/v1/indexes/docs?channel=canary",
    "/v1/indexes/docs?version=0123456789abcdef",
    "/v1/prompts/absent",
    "/v1/tables/absent",
    "/v1/models?channel=canary",
    "/v1/releases/indexes/absent",
    "/v1/releases/indexes/docs/0123456789abcdef/chunks.parquet",
    "/v1/channels/indexes/docs/canary",
]


def test_what_is_not_there_is_not_found(reader: httpx.Client, subtests: pytest.Subtests) -> None:
    for path in ABSENT:
        with subtests.test(path=path):
            answer = reader.get(path)
            assert (answer.status_code, answer.json()["status"]) == (404, 404)


def test_every_route_is_described(url: str) -> None:
    document = httpx.get(f"{url}/openapi.json").json()
    search = document["paths"]["/v1/indexes/{name}/search"]["post"]
    schemas = document["components"]["schemas"]
    assert search["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/SearchQuery")
    assert schemas["SearchQuery"]["properties"]["k"]["maximum"] == 1000
    assert {"408", "413"} <= set(search["responses"])
    assert search["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/SearchAnswer")
    assert set(schemas["SearchAnswer"]["properties"]) == {"name", "version", "arm", "mode", "releases", "hits"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1/"):
                assert operation["security"] == [{"key": []}]
                assert {"401", "403"} <= set(operation["responses"])


def test_many_search_at_once(reader: httpx.Client) -> None:
    def search(row: int) -> str:
        answer = reader.post("/v1/indexes/docs/search", json={"vector": vectors()[row].tolist(), "k": 1})
        return str(answer.json()["hits"][0]["chunk_id"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(search, range(50))) == [f"c{row}" for row in range(50)]
