"""A real Label Studio calls the collector when somebody answers: it leaves a note, and a pull takes it away."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from label_studio_sdk import LabelStudio

from canonry import catalog
from canonry.demo.label_studio_server import Server, running
from canonry.label import webhook
from canonry.label.project import find_project, keep_project
from canonry.label.send import send_tasks
from canonry.label.studio import LabelStudioError, list_tasks
from canonry.label.wakeup import woken
from canonry.storage import Zones
from dagster_project import label
from dagster_project.resources import ASSETS, Platform
from tests.service.serving import build, serving
from tests.system.labeling import SCHEME, draw_calls, region

KNOWN = uuid.uuid4().hex * 2
NAME = "groundedness"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Label Studio that may call this machine, where the collector of the tests is."""
    settings = {"LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false"}
    with running(tmp_path_factory.mktemp("label-studio") / "data", settings=settings) as found:
        yield found


@pytest.fixture
def collector(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The collector's URL, configured as the webhook's."""
    with serving(build(zones, webhook_secret=KNOWN)) as url:
        monkeypatch.setenv(webhook.URL, url + "/")
        monkeypatch.setenv(webhook.SECRET, KNOWN)
        yield url


def note(zones: Zones) -> str:
    """What the collector leaves, at the latest after a while: it answers before it writes."""
    until = time.monotonic() + PATIENCE
    while (found := woken(zones.exchange, NAME)) is None:
        assert time.monotonic() < until, "nobody called the collector"
        time.sleep(0.1)
    return found


def hooks(client: LabelStudio, project_id: int) -> list[dict[str, Any]]:
    """The project's webhooks."""
    return [each.dict() for each in client.webhooks.list(project=str(project_id))]


def test_an_answer_wakes_the_pull_of_its_scheme(zones: Zones, client: LabelStudio, collector: str) -> None:
    scheme = catalog.load(ASSETS).schemes[NAME]
    draw_calls(zones, NAME, 2, scheme)
    project = send_tasks(zones, client, NAME, scheme).project
    assert woken(zones.exchange, NAME) is None
    task, _ = list_tasks(client, project.project_id, [])
    made = client.annotations.create(task["id"], result=[region("grounded")])
    first = note(zones)
    client.annotations.update(made.id, result=[region("hallucinated")])
    assert woken(zones.exchange, NAME) == first

    def pull() -> int:
        result = dg.materialize(
            list(label.build(NAME, scheme).assets or ()),
            resources={"platform": Platform(home=zones.home)},
            selection=dg.AssetSelection.assets(["journal", "annotations", NAME]),
        )
        (event,) = result.get_asset_materialization_events()
        return int(event.materialization.metadata["pulled"].value)

    assert pull() == 1
    assert woken(zones.exchange, NAME) is None
    client.annotations.delete(made.id)
    assert note(zones) > first
    (path,) = [entry.path for entry in zones.exchange.list() if "changed" in entry.path]
    assert zones.exchange.read(path).decode() == note(zones)


def test_the_webhook_is_kept_as_configured_and_sends_no_content(
    zones: Zones, client: LabelStudio, collector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"kept-{uuid.uuid4().hex[:8]}"
    project = keep_project(client, zones.journal, name, SCHEME)
    (made,) = hooks(client, project.project_id)
    assert made["url"] == f"{collector}/v1/webhooks/label-studio/{name}"
    assert (made["send_payload"], made["send_for_all_actions"], made["is_active"]) == (False, False, True)
    assert "ANNOTATION_CREATED" in made["actions"] and "ANNOTATIONS_DELETED" in made["actions"]

    foreign = client.webhooks.create(url="http://127.0.0.1:9/theirs", project=project.project_id)
    client.webhooks.update(made["id"], url=made["url"], send_payload=True, is_active=False, actions=[])
    client.webhooks.create(url="http://old.invalid/v1/webhooks/label-studio/" + name, project=project.project_id)
    monkeypatch.setenv(webhook.SECRET, KNOWN[::-1])
    keep_project(client, zones.journal, name, SCHEME)
    theirs, ours = sorted(hooks(client, project.project_id), key=lambda each: each["id"] != foreign.id)
    assert theirs["url"].endswith("/theirs")
    assert (ours["id"], ours["url"], ours["actions"]) == (made["id"], made["url"], made["actions"])
    assert (ours["send_payload"], ours["is_active"]) == (False, True)
    assert ours["headers"] == {"Authorization": f"Bearer {KNOWN[::-1]}"}

    before = json.dumps(hooks(client, project.project_id), default=str)
    keep_project(client, zones.journal, name, SCHEME)
    assert json.dumps(hooks(client, project.project_id), default=str) == before
    monkeypatch.delenv(webhook.SECRET)
    with pytest.raises(LabelStudioError, match="LABEL_STUDIO_WEBHOOK_SECRET is not: set both"):
        keep_project(client, zones.journal, name, SCHEME)
    assert find_project(client, zones.journal, name, SCHEME.version) == project
