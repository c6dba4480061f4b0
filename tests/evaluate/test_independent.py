"""lake/estimates against a computation of every figure by numpy and scipy alone, and traced to what it came of."""

from __future__ import annotations

import datetime as dt
import json
import random

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from typer.testing import CliRunner

from canonry import lake
from canonry.catalog.specs import EvalScorer
from canonry.cli import app
from canonry.evaluate.estimates import estimate_all
from canonry.labels import read_draw
from canonry.publish import publish_tables
from canonry.publish.trace import drawn_items, flat, trace

WEEK = [dt.date(2026, 11, 9) + dt.timedelta(days=number) for number in range(7)]
DAY = WEEK[-1]
EVAL = "hallucination-rate"
NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


@pytest.fixture
def world(zones, catalog, live_day):
    """A week of two models with unlike numbers of calls: score and truth by call; the estimates are written."""
    scorer = EvalScorer(name="groundedness", metric="hallucinated")
    catalog.evals[EVAL] = catalog.evals[EVAL].model_copy(update={"scorer": scorer})
    chance = random.Random(17)
    known = {}
    for number, day in enumerate(WEEK):
        calls = [
            {"inference_id": f"{day}-{model}-{each}", "product": "p", "response_model": model}
            for model, count in (("m1", 40 + 7 * number), ("m2", 25 + number))
            for each in range(count)
        ]
        for call in calls:
            bad = chance.random() < (0.2 if call["response_model"] == "m1" else 0.6)
            known[call["inference_id"]] = (bad, min(max(0.25 + 0.5 * bad + chance.gauss(0, 0.2), 0), 1))
        live_day(day, calls, {name: ["hallucinated" if bad else "grounded"] for name, (bad, _) in known.items()})
        rows = [
            {"inference_id": name, "scorer": "groundedness", "scorer_version": "v1", "metric": "hallucinated"}
            | {"value": score, "seen_in_training": False, "scored_at": dt.datetime(2026, 11, 20)}
            for name, (_, score) in known.items()
            if name.startswith(str(day))
        ]
        lake.write(zones.lake, "scores", day, pa.Table.from_pylist(rows, lake.SCHEMAS["scores"]), {})
    estimate_all(zones, catalog, DAY)
    return known


def _strata(zones, known, models):
    """By day and model: calls, and labels and scores (n,) of those drawn, from the tables alone."""
    calls = lake.read(zones.lake, "inferences", WEEK, ["inference_id", "response_model"], with_day=True).to_pylist()
    labels = lake.read(zones.lake, "labels", WEEK, ["inference_id", "result"]).to_pylist()
    found = []
    for day in WEEK:
        for model in models:
            inside = {each["inference_id"] for each in calls if (each["day"], each["response_model"]) == (day, model)}
            drawn = [each for each in labels if each["inference_id"] in inside]
            y = np.array([json.loads(each["result"])["groundedness"] == "hallucinated" for each in drawn], dtype=float)
            scores = np.array([known[each["inference_id"]][1] for each in drawn])
            found.append((len(inside), y, scores))
    return found, np.array(
        [score for name, (_, score) in known.items() if any(f"-{model}-" in name for model in models)]
    )


def _human_only(strata):
    """Stratified mean and Korn and Graubard's interval, from their definitions."""
    total = sum(size for size, *_ in strata)
    value = sum(size / total * y.mean() for size, y, _ in strata)
    variance = sum((size / total) ** 2 * (1 - len(y) / size) * y.var(ddof=1) / len(y) for size, y, _ in strata)
    n = sum(len(y) for _, y, _ in strata)
    kish = total**2 / sum(size**2 / len(y) for size, y, _ in strata)
    effective = min(kish, value * (1 - value) / variance * n / (n - 1))
    effective *= (stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, n - len(strata))) ** 2
    x = value * effective
    return value, stats.beta.ppf(0.025, x, effective - x + 1), stats.beta.ppf(0.975, x + 1, effective - x), variance


def _coefficient(strata):
    """The slope that leaves least variance, shrunk by what is not known of it: a regression of weighted residuals."""
    total = sum(size for size, *_ in strata)
    scale = [size / total * np.sqrt((1 - len(y) / size) / (len(y) * (len(y) - 1))) for size, y, _ in strata]
    y, f = (
        np.concatenate([each * (part[column] - part[column].mean()) for each, part in zip(scale, strata, strict=True)])
        for column in (1, 2)
    )
    slope = (f @ y) / (f @ f)
    leverage = f**2 / (f @ f)
    noise = np.sum((f * (y - slope * f) / (1 - leverage)) ** 2) / (f @ f) ** 2
    return min(slope * max(1 - noise / slope**2, 0), 1)


