"""How many people an item goes to, on a real server's labeling stream."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest
from label_studio_sdk import LabelStudio

from canonry.catalog.specs import Overlap
from canonry.demo.label_studio_server import Server
from canonry.storage import Zones
from tests.system.labeling import SCHEME, Labeling, draw_calls, region
from tests.system.people import Person


@pytest.fixture
def labeling(zones: Zones, client: LabelStudio) -> Labeling:
    """Twelve calls, of which about half are to be read by two people."""
    sampling = SCHEME.sampling.model_copy(update={"overlap": Overlap(share=0.5, annotators=2)})
    scheme = SCHEME.model_copy(update={"sampling": sampling})
    name = f"overlap-{uuid.uuid4().hex[:8]}"
    return Labeling(zones, client, name, scheme, draw_calls(zones, name, 12, scheme))


def test_the_stream_hands_an_item_to_as_many_people_as_its_draw_says(labeling: Labeling, server: Server) -> None:
    it = labeling
    several = {item.item_id for item in it.draw.items if item.annotators == 2}
    assert 0 < len(several) < 12
    it.send()
    first, second, third = (Person(server) for _ in range(3))
    assert first.label_everything(it.project.project_id, [region("grounded")]) == {i.item_id for i in it.draw.items}
    assert second.label_everything(it.project.project_id, [region("grounded")]) == several
    assert third.next_task(it.project.project_id) is None
    it.pull()
    assert Counter(row["item_id"] for row in it.labels()) == {i.item_id: i.annotators for i in it.draw.items}


def test_what_people_change_in_the_projects_settings_is_set_right(labeling: Labeling, server: Server) -> None:
    it = labeling
    it.send()
    wanted = {item.item_id: item.annotators for item in it.draw.items}
    assert it.overlap() == wanted
    Person(server).label_everything(it.project.project_id, [region("grounded")])
    for annotators in (3, 1):
        it.client.projects.update(it.project.project_id, maximum_annotations=annotators)
    assert it.overlap() == dict.fromkeys(wanted, 1)
    it.send()
    assert it.overlap() == wanted
    several = {item_id for item_id, people in wanted.items() if people == 2}
    assert Person(server).label_everything(it.project.project_id, [region("grounded")]) == several
    it.client.projects.update(it.project.project_id, maximum_annotations=4)
    it.send()
    assert it.overlap() == wanted
