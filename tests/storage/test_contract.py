"""What every kind of storage promises, on each of the three."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from canonry.storage import Conflict, NotFound, Storage, StorageError


def test_what_was_put_is_read_whole_and_in_ranges(storage: Storage):
    storage.put("a/b", b"0123456789")
    assert storage.read("a/b") == b"0123456789"
    assert storage.read("a/b", 3) == b"3456789"
    assert storage.read("a/b", 3, 5) == b"34"
    assert storage.read("a/b", 8, 99) == b"89"
    assert storage.read("a/b", 99) == storage.read("a/b", 12, 99) == storage.read("a/b", 5, 3) == b""


def test_an_empty_object_is_an_object(storage: Storage):
    storage.put("empty", b"")
    assert storage.read("empty") == b""
    assert storage.head("empty").size == 0
    with storage.local_copy("empty") as file:
        assert file.read_bytes() == b""


def test_put_replaces_and_the_tag_tells(storage: Storage):
    storage.put("a", b"first")
    first = storage.head("a")
    storage.put("a", b"other")
    assert storage.read("a") == b"other"
    assert storage.head("a").etag != first.etag
    assert storage.head("a").size == first.size


@pytest.mark.parametrize("read", [lambda s: s.read("a/x"), lambda s: s.read("a/x", 2, 1), lambda s: s.read("a")])
def test_reading_nothing_is_not_found_and_names_it(storage: Storage, read: Callable[[Storage], bytes]):
    storage.put("a/b", b"1")
    with pytest.raises(NotFound, match=r"/a.*: no such object"):
        read(storage)


def test_a_local_copy_of_nothing_is_not_found(storage: Storage):
    with pytest.raises(NotFound, match="nothing"), storage.local_copy("nothing"):
        pass


def test_head_is_none_where_nothing_is_and_for_a_folder(storage: Storage):
    storage.put("a/b", b"1")
    assert storage.head("a/b").path == "a/b"
    assert storage.head("a") is None
    assert storage.head("a/b/c") is None


def test_put_if_absent_writes_once(storage: Storage):
    assert storage.put_if_absent("a/b", b"first")
    assert not storage.put_if_absent("a/b", b"second")
    assert storage.read("a/b") == b"first"


def test_put_if_match_replaces_only_what_is_unchanged(storage: Storage):
    storage.put_if_match("pointer", b"1", None)
    first = storage.head("pointer").etag
    storage.put_if_match("pointer", b"2", first)
    with pytest.raises(Conflict, match="pointer: changed by another writer"):
        storage.put_if_match("pointer", b"3", first)
    with pytest.raises(Conflict):
        storage.put_if_match("pointer", b"3", None)
    with pytest.raises(Conflict):
        storage.put_if_match("gone", b"3", first)
    assert storage.read("pointer") == b"2"
    assert storage.head("gone") is None


def test_list_is_in_order_of_path_and_by_folder(storage: Storage):
    paths = ["a/x", "a/b/y", "a-b/z", "a.b", "b", "a/b.c", "ab/q"]
    for path in paths:
        storage.put(path, path.encode())
    assert [entry.path for entry in storage.list()] == sorted(paths)
    assert [entry.path for entry in storage.list("a")] == ["a/b.c", "a/b/y", "a/x"]
    assert [entry.path for entry in storage.list("a/b")] == ["a/b/y"]
    assert list(storage.list("none")) == list(storage.list("b")) == []
    assert list(storage.list("a/b")) == [storage.head("a/b/y")]


def test_folders_are_named_without_what_lies_in_them(storage: Storage):
    for path in ("kind/b b/releases/1/file", "kind/b b/channels/production.json", "kind/a", "kind/ünï/x", "kinds/c/x"):
        storage.put(path, b"1")
    assert storage.folders("kind") == ("b b", "ünï")
    assert storage.folders("kind/b b") == ("channels", "releases")
    assert storage.folders("none") == storage.folders("kind/a") == storage.folders("kin") == ()


def test_put_file_copies_and_leaves_the_file(storage: Storage, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    storage.put("a/file", b"older")
    storage.put_file("a/file", source)
    assert storage.read("a/file") == source.read_bytes()
    with storage.local_copy("a/file") as file:
        assert file.read_bytes() == source.read_bytes()


def test_a_copy_is_an_object_of_its_own(storage: Storage):
    storage.put("a/one", b"first")
    storage.put("b/two", b"what is replaced")
    storage.copy("a/one", "b/two")
    storage.copy("a/one", "b/two")
    storage.put("a/one", b"other")
    assert (storage.read("a/one"), storage.read("b/two")) == (b"other", b"first")
    storage.delete("a/one")
    assert [entry.path for entry in storage.list()] == ["b/two"]
    with pytest.raises(NotFound, match="a/one"):
        storage.copy("a/one", "c")


def test_append_grows_or_says_that_it_cannot(storage: Storage):
    if not storage.appends:
        with pytest.raises(StorageError, match="cannot append"):
            storage.append("a/log", b"1")
        return
    storage.append("a/log", b"one ")
    storage.append("a/log", b"two")
    assert storage.read("a/log") == b"one two"


def test_delete_removes_and_forgives(storage: Storage):
    storage.put("a/b", b"1")
    storage.delete("a/b")
    storage.delete("a/b")
    storage.delete("never/was")
    assert storage.head("a/b") is None
    assert list(storage.list()) == []
    assert storage.put_if_absent("a/b", b"2")


@pytest.mark.parametrize(
    "path", ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a/", "a/./b", "a\0b", "a\nb", "\ud800"]
)
def test_paths_that_leave_the_root_or_are_none_are_refused(storage: Storage, path: str, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"1")
    for act in (
        lambda: storage.put(path, b"1"),
        lambda: storage.put_if_absent(path, b"1"),
        lambda: storage.put_if_match(path, b"1", None),
        lambda: storage.put_file(path, source),
        lambda: storage.copy(path, "other"),
        lambda: storage.copy("other", path),
        lambda: storage.read(path),
        lambda: storage.head(path),
        lambda: storage.folders(path),
        lambda: storage.delete(path),
        lambda: storage.local_copy(path).__enter__(),
    ):
        with pytest.raises(StorageError, match="is not a path inside"):
            act()
    assert [entry.path for entry in storage.list()] == []


def test_names_with_spaces_marks_and_wildcards_are_plain_names(storage: Storage):
    paths = sorted(["a b/c d", "day=2026-01-01/x", "wild[1]*?/y", "ünï/z", "50%25/q", "'; DROP TABLE x/--"])
    for path in paths:
        storage.put(path, path.encode())
    assert [entry.path for entry in storage.list()] == paths
    assert [storage.read(path).decode() for path in paths] == paths


def _race(count: int, act: Callable[[int], None]) -> None:
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_threads_that_put_if_absent_one_wins(storage: Storage):
    for attempt in range(5):
        winners: list[int] = []
        path = f"race/{attempt}"

        def act(number: int, path: str = path, winners: list[int] = winners) -> None:
            if storage.put_if_absent(path, b"%d" % number):
                winners.append(number)

        _race(6, act)
        assert len(winners) == 1
        assert storage.read(path) == b"%d" % winners[0]


def test_threads_that_put_if_match_lose_no_update(storage: Storage):
    storage.put("counter", b"000")

    def act(_: int) -> None:
        for _ in range(5):
            while True:
                entry = storage.head("counter")
                value = int(storage.read("counter"))
                try:
                    storage.put_if_match("counter", b"%03d" % (value + 1), entry.etag)
                    break
                except Conflict:
                    continue

    _race(4, act)
    assert storage.read("counter") == b"020"
