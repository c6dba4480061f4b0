"""A prompt that was read once is there while the platform is away, and says that it is old."""

from __future__ import annotations

import datetime as dt
import json
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from canonry import client, release
from canonry.client import Damaged, NotReleased, _prompt_cache
from canonry.client._service import ServiceAway
from canonry.service import keys
from canonry.storage import StorageError, Unreachable, Zones, open_zones
from tests.released import NOW, release_all
from tests.service.serving import build, serving


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CANONRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_prompt_cache, "_KNOWN", {})
    monkeypatch.setattr(_prompt_cache, "_WARNED", set())
    return tmp_path / "cache"


def publish(zones: Zones, template: str, minute: int = 1) -> None:
    payload = {"template": template, "variables": [], "since": "2026-11-02", "change": "Another."}
    found = release.publish(
        zones.published, "prompts", "answer", {"prompt.json": json.dumps(payload).encode()},
        metadata={}, lineage={}, now=NOW,
    )  # fmt: skip
    moved = NOW + dt.timedelta(minutes=minute)
    release.promote(zones.published, "prompts", "answer", found.version, reason="next", now=moved)


def test_the_last_one_read_is_given_while_the_service_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    token = keys.create(zones.journal, team="t", source="docs-assistant", scopes=["read:prompts"], now=NOW)[1]
    monkeypatch.setenv("CANONRY_API_KEY", token)
    with serving(build(zones)) as url:
        first = client.get_prompt("answer", home=url, fresh_for=0)
        assert not first.stale
    with caplog.at_level(logging.WARNING, "canonry.client"):
        for _ in range(3):
            away = client.get_prompt("answer", home=url, fresh_for=0)
            assert away == first and away.stale
            assert away.render(question="q", passages="p") == "Q: q\n{x} p"
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["prompt answer"]
    with pytest.raises(ServiceAway):
        client.get_prompt("other", home=url)
    with pytest.raises(ServiceAway):
        client.get_prompt("answer", channel="canary", home=url)
    # Another process has nothing in memory, and the same folder.
    monkeypatch.setattr(_prompt_cache, "_KNOWN", {})
    assert client.get_prompt("answer", home=url).stale


