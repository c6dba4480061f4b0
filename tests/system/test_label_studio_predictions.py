"""Predictions on a real server: seen where the scheme shows them, and held back with what the page does not allow."""

from __future__ import annotations

import json
import uuid

import pyarrow as pa
import pytest
from label_studio_sdk import LabelStudio
from playwright.sync_api import Page, expect

from canonry import lake
from canonry.demo.label_studio_server import Server
from canonry.label.project import task_count
from canonry.label.studio import LabelStudioError
from canonry.storage import Zones
from tests.system.labeling import DAY, SCHEME, Labeling, draw_calls, log_in

SHOWN = SCHEME.model_copy(update={"predicted_by": "judge", "predictions": "shown"})


def _labeling(zones: Zones, client: LabelStudio, calls: int) -> Labeling:
    rows = [
        {**dict.fromkeys(lake.SCHEMAS["scores"].names), "inference_id": f"c{number}", "scorer": "judge"}
        | {"scorer_version": "1", "spans": [{"start": 0, "end": 4, "label": "unsupported"}]}
        for number in range(calls)
    ]
    lake.write(zones.lake, "scores", DAY, pa.Table.from_pylist(rows, lake.SCHEMAS["scores"]), {})
    name = f"predicted-{uuid.uuid4().hex[:8]}"
    return Labeling(zones, client, name, SHOWN, draw_calls(zones, name, calls, SHOWN))


def test_a_reviewer_takes_over_what_the_scorer_marked(
    zones: Zones, client: LabelStudio, server: Server, page: Page
) -> None:
    it = _labeling(zones, client, 1)
    it.send()
    log_in(page, server)
    page.goto(f"{server.url}/projects/{it.project.project_id}/data?labeling=1")
    page.get_by_role("button", name="Close modal").click()
    expect(page.locator(".htx-highlight").first).to_have_text("Call")
    page.get_by_text("hallucinated").click()
    page.get_by_test_id("bottombar-submit-button").click()
    expect(page.get_by_text("No more")).to_be_visible()
    assert it.pull().problems == ()
    (row,) = it.labels()
    assert json.loads(row["result"]) == {
        "groundedness": "hallucinated",
        "spans": [{"start": 0, "end": 4, "label": "unsupported"}],
    }


def test_what_the_page_does_not_allow_never_reaches_the_server(zones: Zones, client: LabelStudio) -> None:
    it = _labeling(zones, client, 2)
    path = f"label-studio/{it.name}/out/{DAY}.json"
    sound = zones.exchange.read(path)
    tasks = json.loads(sound)
    tasks[1]["predictions"][0]["result"][0]["value"]["labels"] = ["invented"]
    zones.exchange.put(path, json.dumps(tasks).encode())
    item = tasks[1]["data"]["item_id"]
    field = r"predictions\.0\.result\.0\.value\.labels"
    with pytest.raises(LabelStudioError, match=rf"exchange/{path}: item {item}: {field}: 'invented' is not one"):
        it.send()
    assert task_count(client, it.project) == 0
    zones.exchange.put(path, sound)
    assert it.send().sent == 2
