"""Label Studio as it is used by the graph's assets, and by the demo's reviewers."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import dagster as dg
import pytest
from label_studio_sdk import LabelStudio

from canonry import catalog
from canonry.collect import news
from canonry.demo.live_reviewers import review_live
from canonry.demo.reviewers import answers
from canonry.label.project import find_project
from canonry.label.studio import list_tasks
from canonry.storage import Zones
from dagster_project import label
from dagster_project.resources import ASSETS, Platform
from tests.system.labeling import DAY, SCHEME, Labeling, draw_calls, region


def test_the_assets_send_pull_and_tell_which_days_to_compute_again(
    zones: Zones, client: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = catalog.load(ASSETS).schemes["groundedness"]
    draw_calls(zones, "groundedness", 3, scheme)
    sent, annotations = (
        dg.AssetKey(["label_studio", "groundedness", "tasks"]),
        dg.AssetKey(["journal", "annotations", "groundedness"]),
    )

    def materialize(key: dg.AssetKey) -> dict[str, Any]:
        result = dg.materialize(
            list(label.build("groundedness", scheme).assets or ()),
            resources={"platform": Platform(home=zones.home)},
            selection=dg.AssetSelection.assets(key),
        )
        (made,) = result.get_asset_materialization_events()
        return {name: value.value for name, value in made.materialization.metadata.items()}

    first, second = materialize(sent), materialize(sent)
    assert (first["sent"], first["already_there"], first["problems"]) == (3, 0, 0)
    assert (second["sent"], second["already_there"], second["problems"]) == (0, 3, 0)
    assert materialize(annotations)["pulled"] == 0
    assert news.told(zones.lake, news.OUTCOMES) == []
    project = find_project(client, zones.journal, "groundedness", scheme.version)
    assert project is not None
    made = client.annotations.create(list_tasks(client, project.project_id, [])[0]["id"], result=[region("grounded")])
    assert materialize(annotations)["pulled"] == 1
    assert DAY in news.told(zones.lake, news.OUTCOMES)
    client.annotations.delete(made.id)
    assert materialize(annotations)["deleted"] == 1
    client.projects.delete(project.project_id)


def test_simulated_reviewers_label_what_was_simulated_once_and_say_so(zones: Zones, client: LabelStudio) -> None:
    name = f"groundedness-{uuid.uuid4().hex[:8]}"
    asked = {"simulation": {"asked_about": "io.open"}, "quoted_document": "io.open"}
    it = Labeling(zones, client, name, SCHEME, draw_calls(zones, name, 40, **asked))
    it.send()
    expected = [each for item in it.draw.items for each in answers(item.item_id, True, dt.datetime(2026, 11, 10))]
    assert review_live(zones, name, SCHEME.version) == len(expected) > 40
    assert review_live(zones, name, SCHEME.version) == 0
    assert it.pull().new == len(expected)
    rows = it.labels()
    assert all(row["simulated"] for row in rows)
    assert sum(row["cancelled"] for row in rows) == sum(each["was_cancelled"] for each in expected)
    assert len({row["annotator_hash"] for row in rows}) == 3
    for entry in list(zones.journal.list("label_studio")):
        zones.journal.delete(entry.path)
    client.projects.delete(project_id := it.project.project_id)
    it.send()
    assert it.project.project_id != project_id
    assert review_live(zones, name, SCHEME.version) == 0
