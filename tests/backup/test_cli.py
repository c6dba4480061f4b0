"""The two commands: what they say, and how they end."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from canonry.cli import app
from canonry.storage import Zones


@pytest.fixture
def run(home: Zones, monkeypatch: pytest.MonkeyPatch):
    """Runs a command on the home, or on another."""

    def run(*arguments: str, home_: str = home.home) -> Result:
        monkeypatch.setenv("CANONRY_HOME", home_)
        return CliRunner().invoke(app, list(arguments))

    return run


def test_backup_verify_and_restore_from_the_command_line(run, home: Zones, tmp_path: Path) -> None:
    place, other = str(tmp_path / "backups"), str(tmp_path / "other")
    assert "would read" in run("backup", place, "--dry-run").output
    assert not Path(place).exists()
    assert run("backup", place).exit_code == 0
    assert "are as they were" in run("backup", place, "--verify").output
    done = run("restore", place, home_=other)
    assert done.exit_code == 0
    # The draw's day, with the six days more that a window of seven reaches.
    commands = [shlex.split(line) for line in done.output.splitlines() if "dagster job execute" in line]
    assert [command[command.index("-j") + 1] for command in commands] == ["collect", "recompute"]
    assert all(list(json.loads(command[-1]).values()) == ["2026-11-02", "2026-11-08"] for command in commands)
    assert "0 objects" in run("restore", place, "--dry-run", home_=other).output


def test_a_damaged_backup_leaves_with_status_1_and_names_the_object(run, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    run("backup", str(place))
    piece = next((place / "pieces").rglob("*/*"))
    piece.write_bytes(b"damaged")
    found = run("backup", str(place), "--verify")
    assert found.exit_code == 1
    assert piece.name in found.output.replace("\n", "")


def test_a_home_in_use_is_not_restored_into(run, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "backups"))
    refused = run("restore", str(tmp_path / "backups"))
    assert refused.exit_code == 1
    assert "restore into an empty home" in " ".join(refused.output.split())


def test_keep_removes_older_backups(run, tmp_path: Path) -> None:
    for _ in range(3):
        assert run("backup", str(tmp_path / "backups"), "--keep", "2").exit_code == 0
    assert len(list((tmp_path / "backups" / "backups").iterdir())) == 2
