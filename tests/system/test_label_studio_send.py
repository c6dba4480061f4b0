"""Projects and tasks on a real Label Studio: kept in step, sent once, completed after whatever cut a sending off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from canonry.label import send
from canonry.label.project import keep_project, task_count
from canonry.label.register import batches_sent
from canonry.label.studio import LabelStudioError, Unanswered, connect, list_tasks
from canonry.storage import open_zones
from tests.system.labeling import DAY, Labeling, region


def test_a_project_is_made_from_its_scheme_and_follows_its_wording(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(1)
    project = keep_project(it.client, it.zones.journal, it.name, it.scheme)
    made = it.client.projects.get(project.project_id)
    assert made.title == f"{it.name} v1"
    assert made.expert_instruction == "Read all of it, then decide."
    assert "Supported?" in made.label_config

    reworded = it.scheme.model_copy(
        update={
            "instructions": "Read it, & decide whether a<b.",
            "choices": (it.scheme.choices[0].model_copy(update={"question": "Is all of it supported?"}),),
        }
    )
    assert keep_project(it.client, it.zones.journal, it.name, reworded) == project
    changed = it.client.projects.get(project.project_id)
    assert changed.expert_instruction == "Read it, &amp; decide whether a&lt;b."
    assert "Is all of it supported?" in changed.label_config

    raised = keep_project(it.client, it.zones.journal, it.name, it.scheme.model_copy(update={"version": 2}))
    assert it.client.projects.get(raised.project_id).title == f"{it.name} v2"


def test_a_project_that_was_kept_in_step_is_found_though_renamed_or_not_recorded(
    labeling: Callable[[int], Labeling], tmp_path: Path
) -> None:
    it = labeling(1)
    project = keep_project(it.client, it.zones.journal, it.name, it.scheme)
    for entry in list(it.zones.journal.list("label_studio")):
        it.zones.journal.delete(entry.path)
    assert keep_project(it.client, it.zones.journal, it.name, it.scheme) == project
    it.client.projects.update(project.project_id, title="our favourite")
    assert keep_project(it.client, it.zones.journal, it.name, it.scheme) == project


def test_answers_that_lie_in_the_project_keep_their_questions(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(1)
    it.send()
    it.client.annotations.create(it.task_ids[0], result=[region("hallucinated")])
    choice = it.scheme.choices[0].model_copy(update={"choices": ("grounded", "unsure")})
    with pytest.raises(LabelStudioError, match=rf"assets/schemes/{it.name}\.yaml: .* raise `version`"):
        keep_project(it.client, it.zones.journal, it.name, it.scheme.model_copy(update={"choices": (choice,)}))


def test_sending_twice_doubles_nothing(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(7)
    first, second = it.send(), it.send()
    assert (first.sent, first.already_there, first.problems) == (7, 0, ())
    assert (second.sent, second.already_there, second.problems) == (0, 7, ())
    assert task_count(it.client, it.project) == 7
    assert set(batches_sent(it.zones.journal, it.project)[it.draw.draw_id].values()) == set(it.task_ids)


def test_sending_without_its_record_doubles_nothing(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(7)
    it.send()
    for entry in list(it.zones.journal.list("label_studio")):
        it.zones.journal.delete(entry.path)
    again = it.send()
    assert (again.sent, again.already_there, task_count(it.client, it.project)) == (0, 7, 7)


def test_a_thousand_tasks_cut_off_half_way_are_completed_and_not_doubled(
    labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = labeling(1_000)
    send_chunk = send._send_chunk

    def cut_off(*arguments: Any) -> None:
        send_chunk(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(send, "_send_chunk", cut_off)
        it.send()
    assert task_count(it.client, it.project) == 500
    again = it.send()
    assert (again.sent, again.already_there, again.problems) == (500, 500, ())
    items = [task["data"]["item_id"] for task in list_tasks(it.client, it.project.project_id, [])]
    assert sorted(items) == sorted(item.item_id for item in it.draw.items)


def test_a_chunk_that_the_server_took_though_the_client_gave_up_is_not_sent_again(
    labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = labeling(500)
    slept: list[float] = []
    clock = SimpleNamespace(sleep=lambda seconds: (slept.append(seconds), time.sleep(1)))
    monkeypatch.setattr(send, "time", clock)
    # The request arrives whole, and its answer comes later than this.
    monkeypatch.setattr(send, "ONCE", {"max_retries": 0, "timeout": 0.02})
    assert it.send().sent == 500
    assert slept, "the client did not give up: nothing was tried"
    assert task_count(it.client, it.project) == 500


def test_a_chunk_that_never_arrives_is_an_error_and_is_sent_by_the_next_run(
    labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = labeling(3)

    def lost(*_: Any, **__: Any) -> None:
        raise Unanswered("no answer")

    monkeypatch.setattr(send, "SECONDS_BETWEEN_LOOKS", 0.0)
    with monkeypatch.context() as patched, pytest.raises(Unanswered):
        patched.setattr(it.client.projects, "import_tasks", lost)
        it.send()
    assert it.send().sent == 3


def test_two_machines_that_send_at_once_double_nothing(
    labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = labeling(20)
    other = replace(it, zones=open_zones(it.zones.home), client=connect())
    send_chunk = send._send_chunk

    def slow(*arguments: Any) -> None:
        # By now, who does not wait has asked what the server has.
        time.sleep(3)
        send_chunk(*arguments)

    monkeypatch.setattr(send, "_send_chunk", slow)
    with ThreadPoolExecutor(2) as machines:
        done = [each.result() for each in [machines.submit(machine.send) for machine in (it, other)]]
    assert sorted((each.sent, each.already_there) for each in done) == [(0, 20), (20, 0)]
    assert {each.project for each in done} == {it.project}
    assert task_count(it.client, it.project) == 20


def test_tasks_that_others_imported_or_removed_are_reported(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(3)
    it.send()
    first, second, _ = it.draw.items
    data = json.loads(it.zones.exchange.read(f"label-studio/{it.name}/out/{DAY}.json"))
    doubled = [task for task in data if task["data"]["item_id"] == first.item_id]
    it.client.projects.import_tasks(it.project.project_id, request=doubled)
    it.client.projects.import_tasks(
        it.project.project_id, request=[{"data": {**data[0]["data"], "item_id": "other", "batch_id": "other"}}]
    )
    it.client.tasks.delete(str(batches_sent(it.zones.journal, it.project)[it.draw.draw_id][second.item_id]))
    again = it.send()
    assert again.sent == 0
    several, removed, strangers = again.problems
    assert several.startswith("1 items have several tasks") and first.item_id in several
    assert removed.startswith("1 items were sent and are not in the project any more") and second.item_id in removed
    assert strangers.startswith("1 tasks were not sent from here")
