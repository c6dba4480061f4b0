"""A draw is random, repeatable, of known probability, and never changed."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import replace

from canonry import lake
from canonry.catalog.specs import Overlap
from canonry.label.draws import draw_day, make_draw, never_in_frame
from canonry.labels import Draw, KnownItem, SharedLabel, read_draw
from canonry.population import answered_calls

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)


def _calls(count: int, prefix: str = "a", **fields: str) -> list[dict]:
    return [{"inference_id": f"{prefix}{number}", **fields} for number in range(count)]


def test_every_stratum_gives_its_items_with_exact_probabilities(zones, scheme, write_calls):
    write_calls(_calls(10, "a", product="a", response_model="m1") + _calls(2, "b", product="b"))
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    assert [(dict(s.values), s.population, s.drawn) for s in draw.strata] == [
        ({"product": "a", "response_model": "m1"}, 10, 3),
        ({"product": "b", "response_model": None}, 2, 2),
    ]
    assert Counter(item.inclusion_probability for item in draw.items) == {3 / 10: 3, 1.0: 2}
    assert draw.population == 12
    assert len({item.item_id for item in draw.items}) == 5


def test_failed_and_unanswered_calls_are_not_in_the_frame(zones, scheme, write_calls):
    failed = {"inference_id": "failed", "error_type": "timeout"}
    write_calls([*_calls(2), failed, {"inference_id": "silent", "answer": None}])
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    assert {item.inference_id for item in draw.items} == {"a0", "a1"}


def test_only_the_products_of_the_scheme_are_drawn(zones, scheme, write_calls):
    write_calls(_calls(2, "a", product="a") + _calls(2, "b", product="b"))
    sampling = scheme.sampling.model_copy(update={"products": ("b",)})
    draw = draw_day(zones, "groundedness", scheme.model_copy(update={"sampling": sampling}), DAY, NOW)
    assert {item.fields["product"] for item in draw.items} == {"b"}
    assert draw.products == ("b",)


def test_late_calls_do_not_change_a_draw_and_are_counted(zones, scheme, write_calls):
    write_calls(_calls(10))
    first = draw_day(zones, "groundedness", scheme, DAY, NOW)
    entry = zones.journal.read(first.path)
    write_calls(_calls(14))
    assert draw_day(zones, "groundedness", scheme, DAY, NOW + dt.timedelta(days=3)) == first
    assert zones.journal.read(first.path) == entry
    assert never_in_frame(zones.lake, first) == 4


def test_the_order_of_calls_in_the_lake_changes_nothing(zones, scheme, write_calls):
    write_calls(_calls(50))
    first = draw_day(zones, "groundedness", scheme, DAY, NOW)
    zones.journal.delete(first.path)
    write_calls(_calls(50)[::-1])
    assert draw_day(zones, "groundedness", scheme, DAY, NOW) == first


def test_seed_version_and_day_each_give_another_draw(zones, scheme, write_calls):
    other_day = DAY + dt.timedelta(days=1)
    write_calls(_calls(500))
    write_calls(_calls(500), other_day)
    seeded = scheme.model_copy(update={"sampling": scheme.sampling.model_copy(update={"seed": 1})})
    raised = scheme.model_copy(update={"version": 2})
    chosen = []
    for spec, day in ((scheme, DAY), (raised, DAY), (scheme, other_day)):
        draw = draw_day(zones, "groundedness", spec, day, NOW)
        chosen.append(frozenset(item.inference_id for item in draw.items))
    zones.journal.delete("draws/groundedness/v1/2026-11-09.json")
    chosen.append(frozenset(item.inference_id for item in draw_day(zones, "groundedness", seeded, DAY, NOW).items))
    assert len(set(chosen)) == 4


def test_every_call_is_as_likely_as_its_probability_says(zones, scheme, write_calls):
    write_calls(_calls(12))
    frame = answered_calls(zones.lake, DAY)
    seen: Counter[str] = Counter()
    for seed in range(400):
        sampling = scheme.sampling.model_copy(update={"seed": seed})
        draw = make_draw("groundedness", scheme.model_copy(update={"sampling": sampling}), DAY, frame, NOW)
        seen.update(item.inference_id for item in draw.items)
    # 400 draws of 3 from 12: 100 expected each, standard deviation 8.7.
    assert len(seen) == 12
    assert all(65 <= count <= 135 for count in seen.values())


def test_a_day_without_answered_calls_has_no_draw(zones, scheme):
    assert draw_day(zones, "groundedness", scheme, DAY, NOW) is None
    assert read_draw(zones.journal, "groundedness", 1, DAY) is None
    assert lake.days(zones.lake, "inferences") == []


def test_a_set_share_of_the_items_goes_to_several_people(zones, scheme, write_calls):
    write_calls(_calls(2000))
    sampling = scheme.sampling.model_copy(update={"per_stratum": 1000, "overlap": Overlap(share=0.2, annotators=3)})
    shared = scheme.model_copy(update={"sampling": sampling})
    draw = draw_day(zones, "groundedness", shared, DAY, NOW)
    asked = Counter(item.annotators for item in draw.items)
    # 1,000 chances of 0.2: standard deviation 12.6.
    assert set(asked) == {1, 3}
    assert 140 <= asked[3] <= 260
    assert read_draw(zones.journal, "groundedness", 1, DAY) == draw


def test_a_draw_that_an_earlier_release_journalled_reads_the_same(zones, scheme, write_calls):
    write_calls(_calls(5))
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    old = json.loads(zones.journal.read(draw.path))
    for name in ("where", "for_training_only", "parameters", "known"):
        del old[name]
    old["items"] = [
        {name: item[name] for name in ("item_id", "inference_id", "stratum", "inclusion_probability", "fields")}
        for item in old["items"]
    ]
    for stratum in old["strata"]:
        del stratum["expected"]
    read = Draw.from_json(json.dumps(old).encode())
    assert (read.items, read.strata) == (draw.items, draw.strata)
    assert not read.for_training_only


def test_everything_a_draw_says_comes_back_from_the_journal(zones, scheme, write_calls):
    write_calls(_calls(5))
    made = draw_day(zones, "groundedness", scheme, DAY, NOW)
    shared = replace(made.items[0], same_as=SharedLabel("earlier", DAY - dt.timedelta(days=3)), score=0.25)
    known = KnownItem("k1", "g1", "a7", {"groundedness": "grounded"}, "3f2a")
    said = replace(made, items=(shared, *made.items[1:]), known=(known,), where={"environment": ("prod", "beta")})
    assert Draw.from_json(said.to_json()) == said
