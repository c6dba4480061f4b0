"""A canary gives a stable share of callers another version, and ends with the next move of its channel."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from canonry import publish, release
from canonry.cli import app
from canonry.client import get_prompt
from canonry.release import Canary, Damaged, Move, NotReleased, ReleaseError, Withdrawn
from canonry.storage import Storage, Zones, open_zones

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)
CALLERS = [f"user-{number}" for number in range(4_000)]


def made(published: Storage, text: str, gate: dict[str, Any] | None = None) -> str:
    document = f'{{"template": "{text}", "variables": [], "since": "2026-11-01", "change": "{text}"}}'
    files: dict[str, bytes | Path] = {"prompt.json": document.encode()}
    metadata = {"gate": gate} if gate else {}
    return release.publish(published, "prompts", "answer", files, metadata=metadata, lineage={}, now=NOW).version


def promote(published: Storage, version: str, **options: Any) -> Move:
    return release.promote(published, "prompts", "answer", version, **{"reason": "better", "now": NOW, **options})


def start(published: Storage, version: str, share: float = 0.5, **options: Any) -> Move:
    return release.start_canary(
        published, "prompts", "answer", version, share, **{"reason": "try it", "now": NOW, **options}
    )


def takers(move: Move) -> set[str]:
    return {each for each in CALLERS if move.arm_of(each) == "canary"}


def test_a_share_of_callers_gets_the_canary_and_a_larger_share_only_adds_some(published: Storage) -> None:
    a, b = made(published, "a"), made(published, "b")
    promote(published, a)
    tenth = takers(start(published, b, 0.1))
    half = takers(start(published, b, 0.5))
    # Four standard errors around the share.
    assert 324 <= len(tenth) <= 476 and 1_873 <= len(half) <= 2_127
    assert tenth < half
    for each in CALLERS[:20]:
        expected = b if each in half else a
        assert release.resolve(published, "prompts", "answer", caller=each).version == expected
    assert release.resolve(published, "prompts", "answer").version == a, "who does not say who calls gets no canary"


def test_another_candidate_draws_its_callers_anew() -> None:
    first, second = (Canary(version * 16, 0.5) for version in "ab")
    both = [
        each for each in CALLERS if first.takes("prompts", "answer", each) and second.takes("prompts", "answer", each)
    ]
    assert 890 <= len(both) <= 1_110


def test_a_canary_ends_with_a_promotion_or_a_rollback_and_not_by_publishing_the_same_again(published: Storage) -> None:
    a, b, c = (made(published, text) for text in "abc")
    first = promote(published, a)
    started = start(published, b)
    assert (started.version, started.previous, started.action, started.here_since) == (a, a, "canary", first.moved_at)
    assert promote(published, a) == started
    assert promote(published, b).canary is None
    assert start(published, c).earlier == (a,), "where a rollback goes does not change"
    back = release.rollback(published, "prompts", "answer", reason="worse", now=NOW)
    assert (back.version, back.canary) == (a, None)
    start(published, c)
    stopped = release.stop_canary(published, "prompts", "answer", reason="seen enough", now=NOW)
    assert (stopped.version, stopped.canary) == (a, None)
    with pytest.raises(ReleaseError, match="has no canary to stop"):
        release.stop_canary(published, "prompts", "answer", reason="again", now=NOW)


def test_what_must_not_be_promoted_is_no_canary_either(published: Storage) -> None:
    a, b, bad = (
        made(published, "a"),
        made(published, "b"),
        made(published, "c", {"passed": False, "reasons": ["worse"]}),
    )
    with pytest.raises(NotReleased, match="so nothing has a canary beside"):
        start(published, a)
    promote(published, a)
    for version, share, error, said in (
        (a, 0.5, ReleaseError, "is what production points to"),
        (bad, 0.5, ReleaseError, "did not pass its gate: worse"),
        ("0" * 16, 0.5, NotReleased, "no such release"),
        (b, 1.0, ReleaseError, "share is 1, expected more than 0 and less than 1"),
        (b, 0.0, ReleaseError, "share is 0"),
    ):
        with pytest.raises(error, match=said):
            start(published, version, share)
    promote(published, b)
    release.rollback(published, "prompts", "answer", reason="worse", now=NOW)
    with pytest.raises(Withdrawn, match="was rolled back from"):
        start(published, b)
    release.yank(published, "prompts", "answer", bad, reason="a leak", now=NOW)
    with pytest.raises(Withdrawn, match="was yanked"):
        start(published, bad)
    with pytest.raises(ReleaseError, match="tables have no canary"):
        release.start_canary(published, "tables", "answer", b, 0.5, reason="x", now=NOW)


def test_a_canary_is_yanked_by_force_alone_and_then_nobody_gets_it(published: Storage) -> None:
    a, b = made(published, "a"), made(published, "b")
    promote(published, a)
    taker = min(takers(start(published, b)))
    assert release.prunable(published, "prompts", "answer", 1) == []
    with pytest.raises(ReleaseError, match="is the canary of production"):
        release.yank(published, "prompts", "answer", b, reason="a leak", now=NOW)
    release.yank(published, "prompts", "answer", b, reason="a leak", now=NOW, force=True)
    assert release.resolve(published, "prompts", "answer", caller=taker).version == a


def test_a_prompt_is_given_by_arm(tmp_path: Path) -> None:
    zones: Zones = open_zones(tmp_path)
    a, b = made(zones.published, "a"), made(zones.published, "b")
    promote(zones.published, a)
    chosen = takers(start(zones.published, b))
    for each in CALLERS[:10]:
        found = get_prompt("answer", home=zones.home, caller=each)
        expected = ("b", b, "canary") if each in chosen else ("a", a, "control")
        assert (found.template, found.version, found.arm) == expected
    assert (get_prompt("answer", home=zones.home).version, get_prompt("answer", home=zones.home).arm) == (a, None)


def test_a_canary_that_is_damaged_fails_its_own_callers_alone(tmp_path: Path) -> None:
    zones = open_zones(tmp_path / "home")
    a, b = made(zones.published, "a"), made(zones.published, "b")
    promote(zones.published, a)
    taken = takers(start(zones.published, b))
    for file in Path(zones.published.url).rglob(f"{b}/prompt.json"):
        file.write_text("torn")
    assert (
        get_prompt("answer", home=zones.home, caller=next(each for each in CALLERS if each not in taken)).version == a
    )
    with pytest.raises(Damaged, match=b):
        get_prompt("answer", home=zones.home, caller=next(each for each in CALLERS if each in taken))


def test_the_command_starts_shows_and_stops_a_canary(tmp_path: Path) -> None:
    zones: Zones = open_zones(tmp_path)
    a, b = made(zones.published, "a"), made(zones.published, "b")
    promote(zones.published, a)

    def run(*arguments: str, status: int = 0) -> str:
        command = ["releases", arguments[0], "prompts", "answer", *arguments[1:]]
        done = CliRunner().invoke(app, command, env={"CANONRY_HOME": zones.home, "COLUMNS": "200"})
        assert done.exit_code == status, done.output
        return done.output

    assert f"10% of callers would get {b}" in run("canary", b, "--share", "10%", "--dry-run")
    assert release.last_move(zones.published, "prompts", "answer") == promote(zones.published, a)
    assert f"10% of callers get {b}, the others {a}" in run("canary", b, "--share", "10%", "--reason", "try it")
    assert "production 10% canary" in run("list")
    assert f"production: 10% of callers get {b}, the others {a}, try it" in run("show")
    assert "expected a share such as 10% or 0.1" in run("canary", b, "--share", "some", status=2)
    run("canary", b, "--stop", status=2)
    assert f"everyone gets {a}" in run("canary", "--stop", "--reason", "seen enough")
    said = [
        (move.action, move.canary, move.reason) for move in release.journalled_moves(zones.journal, "prompts", "answer")
    ]
    assert said == [
        ("promote", None, "better"),
        ("canary", Canary(b, 0.1), "try it"),
        ("canary", None, "seen enough"),
    ]
    assert publish.start_canary_and_journal(zones, "prompts", "answer", b, 0.2, reason="more", now=NOW).canary
