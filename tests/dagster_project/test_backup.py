"""A home restored from its backup, and the loop run on it: the same lake, tables, releases and open tasks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from canonry import backup, release
from canonry.label.progress import label_progress
from canonry.storage import open_storage, open_zones
from tests.backup.conftest import NOW
from tests.loop_home import lake_digests, mart_rows

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


def test_a_restored_home_computes_the_same_and_knows_its_open_tasks(
    undisturbed: Path, tmp_path: Path, run_loop: Callable[[Path], None]
) -> None:
    home, restored = tmp_path / "home", tmp_path / "restored"
    shutil.copytree(undisturbed, home)
    review(home)
    run_loop(home)
    place = open_storage(str(tmp_path / "backups"))
    backup.take(open_zones(home), place, now=NOW)
    backup.restore(open_zones(restored), place, backup.read_backup(place))
    run_loop(restored)
    assert lake_digests(restored) == lake_digests(home)
    assert mart_rows(restored) == mart_rows(home)
    before, after = open_zones(home), open_zones(restored)
    progress = label_progress(before, SCHEME)
    assert progress == label_progress(after, SCHEME)
    assert 0 < sum(each.labeled for each in progress) < sum(each.exported for each in progress)
    released = release.list_releases(before.published)
    assert released == release.list_releases(after.published)
    for each in released:
        kind, name = each.manifest.kind, each.manifest.name
        assert release.verify(after.published, kind, name, each.version) == []
        assert release.channels(before.published, kind, name) == release.channels(after.published, kind, name)
