"""Releases come and go under load: no request fails, and every answer is that of one whole version, which it names."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from canonry import client, release
from canonry.storage import Zones, open_zones
from tests.released import chunks, release_index, vectors
from tests.service.serving import bearer, build, make_key, serving

PUBLISHES = 10
SEARCHES = 1_000
ROWS = 40


class Publisher:
    """Versions of one index, each saying in every text, title and chunk id which it is; two rollbacks on the way."""

    def __init__(self, zones: Zones) -> None:
        self.published = zones.published
        self.marks: dict[str, str] = {}
        self.seen = ""
        """The version of the last answer."""
        self._minute = 0
        self.publish(0)

    def publish(self, number: int) -> None:
        table = chunks(ROWS)
        for name in ("chunk_id", "title", "text"):
            marked = pa.array([f"mark-{number} {row}" for row in range(ROWS)])
            table = table.set_column(table.column_names.index(name), name, marked)
        # The version is known before anybody can see it.
        found = release_index(self.published, vectors(ROWS, seed=number), table, name="moving", promote=False)
        self.marks[found.version] = f"mark-{number}"
        release.promote(self.published, "indexes", "moving", found.version, reason="next", now=self._now())

    def roll_back(self) -> None:
        release.rollback(self.published, "indexes", "moving", reason="back", now=self._now())

    def run(self) -> None:
        self._wait_until_seen()
        for number in range(1, PUBLISHES):
            self.publish(number)
            self._wait_until_seen()
            if number in (4, 7):
                self.roll_back()
                self._wait_until_seen()

    def _wait_until_seen(self) -> None:
        wanted = release.last_move(self.published, "indexes", "moving")
        deadline = time.monotonic() + 60
        while wanted and self.seen != wanted.version:
            assert time.monotonic() < deadline, "the move was not picked up"
            time.sleep(0.01)

    def _now(self) -> dt.datetime:
        self._minute += 1
        return dt.datetime(2026, 11, 2, 8, self._minute, tzinfo=dt.UTC)


def search_meanwhile(publisher: Publisher, search: Callable[[int], tuple[str, list[str]]]) -> Counter[str]:
    """Search from four threads while it publishes, at least SEARCHES times; counts answers by version.

    `search` takes a number and gives the version that was named and the hits' texts.
    """
    done = threading.Event()
    counted: Counter[str] = Counter()
    lock = threading.Lock()

    def go_on(number: int) -> None:
        at = number
        while not done.is_set() or sum(counted.values()) < SEARCHES:
            version, texts = search(at)
            mark = publisher.marks[version]
            assert len(texts) == 5 and all(text.startswith(f"{mark} ") for text in texts), (version, texts)
            with lock:
                counted[version] += 1
                publisher.seen = version
            at += 4

    with ThreadPoolExecutor(4) as pool:
        searching = [pool.submit(go_on, number) for number in range(4)]
        try:
            publisher.run()
        finally:
            done.set()
        for each in searching:
            each.result()
    return counted


@pytest.fixture(params=["local", "s3"])
def zones(request: pytest.FixtureRequest, tmp_path: Path) -> Zones:
    home: Any = tmp_path / "home" if request.param == "local" else f"{request.getfixturevalue('bucket')}/home"
    return open_zones(home)


def test_the_service_serves_one_whole_version_at_a_time(zones: Zones) -> None:
    token = make_key(zones, "read:indexes")
    path = "/v1/indexes/moving/search"
    with serving(build(zones)) as url, httpx.Client(base_url=url, headers=bearer(token)) as http:
        publisher = Publisher(zones)

        def search(number: int) -> tuple[str, list[str]]:
            if number % 3:
                body = {"vector": vectors(1, seed=number)[0].tolist(), "k": 5}
            else:
                body = {"text": "red green", "k": 5, "where": {"ordinal": [0, 1, 2]}}
            answer = http.post(path, json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()["version"], [hit["text"] for hit in answer.json()["hits"]]

        counted = search_meanwhile(publisher, search)
    assert sum(counted.values()) >= SEARCHES
    assert set(counted) == set(publisher.marks)


def test_a_client_that_follows_serves_one_whole_version_at_a_time(zones: Zones) -> None:
    publisher = Publisher(zones)
    index = client.open_index("moving", home=zones.home, follow=0.05)

    def search(number: int) -> tuple[str, list[str]]:
        hits = index.search_text("red green", k=5) if number % 3 == 0 else index.search(vectors(1, seed=number)[0], k=5)
        assert len({hit.version for hit in hits}) == 1
        return hits[0].version, [hit.text for hit in hits]

    counted = search_meanwhile(publisher, search)
    assert sum(counted.values()) >= SEARCHES
    assert set(counted) == set(publisher.marks)
