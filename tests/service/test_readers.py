"""What a key may read of what is released: by its scopes, and by its access tags."""

from __future__ import annotations

import httpx
import pyarrow as pa

from canonry import release
from canonry.encode import MODEL_FILE
from canonry.search import CHUNKS, LEXICAL, VECTORS
from canonry.storage import Zones
from tests.released import chunks, release_index, release_one, vectors
from tests.service.reading import ALL, key_of
from tests.service.serving import bearer


def tagged_chunks() -> pa.Table:
    tags = pa.array([["staff"] if row % 2 else [] for row in range(50)], pa.list_(pa.string()))
    teams = pa.array(["ab"[row % 5 == 0] for row in range(50)])
    return chunks().append_column("team", teams).append_column("access", tags)


def test_a_key_reads_what_its_scopes_say(released: Zones, url: str) -> None:
    version = release.resolve(released.published, "indexes", "docs").version
    release_one(released.published, "gold", "set", {"gold.parquet": b"x"})
    gold = release.resolve(released.published, "gold", "set").version
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
    keys_by_scope = {scope: key_of(released, scope) for scope in (*ALL, "write:events", "admin")}
    with httpx.Client(base_url=url) as client:
        for path in doors:
            assert client.get(path).status_code == 401
            assert client.get(path, headers=bearer("cnr_wrong_key")).status_code == 401
        for scope, key in keys_by_scope.items():
            for path, needed in doors.items():
                expected = 200 if scope in (needed, "admin") else 403
                assert client.get(path, headers=key).status_code == expected, (scope, path)


def test_chunks_are_shown_only_to_those_with_their_tags(released: Zones, url: str) -> None:
    found = release_index(released.published, vectors(), tagged_chunks(), name="mixed", words=True)
    search, file = "/v1/indexes/mixed/search", f"/v1/releases/indexes/mixed/{found.version}/"
    body = {"vector": vectors()[7].tolist(), "k": 50}
    keys_of_all = key_of(released, *ALL), key_of(released, *ALL, access=("staff", "other")), key_of(released, "admin")
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


def test_files_of_one_audience_are_given_to_those_who_belong_to_it(released: Zones, url: str) -> None:
    tags = pa.array([["legal", "staff"]] * 50, pa.list_(pa.string()))
    found = release_index(released.published, vectors(), chunks().append_column("access", tags), name="own")
    file = f"/v1/releases/indexes/own/{found.version}/{CHUNKS}"
    some, every = key_of(released, *ALL, access=("staff",)), key_of(released, *ALL, access=("staff", "legal", "other"))
    old = release_one(
        released.published, "indexes", "old", {"file": b"of before audiences were counted"}, access=["staff"]
    )
    with httpx.Client(base_url=url) as client:
        refused = client.get(file, headers=some)
        assert (refused.status_code, "access tags legal, which" in refused.json()["detail"]) == (403, True)
        assert client.get(file, headers=every).content == found.read(CHUNKS)
        assert client.get(f"/v1/releases/indexes/old/{old.version}/file", headers=every).status_code == 403
