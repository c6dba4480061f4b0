"""Yanked: nobody opens it again. Pruned: only what no channel needs, and never the newest."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from typer.testing import CliRunner

from canonry import release
from canonry.cli import app
from canonry.release import NotReleased, ReleaseError, Withdrawn
from canonry.storage import Storage, Zones, open_zones

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)


def publish(published: Storage, text: str, days: int = 0) -> str:
    now = NOW + dt.timedelta(days=days)
    return release.publish(
        published, "prompts", "answer", {"text": text.encode()}, metadata={}, lineage={}, now=now
    ).version


def promote(published: Storage, version: str, **options: Any) -> None:
    release.promote(published, "prompts", "answer", version, reason="test", now=NOW, **options)


def yank(published: Storage, version: str, **options: Any) -> release.Yank:
    return release.yank(published, "prompts", "answer", version, **{"reason": "a leak", "now": NOW, **options})


def test_a_yanked_version_is_opened_by_nobody(published: Storage) -> None:
    a, b = publish(published, "a"), publish(published, "b")
    promote(published, a)
    promote(published, b)
    yank(published, a)
    with pytest.raises(Withdrawn, match=f"prompts/answer {a} was yanked on 2026-11-02: a leak; open another"):
        release.resolve(published, "prompts", "answer", a)
    for move in (lambda: promote(published, a, force=True), lambda: promote(published, a, channel="staging")):
        with pytest.raises(Withdrawn, match="was yanked"):
            move()
    with pytest.raises(Withdrawn, match="was yanked"):
        release.rollback(published, "prompts", "answer", reason="worse", now=NOW)
    assert release.resolve(published, "prompts", "answer").version == b
    assert release.verify(published, "prompts", "answer", a) == []
    assert yank(published, a, reason="again").reason == "a leak"
    assert publish(published, "a") == a
    with pytest.raises(Withdrawn):
        release.resolve(published, "prompts", "answer", a)
    release.unyank(published, "prompts", "answer", a)
    assert release.resolve(published, "prompts", "answer", a).version == a
    with pytest.raises(ReleaseError, match="is not yanked"):
        release.unyank(published, "prompts", "answer", a)


def test_what_a_channel_points_to_is_yanked_by_force_alone(published: Storage) -> None:
    a = publish(published, "a")
    promote(published, a)
    with pytest.raises(ReleaseError, match=r"is what production points to; .*rollback prompts answer"):
        yank(published, a)
    assert release.resolve(published, "prompts", "answer").version == a
    yank(published, a, force=True)
    with pytest.raises(Withdrawn):
        release.resolve(published, "prompts", "answer")
    with pytest.raises(NotReleased):
        yank(published, "0" * 16)


def test_the_newest_and_what_channels_point_to_are_kept(published: Storage) -> None:
    versions = [publish(published, text, days) for days, text in enumerate("abcdef")]
    promote(published, versions[1], channel="staging")
    promote(published, versions[5])
    yank(published, versions[0])
    assert [each.version for each in release.prunable(published, "prompts", "answer", 2)] == [
        versions[0],
        *versions[2:4],
    ]
    assert release.prune(published, "prompts", "answer", 2) == [versions[0], *versions[2:4]]
    left = {each.version for each in release.list_releases(published, "prompts", "answer")}
    assert left == {versions[1], *versions[4:]}
    assert all(release.verify(published, "prompts", "answer", each) == [] for each in left)
    with pytest.raises(NotReleased):
        release.resolve(published, "prompts", "answer", versions[2])
    publish(published, "a")
    with pytest.raises(Withdrawn):
        release.resolve(published, "prompts", "answer", versions[0])
    with pytest.raises(ReleaseError, match="keep is 0"):
        release.prune(published, "prompts", "answer", 0)


def test_the_command_promotes_yanks_and_prunes(tmp_path: Any) -> None:
    zones: Zones = open_zones(tmp_path)
    versions = [publish(zones.published, text, days) for days, text in enumerate("abc")]

    def run(*arguments: str) -> str:
        command = ["releases", arguments[0], "prompts", "answer", *arguments[1:]]
        done = CliRunner().invoke(app, command, env={"CANONRY_HOME": zones.home, "COLUMNS": "200"})
        assert done.exit_code == 0, done.output
        return done.output

    promote(zones.published, versions[2], channel="candidate")
    assert f"would go from nothing to {versions[2]}" in run("promote", "candidate", "--reason", "x", "--dry-run")
    assert f"production: nothing → {versions[2]}" in run("promote", "candidate", "--reason", "looked at it")
    assert "yanked, a leak" in run("yank", versions[1], "--reason", "a leak")
    assert f"would go: {versions[0]}, {versions[1]}" in run("prune", "--keep", "1", "--dry-run")
    assert f"gone: {versions[0]}, {versions[1]}" in run("prune", "--keep", "1")
    kept = {entry.path.split("/")[0] for entry in zones.journal.list()}
    assert {"releases", "yanks", "prunes"} <= kept
