"""Who waits for whom: one step of a pool at a time, whoever started its run and however that ended; and dbt."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from dagster_project import resources
from dagster_project.resources import WAREHOUSE, Platform

LOG = logging.getLogger("test")

HOLDER = """
import logging, sys, time
from dagster_project.resources import Platform
with Platform(home=sys.argv[1]).alone("collect", logging.getLogger()):
    print("holding", flush=True)
    time.sleep(600)
"""


@contextmanager
def killed_at_the_first_word(holder: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kills a process once LOG says that it is waited for."""

    def kill(record: logging.LogRecord) -> bool:
        holder.kill()
        return True

    LOG.setLevel(logging.INFO)
    LOG.addFilter(kill)
    try:
        yield
    finally:
        LOG.removeFilter(kill)


def test_a_step_waits_for_another_process_and_goes_on_once_that_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resources, "SECONDS_BETWEEN_WORDS", 0.1)
    monkeypatch.delenv("CANONRY_WAREHOUSE", raising=False)
    environment = {name: value for name, value in os.environ.items() if name != "CANONRY_WAREHOUSE"}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, env=environment) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == b"holding\n"
        with killed_at_the_first_word(it), Platform(home=str(tmp_path)).alone("collect", LOG):
            assert it.wait(timeout=10) == -signal.SIGKILL
    assert "Waiting for another run that works on collect" in caplog.text


def test_pools_do_not_wait_for_each_other(tmp_path: Path) -> None:
    platform = Platform(home=str(tmp_path))
    with platform.alone("collect", LOG), platform.alone("index_docs", LOG):
        pass


OPENER = """
import duckdb, sys
warehouse = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which has the warehouse open."""
    warehouse = str(tmp_path / "warehouse.duckdb")
    monkeypatch.setenv("CANONRY_WAREHOUSE", warehouse)
    command = [sys.executable, "-c", OPENER, warehouse]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == b"open\n"
        yield it


def test_a_step_waits_until_the_warehouse_is_closed(
    opener: subprocess.Popen[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(resources, "SECONDS_BETWEEN_WORDS", 0.1)
    with killed_at_the_first_word(opener), Platform(home=str(tmp_path)).alone(WAREHOUSE, LOG):
        duckdb.connect(str(tmp_path / "warehouse.duckdb")).close()
    assert f"PID {opener.pid}" in caplog.text


def test_a_warehouse_that_stays_open_is_an_error_that_names_who_has_it(
    opener: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "PATIENCE", 0.0)
    platform = Platform(home=str(tmp_path))
    with pytest.raises(duckdb.IOException, match=f"PID {opener.pid}"), platform.alone(WAREHOUSE, LOG):
        pass


def test_a_run_of_dbt_starts_dbt_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dbt --version`, which dagster-dbt runs first unless told, asks PyPI; the adapter that it loads is not used."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"{arguments} was called")

    monkeypatch.setattr("dagster_dbt.core.resource.check_output", refuse)
    monkeypatch.setattr("dbt.adapters.factory.register_adapter", refuse)
    monkeypatch.setenv("CANONRY_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("CANONRY_LAKE", str(tmp_path / "lake"))
    invocation = resources.dbt_resource().cli(["list", "--select", "cost_daily"], target_path=tmp_path).wait()
    assert invocation.is_successful()
    assert invocation.adapter is None
