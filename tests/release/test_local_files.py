"""A release as local files: whole, fetched once, read again only where they changed, and kept while they are open."""

from __future__ import annotations

import datetime as dt
import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from canonry import release
from canonry.release import Cache, Damaged, File, Release, ReleaseError, _verified
from canonry.storage import LocalStorage, ObjectStorage, Storage

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; files settle at once."""
    monkeypatch.setenv("CANONRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_verified, "SETTLED_NS", -(10**12))
    return tmp_path / "cache"


def publish(published: Storage, **changed: bytes) -> Release:
    files: dict[str, bytes | Path] = {"a": b"alpha", "part/b": b"beta", **changed}
    return release.publish(published, "indexes", "docs", files, metadata={}, lineage={}, now=NOW)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files whose every byte was read."""
    seen: list[Path] = []
    whole: Callable[[bytes | Path], File] = File.of

    def of(content: bytes | Path) -> File:
        if isinstance(content, Path):
            seen.append(content)
        return whole(content)

    monkeypatch.setattr(File, "of", of)
    return seen


def test_the_files_are_there_and_whole(published: Storage) -> None:
    files = release.local_files(publish(published))
    assert files["a"].read_bytes() == b"alpha"
    assert files["part/b"].read_bytes() == b"beta"
    with pytest.raises(ReleaseError, match="has no file other"):
        release.local_files(publish(published), ["other"])


def test_damage_in_storage_is_refused_and_leaves_nothing_behind(published: Storage, cache: Path) -> None:
    found = publish(published)
    published.put(f"{found.folder}/a", b"alphX")
    with pytest.raises(Damaged):
        release.local_files(found)
    published.delete(f"{found.folder}/a")
    with pytest.raises(Damaged, match="is missing"):
        release.local_files(found)
    assert [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size] == []


def test_what_was_verified_is_not_read_again_until_it_changes(published: Storage, reads: list[Path]) -> None:
    found = publish(published)
    path = release.local_files(found)["a"]
    reads.clear()
    assert release.local_files(found)["a"] == path
    assert reads == []
    status = path.stat()
    path.write_bytes(b"alphX")
    # The times of the bytes can be set back by anybody, those of the inode by nobody.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    if isinstance(published, LocalStorage):
        with pytest.raises(Damaged):
            release.local_files(found)
    else:
        assert release.local_files(found)["a"].read_bytes() == b"alpha"


def test_a_file_that_changed_just_now_is_read_again(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_verified, "SETTLED_NS", 10**12)
    found = publish(LocalStorage(tmp_path / "published"))
    release.local_files(found)
    reads.clear()
    release.local_files(found)
    assert len(reads) == 2


def test_object_storage_is_fetched_once_and_versions_share_their_files(bucket: str) -> None:
    fetched: list[str] = []

    class Counting(ObjectStorage):
        def local_copy(self, path: str):  # type: ignore[no-untyped-def]
            fetched.append(path.rpartition("/")[2])
            return super().local_copy(path)

    first, second = publish(ObjectStorage(bucket)), publish(ObjectStorage(bucket), a=b"another")
    counted = [Release(Counting(bucket), each.manifest) for each in (first, second)]
    assert [release.local_files(each)["a"].read_bytes() for each in counted * 2] == [b"alpha", b"another"] * 2
    assert sorted(fetched) == ["a", "a", "b"]


def test_many_may_fetch_at_once(bucket: str, cache: Path) -> None:
    found = publish(ObjectStorage(bucket))
    with ThreadPoolExecutor(6) as pool:
        paths = set(pool.map(lambda _: release.local_files(found)["a"], range(12)))
    assert len(paths) == 1
    assert not list(cache.rglob(".fetching*"))


def stored(data: bytes) -> Callable[[], object]:
    @contextmanager
    def fetch() -> Iterator[Path]:
        source = Path(os.environ["CANONRY_CACHE"]).parent / "source"
        source.write_bytes(data)
        yield source

    return fetch


def keep(cache: Cache, data: bytes) -> tuple[Path, int]:
    path, descriptor, problem = cache.hold(File.of(data), stored(data))  # type: ignore[arg-type]
    assert problem is None
    return path, descriptor


