"""A run whose process is gone is known to be gone; one that may live is left alone."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.utils import make_new_run_id

from dagster_project import launcher

SETTINGS = {"run_launcher": {"module": "dagster_project.launcher", "class": "WatchedRunLauncher"}}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(overrides=SETTINGS) as instance:
        yield instance


def health(instance: dg.DagsterInstance, tags: dict[str, str]) -> WorkerStatus:
    run = dg.DagsterRun("loop", run_id=make_new_run_id(), tags=tags, status=dg.DagsterRunStatus.STARTED)
    return instance.run_launcher.check_run_worker_health(instance.add_run(run)).status


def test_the_settings_of_the_platform_name_this_launcher() -> None:
    root = Path(__file__).parent.parent.parent
    for path in ("dagster_project/dagster.yaml", "docs/deploy/dagster.yaml"):
        assert "module: dagster_project.launcher\n  class: WatchedRunLauncher" in (root / path).read_text()


def test_a_run_whose_code_server_is_gone_has_failed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    assert instance.run_launcher.supports_check_run_worker_health
    gone = {"host": "localhost", "socket": str(tmp_path / "gone")}
    assert health(instance, {GRPC_INFO_TAG: json.dumps(gone)}) == WorkerStatus.FAILED


def test_a_code_server_that_is_slow_is_believed(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "SECONDS_TO_ANSWER", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = {"host": "127.0.0.1", "port": silent.getsockname()[1]}
        assert health(instance, {GRPC_INFO_TAG: json.dumps(slow)}) == WorkerStatus.RUNNING


def test_a_run_started_by_hand_is_not_judged(instance: dg.DagsterInstance) -> None:
    assert health(instance, {}) == WorkerStatus.RUNNING
