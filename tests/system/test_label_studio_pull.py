"""Annotations on a real Label Studio: followed when made, edited, skipped and deleted; what is wrong is kept apart."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx

from canonry.demo.label_studio_server import Server
from canonry.label.inbox import import_annotations
from canonry.label.rounds import last_pull
from tests.system.labeling import DAY, Labeling, region


def test_an_annotation_is_followed_when_made_edited_and_deleted(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(3)
    it.send()
    assert it.pull().annotations == 0
    made = it.client.annotations.create(it.task_ids[0], result=[region("grounded")], lead_time=4.5)
    first = it.pull()
    assert (first.new, first.deleted, first.days, first.problems) == (1, 0, (DAY,), ())
    (row,) = it.labels()
    assert json.loads(row["result"]) == {"groundedness": "grounded", "spans": []}
    assert (row["duration_s"], row["deleted_at"], row["inclusion_probability"]) == (4.5, None, 1.0)
    assert it.pull().new == 0

    it.client.annotations.update(made.id, result=[region("hallucinated")])
    second = it.pull()
    assert (second.swept, second.new, second.days) == (False, 1, (DAY,))
    (row,) = it.labels()
    assert json.loads(row["result"])["groundedness"] == "hallucinated"

    it.client.annotations.delete(made.id)
    third = it.pull()
    assert (third.swept, third.new, third.deleted, third.days) == (False, 0, 1, (DAY,))
    (row,) = it.labels()
    assert row["deleted_at"] is not None
    fourth = it.pull(sweep=True)
    assert (fourth.swept, fourth.new, fourth.deleted, fourth.days) == (True, 0, 0, ())
    last = last_pull(it.zones.journal, it.project)
    assert last is not None and last.present == {}


def test_a_sweep_finds_what_went_with_its_task(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(2)
    it.send()
    for task_id in it.task_ids:
        it.client.annotations.create(task_id, result=[region("grounded")])
    assert it.pull().new == 2
    it.client.tasks.delete(str(it.task_ids[0]))
    assert it.pull().deleted == 0
    assert it.pull(sweep=True).deleted == 1
    assert sorted(row["deleted_at"] is None for row in it.labels()) == [False, True]


def test_a_pull_that_was_cut_off_before_its_record_is_repeated_without_doubles(
    labeling: Callable[[int], Labeling],
) -> None:
    it = labeling(1)
    it.send()
    it.client.annotations.create(it.task_ids[0], result=[region("grounded")])
    it.pull()
    for entry in list(it.zones.journal.list(f"{it.project.folder}/pulls")):
        it.zones.journal.delete(entry.path)
    again = it.pull()
    assert (again.annotations, again.new) == (1, 0)
    assert len(list(it.zones.journal.list(f"annotations/{DAY}"))) == 1


def test_a_skip_is_taken_and_a_draft_is_not(labeling: Callable[[int], Labeling], server: Server) -> None:
    it = labeling(2)
    it.send()
    skipped, drafted = it.task_ids
    simulated = {**region("grounded"), "meta": {"simulated": True}}
    it.client.annotations.create(skipped, result=[simulated], was_cancelled=True)
    draft = {"result": [region("grounded")], "lead_time": 1.0}
    headers = {"Authorization": f"Token {server.api_key}"}
    httpx.post(f"{server.url}/api/tasks/{drafted}/drafts", json=draft, headers=headers).raise_for_status()
    assert it.pull().new == 1
    (row,) = it.labels()
    assert (row["cancelled"], row["result"], row["simulated"]) == (True, None, True)


def test_what_the_scheme_does_not_ask_lands_in_the_quarantine_once(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(2)
    it.send()
    it.client.annotations.create(it.task_ids[0], result=[region("perhaps")])
    it.client.annotations.create(it.task_ids[1], result=[region("grounded")])
    found = it.pull()
    ((place, problem),) = found.problems
    assert (found.new, place) == (1, f"{it.name} v1, project {it.project.project_id}")
    assert "'perhaps' is not an answer of the scheme" in problem.message
    assert len(it.pull(sweep=True).problems) == 1
    (entry,) = it.zones.journal.list(f"rejected_annotations/{it.name}")
    kept = json.loads(it.zones.journal.read(entry.path))
    assert kept["raw"]["annotation"]["result"][0]["value"] == {"choices": ["perhaps"]}
    assert "created_username" not in kept["raw"]["annotation"]


def test_an_annotation_is_the_same_by_either_door(labeling: Callable[[int], Labeling], server: Server) -> None:
    it = labeling(2)
    it.send()
    for task_id in it.task_ids:
        it.client.annotations.create(task_id, result=[region("grounded")], lead_time=3.0)
    assert it.pull().new == 2
    exported = httpx.get(
        f"{server.url}/api/projects/{it.project.project_id}/export",
        params={"exportType": "JSON"},
        headers={"Authorization": f"Token {server.api_key}"},
    )
    it.zones.exchange.put(f"label-studio/{it.name}/in/export.json", exported.content)
    by_file = import_annotations(it.zones, it.name, it.scheme)
    assert (by_file.annotations, by_file.new, by_file.problems) == (2, 0, ())
