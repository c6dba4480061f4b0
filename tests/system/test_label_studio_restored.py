"""A real Label Studio that is put back to its backup: what it lost is sent again, and what people did stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from label_studio_sdk import LabelStudio

from canonry.demo.label_studio_server import running
from canonry.label.project import keep_project
from canonry.label.studio import KEY, URL, connect
from canonry.storage import Zones
from tests.system.labeling import SCHEME, Labeling, draw_calls, region


@contextmanager
def served(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelStudio]:
    """The client of a server of a data folder."""
    with running(data) as server:
        monkeypatch.setenv(URL, server.url)
        monkeypatch.setenv(KEY, server.api_key)
        client = connect()
        assert client is not None
        yield client


def test_a_restored_server_is_completed_and_takes_no_label_away(
    zones: Zones, client: LabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    early = Labeling(zones, client, "early", SCHEME, draw_calls(zones, "early", 4))
    late = Labeling(zones, client, "late", SCHEME, draw_calls(zones, "late", 2))
    with served(data, monkeypatch) as client:
        it = replace(early, client=client)
        it.send()
        kept, removed, answered, _ = it.task_ids
        for task_id in (kept, removed):
            client.annotations.create(task_id, result=[region("grounded")])
        assert it.pull().new == 2
        keep_project(client, zones.journal, late.name, SCHEME)
    shutil.copytree(data, backup)
    with served(data, monkeypatch) as client:
        lost = client.annotations.create(answered, result=[region("grounded")])
        assert replace(early, client=client).pull().new == 1
        assert replace(late, client=client).send().sent == 2
    shutil.rmtree(data)
    backup.rename(data)
    with served(data, monkeypatch) as client:
        it = replace(early, client=client)
        # Its number is given again, to another answer to the same item; and somebody removes a task of the backup's.
        assert client.annotations.create(answered, result=[region("hallucinated")]).id == lost.id
        client.tasks.delete(str(removed))
        found = it.pull()
        assert (found.swept, found.new, found.deleted) == (True, 1, 1)
        ((_, problem),) = found.problems
        assert "the server was restored from a backup, and lacks 1 annotations" in problem.message
        standing = [row["annotation_id"] for row in it.labels() if row["deleted_at"] is None]
        assert len(standing) == 3 and sum(f".{lost.id}" in each for each in standing) == 2
        assert it.pull(sweep=True).problems == ()
        again = replace(late, client=client).send()
        assert (again.sent, again.already_there, again.problems) == (2, 0, ())
        assert replace(late, client=client).send().already_there == 2
        (said,) = it.send().problems
        assert said.startswith("1 items were sent and are not in the project any more")
