"""Items whose answer is known look like all others, and say how often annotators are right."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from canonry import lake
from canonry.catalog import Catalog
from canonry.catalog.specs import KnownAnswers, Overlap
from canonry.label.checks import check_tasks
from canonry.label.draws import draw_day
from canonry.label.gold import gold_set
from canonry.label.inbox import import_annotations
from canonry.label.known_answers import write_known_answers
from canonry.label.measure import write_agreement
from canonry.label.overlap import asked_of_several
from canonry.label.partition import write_labels
from canonry.label.tasks import export_tasks
from canonry.labels import read_draw
from canonry.publish import release_and_promote

DAY = dt.date(2026, 11, 9)
NEXT = dt.date(2026, 11, 10)
NOW = dt.datetime(2026, 11, 11, 1)
FILE = "known/groundedness.jsonl"


def _row(number: int, **changes) -> dict:
    return {
        "id": f"k{number}",
        "product": "site",
        "question": f"Known question {number}?",
        "passages": [{"chunk_id": "c1", "text": "A passage."}],
        "answer": "A known answer.",
        "answers": {"groundedness": "grounded" if number % 2 else "hallucinated"},
    } | changes


@pytest.fixture
def put_known(zones):
    """Puts rows into the file of known items."""

    def put(rows):
        zones.exchange.put(FILE, "".join(json.dumps(row) + "\n" for row in rows).encode())

    return put


def _spec(scheme, share=0.5, file=FILE, **sampling):
    changes = {"known_answers": KnownAnswers(share=share, file=file)}
    return scheme.model_copy(update={**changes, "sampling": scheme.sampling.model_copy(update=sampling)})


def _tasks(zones, spec, day=DAY):
    draw = draw_day(zones, "groundedness", spec, day, NOW)
    tasks = json.loads(zones.exchange.read(export_tasks(zones, "groundedness", spec, draw).path))
    return draw, tasks


def test_items_of_a_file_are_mixed_in_and_look_like_all_others(zones, scheme, write_calls, put_known):
    write_calls([{"inference_id": f"a{number}"} for number in range(40)])
    put_known([_row(number) for number in range(30)])
    spec = _spec(scheme, per_stratum=40, overlap=Overlap(share=0.5))
    draw, tasks = _tasks(zones, spec)
    assert (len(draw.items), len(draw.known), len(tasks)) == (40, 20, 60)
    assert draw.population == 40
    assert read_draw(zones.journal, "groundedness", 1, DAY) == draw
    assert check_tasks(tasks, "groundedness", spec) == []
    known = {item.item_id for item in draw.known}
    items = [task["data"]["item_id"] for task in tasks]
    assert items == sorted(items)
    assert len({frozenset(task["data"]) for task in tasks}) == 1
    assert len({len(item) for item in items}) == 1
    assert not any(each.gold_item_id in json.dumps(tasks) for each in draw.known)
    for name in ("draw_id", "batch_id", "product", "scheme"):
        assert len({task["data"][name] for task in tasks}) == 1
    several = asked_of_several(draw).keys()
    assert 0 < len(several & known) < 20


def test_an_item_is_asked_again_only_when_there_is_no_other(zones, scheme, write_calls, put_known):
    put_known([_row(number) for number in range(6)])
    spec = _spec(scheme, per_stratum=8)
    used = []
    for day in (DAY, NEXT):
        write_calls([{"inference_id": f"{day}{number}"} for number in range(8)], day)
        draw = draw_day(zones, "groundedness", spec, day, NOW)
        used.append({item.gold_item_id for item in draw.known})
    assert [len(each) for each in used] == [4, 4]
    assert len(used[0] | used[1]) == 6


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([_row(1, answer=None)], "row 1: answer: expected a text"),
        ([_row(1), _row(2, passages=[{"text": "x"}])], "row 2: passages: expected a list of objects"),
        ([_row(1, answers={"groundedness": "perhaps"})], r"item k1: answers\.groundedness: expected one of grounded"),
        ([_row(1), _row(1)], "id: 'k1' is there twice"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_an_error_that_says_where(
    zones, scheme, write_calls, put_known, rows, message
):
    write_calls([{"inference_id": "a"}])
    put_known(rows)
    with pytest.raises(ValueError, match=rf"exchange/{FILE}: {message}"):
        draw_day(zones, "groundedness", _spec(scheme), DAY, NOW)
    assert read_draw(zones.journal, "groundedness", 1, DAY) is None


@pytest.mark.parametrize("simulated", [False, True])
def test_items_of_the_gold_set_come_with_the_texts_of_their_calls(
    zones, scheme, write_calls, annotate, put_export, simulated
):
    write_calls([{"inference_id": f"old{number}", "answer": f"Answer {number}."} for number in range(3)])
    _, tasks = _tasks(zones, scheme)
    for place, task in enumerate(tasks):
        meta = {"meta": {"simulated": True}} if simulated else {}
        task["data"]["adjudication"] = True
        task["annotations"] = [annotate(10 * place, "grounded", 1, **meta)]
    put_export(tasks)
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    made = gold_set(zones.lake, zones.journal, "groundedness", scheme, [DAY])
    about = {"metadata": made.metadata, "lineage": made.lineage, "reason": "test", "now": NOW.replace(tzinfo=dt.UTC)}
    release_and_promote(zones, "gold", "groundedness", made.files, **about)

    write_calls([{"inference_id": f"new{number}"} for number in range(4)], NEXT)
    draw, tasks = _tasks(zones, _spec(scheme, file=None, per_stratum=4), NEXT)
    if simulated:
        assert draw.known == ()
        return
    assert len(draw.known) == 2
    texts = {task["data"]["item_id"]: task["data"]["answer"] for task in tasks}
    for item in draw.known:
        assert item.day == DAY
        assert texts[item.item_id] == f"Answer {item.inference_id.removeprefix('old')}."


def test_answers_to_known_items_say_how_right_an_annotator_is(
    zones, scheme, write_calls, annotate, put_export, put_known
):
    write_calls([{"inference_id": f"a{number}"} for number in range(4)])
    put_known([_row(number) for number in range(4)])
    spec = _spec(scheme, per_stratum=4, share=0.5)
    spec = spec.model_copy(update={"agreement": spec.agreement.model_copy(update={"minimum_items": 2})})
    draw, tasks = _tasks(zones, spec)
    known = {item.item_id: item.answers["groundedness"] for item in draw.known}
    for place, task in enumerate(tasks):
        right = known.get(task["data"]["item_id"], "grounded")
        wrong = "grounded" if right == "hallucinated" else "hallucinated"
        task["annotations"] = [annotate(10 * place, right, 1), annotate(10 * place + 1, wrong, 2)]
    put_export(tasks)
    assert import_annotations(zones, "groundedness", spec).problems == ()
    assert write_labels(zones, DAY).rows == 8
    assert write_known_answers(zones, DAY) == 4
    assert not {*lake.read(zones.lake, "labels", [DAY])["item_id"].to_pylist()} & known.keys()
    rows = lake.read(zones.lake, "known_answers", [DAY]).to_pylist()
    assert {row["item_id"]: row["known_answer"] for row in rows} == known

    catalog = Catalog(Path("assets"), schemes={"groundedness": spec})
    write_agreement(zones.lake, catalog)
    measured = lake.read(zones.lake, "agreement", [DAY]).to_pylist()
    watched = {row["annotator"]: row for row in measured if row["metric"] == "known_answers"}
    assert sorted(row["value"] for row in watched.values()) == [0.0, 1.0]
    assert all(row["items"] == 2 and row["interval_low"] < row["interval_high"] for row in watched.values())
    assert write_agreement(zones.lake, catalog).measured == 0
