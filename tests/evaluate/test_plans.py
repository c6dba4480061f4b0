"""The planner's width is met in simulation on real answers, and it says what it cannot know or reach."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from canonry.catalog.specs import Sampling
from canonry.cli import app
from canonry.evaluate.plans import keep_plan, make_plan, plan_sample
from canonry.evaluate.sample import Sample
from canonry.stats.designs import poisson_probabilities
from canonry.stats.survey import estimate_proportion

DAY = dt.date(2026, 11, 15)
EVAL = "hallucination-rate"


@pytest.fixture(scope="module")
def models(shared_data):
    """Whether each of RAGTruth's answers is hallucinated, by model."""
    found: dict[str, list[bool]] = {}
    with gzip.open(shared_data / "ragtruth" / "responses.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            found.setdefault(row["model"], []).append(bool(row["labels"]))
    return [np.array(found[name]) for name in sorted(found)]


def _pilot(models, labels, generator):
    """A sample in which `labels` answers of each model were labeled."""
    outcome = [generator.permutation(each)[:labels].astype(int) for each in models]
    flat, count = np.concatenate(outcome), labels * len(models)
    return Sample(
        scheme_version=1,
        days=(DAY,),
        products=(),
        strata=tuple({"product": "p", "response_model": f"m{each}"} for each in range(len(models))),
        population=np.array([len(each) for each in models]),
        day=np.zeros(len(models), dtype=int),
        poisson=np.zeros(len(models), dtype=bool),
        stratum=np.repeat(np.arange(len(models)), labels),
        probability=np.full(count, np.nan),
        outcome=flat,
        simulated=np.ones(count, dtype=bool),
        tied=np.zeros(count, dtype=bool),
        skipped=np.zeros(count, dtype=bool),
        fields=({"product": "p", "team": None, "feature": None, "response_model": "m"},) * count,
        undrawn=0,
    )


@pytest.mark.parametrize("width", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("allocation", ["equal", "proportional", "neyman"])
def test_the_width_that_is_planned_is_met_within_a_tenth(catalog, models, width, allocation):
    generator = np.random.default_rng(7)
    scheme = catalog.schemes["groundedness"]
    sampling = scheme.sampling.model_copy(update={"per_stratum": None, "per_day": 60, "allocation": allocation})
    scheme = scheme.model_copy(update={"sampling": sampling})
    sizes, realised = [len(each) for each in models], []
    for _ in range(3):
        plan = plan_sample(EVAL, catalog.evals[EVAL], scheme, _pilot(models, 20, generator), DAY, width)
        assert plan.per_day == sum(each.labels for each in plan.strata)
        for _ in range(60):
            y = [generator.permutation(each)[: row.labels] for each, row in zip(models, plan.strata, strict=True)]
            stratum = np.repeat(np.arange(len(y)), [len(each) for each in y])
            estimate = estimate_proportion(np.concatenate(y), stratum, sizes)
            realised.append(estimate.high - estimate.low)
    assert 0.9 <= np.mean(realised) / width <= 1.1


def test_every_slice_that_is_asked_for_gets_the_width(catalog, models):
    generator = np.random.default_rng(11)
    scheme, pilot = catalog.schemes["groundedness"], _pilot(models, 20, generator)
    pilot = replace(
        pilot,
        strata=tuple({**values, "product": f"p{number // 3}"} for number, values in enumerate(pilot.strata)),
        fields=tuple({**each, "product": f"p{h // 3}"} for each, h in zip(pilot.fields, pilot.stratum, strict=True)),
    )
    whole = plan_sample(EVAL, catalog.evals[EVAL], scheme, pilot, DAY, 0.15)
    sliced = plan_sample(EVAL, catalog.evals[EVAL], scheme, pilot, DAY, 0.15, ("product",))
    assert sliced.per_day > 1.5 * whole.per_day and sliced.slice == "product"
    assert sliced.realised_width > whole.realised_width
    widths = {}
    for product in ("p0", "p1"):
        inside = [n for n, row in enumerate(sliced.strata) if row.values["product"] == product]
        realised = []
        for _ in range(60):
            y = [generator.permutation(models[n])[: sliced.strata[n].labels] for n in inside]
            stratum = np.repeat(np.arange(len(y)), [len(each) for each in y])
            estimate = estimate_proportion(np.concatenate(y), stratum, [len(models[n]) for n in inside])
            realised.append(estimate.high - estimate.low)
        widths[product] = np.mean(realised) / 0.15
    assert 0.8 <= max(widths.values()) <= 1.1
    with pytest.raises(LookupError, match=r"calls are not drawn by team, so no budget"):
        plan_sample(EVAL, catalog.evals[EVAL], scheme, pilot, DAY, 0.15, ("team",))


def test_the_width_is_met_where_calls_are_drawn_with_unequal_chances(catalog, models):
    generator = np.random.default_rng(5)
    scheme = catalog.schemes["groundedness"]
    sampling = Sampling.model_validate({"design": "poisson", "strata": ["response_model"], "per_day": 60})
    scheme = scheme.model_copy(update={"sampling": sampling})
    scores = [generator.exponential(size=len(each)) ** 2 for each in models]

    def drawn(expected):
        chance = [poisson_probabilities(n, each, 0.3) for n, each in zip(expected, scores, strict=True)]
        return [(pi, generator.random(len(pi)) < pi) for pi in chance]

    taken = drawn([40] * len(models))
    count = sum(int(chosen.sum()) for _, chosen in taken)
    pilot = replace(
        _pilot(models, 1, generator),
        poisson=np.ones(len(models), dtype=bool),
        stratum=np.repeat(np.arange(len(models)), [chosen.sum() for _, chosen in taken]),
        probability=np.concatenate([pi[chosen] for pi, chosen in taken]),
        outcome=np.concatenate([y[chosen].astype(int) for y, (_, chosen) in zip(models, taken, strict=True)]),
        simulated=np.ones(count, dtype=bool),
        tied=np.zeros(count, dtype=bool),
        skipped=np.zeros(count, dtype=bool),
        fields=({"product": "p", "team": None, "feature": None, "response_model": "m"},) * count,
    )
    plan = plan_sample(EVAL, catalog.evals[EVAL], scheme, pilot, DAY, 0.12)
    assert any("unequal chances" in note for note in plan.notes)
    realised = []
    for _ in range(60):
        again = drawn([row.labels for row in plan.strata])
        y = np.concatenate([each[chosen] for each, (_, chosen) in zip(models, again, strict=True)])
        stratum = np.repeat(np.arange(len(models)), [chosen.sum() for _, chosen in again])
        chance = np.concatenate([pi[chosen] for pi, chosen in again])
        estimate = estimate_proportion(y, stratum, [len(each) for each in models], probability=chance)
        realised.append(estimate.high - estimate.low)
    assert 0.9 <= np.mean(realised) / 0.12 <= 1.1


def test_nothing_known_is_planned_at_worst_and_said(zones, catalog, live_day):
    calls = [{"inference_id": f"a{each}", "product": "p", "response_model": "m"} for each in range(2000)]
    live_day(DAY, calls, {})
    plan = make_plan(zones, EVAL, catalog.evals[EVAL], catalog.schemes["groundedness"], 0.1)
    # At one half: 1.96^2 / 4 / 0.05^2 = 384 for a normal interval; Clopper-Pearson's takes about 2 / width more.
    assert 384 <= plan.per_day <= 384 + 2 / 0.1
    assert "nothing is known yet of 1 of 1 kinds of stratum: taken at worst, as one half" in plan.notes
    assert any(note.startswith("at the present 6 items a day, ") for note in plan.notes)
    path = keep_plan(zones, plan)
    assert json.loads(zones.journal.read(path))["per_day"] == plan.per_day


def test_a_width_that_those_who_answer_cannot_give_is_said_to_be_out_of_reach(zones, catalog, live_day):
    calls = [{"inference_id": f"a{each}", "product": "p", "response_model": "m"} for each in range(6)]
    live_day(DAY, calls, {"a0": ["grounded"], "a1": ["hallucinated"], "a2": ["grounded"]})
    plan = make_plan(zones, EVAL, catalog.evals[EVAL], catalog.schemes["groundedness"], 0.1)
    assert plan.per_day is None
    assert plan.expected_width > 0.1
    assert any("no number of labels gives this width: 3 of 6 calls" in note for note in plan.notes)


def test_nothing_drawn_is_said(zones, catalog):
    with pytest.raises(LookupError, match="nothing was drawn yet"):
        make_plan(zones, EVAL, catalog.evals[EVAL], catalog.schemes["groundedness"], 0.1)


def test_the_command_shows_the_plan_and_keeps_it_unless_told_not_to(zones, live_day, monkeypatch):
    monkeypatch.setenv("CANONRY_HOME", str(zones.home))
    calls = [{"inference_id": f"a{each}", "product": "p", "response_model": "m"} for each in range(600)]
    live_day(DAY, calls, {call["inference_id"]: ["grounded"] for call in calls})
    arguments = ["label", "plan", "groundedness", "--width", "0.2"]
    shown = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "product=p, response_model=m" in shown.output
    assert not list(zones.journal.list("plans"))
    (plan,) = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert (plan["eval"], plan["strata"][0]["seen"], plan["strata"][0]["population"]) == (EVAL, 6, 600)
    assert len(list(zones.journal.list("plans/groundedness/v1"))) == 1
    refused = CliRunner().invoke(app, ["label", "plan", "absent"])
    assert refused.exit_code == 1
