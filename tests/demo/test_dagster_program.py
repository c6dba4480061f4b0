"""Dagster as a program: a run that fails is told with the end of its log and where the rest lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from canonry.demo.dagster_program import DagsterFailed, materialize
from canonry.storage import open_zones


def test_a_failed_run_shows_the_end_of_its_log_and_where_all_of_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANONRY_HOME", open_zones(tmp_path / "home").home)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    log = tmp_path / "logs" / "demo.log"
    with pytest.raises(DagsterFailed) as failed:
        materialize('key:"no/such/asset"', None, log)
    assert "dagster asset materialize failed" in str(failed.value)
    assert log.read_text().rstrip().splitlines()[-1] in str(failed.value)
    assert str(failed.value).endswith(f"The whole log: {log}")