@contextmanager
def hanging(url: str) -> Iterator[None]:
    """A stand-in for a service that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2])), backlog=64):
        yield


def test_a_platform_that_hangs_holds_up_one_call_and_that_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_prompt_cache, "PATIENCE_SECONDS", 0.5)
    zones = release_all(open_zones(tmp_path / "home"))
    token = keys.create(zones.journal, team="t", source="docs-assistant", scopes=["read:prompts"], now=NOW)[1]
    monkeypatch.setenv("CANONRY_API_KEY", token)
    waited: list[float] = []

    def watched(asked: list[Future[Any]], timeout: float) -> object:
        waited.append(timeout)
        return wait(asked, timeout)

    def get(_: int = 0) -> client.Prompt:
        return client.get_prompt("answer", home=url, fresh_for=0)

    monkeypatch.setattr(_prompt_cache, "wait", watched)
    with serving(build(zones)) as url:
        first = get()
    with hanging(url):
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(get, range(8))) == [first] * 8
        assert sorted(waited) == [0.0] * 7 + [0.5]
        waited.clear()
        assert [get() for _ in range(5)] == [first] * 5
        assert waited == [0.0] * 5, "it is known to be away"
        assert get().stale
        waited.clear()
        # Another process has it on disk.
        monkeypatch.setattr(_prompt_cache, "_KNOWN", {})
        assert get() == first
        assert waited == [0.5]


def test_it_is_fresh_again_soon_after_the_platform_answers(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = release_all(open_zones(f"{bucket}/home"))
    client.get_prompt("answer", home=zones.home, fresh_for=0)
    with monkeypatch.context() as patch:
        patch.setattr(_prompt_cache.PromptCache, "_answer", lambda *_: (_ for _ in ()).throw(Unreachable("away")))
        assert client.get_prompt("answer", home=zones.home, fresh_for=0).stale
    publish(zones, "New.")
    deadline = time.monotonic() + 20
    while client.get_prompt("answer", home=zones.home, fresh_for=0).template != "New.":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not client.get_prompt("answer", home=zones.home, fresh_for=60).stale


def test_a_revoked_key_is_refused_and_not_told_that_the_platform_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    key, token = keys.create(zones.journal, team="t", source="docs-assistant", scopes=["read:prompts"], now=NOW)
    monkeypatch.setenv("CANONRY_API_KEY", token)
    with serving(build(zones)) as url:
        client.get_prompt("answer", home=url, fresh_for=0)
    keys.revoke(zones.journal, key.key_id, reason="left", now=NOW)
    with serving(build(zones)) as other:
        # The port is another; what was kept is the same.
        for kept in (tmp_path / "cache" / "prompts").iterdir():
            kept.rename(_prompt_cache._path((other, "answer", "production")))
        for _ in range(3):
            with pytest.raises(StorageError, match=r"401: .*CANONRY_API_KEY is the key"):
                client.get_prompt("answer", home=other, fresh_for=0)


def test_what_is_unchanged_is_not_written_again(bucket: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = release_all(open_zones(f"{bucket}/home"))
    client.get_prompt("answer", home=zones.home, fresh_for=0)
    [kept] = own_cache.glob("prompts/*")
    written = kept.stat().st_ino
    client.get_prompt("answer", home=zones.home, fresh_for=0)
    monkeypatch.setattr(_prompt_cache, "_KNOWN", {})
    client.get_prompt("answer", home=zones.home, fresh_for=0)
    assert kept.stat().st_ino == written
    publish(zones, "New.")
    client.get_prompt("answer", home=zones.home, fresh_for=0)
    assert kept.stat().st_ino != written


def test_a_copy_that_cannot_be_kept_leaves_nothing_behind(bucket: str, own_cache: Path) -> None:
    zones = release_all(open_zones(f"{bucket}/home"))
    client.get_prompt("answer", home=zones.home)
    [kept] = own_cache.glob("prompts/*")
    kept.unlink()
    kept.mkdir()
    _prompt_cache._KNOWN.clear()
    client.get_prompt("answer", home=zones.home)
    assert list(own_cache.glob("prompts/*")) == [kept]


def test_it_is_read_again_when_it_is_no_longer_fresh(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = release_all(open_zones(f"{bucket}/home"))
    now = [100.0]
    monkeypatch.setattr(_prompt_cache.time, "monotonic", lambda: now[0])
    before = client.get_prompt("answer", home=zones.home, fresh_for=30)
    publish(zones, "New.")
    now[0] += 29
    assert client.get_prompt("answer", home=zones.home, fresh_for=30) == before
    now[0] += 2
    assert client.get_prompt("answer", home=zones.home, fresh_for=30).template == "New."


def test_an_object_store_that_is_away(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = release_all(open_zones(f"{bucket}/home"))
    first = client.get_prompt("answer", home=zones.home, fresh_for=0)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")

    def away(*_: object) -> None:
        raise Unreachable("the store does not answer")

    monkeypatch.setattr(type(zones.published), "head", away)
    found = client.get_prompt("answer", home=zones.home, fresh_for=0)
    assert (found, found.stale) == (first, True)


def test_a_folder_that_is_not_mounted_is_away_and_one_without_the_prompt_is_not(tmp_path: Path) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    first = client.get_prompt("answer", home=zones.home)
    (tmp_path / "home").rename(tmp_path / "unmounted")
    assert client.get_prompt("answer", home=zones.home).stale
    (tmp_path / "home" / "published").mkdir(parents=True)
    with pytest.raises(NotReleased):
        client.get_prompt("answer", home=zones.home)
    (tmp_path / "home" / "published").rmdir()
    (tmp_path / "home").rmdir()
    (tmp_path / "unmounted").rename(tmp_path / "home")
    again = client.get_prompt("answer", home=zones.home)
    assert (again, again.stale) == (first, False)


def test_damage_is_no_absence(tmp_path: Path) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    version = client.get_prompt("answer", home=zones.home).version
    path = f"prompts/answer/releases/{version}/prompt.json"
    zones.published.put(path, zones.published.read(path)[:-1] + b"?")
    with pytest.raises(Damaged):
        client.get_prompt("answer", home=zones.home)


@pytest.mark.parametrize("spoil", [b"", b"[]", b"{}", b'{"version": "x", "sha256": "0", "document": "{}"}', b"\xff"])
def test_a_spoiled_copy_is_not_used(
    tmp_path: Path, own_cache: Path, spoil: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    client.get_prompt("answer", home=zones.home)
    [kept] = own_cache.glob("prompts/*.json")
    kept.write_bytes(spoil)
    monkeypatch.setattr(_prompt_cache, "_KNOWN", {})
    (tmp_path / "home").rename(tmp_path / "unmounted")
    with pytest.raises(StorageError, match="is not there"):
        client.get_prompt("answer", home=zones.home)


def test_a_cache_that_cannot_be_written_is_no_reason_to_refuse(tmp_path: Path, own_cache: Path) -> None:
    zones = release_all(open_zones(tmp_path / "home"))
    own_cache.write_text("a file where the folder should be")
    assert client.get_prompt("answer", home=zones.home).name == "answer"
