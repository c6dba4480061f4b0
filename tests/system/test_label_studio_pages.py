"""A pull page by page on a real Label Studio: what people do while it runs is not missed, and a cut pull goes on."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from canonry.label import pull, studio
from canonry.label.rounds import last_pull
from tests.system.labeling import Labeling, region


@pytest.fixture
def it(labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch) -> Iterator[Labeling]:
    """Six items, each labeled once, on pages of two; and no overlap, as after a listing of more than a minute."""
    found = labeling(6)
    found.send()
    for task_id in found.task_ids:
        found.client.annotations.create(task_id, result=[region("grounded")])
    for module in (pull, studio):
        monkeypatch.setattr(module, "PAGE", 2)
    monkeypatch.setattr(pull, "OVERLAP", dt.timedelta())
    return found


@pytest.fixture
def pages(it: Labeling, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], dict[int, Callable[[], Any]]]:
    """The ids behind which pages were asked for, and what happens before the page of a number."""
    asked: list[int] = []
    happens: dict[int, Callable[[], Any]] = {}

    def page(*arguments: Any, after: int, **options: Any) -> list[dict[str, Any]]:
        asked.append(after)
        happens.pop(len(asked), lambda: None)()
        return studio.page_of_tasks(*arguments, after=after, **options)

    monkeypatch.setattr(pull, "page_of_tasks", page)
    return asked, happens


def test_what_is_edited_while_a_pull_runs_is_found_by_the_next(
    it: Labeling, pages: tuple[list[int], dict[int, Callable[[], Any]]]
) -> None:
    first, *_, last = (task["id"] for task in studio.list_tasks(it.client, it.project.project_id, []))
    (annotation,) = it.client.annotations.list(first)

    def edit() -> None:
        it.client.annotations.update(annotation.id, result=[region("hallucinated")])
        it.client.annotations.create(last, result=[region("hallucinated")])

    pages[1][2] = edit
    assert it.pull().new == 7
    second = it.pull()
    assert (second.swept, second.new) == (False, 1)
    answers = {row["annotation_id"]: json.loads(row["result"])["groundedness"] for row in it.labels()}
    assert [answers[each] for each in answers if each.endswith(f".{annotation.id}")] == ["hallucinated"]


def test_tasks_removed_while_a_pull_runs_hide_no_others(
    it: Labeling, pages: tuple[list[int], dict[int, Callable[[], Any]]]
) -> None:
    first, second, *_ = it.task_ids

    def remove() -> None:
        for task_id in (first, second):
            it.client.tasks.delete(str(task_id))

    pages[1][2] = remove
    assert it.pull().new == 6
    assert it.pull(sweep=True).deleted == 2


def test_a_pull_cut_off_half_way_goes_on_behind_the_last_page(
    it: Labeling, pages: tuple[list[int], dict[int, Callable[[], Any]]]
) -> None:
    asked, happens = pages
    task_ids = it.task_ids

    def cut() -> None:
        raise KeyboardInterrupt

    happens[3] = cut
    with pytest.raises(KeyboardInterrupt):
        it.pull()
    assert len(it.labels()) == 4
    asked.clear()
    it.client.tasks.delete(str(task_ids[0]))
    found = it.pull()
    # The rest, and then what changed since the cut-off pull began: nothing is fetched twice.
    assert asked == [task_ids[3], task_ids[5], 0]
    assert (found.new, found.deleted) == (2, 0)
    assert it.pull(sweep=True).deleted == 1
    known = last_pull(it.zones.journal, it.project)
    assert known is not None and len(known.present) == 5
