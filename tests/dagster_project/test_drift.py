"""The assets of drift: a run computes its days and the later ones that are compared with them."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from canonry import lake
from canonry.catalog import Catalog
from canonry.encode import EncoderFiles
from canonry.storage import open_zones
from dagster_project import drift
from dagster_project.resources import Platform
from tests.evaluate.asked import by_words
from tests.evaluate.test_drift import DAYS, catalog, write_days

KINDS = ("drift", "drift_topics", "prompt_drift", "consistency", "inconsistencies")


class ThisCatalog(Platform):
    """A platform that governs one drift spec."""

    @property
    def catalog(self) -> Catalog:  # type: ignore[override]
        return catalog()


def test_days_of_a_run_and_those_compared_with_them_are_computed_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "embedder", lambda platform, name: by_words)
    files = EncoderFiles("words", "made", "model", "0" * 64, 64, max_tokens=64)
    monkeypatch.setattr(drift, "files_of", lambda name, spec: files)
    monkeypatch.setenv("CANONRY_FIRST_DAY", "2026-11-01")
    zones = open_zones(tmp_path)
    lake.ensure_anchors(zones.lake)
    write_days(zones, new_since=DAYS[7])
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [*(drift.build(catalog()).assets or ())],
            selection=[dg.AssetKey(["lake", kind]) for kind in KINDS],
            resources={"platform": ThisCatalog(home=str(tmp_path))},
            partition_key=DAYS[7].isoformat(),
            instance=instance,
        )
    found = {
        event.materialization.asset_key.path[-1]: event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    assert lake.days(zones.lake, "drift") == DAYS[7:]
    assert found["drift"]["days_computed"].value == 2
    assert found["drift"]["dagster/row_count"].value == 3
    assert "questions" in str(found["drift"]["found_different"].value)
    assert "refund" in str(found["drift_topics"]["grown"].value)
    assert str(found["prompt_drift"]["calls_by_status"].value) == "- not_said: 40"
    assert found["consistency"]["days_computed"].value == 2
    assert "same" in str(found["consistency"]["last_day"].value)
    assert found["inconsistencies"]["dagster/row_count"].value == 0
