"""An eval of the rate behind the calls: wider than one of these calls, and wider yet where calls come in groups."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from canonry import lake
from canonry.catalog import EvalSpec
from canonry.catalog.specs import EvalScorer, Sampling
from canonry.evaluate.estimates import estimate_all, estimate_day

WEEK = [dt.date(2026, 11, 9) + dt.timedelta(days=number) for number in range(7)]
DAY = WEEK[-1]
EVAL = "hallucination-rate"
SESSION = 6


@pytest.fixture
def sessions(zones, catalog, live_day):
    """A week of sessions of six calls each, of which all or none are hallucinated; truth by call."""
    scheme = catalog.schemes["groundedness"]
    sampling = Sampling.model_validate({"strata": ["response_model"], "per_stratum": 12})
    catalog.schemes["groundedness"] = scheme.model_copy(update={"sampling": sampling})
    chance = random.Random(11)
    truth = {}
    for day in WEEK:
        calls = []
        for number in range(20):
            bad = chance.random() < 0.35
            for turn in range(SESSION):
                name = f"{day}-{number}-{turn}"
                call = {"inference_id": name, "product": "p", "response_model": "m1", "session_id": f"{day}-{number}"}
                calls.append(call | {"feature": "chat" if number % 2 else "search", "prompt_version": f"v{number % 2}"})
                truth[name] = bad
        live_day(day, calls, {name: ["hallucinated" if bad else "grounded"] for name, bad in truth.items()})
        rows = [
            {"inference_id": name, "scorer": "groundedness", "scorer_version": "v1", "metric": "hallucinated"}
            | {"value": 0.3 + 0.4 * bad, "seen_in_training": False, "scored_at": dt.datetime(2026, 11, 20)}
            for name, bad in truth.items()
            if name.startswith(str(day))
        ]
        lake.write(zones.lake, "scores", day, pa.Table.from_pylist(rows, lake.SCHEMAS["scores"]), {})
    return truth


def _rows(zones, catalog, slice="all", day=DAY, **changes):
    catalog.evals[EVAL] = catalog.evals[EVAL].model_copy(update=changes)
    rows = [row for row in estimate_day(zones, catalog, EVAL, day) if row["slice"] == slice]
    return rows if slice != "all" else rows[0]


def _width(row):
    return row["interval_high"] - row["interval_low"]


def test_a_rate_is_less_sure_than_the_share_of_these_calls_and_least_where_calls_come_together(
    zones, catalog, sessions
):
    calls = _rows(zones, catalog)
    alone = _rows(zones, catalog, estimand="rate")
    together = _rows(zones, catalog, estimand="rate", cluster="session_id")
    assert calls["value"] == pytest.approx(alone["value"]) == pytest.approx(together["value"])
    assert _width(calls) < 1.01 * _width(alone) < 0.9 * _width(together)
    assert together["interval_low"] < 0.35 < together["interval_high"]
    assert (calls["estimand_kind"], calls["clusters"], together["estimand_kind"]) == ("calls", None, "rate")
    assert together["estimand"] == (
        "rate at which reviewers would call answers like those to the 840 answered calls of 2026-11-09 to 2026-11-15 "
        '"hallucinated", calls of one session_id coming together'
    )
    assert f"labels of {together['clusters']} clusters by session_id" in together["method"]
    assert 40 < together["clusters"] <= 84


def test_the_interval_of_a_rate_is_that_of_means_of_clusters_when_a_whole_day_is_labeled(zones, catalog, live_day):
    scheme = catalog.schemes["groundedness"]
    every = Sampling.model_validate({"design": "simple", "per_day": 200})
    catalog.schemes["groundedness"] = scheme.model_copy(update={"sampling": every})
    bad = [number for number in range(40) if number % 5 < 2]
    calls = [
        {"inference_id": f"{number}-{turn}", "product": "p", "response_model": "m", "session_id": str(number)}
        for number in range(40)
        for turn in range(5)
    ]
    answers = {call["inference_id"]: int(call["session_id"]) in bad for call in calls}
    live_day(DAY, calls, {name: ["hallucinated" if each else "grounded"] for name, each in answers.items()})
    changes = {"estimand": "rate", "cluster": "session_id", "slices": ((),)}
    row = _rows(zones, catalog, **changes)
    means = np.array([number in bad for number in range(40)], dtype=float)
    # Forty sessions that are all alike inside are forty labels.
    error = means.std(ddof=1) / np.sqrt(40)
    assert row["value"] == pytest.approx(0.4)
    assert _width(row) == pytest.approx(2 * 2.02 * error, rel=0.08)
    assert _width(_rows(zones, catalog, estimand="calls", cluster=None)) == 0


def test_scores_narrow_a_rate_too_and_slices_that_cut_through_strata_have_one(zones, catalog, sessions):
    scorer = EvalScorer(name="groundedness", metric="hallucinated")
    changes = {"estimand": "rate", "cluster": "session_id", "scorer": scorer, "slices": ((), ("feature",))}
    catalog.evals[EVAL] = catalog.evals[EVAL].model_copy(update=changes)
    rows = estimate_day(zones, catalog, EVAL, DAY)
    by = {(row["feature"] if row["slice"] == "feature" else "all", row["estimator"]): row for row in rows}
    assert len(rows) == len(by) == 6
    for name in ("all", "chat", "search"):
        human, powered = by[name, "human_only"], by[name, "prediction_powered"]
        assert (human["refused"], powered["refused"]) == (None, None)
        # What calls of these sessions are like is known from their scores; of which sessions come, not.
        assert 0.5 < _width(powered) / _width(human) < 0.97
        assert powered["interval_low"] < 0.35 < powered["interval_high"]
    assert by["chat", "human_only"]["population"] == 420


def test_few_clusters_are_refused_and_so_is_a_rate_whose_calls_are_gone(zones, catalog, live_day, sessions):
    calls = [
        {"inference_id": f"few-{each}", "product": "p", "response_model": "m1", "session_id": str(each % 4)}
        for each in range(60)
    ]
    day = dt.date(2026, 12, 1)
    live_day(day, calls, {call["inference_id"]: ["grounded"] for call in calls})
    changes = {"estimand": "rate", "cluster": "session_id", "window_days": 1}
    assert _rows(zones, catalog, day=day, **changes)["refused"] == (
        "the labels are of 4 clusters by session_id, fewer than 5: how far clusters differ cannot be told"
    )
    lake.write(zones.lake, "inferences", day, lake.read(zones.lake, "inferences", [day]).slice(1), {})
    assert _rows(zones, catalog, day=day)["refused"] == (
        "the 60 calls that 2026-12-01 was drawn from are not all in the lake as they were: a rate needs every call, "
        "labeled or not"
    )


def test_calls_are_clustered_by_the_document_that_was_retrieved_first(zones, catalog, sessions):
    texts = lake.read(zones.lake, "contents", [DAY]).to_pylist()
    for number, row in enumerate(texts):
        row["retrieved"] = [{"chunk_id": f"doc-{number % 9}#{number}", "score": None, "text": "so"}]
    lake.write(zones.lake, "contents", DAY, pa.Table.from_pylist(texts, lake.SCHEMAS["contents"]), {})
    row = _rows(zones, catalog, estimand="rate", cluster="document_id", window_days=1)
    assert 5 <= row["clusters"] <= 9  # of twelve labels


def test_a_cluster_of_these_calls_is_an_error_that_says_why(catalog):
    said = catalog.evals[EVAL].model_dump() | {"cluster": "session_id"}
    with pytest.raises(ValidationError, match="cluster: belongs to `estimand: rate`"):
        EvalSpec.model_validate(said)


def test_slices_by_prompt_version_say_which_surely_differ_from_the_rest(zones, catalog, live_day):
    scheme = catalog.schemes["groundedness"]
    sampling = Sampling.model_validate({"strata": ["prompt_version"], "per_stratum": 12})
    catalog.schemes["groundedness"] = scheme.model_copy(update={"sampling": sampling})
    slices = ((), ("prompt_version",), ("product",))
    catalog.evals[EVAL] = catalog.evals[EVAL].model_copy(update={"slices": slices})
    chance = random.Random(5)
    rates = {"v1": 0.1, "v2": 0.12, "v3": 0.6, None: 0.1}
    for day in WEEK:
        calls = [
            {"inference_id": f"{day}-{version}-{number}", "product": "p", "prompt_version": version}
            for version in rates
            for number in range(40)
        ]
        bad = {call["inference_id"]: chance.random() < rates[call["prompt_version"]] for call in calls}
        live_day(day, calls, {name: ["hallucinated" if each else "grounded"] for name, each in bad.items()})
    estimate_all(zones, catalog, DAY)
    rows = {row["prompt_version"]: row for row in lake.read(zones.lake, "estimates", [DAY]).to_pylist()
            if row["slice"] == "prompt_version"}  # fmt: skip
    assert rows.keys() == rates.keys()
    assert (rows["v3"]["differs"], rows["v1"]["differs"]) == ("higher", "lower")
    assert rows["v3"]["rest_low"] <= rows["v3"]["rest_value"] <= rows["v3"]["rest_high"] < rows["v3"]["interval_low"]
    assert all(row["p_value"] <= row["adjusted_p_value"] <= 1 for row in rows.values())
    others = [row for row in lake.read(zones.lake, "estimates", [DAY]).to_pylist() if row["slice"] != "prompt_version"]
    assert {row["differs"] for row in others} == {None}  # one product is no comparison, and everything has no rest


def test_draws_that_did_not_keep_a_field_have_it_from_the_lake(zones, catalog, sessions):
    before = _rows(zones, catalog, "prompt_version", slices=(("prompt_version",),))
    assert [row["prompt_version"] for row in before] == ["v0", "v1"]
    for day in WEEK:
        path = f"draws/groundedness/v1/{day}.json"
        zones.journal.put(path, zones.journal.read(path).replace(b'"prompt_version"', b'"unknown"'))
    after = _rows(zones, catalog, "prompt_version")
    assert [(row["prompt_version"], row["value"]) for row in after] == [
        (row["prompt_version"], row["value"]) for row in before
    ]
