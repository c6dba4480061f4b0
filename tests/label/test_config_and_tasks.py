"""What goes out is Label Studio's own format, whatever the texts hold, and is written once."""

from __future__ import annotations

import datetime as dt
import json
from xml.etree import ElementTree

import pytest
from label_studio_sdk.label_interface import LabelInterface

from canonry.catalog import Catalog, load
from canonry.label.config import labeling_config
from canonry.label.draws import draw_day
from canonry.label.tasks import export_tasks

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)
HOSTILE = """</Header><script src="x">&amp;'"]]>"""


def _with_choice(scheme, **changes):
    return scheme.model_copy(update={"choices": (scheme.choices[0].model_copy(update=changes),)})


def test_every_governed_scheme_makes_a_page_label_studio_accepts():
    catalog: Catalog = load("assets")
    for name, spec in catalog.schemes.items():
        LabelInterface(labeling_config(name, spec)).validate()


def test_hostile_text_in_a_scheme_stays_text(scheme):
    config = labeling_config("groundedness", _with_choice(scheme, question=HOSTILE, choices=("a<b", 'c"d')))
    page = ElementTree.fromstring(config)
    assert HOSTILE in [header.get("value") for header in page.iter("Header")]
    assert [choice.get("value") for choice in page.iter("Choice")] == ["a<b", 'c"d']
    assert not list(page.iter("script"))


def test_keys_of_answers_and_marks_stay_the_same_and_clash_with_nothing(scheme):
    choices = [scheme.choices[0].model_copy(update={"name": f"c{n}", "choices": ("x", "y", "z")}) for n in range(4)]
    many = scheme.model_copy(update={"choices": tuple(choices), "spans": tuple(f"span {n}" for n in range(12))})
    page = ElementTree.fromstring(labeling_config("groundedness", many))
    keys = [[each.get("hotkey") for each in page.iter(tag)] for tag in ("Choice", "Label")]
    assert keys[0] == [*"1234567890", None, None]
    given = [key for each in keys for key in each if key]
    assert len(set(given)) == len(given) == 20
    # Label Studio's own: to take back a selection.
    assert "u" not in given
    without_marks = ElementTree.fromstring(labeling_config("groundedness", many.model_copy(update={"spans": ()})))
    assert [each.get("hotkey") for each in without_marks.iter("Choice")] == keys[0]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "answer"}, "choices.0.name"),
        ({"question": "Worth $price?"}, "choices.0.question"),
        ({"choices": ("yes", "no\x07")}, "choices.0.choices.1"),
    ],
)
def test_what_label_studio_cannot_show_is_an_error_naming_file_and_field(scheme, changes, field):
    with pytest.raises(ValueError, match=rf"assets/schemes/groundedness\.yaml: {field}: "):
        labeling_config("groundedness", _with_choice(scheme, **changes))


def test_tasks_carry_what_the_page_shows_and_what_finds_them_again(zones, scheme, write_calls):
    write_calls([{"inference_id": "a", "question": HOSTILE, "answer": "Ünïcode 🎈", "product": "p"}])
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    export = export_tasks(zones, "groundedness", scheme, draw)
    assert export.path == "label-studio/groundedness/out/2026-11-09.json"
    (task,) = json.loads(zones.exchange.read(export.path))
    assert task["data"] == {
        "item_id": draw.items[0].item_id,
        "draw_id": "groundedness-v1-2026-11-09",
        "batch_id": "groundedness-v1-2026-11-09",
        "scheme": "groundedness",
        "scheme_version": 1,
        "product": "p",
        "question": HOSTILE,
        "passages": [{"chunk_id": "c1", "text": "A passage."}],
        "answer": "Ünïcode 🎈",
    }
    page = LabelInterface(zones.exchange.read("label-studio/groundedness/config.xml").decode())
    assert page.validate_task({"data": task["data"]})
    assert b"groundedness v1" in zones.exchange.read("label-studio/groundedness/README.txt")


def test_tasks_once_sent_do_not_change(zones, scheme, write_calls):
    write_calls([{"inference_id": "a", "answer": "first"}])
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    first = export_tasks(zones, "groundedness", scheme, draw)
    before = {entry.path: zones.exchange.read(entry.path) for entry in zones.exchange.list()}
    write_calls([{"inference_id": "a", "answer": "second"}])
    assert first.written
    assert not export_tasks(zones, "groundedness", scheme, draw).written
    assert {entry.path: zones.exchange.read(entry.path) for entry in zones.exchange.list()} == before


def test_a_new_version_of_a_scheme_is_exported_beside_the_old(zones, scheme, write_calls):
    write_calls([{"inference_id": "a"}])
    for version in (1, 2):
        spec = scheme.model_copy(update={"version": version})
        export_tasks(zones, "groundedness", spec, draw_day(zones, "groundedness", spec, DAY, NOW))
    out = [entry.path.rpartition("/")[2] for entry in zones.exchange.list("label-studio/groundedness/out")]
    assert out == ["2026-11-09-v2.json", "2026-11-09.json"]
