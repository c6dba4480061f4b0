"""A channel moves at once or not at all, back when asked, and never by itself to what was taken back."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from canonry import release
from canonry.release import Move, NotReleased, ReleaseError, Withdrawn
from canonry.storage import LocalStorage, Storage

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)


def publish(published: Storage, text: str) -> str:
    files: dict[str, bytes | Path] = {"text": text.encode()}
    return release.publish(published, "prompts", "answer", files, metadata={}, lineage={}, now=NOW).version


def promote(published: Storage, version: str, **options: Any) -> Move:
    return release.promote(published, "prompts", "answer", version, **{"reason": "better", "now": NOW, **options})


def rollback(published: Storage, **options: Any) -> Move:
    return release.rollback(published, "prompts", "answer", **{"reason": "worse", "now": NOW, **options})


def in_production(published: Storage) -> str:
    return release.resolve(published, "prompts", "answer").read("text").decode()


def test_promoting_moves_the_channel_and_says_what_happened(published: Storage) -> None:
    a, b = publish(published, "a"), publish(published, "b")
    first = promote(published, a)
    assert (first.version, first.previous, first.action, first.reason) == (a, None, "promote", "better")
    second = promote(published, b)
    assert (second.version, second.previous) == (b, a)
    assert in_production(published) == "b"
    assert release.last_move(published, "prompts", "answer") == second
    assert second.moved_at > first.moved_at


def test_promoting_what_is_there_moves_nothing(published: Storage) -> None:
    a = publish(published, "a")
    first = promote(published, a)
    assert promote(published, a, reason="again", now=NOW + dt.timedelta(days=1)) == first
    assert release.last_move(published, "prompts", "answer") == first


def test_channels_are_independent(published: Storage) -> None:
    a, b = publish(published, "a"), publish(published, "b")
    promote(published, a)
    promote(published, b, channel="staging")
    assert in_production(published) == "a"
    assert release.resolve(published, "prompts", "answer", "staging").version == b
    assert set(release.channels(published, "prompts", "answer")) == {"production", "staging"}


def test_rolling_back_withdraws_until_forced(published: Storage) -> None:
    a, b = publish(published, "a"), publish(published, "b")
    promote(published, a)
    promote(published, b)
    move = rollback(published)
    assert (move.version, move.previous, move.action, move.withdrawn) == (a, b, "rollback", (b,))
    assert in_production(published) == "a"
    with pytest.raises(Withdrawn, match="force=True"):
        promote(published, b)
    with pytest.raises(Withdrawn):
        rollback(published, to=b)
    assert promote(published, b, force=True).withdrawn == ()
    assert in_production(published) == "b"


def test_rolling_back_twice_goes_further_back(published: Storage) -> None:
    a, b, c = (publish(published, text) for text in "abc")
    for version in (a, b, c):
        promote(published, version)
    assert rollback(published).version == b
    assert rollback(published).version == a
    with pytest.raises(ReleaseError, match="no version before"):
        rollback(published)


def test_rolling_back_over_versions_withdraws_them_too(published: Storage) -> None:
    a, b, c = (publish(published, text) for text in "abc")
    for version in (a, b, c):
        promote(published, version)
    assert rollback(published, to=a).withdrawn == tuple(sorted((b, c)))


def test_nothing_points_to_what_is_not_there_or_damaged(published: Storage) -> None:
    with pytest.raises(NotReleased):
        promote(published, "0123456789abcdef")
    with pytest.raises(NotReleased):
        rollback(published)
    with pytest.raises(NotReleased, match="channels: none"):
        release.resolve(published, "prompts", "answer")
    a, b = publish(published, "a"), publish(published, "b")
    promote(published, a)
    promote(published, b)
    published.put(f"prompts/answer/releases/{a}/text", b"A")
    with pytest.raises(ReleaseError, match="does not verify"):
        rollback(published)
    assert in_production(published) == "b"


def test_promotions_at_once_all_succeed_and_one_stands(tmp_path: Path) -> None:
    published = LocalStorage(tmp_path)
    versions = [publish(published, str(number)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        moves = list(pool.map(lambda version: promote(published, version), versions))
    last = release.last_move(published, "prompts", "answer")
    assert last is not None and last in moves
    assert sorted((*last.earlier, last.version)) == sorted(versions), "no move was lost"
    assert len({move.moved_at for move in moves}) == 8


def test_a_reader_sees_a_whole_pointer_while_it_moves(tmp_path: Path) -> None:
    published = LocalStorage(tmp_path)
    a, b = publish(published, "a"), publish(published, "b")
    promote(published, a)

    def move(_: int) -> None:
        promote(published, b)
        promote(published, a)

    with ThreadPoolExecutor(3) as pool:
        moving = pool.map(move, range(30))
        for _ in range(300):
            assert in_production(published) in "ab"
        list(moving)


def test_a_rollback_that_somebody_overtook_is_refused(tmp_path: Path) -> None:
    published = LocalStorage(tmp_path)
    a, b, c = (publish(published, text) for text in "abc")
    promote(published, a)
    promote(published, b)

    class Overtaken(LocalStorage):
        def put_if_match(self, path: str, data: bytes, etag: str | None) -> None:
            promote(published, c)
            super().put_if_match(path, data, etag)

    with pytest.raises(ReleaseError, match="somebody moved it meanwhile"):
        rollback(Overtaken(tmp_path))
    assert in_production(published) == "c"


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_while_moving_leaves_the_old_or_the_new(tmp_path: Path, failing: type, after: bool) -> None:
    published = LocalStorage(tmp_path)
    a, b = publish(published, "a"), publish(published, "b")
    promote(published, a)
    with pytest.raises(KeyboardInterrupt):
        promote(failing(published, 0, KeyboardInterrupt(), after=after), b)
    assert in_production(published) == ("b" if after else "a")


@pytest.mark.parametrize("channel", ["../x", "a/b", "", "0123456789abcdef"])
def test_a_foreign_channel_name_is_refused(tmp_path: Path, channel: str) -> None:
    published = LocalStorage(tmp_path)
    with pytest.raises(ReleaseError):
        promote(published, publish(published, "a"), channel=channel)


def test_a_foreign_pointer_is_refused(tmp_path: Path) -> None:
    published = LocalStorage(tmp_path)
    a = publish(published, "a")
    promote(published, a)
    path = "prompts/answer/channels/production.json"
    whole = published.read(path)
    for data in (b"", b"{}", whole.replace(a.encode(), b"../../../../etc"), whole.replace(b'"answer"', b'"other"')):
        published.put(path, data)
        with pytest.raises(ReleaseError, match=r"production\.json"):
            in_production(published)
