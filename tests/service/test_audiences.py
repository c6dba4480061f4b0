"""One release an audience: whoever has the tags finds all of it in one answer, nobody else finds a word of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest

from canonry import release
from canonry.service import keys
from canonry.storage import Zones, open_zones
from tests.released import NOW, chunks, release_index, vectors
from tests.service.serving import bearer, build, serving

TAGS = [[], ["staff"], ["legal", "staff"]]
"""Of row r: TAGS[r % 3]."""

NAMES = ["docs", "docs.staff", "docs.legal--staff"]


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    found = open_zones(tmp_path / "home")
    every, table = vectors(), chunks()
    teams = pa.array(["ab"[row % 2] for row in range(50)])
    tags = pa.array([TAGS[row % 3] for row in range(50)], pa.list_(pa.string()))
    table = table.append_column("team", teams).append_column("access", tags)
    for at, name in enumerate(NAMES):
        rows = np.arange(at, 50, 3)
        release_index(found.published, every[rows], table.take(pa.array(rows)), name=name, words=True, index="docs")
    release_index(found.published, every, chunks(), name="docs.other", words=True)
    return found


Search = Callable[..., httpx.Response]


@pytest.fixture
def search(zones: Zones) -> Iterator[Search]:
    """Asks the service with a key that has these tags."""
    readers = [(), ("legal",), ("staff",), ("legal", "staff", "x")]
    about = {"team": "docs", "source": "docs-assistant", "scopes": ("read:indexes",), "now": NOW}
    key = {tags: keys.create(zones.journal, access=tags, **about)[1] for tags in readers}
    with serving(build(zones)) as url:
        yield lambda tags, name="docs", **query: httpx.post(
            f"{url}/v1/indexes/{name}/search", json={"k": 100, **query}, headers=bearer(key[tags])
        )


def rows_of(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(hit["chunk_id"][1:]) for hit in answer.json()["hits"]]


@pytest.mark.parametrize(
    ("tags", "names"),
    [((), NAMES[:1]), (("legal",), NAMES[:1]), (("staff",), NAMES[:2]), (("legal", "staff", "x"), NAMES)],
)
def test_a_reader_finds_what_their_tags_let_through(search: Search, tags: tuple[str, ...], names: list[str]) -> None:
    allowed = [row for row in range(50) if NAMES[row % 3] in names]
    query = vectors(1, seed=9)[0]
    exact = sorted(allowed, key=lambda row: -float(vectors()[row] @ query))
    by_vector = search(tags, vector=query.tolist())
    assert rows_of(by_vector) == exact
    assert set(by_vector.json()["releases"]) == set(names)
    assert rows_of(search(tags, vector=query.tolist(), k=7)) == exact[:7]
    for mode in ("dense", "hybrid", None):
        assert set(rows_of(search(tags, text="red", mode=mode))) == set(allowed)
    some = search(tags, text="red", where={"team": "b"})
    assert set(rows_of(some)) == {row for row in allowed if row % 2}
    scores = [hit["score"] for hit in some.json()["hits"]]
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] <= scores[0] <= 1
    words = search(tags, text="chunk 4", mode="lexical")
    assert set(rows_of(words)) == set(allowed)
    best = rows_of(search(tags, text="Title 4", mode="lexical", k=1))
    assert best == [4] or 4 not in allowed


def test_an_audiences_own_release_shows_nothing_to_others(search: Search) -> None:
    assert rows_of(search((), name="docs.staff", text="red")) == []
    assert rows_of(search(("legal",), name="docs.legal--staff", text="red")) == []
    assert len(rows_of(search(("staff",), name="docs.staff", text="red"))) == 17


def test_a_version_is_of_one_release(zones: Zones, search: Search) -> None:
    version = release.resolve(zones.published, "indexes", "docs").version
    answer = search(("legal", "staff", "x"), text="red", version=version)
    assert answer.json()["releases"] == {"docs": version}
    assert {row % 3 for row in rows_of(answer)} == {0}


def test_an_index_that_is_restricted_as_a_whole_is_found_by_its_name(zones: Zones, search: Search) -> None:
    table = chunks().append_column("access", pa.array([["staff"]] * 50, pa.list_(pa.string())))
    release_index(zones.published, vectors(), table, name="own.staff", index="own")
    assert len(rows_of(search(("staff",), name="own", text="red"))) == 50
    assert search((), name="own", text="red").status_code == 404
