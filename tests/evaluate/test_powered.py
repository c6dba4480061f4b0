"""Scores of every call narrow the interval where they may be used, and are else refused with the reason."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pyarrow as pa
import pytest

from canonry import lake
from canonry.catalog.specs import EvalScorer, Sampling
from canonry.evaluate.estimates import estimate_all
from canonry.evaluate.frame import read_frame
from canonry.evaluate.monitors import look
from canonry.evaluate.sample import read_sample
from canonry.evaluate.scores import read_scores
from canonry.labels import read_draw
from canonry.stats.ppi import estimate_with_scores

WEEK = [dt.date(2026, 11, 9) + dt.timedelta(days=number) for number in range(7)]
DAY = WEEK[-1]
MIDNIGHT = dt.datetime(2026, 11, 16)
EVAL = "hallucination-rate"


@pytest.fixture
def scored(zones, catalog, live_day):
    """A week of two models whose scores know nearly which answers are hallucinated: truth and score by call."""
    spec = catalog.evals[EVAL]
    scorer = EvalScorer(name="groundedness", metric="hallucinated")
    catalog.evals[EVAL] = spec.model_copy(update={"scorer": scorer, "slices": (*spec.slices, ("feature",))})
    chance = random.Random(3)
    known = {}
    for day in WEEK:
        calls = [
            {"inference_id": f"{day}-{model}-{each}", "product": "p", "response_model": model, "feature": feature}
            for model in ("m1", "m2")
            for each, feature in enumerate(["chat", None] * 30)
        ]
        for call in calls:
            bad = chance.random() < (0.3 if call["response_model"] == "m1" else 0.5)
            known[call["inference_id"]] = (bad, min(max(0.2 + 0.6 * bad + chance.gauss(0, 0.15), 0), 1), call)
        live_day(day, calls, {name: ["hallucinated" if bad else "grounded"] for name, (bad, _, _) in known.items()})
        _write_scores(zones, day, {name: score for name, (_, score, _) in known.items() if name.startswith(str(day))})
    return known


def _write_scores(zones, day, scores, version="v1", seen=False, at=0):
    rows = [
        {
            "inference_id": name,
            "scorer": "groundedness",
            "scorer_version": version,
            "metric": "hallucinated",
            "value": value,
            "scored_at": dt.datetime(2026, 11, 20, at),
            "seen_in_training": seen,
        }
        for name, value in scores.items()
    ]
    kept = lake.read(zones.lake, "scores", [day])
    lake.write(
        zones.lake, "scores", day, pa.concat_tables([kept, pa.Table.from_pylist(rows, lake.SCHEMAS["scores"])]), {}
    )


def _rows(zones, catalog, slice="all", **values):
    estimate_all(zones, catalog, DAY)
    rows = [row for row in lake.read(zones.lake, "estimates", [DAY]).to_pylist() if row["slice"] == slice]
    rows = [row for row in rows if all(row[name] == value for name, value in values.items())]
    return {row["estimator"]: row for row in rows}


def test_both_estimates_stand_side_by_side_and_the_narrower_needs_no_more_labels(zones, catalog, scored):
    found = _rows(zones, catalog)
    human, powered = found["human_only"], found["prediction_powered"]
    truth = np.mean([bad for bad, _, _ in scored.values()])
    for row in (human, powered):
        assert (row["labels"], row["population"], row["refused"]) == (84, 840, None)
        assert row["interval_low"] <= truth <= row["interval_high"]
        assert row["worst_case_low"] <= row["interval_low"] <= row["interval_high"] <= row["worst_case_high"]
    width = {name: row["interval_high"] - row["interval_low"] for name, row in found.items()}
    assert width["prediction_powered"] < 0.7 * width["human_only"]
    assert powered["labels_worth"] > 1.8 * powered["labels"]
    assert (powered["scorer"], powered["scorer_version"]) == ("groundedness", "v1")
    assert 0.7 < powered["coefficient"] <= 1
    assert powered["method"].startswith(
        "prediction-powered (difference estimator): groundedness v1 scored 100.0% of 840 calls, coefficient "
    )
    assert (human["scorer"], human["labels_worth"], human["coefficient"]) == (None, None, None)


def test_the_estimate_equals_one_made_by_hand_from_the_tables(zones, catalog, scored):
    row = _rows(zones, catalog, "response_model", response_model="m2")["prediction_powered"]
    labels = lake.read(zones.lake, "labels", WEEK, with_day=True).to_pylist()
    labels = [label for label in labels if "-m2-" in label["inference_id"]]
    by_hand = estimate_with_scores(
        ["hallucinated" in label["result"] for label in labels],
        [scored[label["inference_id"]][1] for label in labels],
        [WEEK.index(label["day"]) for label in labels],
        [60] * 7,
        np.mean([score for _, score, call in scored.values() if call["response_model"] == "m2"]),
    ).estimate
    assert (row["value"], row["interval_low"], row["interval_high"]) == pytest.approx(
        (by_hand.value, by_hand.low, by_hand.high)
    )


def test_a_slice_that_cuts_through_strata_is_held_against_its_own_calls(zones, catalog, scored):
    for feature in ("chat", None):
        row = _rows(zones, catalog, "feature", feature=feature)["prediction_powered"]
        truth = np.mean([bad for bad, _, call in scored.values() if call["feature"] == feature])
        width = row["interval_high"] - row["interval_low"]
        assert "of 420 calls" in row["method"]
        assert abs(row["value"] - truth) < 0.7 * width < 0.15  # an error that is exceeded once in a hundred


def test_monitors_read_the_one_that_the_eval_prefers_and_the_other_where_it_is_refused(zones, catalog, scored):
    def read():
        estimate_all(zones, catalog, DAY)
        findings = look(zones, catalog, "hallucination-by-model", MIDNIGHT)
        return {row["estimator"] for found in findings for row in found.evidence}

    assert read() == {"prediction_powered"}
    catalog.evals[EVAL] = catalog.evals[EVAL].model_copy(update={"preferred": "human_only"})
    assert read() == {"human_only"}
    other = EvalScorer(name="absent", metric="hallucinated")
    catalog.evals[EVAL] = catalog.evals[EVAL].model_copy(update={"preferred": "prediction_powered", "scorer": other})
    assert read() == {"human_only"}
    refused = _rows(zones, catalog)["prediction_powered"]
    assert refused["refused"] == "lake/scores has no hallucinated by absent for these days"
    assert (refused["value"], refused["preferred"]) == (None, False)


@pytest.mark.parametrize("seen", [True, None])
def test_scores_that_may_have_learnt_from_the_labels_are_not_used(zones, catalog, scored, seen):
    for day in WEEK:
        mine = {name: 0.5 for name in scored if name.startswith(str(day))}
        _write_scores(zones, day, mine, version="v2", seen=seen, at=1)
    found = _rows(zones, catalog)
    assert found["prediction_powered"]["refused"] == "groundedness v2: usable scores are missing for 100% of the calls"
    assert found["human_only"]["preferred"]
    pinned = EvalScorer(name="groundedness", metric="hallucinated", version="v1")
    catalog.evals[EVAL] = catalog.evals[EVAL].model_copy(update={"scorer": pinned})
    assert _rows(zones, catalog)["prediction_powered"]["refused"] is None


def test_missing_scores_count_as_the_mean_while_they_are_few(zones, catalog, scored):
    spec = catalog.evals[EVAL]
    for version, share in (("v2", 0.97), ("v3", 0.9)):
        chance = random.Random(4)
        for day in WEEK:
            mine = {name: known[1] for name, known in scored.items() if name.startswith(str(day))}
            _write_scores(zones, day, {name: each for name, each in mine.items() if chance.random() < share}, version)
        wanted = EvalScorer(name="groundedness", metric="hallucinated", version=version)
        catalog.evals[EVAL] = spec.model_copy(update={"scorer": wanted})
        row = _rows(zones, catalog)["prediction_powered"]
        if version == "v2":
            assert row["refused"] is None
            assert "scored 97." in row["method"] or "scored 96." in row["method"]
        else:
            assert row["refused"].startswith("groundedness v3: usable scores are missing for 1")


def test_values_outside_0_to_1_are_refused(zones, catalog, scored):
    _write_scores(zones, DAY, {next(reversed(scored)): 1.5}, at=2)
    row = _rows(zones, catalog)["prediction_powered"]
    assert row["refused"] == "1 values of hallucinated by groundedness lie outside 0 to 1"


def test_calls_that_are_not_those_drawn_from_are_refused(zones, catalog, scored):
    calls = lake.read(zones.lake, "inferences", [DAY])
    lake.write(zones.lake, "inferences", DAY, calls.slice(1), {})
    row = _rows(zones, catalog)["prediction_powered"]
    assert row["refused"] == "the 120 calls that 2026-11-15 was drawn from are not all in the lake as they were"
    assert _rows(zones, catalog)["human_only"]["refused"] is None


def test_calls_that_came_after_the_draw_are_left_out(zones, catalog, scored):
    calls = lake.read(zones.lake, "inferences", [DAY])
    texts = lake.read(zones.lake, "contents", [DAY])
    early = calls.set_column(
        calls.schema.get_field_index("received_at"),
        "received_at",
        pa.array([dt.datetime(2026, 11, 16)] * len(calls), lake.TIME),
    )
    late = early.slice(0, 1).to_pylist()[0] | {"inference_id": "late", "received_at": dt.datetime(2026, 12, 24)}
    more = pa.concat_tables([early, pa.Table.from_pylist([late], early.schema)])
    lake.write(zones.lake, "inferences", DAY, more, {})
    said = texts.slice(0, 1).to_pylist()[0] | {"inference_id": "late"}
    lake.write(zones.lake, "contents", DAY, pa.concat_tables([texts, pa.Table.from_pylist([said], texts.schema)]), {})
    row = _rows(zones, catalog)["prediction_powered"]
    assert row["refused"] is None
    assert "of 840 calls" in row["method"]


def test_products_that_are_cut_by_other_fields_keep_their_calls(zones, catalog, live_day):
    scheme = catalog.schemes["groundedness"]
    said = {"strata": ["product", "response_model"], "per_day": 4, "per_product": {"p": 3, "q": 1}}
    catalog.schemes["groundedness"] = scheme.model_copy(update={"sampling": Sampling.model_validate(said)})
    calls = [
        {"inference_id": f"{product}-{model}-{each}", "product": product, "response_model": model}
        for product in "pq"
        for model in ("m1", "m2")
        for each in range(5)
    ]
    live_day(DAY, calls, {call["inference_id"]: ["grounded"] for call in calls})
    draw = read_draw(zones.journal, "groundedness", 1, DAY)
    assert {len(stratum.values) for stratum in draw.strata} == {1, 2}
    scorer = EvalScorer(name="groundedness", metric="hallucinated")
    spec = catalog.evals[EVAL].model_copy(update={"scorer": scorer})
    _write_scores(zones, DAY, {call["inference_id"]: 0.5 for call in calls})
    sample = read_sample(zones, spec, catalog.schemes["groundedness"], [DAY])
    frame = read_frame(zones, spec, sample)
    assert read_scores(zones, spec, sample, frame).refused is None
    assert np.bincount(frame.stratum).tolist() == sample.population.tolist()
