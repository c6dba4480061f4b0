"""Two people disagree on a real server, a third one settles it there, and the third one's answer is the label."""

from __future__ import annotations

from collections.abc import Callable

from canonry import lake
from canonry.consensus import consensus
from canonry.demo.label_studio_server import Server
from canonry.label.doubts import export_doubts, send_doubts
from canonry.label.register import projects
from tests.system.labeling import DAY, Labeling, region
from tests.system.people import Person


def test_a_doubt_is_settled_in_a_project_of_its_own(labeling: Callable[[int], Labeling], server: Server) -> None:
    it = labeling(3)
    it.send()
    tied, *others = it.task_ids
    for person, answer in ((Person(server), "grounded"), (Person(server), "hallucinated")):
        person.answer(tied, [region(answer)])
    for task in others:
        person.answer(task, [region("grounded")])
    it.pull()
    it.labels()

    export = export_doubts(it.zones, it.name, it.scheme)
    assert export is not None and export.tasks == 1
    first = send_doubts(it.zones, it.client, it.name, it.scheme)
    again = send_doubts(it.zones, it.client, it.name, it.scheme)
    assert first is not None and again is not None
    assert (first.sent, again.sent, again.already_there, again.problems) == (1, 0, 1, ())
    assert it.client.projects.get(first.project.project_id).title == f"{it.name} v1 adjudication"
    for entry in list(it.zones.journal.list("adjudication")):
        it.zones.journal.delete(entry.path)
    unrecorded = send_doubts(it.zones, it.client, it.name, it.scheme)
    assert unrecorded is not None and unrecorded.sent == 0
    assert projects(it.zones.journal, it.name, 1, adjudication=True) == [first.project]

    settling = Person(server)
    task = settling.next_task(first.project.project_id)
    assert task is not None
    assert "A: " in task["data"]["answers"] and "B: " in task["data"]["answers"]
    settling.answer(task["id"], [region("hallucinated")])
    assert settling.next_task(first.project.project_id) is None
    assert it.pull().new == 0
    assert it.pull(adjudication=True).new == 1
    it.labels()
    by_item = {each.item_id: each for each in consensus(lake.read(it.zones.lake, "labels", [DAY]), "groundedness")}
    settled = by_item.pop(task["data"]["item_id"])
    assert (settled.value, settled.method) == ("hallucinated", "adjudicated")
    assert {each.method for each in by_item.values()} == {"dawid_skene"}
    assert export_doubts(it.zones, it.name, it.scheme) is None
