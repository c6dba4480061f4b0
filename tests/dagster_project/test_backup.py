"""A home restored from its backup, and computed again as the restore says: the same lake, tables and open tasks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from canonry import backup, release
from canonry.label.progress import label_progress
from canonry.labels import list_draws
from canonry.storage import open_storage, open_zones
from tests.backup.conftest import NOW
from tests.loop_home import DAYS, embedded_texts, lake_digests, mart_rows

ROOT = Path(__file__).parent.parent.parent
SCHEME = "groundedness"


def review(home: Path) -> None:
    """Answer half of a day's tasks as a Label Studio export."""
    exchange = home / "exchange" / "label-studio" / SCHEME
    tasks = json.loads((exchange / "out" / "2026-11-03.json").read_bytes())
    value = {"choices": ["grounded"]}
    result = [{"from_name": "groundedness", "to_name": "answer", "type": "choices", "value": value}]
    common = {"completed_by": 1, "created_at": "2026-11-04T09:00:00Z", "lead_time": 9.5, "result": result}
    answered = [
        {**task, "id": number, "annotations": [{"id": number, **common}]} for number, task in enumerate(tasks[::2])
    ]
    (exchange / "in").mkdir()
    (exchange / "in" / "export.json").write_text(json.dumps(answered))


def restore_as_told(place: str, restored: Path) -> None:
    """Restore from the command line, and run the commands that it prints, as they are printed."""
    dagster_home = restored.with_name("dagster")
    dagster_home.mkdir()
    (dagster_home / "dagster.yaml").write_bytes((ROOT / "dagster_project" / "dagster.yaml").read_bytes())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANONRY_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["DAGSTER_HOME"] = str(dagster_home)
    program = [sys.executable, "-c", "from canonry.cli import app; app()", "restore", place]
    restoring = {**environment, "CANONRY_HOME": str(restored)}
    told = subprocess.run(program, cwd=ROOT, env=restoring, capture_output=True, text=True, check=True).stdout
    commands = [line for line in told.splitlines() if "dagster job execute" in line]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-8_000:]


def test_a_restored_home_computes_the_same_and_knows_its_open_tasks(
    undisturbed: Path, tmp_path: Path, run_loop: Callable[[Path], None]
) -> None:
    home, restored = tmp_path / "home", tmp_path / "restored"
    shutil.copytree(undisturbed, home)
    review(home)
    run_loop(home)
    place = open_storage(str(tmp_path / "backups"))
    backup.take(open_zones(home), place, now=NOW)
    restore_as_told(place.url, restored)
    ours, theirs = lake_digests(home), lake_digests(restored)
    assert {path: theirs.get(path) for path in ours} == ours
    # The commands reach as far as the estimates' windows, which the loop here was not asked for.
    assert all(path.split("day=")[1] > str(DAYS[-1]) for path in theirs.keys() - ours.keys())
    assert embedded_texts(home) <= embedded_texts(restored)
    before, after = open_zones(home), open_zones(restored)
    assert list_draws(before.journal, SCHEME) == list_draws(after.journal, SCHEME)
    progress = label_progress(before, SCHEME)
    assert progress == label_progress(after, SCHEME)
    assert 0 < sum(each.labeled for each in progress) < sum(each.exported for each in progress)
    for each in release.list_releases(before.published):
        kind, name = each.manifest.kind, each.manifest.name
        assert release.verify(after.published, kind, name, each.version) == []
    for mart, rows in mart_rows(home).items():
        assert set(rows) <= set(mart_rows(restored)[mart])
