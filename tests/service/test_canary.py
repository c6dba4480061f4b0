"""Over HTTP each caller gets its arm of a canary, told beside the answer; what was yanked is answered from no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from canonry import client, release
from canonry.storage import open_zones
from tests.released import NOW, chunks, release_all, release_index, vectors
from tests.service.serving import bearer, build, make_key, serving

CALLERS = [f"user-{number}" for number in range(24)]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_each_caller_gets_one_arm_until_the_canary_is_promoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = release_all(open_zones(tmp_path))
    control = release.resolve(zones.published, "indexes", "docs").version
    candidate = release_index(zones.published, vectors(20, seed=3), chunks(20), promote=False).version
    token = make_key(zones, "read:indexes")
    monkeypatch.setenv("CANONRY_API_KEY", token)
    with serving(build(zones)) as url, httpx.Client(base_url=url, headers=bearer(token)) as asked:

        def answer(caller: str | None = None, **more: object) -> dict[str, object]:
            body = {"vector": vectors()[0].tolist(), "k": 1, "caller": caller, **more}
            found = asked.post("/v1/indexes/docs/search", json=body)
            assert found.status_code == 200, found.text
            return {name: found.json()[name] for name in ("version", "arm")}

        assert answer("user-1") == {"version": control, "arm": None}
        move = release.start_canary(zones.published, "indexes", "docs", candidate, 0.5, reason="try it", now=NOW)
        until(lambda: answer("user-1")["arm"] is not None)
        found = {each: answer(each) for each in CALLERS}
        arms = {
            "canary": {"version": candidate, "arm": "canary"},
            "control": {"version": control, "arm": "control"},
        }
        assert all(each in arms.values() for each in found.values())
        assert {str(each["arm"]) for each in found.values()} == {"canary", "control"}
        assert found == {each: answer(each) for each in CALLERS}
        assert answer() == arms[str(move.arm_of("docs/docs-assistant"))], "a product as a whole, whatever key it has"
        assert answer("user-1", version=control) == {"version": control, "arm": None}
        by_link = asked.get("/v1/indexes/docs/search", params={"q": "red", "caller": "user-1"}).json()
        assert (by_link["version"], by_link["arm"]) == tuple(found["user-1"].values())
        # The Python client draws by the caller that it names, from a folder or through the service.
        for each in CALLERS[:6]:
            expected = (move.version_for(each), move.arm_of(each))
            opened = [client.open_index("docs", home=home, caller=each) for home in (zones.home, url)]
            assert [(index.version, index.arm) for index in opened] == [expected, expected]

        release.promote(zones.published, "indexes", "docs", candidate, reason="better", now=NOW)
        until(lambda: answer("user-1")["arm"] is None)
        assert {str(answer(each)) for each in CALLERS} == {str({"version": candidate, "arm": None})}


def test_a_version_that_is_yanked_is_answered_from_no_more_though_it_was_open(tmp_path: Path) -> None:
    zones = release_all(open_zones(tmp_path))
    version = release.resolve(zones.published, "indexes", "docs").version
    with (
        serving(build(zones)) as url,
        httpx.Client(base_url=url, headers=bearer(make_key(zones, "read:indexes"))) as asked,
    ):

        def status(**which: str) -> int:
            return asked.post("/v1/indexes/docs/search", json={"vector": vectors()[0].tolist(), **which}).status_code

        following = client.open_index("docs", home=zones.home, follow=0.01)
        assert (status(), status(version=version), len(following.search(vectors()[0], k=1))) == (200, 200, 1)
        release.yank(zones.published, "indexes", "docs", version, reason="a leak", now=NOW, force=True)
        until(lambda: (status(), status(version=version)) == (410, 410))

        def left() -> bool:
            try:
                following.search(vectors()[0], k=1)
            except release.Withdrawn:
                return True
            return False

        until(left)
