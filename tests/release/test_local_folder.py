"""A release as local files: checked every time, fetched once."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from canonry import release
from canonry.release import Damaged, Release
from canonry.storage import ObjectStorage, Storage

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)


def publish(published: Storage) -> Release:
    files: dict[str, bytes | Path] = {"a": b"alpha", "part/b": b"beta"}
    return release.publish(published, "indexes", "docs", files, metadata={}, lineage={}, now=NOW)


def test_the_files_are_there_and_whole(published: Storage, tmp_path: Path) -> None:
    found = publish(published)
    folder = release.local_folder(found, tmp_path / "cache")
    assert (folder / "a").read_bytes() == b"alpha"
    assert (folder / "part" / "b").read_bytes() == b"beta"
    assert found.manifest.problems(folder) == []


def test_damage_in_storage_is_refused_and_leaves_nothing_behind(published: Storage, tmp_path: Path) -> None:
    found = publish(published)
    published.put(f"{found.folder}/a", b"alphX")
    with pytest.raises(Damaged):
        release.local_folder(found, tmp_path / "cache")
    published.delete(f"{found.folder}/a")
    with pytest.raises(Damaged, match="is missing"):
        release.local_folder(found, tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_object_storage_is_fetched_once_and_a_damaged_copy_again(bucket: str, tmp_path: Path) -> None:
    fetched: list[str] = []

    class Counting(ObjectStorage):
        def local_copy(self, path: str):  # type: ignore[no-untyped-def]
            fetched.append(path.rpartition("/")[2])
            return super().local_copy(path)

    found = publish(ObjectStorage(bucket))
    counted = Release(Counting(bucket), found.manifest)
    folder = release.local_folder(counted, tmp_path)
    assert release.local_folder(counted, tmp_path) == folder
    assert sorted(fetched) == ["a", "b"]
    (folder / "a").write_bytes(b"alphX")
    assert (release.local_folder(counted, tmp_path) / "a").read_bytes() == b"alpha"
    assert sorted(fetched) == ["a", "a", "b", "b"]


def test_many_may_fetch_at_once(bucket: str, tmp_path: Path) -> None:
    found = publish(ObjectStorage(bucket))
    with ThreadPoolExecutor(6) as pool:
        folders = set(pool.map(lambda _: release.local_folder(found, tmp_path), range(12)))
    assert len(folders) == 1
    assert found.manifest.problems(folders.pop()) == []
    assert not list(tmp_path.rglob(".*"))