def test_the_longest_unused_leaves_first_and_what_is_open_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "files", limit=25)
    kept = [keep(cache, bytes([number]) * 10) for number in (1, 2)]
    os.close(kept[0][1])
    again = keep(cache, bytes([1]) * 10)
    os.close(again[1])
    third = keep(cache, bytes([3]) * 10)
    assert not kept[0][0].exists(), "the second is older, but open"
    assert kept[1][0].exists() and third[0].exists()
    os.close(kept[1][1])
    os.close(third[1])
    fourth = keep(cache, bytes([4]) * 10)
    os.close(fourth[1])
    assert not kept[1][0].exists()
    assert third[0].exists() and fourth[0].exists()


HOLD = """
import sys
from pathlib import Path
from canonry.release import Cache, File
path, descriptor, problem = Cache(Path(sys.argv[1])).hold(File.of(b"x" * 10), None)
print("held", flush=True)
sys.stdin.read()
"""


def test_what_another_process_has_open_stays_until_that_process_ends(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "files", limit=0)
    path, descriptor = keep(Cache(tmp_path / "files"), b"x" * 10)
    os.close(descriptor)
    arguments = [sys.executable, "-c", HOLD, str(tmp_path / "files")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        assert cache.evict() == []
        assert path.exists()
        other.kill()
        other.wait()
    assert cache.evict() == [path]


def test_files_are_given_up_with_the_object_that_names_them(bucket: str, cache: Path) -> None:
    files = release.local_files(publish(ObjectStorage(bucket)))
    path = files["a"]
    assert Cache(limit=0).evict() == []
    del files
    gc.collect()
    assert path in Cache(limit=0).evict()


def test_a_file_is_held_from_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[Path] = []
    remember = _verified.remember

    def evicting(path: Path, expected: File) -> None:
        remember(path, expected)
        removed.extend(Cache(tmp_path / "files", limit=0).evict())

    monkeypatch.setattr(_verified, "remember", evicting)
    path, descriptor = keep(Cache(tmp_path / "files"), b"x" * 10)
    assert (removed, path.read_bytes()) == ([], b"x" * 10)
    os.close(descriptor)


def test_what_a_killed_fetch_left_is_taken_away_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / "files" / File.of(b"x" * 10).sha256[:2] / ".fetching-0"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"xxx")
    _, descriptor = keep(Cache(tmp_path / "files"), b"x" * 10)
    os.close(descriptor)
    assert not left.exists()


def test_what_cannot_be_removed_is_no_reason_to_refuse_a_file(tmp_path: Path) -> None:
    stranger = tmp_path / "files" / "ab" / "a folder"
    stranger.mkdir(parents=True)
    cache = Cache(tmp_path / "files", limit=0)
    path, descriptor = keep(cache, b"x" * 10)
    assert path.read_bytes() == b"x" * 10
    os.close(descriptor)
    assert cache.evict() == [path] and stranger.exists()


def test_a_cache_that_cannot_be_written_says_what_to_do(bucket: str, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ReleaseError, match="make room, or set CANONRY_CACHE"):
        release.local_files(publish(ObjectStorage(bucket)))


def test_what_is_made_of_a_file_is_made_once_and_again_where_it_is_damaged(published: Storage, cache: Path) -> None:
    found = publish(published)
    made: list[Path] = []

    def make(target: Path) -> None:
        made.append(target)
        target.write_bytes(b"made of alpha")

    paths = set()
    for _ in range(3):
        files = release.made_from(found, "a", "upper-1", make)
        assert files and files["a"].read_bytes() == b"made of alpha"
        paths.add(files["a"])
    assert (len(made), len(paths)) == (1, 1)
    [path] = paths
    path.write_bytes(b"made of alphX")
    files = release.made_from(found, "a", "upper-1", make)
    assert files and files["a"].read_bytes() == b"made of alpha"
    assert len(made) == 2
    assert Cache(limit=0).evict() == [] or path.exists(), "it is open"
    del files
    gc.collect()
    Cache(limit=0).evict()
    assert not path.exists()


def test_where_nothing_can_be_kept_nothing_is_made(published: Storage, cache: Path) -> None:
    found = publish(published)
    cache.write_text("a file where the folder should be")
    assert release.made_from(found, "a", "upper-1", lambda _: None) is None
