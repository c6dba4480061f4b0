"""Drift of days in a lake: what is found, what is not, and when a day is computed again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from canonry import lake
from canonry.catalog import Catalog, DriftSpec
from canonry.catalog.specs import ModelSpec
from canonry.evaluate import drift_partition
from canonry.evaluate.drift import measure_drift, window_of
from canonry.evaluate.drift_calls import sampled_calls
from canonry.evaluate.drift_partition import days_with_drift, write_drift
from canonry.storage import Zones
from tests.evaluate.asked import MONDAY, by_words, call, write_calls

THINGS = ("printer", "scanner", "router", "tablet", "monitor", "keyboard", "camera", "speaker")
VERBS = ("reset", "clean", "update", "connect", "charge", "open")
NEW = "refund my cancelled invoice for the"
DAYS = [MONDAY + dt.timedelta(days=each) for each in range(9)]

MODEL = ModelSpec.model_validate(
    {
        "description": "Made for this test only.",
        "owner": "ai-quality",
        "role": "encoder",
        "provider": "made",
        "stages": [{"stage": "production", "since": "2026-01-01", "reason": "made"}],
        "encoder": {"package": "made", "path": "model", "sha256": "0" * 64, "dimension": 64, "max_tokens": 64},
    }
)


def spec(**other: Any) -> DriftSpec:
    said = {
        "description": "Made for this test only.",
        "owner": "ai-quality",
        "parts": ["questions"],
        "categories": ["finish_reason"],
        "lengths": ["question"],
        "references": [{"first": "2026-11-02", "last": "2026-11-08", "reason": "The first week."}],
        "encoder": "words",
        "sample_a_day": 60,
    }
    return DriftSpec.model_validate({**said, **other})


def catalog(**other: Any) -> Catalog:
    return Catalog(Path("assets"), models={"words": MODEL}, drifts={"helper": spec(**other)})


def question(chance: np.random.Generator) -> str:
    return f"How do I {chance.choice(VERBS)} the {chance.choice(THINGS)}?"


def write_days(zones: Zones, new_since: dt.date | None = None, share: float = 0.4, calls: int = 40) -> None:
    for day in DAYS:
        chance = np.random.default_rng(day.toordinal())
        asked = [question(chance) for _ in range(calls)]
        if new_since and day >= new_since:
            asked = [f"How do I {NEW} {chance.choice(THINGS)}?" if chance.random() < share else each for each in asked]
        write_calls(zones.lake, day, [call(day, number, each) for number, each in enumerate(asked)])


def rows(zones: Zones, kind: str = "drift", day: dt.date = DAYS[-1]) -> list[dict[str, Any]]:
    return lake.read(zones.lake, kind, [day]).to_pylist()


def test_nothing_changed_is_no_alarm(zones: Zones) -> None:
    write_days(zones)
    write_drift(zones.lake, catalog(), DAYS, {"words": by_words})
    found = rows(zones)
    assert [row["part"] for row in found] == ["questions", "finish_reason", "question_length"]
    assert not any(row["alarm"] for row in found)
    assert all(row["refused"] is None and row["level"] == pytest.approx(0.05 / 365 / 3) for row in found)
    assert not any(row["found"] for row in rows(zones, "drift_topics"))
    assert rows(zones, day=DAYS[6]) == []


def test_a_new_topic_is_an_alarm_that_says_what_is_new(zones: Zones) -> None:
    write_days(zones, new_since=DAYS[7])
    write_drift(zones.lake, catalog(), DAYS, {"words": by_words})
    questions = rows(zones)[0]
    assert (questions["part"], questions["alarm"]) == ("questions", True)
    assert questions["p_value"] <= questions["level"]
    assert (questions["window_start"], questions["window_calls"], questions["reference_calls"]) == (DAYS[7], 80, 280)
    grown = [row for row in rows(zones, "drift_topics") if row["found"]]
    assert grown and grown[0]["interval_low"] > 0
    assert set(grown[0]["words"].split(", ")) & {"refund", "invoice", "cancelled"}
    contents = lake.read(zones.lake, "contents", DAYS).to_pylist()
    said = {row["inference_id"]: row["input_messages"] for row in contents}
    assert any(NEW in said[each] for each in grown[0]["examples"])


def test_one_asker_who_floods_a_product_is_no_drift_of_what_is_asked(zones: Zones) -> None:
    write_days(zones)
    flood = [call(DAYS[-1], 1_000 + each, f"How do I {NEW} printer?", user_hash="robot") for each in range(400)]
    chance = np.random.default_rng(5)
    write_calls(zones.lake, DAYS[-1], [*(call(DAYS[-1], each, question(chance)) for each in range(40)), *flood])
    write_drift(zones.lake, catalog(sample_a_day=1_000), DAYS[-1:], {"words": by_words})
    assert rows(zones)[0]["window_calls"] == 480
    assert not rows(zones)[0]["alarm"]


def test_too_few_askers_are_refused_with_their_number(zones: Zones) -> None:
    write_days(zones, calls=8)
    write_drift(zones.lake, catalog(), DAYS, {"words": by_words})
    assert rows(zones)[0]["refused"] == "16 askers in the window, at least 20 are needed"
    assert rows(zones)[0]["alarm"] is None


def test_a_day_is_computed_again_only_where_what_it_reads_has_changed(zones: Zones) -> None:
    write_days(zones)
    assert write_drift(zones.lake, catalog(), DAYS, {"words": by_words}).computed == tuple(DAYS)
    before = {each.path: each.etag for each in zones.lake.list("drift")}

    def never(texts: object) -> np.ndarray:
        raise AssertionError("nothing has changed, so nothing is embedded")

    assert write_drift(zones.lake, catalog(), DAYS, {"words": never}).kept == len(DAYS)
    chance = np.random.default_rng(9)
    write_calls(zones.lake, DAYS[8], [call(DAYS[8], each, question(chance)) for each in range(41)])
    assert write_drift(zones.lake, catalog(), DAYS, {"words": by_words}).computed == (DAYS[8],)
    write_calls(zones.lake, DAYS[0], [call(DAYS[0], each, question(chance)) for each in range(41)])
    assert write_drift(zones.lake, catalog(), DAYS, {"words": by_words}).computed == (DAYS[7], DAYS[8])
    assert days_with_drift(zones.lake, DAYS[7]) == DAYS[7:]
    assert {each.path for each in zones.lake.list("drift")} == before.keys()


def test_the_same_lake_gives_the_same_bytes(zones: Zones) -> None:
    write_days(zones, new_since=DAYS[7])
    write_drift(zones.lake, catalog(), DAYS[7:], {"words": by_words})
    first = {
        each.path: zones.lake.read(each.path) for kind in ("drift", "drift_topics") for each in zones.lake.list(kind)
    }
    for path in first:
        zones.lake.delete(path)
    write_drift(zones.lake, catalog(), reversed(DAYS[7:]), {"words": by_words})
    assert all(zones.lake.read(path) == data for path, data in first.items() if "1970" not in path)


def test_a_window_holds_no_day_of_the_reference_and_a_new_reference_begins_anew() -> None:
    references = [
        {"first": "2026-11-02", "last": "2026-11-08", "reason": "The first week."},
        {"first": "2026-11-16", "last": "2026-11-22", "reason": "A new version was accepted."},
    ]
    two = spec(references=references)
    assert window_of(two, dt.date(2026, 11, 8)) is None
    reference, window = window_of(two, dt.date(2026, 11, 10)) or ([], [])
    assert (reference[0], reference[-1], window[0]) == (MONDAY, DAYS[6], DAYS[7])
    reference, window = window_of(two, dt.date(2026, 11, 22)) or ([], [])
    assert (reference[0], window[0]) == (MONDAY, dt.date(2026, 11, 16))
    reference, window = window_of(two, dt.date(2026, 11, 24)) or ([], [])
    assert (reference[0], window) == (dt.date(2026, 11, 16), [dt.date(2026, 11, 23), dt.date(2026, 11, 24)])


def test_a_sample_draws_whole_askers_and_stays_as_it_is_when_more_come(zones: Zones) -> None:
    chance = np.random.default_rng(3)
    some = [call(MONDAY, each, question(chance), user_hash=f"user-{each // 3}") for each in range(300)]
    write_calls(zones.lake, MONDAY, some)
    (drawn,) = sampled_calls(zones.lake, MONDAY, (), 60).values()
    assert len(drawn) == 60 and len({each.asker for each in drawn}) == 20
    write_calls(zones.lake, MONDAY, [*some, call(MONDAY, 900, "What is new?", user_hash="somebody else")])
    (again,) = sampled_calls(zones.lake, MONDAY, (), 60).values()
    assert len({each.inference_id for each in drawn} & {each.inference_id for each in again}) >= 57


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"references": [{"first": "2026-11-08", "last": "2026-11-02", "reason": "Wrong."}]}, "lies before first"),
        ({"parts": [], "categories": [], "lengths": []}, "nothing is watched"),
        ({"false_alarms": 1.5}, "less than 1"),
    ],
)
def test_a_spec_that_cannot_hold_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**change)


def test_one_thread_measures_however_many_there_are(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(zones)
    seen: set[int] = set()

    def noting(*arguments: Any) -> Any:
        seen.update(each["num_threads"] for each in threadpool_info())
        return measure_drift(*arguments)

    monkeypatch.setattr(drift_partition, "measure_drift", noting)
    with threadpool_limits(limits=2):
        assert 2 in {each["num_threads"] for each in threadpool_info()}
        write_drift(zones.lake, catalog(), DAYS[-1:], {"words": by_words})
    assert seen == {1}
