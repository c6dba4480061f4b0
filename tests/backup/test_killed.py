"""Backups and restores whose process is killed on the way, again and again, and then left to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from canonry import backup
from canonry.storage import Zones, open_storage, open_zones
from tests.backup.conftest import contents

FILES = 1_500
KILLED_AT = range(100, FILES - 200, 200)


def start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The command on a home, as a process of its own."""
    command = [sys.executable, "-c", "from canonry.cli import app; app()", *arguments]
    environment = {**os.environ, "CANONRY_HOME": str(home)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_at(count: int, written: Path, home: Path, *arguments: str) -> None:
    """Start the command, and kill it once it has written so many files."""
    with start(home, *arguments) as process:
        while process.poll() is None and sum(len(files) for *_, files in os.walk(written)) < count:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed: nothing was tried"


def test_a_killed_backup_is_none_and_a_killed_restore_is_completed(home: Zones, tmp_path: Path) -> None:
    for number in range(FILES):
        home.exchange.put(f"many/{number}", f"file {number}".encode())
    folder, other = tmp_path / "backups", tmp_path / "other"
    place = open_storage(str(folder))
    for count in KILLED_AT:
        kill_at(count, folder, Path(home.home), "backup", place.url)
        assert backup.list_backups(place) == []
    assert start(Path(home.home), "backup", place.url).wait() == 0
    found = backup.read_backup(place)
    assert backup.verify(place, found) == []

    for count in KILLED_AT:
        kill_at(count, other, other, "restore", place.url)
        assert not list(open_zones(other).published.list()), "pointers come last"
    assert start(other, "restore", place.url).wait() == 0
    assert contents(open_zones(other)).keys() == found.objects.keys()
    assert contents(open_zones(other)).items() <= contents(home).items()
