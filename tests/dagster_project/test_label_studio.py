"""The assets that speak to Label Studio, where there is no server to speak to."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import dagster as dg
import pytest

from canonry import catalog
from canonry.label.studio import KEY, NOT_CONFIGURED, URL
from dagster_project import label
from dagster_project.resources import ASSETS, Platform

NAME = "groundedness"
SENT = dg.AssetKey(["label_studio", NAME, "tasks"])
ANNOTATIONS = dg.AssetKey(["journal", "annotations", NAME])


def materialize(home: Path, *keys: dg.AssetKey) -> dg.ExecuteInProcessResult:
    """Run some of the scheme's assets on a home."""
    defined = label.build(NAME, catalog.load(ASSETS).schemes[NAME])
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            list(defined.assets or ()),
            resources={"platform": Platform(home=str(home))},
            selection=dg.AssetSelection.assets(*keys),
            instance=instance,
            raise_on_error=False,
        )


def metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, object]:
    """What an asset showed of itself."""
    (found,) = [each for each in result.get_asset_materialization_events() if each.asset_key == key]
    return {name: value.value for name, value in found.materialization.metadata.items()}


def test_without_a_server_the_assets_say_so_and_do_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (URL, KEY):
        monkeypatch.delenv(variable, raising=False)
    result = materialize(tmp_path, SENT, ANNOTATIONS)
    assert result.success
    assert metadata(result, SENT) == {"server": NOT_CONFIGURED}
    assert metadata(result, ANNOTATIONS) == {"new": 0, "problems": 0, "imported": 0, "server": NOT_CONFIGURED}
    assert not (tmp_path / "journal").exists()


def test_a_dead_server_fails_in_one_line_and_files_are_taken_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "exchange" / "label-studio" / NAME / "in"
    inbox.mkdir(parents=True)
    (inbox / "export.json").write_text(json.dumps([{"id": 1, "data": {}, "annotations": []}]))
    with socket.socket() as taken:  # bound and not listening: nobody else can answer on it
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv(URL, f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv(KEY, "0" * 40)
        sending, pulling = materialize(tmp_path, SENT), materialize(tmp_path, ANNOTATIONS)
    for result in (sending, pulling):
        (failed,) = result.get_step_failure_events()
        error = failed.step_failure_data.user_failure_data
        assert error is not None
        assert "is it running, and is LABEL_STUDIO_URL right?" in str(error.description)
    assert len(list((tmp_path / "journal" / "rejected_annotations" / NAME).iterdir())) == 1