@pytest.mark.parametrize("models", [("m1",), ("m2",), ("m1", "m2")])
def test_every_figure_is_what_numpy_computes_from_the_tables(zones, catalog, world, models):
    rows = lake.read(zones.lake, "estimates", [DAY]).to_pylist()
    name = "all" if len(models) > 1 else "response_model"
    human, powered = (
        next(
            row
            for row in rows
            if (row["slice"], row["estimator"]) == (name, estimator) and row["response_model"] in (None, models[0])
        )
        for estimator in ("human_only", "prediction_powered")
    )
    strata, scores = _strata(zones, world, models)
    value, low, high, _ = _human_only(strata)
    assert (human["value"], human["interval_low"], human["interval_high"]) == pytest.approx((value, low, high))
    counts = (len(scores), sum(len(y) for _, y, _ in strata), sum(y.sum() for _, y, _ in strata))
    assert (human["population"], human["labels"], human["positives"]) == counts
    total = sum(size for size, *_ in strata)
    coefficient = _coefficient(strata)
    assert powered["coefficient"] == pytest.approx(coefficient)
    drawn = sum(size / total * f.mean() for size, _, f in strata)
    assert powered["value"] == pytest.approx(value + coefficient * (scores.mean() - drawn))


def test_the_rest_of_a_slice_is_the_other_slices_together(zones, catalog, world):
    rows = [row for row in lake.read(zones.lake, "estimates", [DAY]).to_pylist() if row["slice"] == "response_model"]
    first, second = (
        next(row for row in rows if row["response_model"] == name and row["preferred"]) for name in ("m1", "m2")
    )
    for one, other in ((first, second), (second, first)):
        figures = tuple(one[name] for name in ("rest_value", "rest_low", "rest_high"))
        assert figures == tuple(other[name] for name in ("value", "interval_low", "interval_high"))
    # Two slices are one comparison: nothing is to be adjusted.
    assert first["p_value"] == first["adjusted_p_value"] == second["p_value"] < 0.001
    assert (first["differs"], second["differs"]) == ("lower", "higher")
    reach = np.hypot(second["value"] - second["interval_low"], first["interval_high"] - first["value"])
    distance = (second["value"] - first["value"]) / reach * stats.norm.ppf(0.975)
    assert first["p_value"] == pytest.approx(2 * stats.norm.sf(distance))


@pytest.fixture
def published(zones, world):
    """quality_daily as it would be published from these estimates."""
    rows = [{"day": DAY, **row} for row in lake.read(zones.lake, "estimates", [DAY]).to_pylist()]
    publish_tables(zones, {"quality_daily": pa.Table.from_pylist(rows)}, now=NOW, lineage={"code": "1"})
    return {"slice": "response_model", "response_model": "m2", "estimator": "prediction_powered"}


def test_a_figure_is_traced_to_its_draws_labels_scores_and_code(zones, world, published):
    found = trace(zones, "quality_daily", DAY, published)
    assert found.in_lake
    inputs = {each.path: each for each in flat(found.inputs)}
    for day in WEEK:
        for path in (f"lake/labels/day={day}", f"lake/scores/day={day}", f"journal/draws/groundedness/v1/{day}.json"):
            assert inputs[path].state == "as recorded", path
    assert inputs[f"lake/estimates/day={DAY}"].code == inputs[f"lake/labels/day={DAY}"].code
    assert f"assets/evals/{EVAL}" in inputs
    annotations = [path for path in inputs if path.startswith("journal/annotations/")]
    assert len(annotations) >= len(WEEK)

    items = drawn_items(zones, "groundedness", found.row)
    assert len(items) == found.row["drawn"] == 6 * 7
    assert sum(bool(each["answers"]) for each in items) == found.row["labels"]
    assert sum("hallucinated" in "".join(each["answers"]) for each in items) == found.row["positives"]
    weights = sum(1 / each["inclusion_probability"] for each in items)
    assert weights == pytest.approx(found.row["population"])
    drawn = read_draw(zones.journal, "groundedness", 1, DAY)
    assert {each["item_id"] for each in items if each["draw_id"] == drawn.draw_id} == {
        item.item_id for item in drawn.items if item.fields["response_model"] == "m2"
    }


def test_an_input_that_changed_or_went_is_said(zones, world, published):
    gone, other = (zones.journal, f"draws/groundedness/v1/{WEEK[0]}.json"), WEEK[1]
    gone[0].delete(gone[1])
    table = lake.read(zones.lake, "labels", [other])
    lake.write(zones.lake, "labels", other, table.slice(1), {})
    inputs = {each.path: each.state for each in flat(trace(zones, "quality_daily", DAY, published).inputs)}
    assert inputs[f"journal/{gone[1]}"] == "gone"
    assert inputs[f"lake/labels/day={other}"] == "changed since"


def test_the_command_says_it_in_words_and_in_json(zones, world, published, monkeypatch):
    monkeypatch.setenv("CANONRY_HOME", zones.home)
    where = [text for name, value in published.items() for text in ("--where", f"{name}={value}")]
    said = CliRunner().invoke(app, ["trace", "quality_daily", "--day", str(DAY), *where, "--items"])
    assert said.exit_code == 0, said.output
    assert "lake has this row as it is published" in said.output
    assert "42 items drawn, the row says 42; 42 have an answer" in said.output
    assert f"lake/labels/day={DAY}" in said.output
    document = json.loads(
        CliRunner().invoke(app, ["trace", "quality_daily", "--day", str(DAY), *where, "--items", "--json"]).stdout
    )
    assert len(document["items"]) == 42
    assert {each["state"] for each in document["inputs"]} == {"as recorded", "there"}
    wrong = CliRunner().invoke(app, ["trace", "quality_daily", "--day", str(DAY), "--where", "product"])
    assert (wrong.exit_code, "expected COLUMN=VALUE" in wrong.output) == (1, True)
