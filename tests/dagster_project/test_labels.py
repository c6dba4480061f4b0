"""Labels by day: what is computed from them is computed again, whichever day's run came first."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from canonry import catalog, lake
from canonry.collect import news
from canonry.storage import Zones
from dagster_project import labels
from dagster_project.resources import ASSETS, Platform
from tests.label.conftest import DAY, annotate, labeled, put_export, scheme, write_calls

__all__ = ["annotate", "labeled", "put_export", "scheme", "write_calls"]

NEXT = DAY + dt.timedelta(days=1)


def compute_labels(home: Path, day: dt.date) -> None:
    """Run the labels of one day, as a run of its own."""
    defined = labels.build(catalog.load(ASSETS))
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            list(defined.assets or ()),
            resources={"platform": Platform(home=str(home))},
            selection=dg.AssetSelection.assets(["lake", "labels"]),
            partition_key=day.isoformat(),
            instance=instance,
        )


def told_by(zones: Zones, home: Path, day: dt.date) -> list[dt.date]:
    """Days that a run over one day leaves to be computed, that day among them until its tables are."""
    for entry in list(zones.lake.list(f"news/{news.OUTCOMES}")):
        zones.lake.delete(entry.path)
    compute_labels(home, day)
    return news.told(zones.lake, news.OUTCOMES)


def test_a_day_computed_before_labels_of_its_window_changed_is_computed_again(
    zones: Zones, labeled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANONRY_FIRST_DAY", "2026-11-01")
    with monkeypatch.context() as patch:
        patch.setattr("tests.label.conftest.write_labels", lambda zones, day: None)
        labeled(disagree=0)
    home = tmp_path / "home"
    assert told_by(zones, home, NEXT) == [NEXT]
    told = told_by(zones, home, DAY)
    assert lake.read(zones.lake, "labels", [DAY]).num_rows == 120
    assert {DAY, NEXT} <= set(told)
    assert told_by(zones, home, DAY) == [DAY], "nothing changed"
