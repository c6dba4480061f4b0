"""An estimate says what it estimates, how sure it is, and why where it says nothing."""

from __future__ import annotations

import datetime as dt
import json
import random

import pyarrow as pa
import pytest

from canonry import lake
from canonry.catalog.specs import Sampling
from canonry.evaluate.estimates import estimate_all, estimate_day
from canonry.evaluate.monitors import look
from canonry.labels import draw_path, read_draw

DAY = dt.date(2026, 11, 15)
MIDNIGHT = dt.datetime(2026, 11, 16)
WEEK = [dt.date(2026, 11, 9) + dt.timedelta(days=number) for number in range(7)]
EVAL = "hallucination-rate"


def _calls(day, count, product="site", model="m1", **more):
    return [
        {"inference_id": f"{day}-{product}-{model}-{number}", "product": product, "response_model": model, **more}
        for number in range(count)
    ]


def _all(calls, answer):
    return {call["inference_id"]: [answer] for call in calls}


def _row(zones, catalog, slice="all", day=DAY, **values):
    rows = [row for row in estimate_day(zones, catalog, EVAL, day) if row["slice"] == slice]
    (row,) = [row for row in rows if all(row[name] == value for name, value in values.items())]
    return row


def test_the_known_rate_lies_inside_the_interval_of_every_slice(zones, catalog, live_day):
    chance = random.Random(20261109)
    rates = {("site", "m1"): 0.05, ("site", "m2"): 0.4, ("help", "m1"): 0.1}
    truth = {}
    for day in WEEK:
        calls = [call for product, model in rates for call in _calls(day, chance.randint(20, 90), product, model)]
        answers = {
            call["inference_id"]: chance.random() < rates[call["product"], call["response_model"]] for call in calls
        }
        truth |= {(call["product"], call["response_model"], call["inference_id"]): answers[call["inference_id"]]
                  for call in calls}  # fmt: skip
        labels = {name: ["hallucinated" if answer else "grounded"] for name, answer in answers.items()}
        live_day(day, calls, labels, simulated=True)
    report = estimate_all(zones, catalog, DAY)
    assert (report.rows, report.refused) == (1 + 2 + 3, 0)
    for row in lake.read(zones.lake, "estimates", [DAY]).to_pylist():
        inside = [
            answer
            for (product, model, _), answer in truth.items()
            if row["product"] in (None, product) and row["response_model"] in (None, model)
        ]
        assert row["population"] == len(inside)
        assert row["interval_low"] <= sum(inside) / len(inside) <= row["interval_high"]
        assert row["interval_low"] <= row["value"] <= row["interval_high"]
        assert row["simulated"]
    worse = _row(zones, catalog, "response_model", response_model="m2")
    better = _row(zones, catalog, "response_model", response_model="m1")
    assert worse["interval_low"] > better["interval_high"]
    found = {each.slice["response_model"]: each for each in look(zones, catalog, "hallucination-by-model", MIDNIGHT)}
    assert (found["m1"].state, found["m2"].state) == ("holds", "broken")
    assert found["m2"].said.startswith("m2: ")
    assert found["m2"].said.endswith("simulated reviewers), surely above 20.0%")
    assert found["m2"].simulated


def test_the_estimand_is_said_in_words_with_its_counts(zones, catalog, live_day):
    for day in WEEK:
        calls = _calls(day, 30)
        live_day(day, calls, _all(calls, "grounded"))
    row = _row(zones, catalog, "product,response_model")
    assert row["estimand"] == (
        "share of the 210 answered calls of 2026-11-09 to 2026-11-15 in product=site, response_model=m1 "
        'that reviewers would call "hallucinated"'
    )
    assert (row["population"], row["drawn"], row["labels"], row["positives"]) == (210, 42, 42, 0)
    assert (row["window_start"], row["window_end"]) == (WEEK[0], WEEK[-1])
    assert (row["value"], row["interval_low"], row["scheme_version"], row["simulated"]) == (0.0, 0.0, "1", False)
    assert 0 < row["interval_high"] < 0.1
    assert row["method"].startswith("stratified random draws, 7 strata (day by product by response_model)")


def test_running_twice_writes_the_same_bytes(zones, catalog, live_day):
    live_day(DAY, _calls(DAY, 30), _all(_calls(DAY, 30), "grounded"))
    path = f"{lake.folder('estimates', DAY)}/part-0.parquet"
    assert estimate_all(zones, catalog, DAY).changed
    before = zones.lake.read(path)
    assert not estimate_all(zones, catalog, DAY).changed
    assert zones.lake.read(path) == before
    inputs = lake.manifest(zones.lake, "estimates", DAY)["inputs"]
    assert f"journal/{draw_path('groundedness', 1, DAY)}" in inputs
    assert f"lake/labels/day={DAY}/manifest.json" in inputs
    assert f"assets/evals/{EVAL}" in inputs


def test_calls_that_arrive_after_the_draw_change_no_estimate(zones, catalog, live_day):
    calls = _calls(DAY, 30, model="m1") + _calls(DAY, 30, model="m2")
    live_day(DAY, calls, _all(calls, "grounded"))
    before = estimate_day(zones, catalog, EVAL, DAY)
    late = calls + _calls(DAY, 20, model="m3")
    live_day(DAY, late, _all(calls, "grounded"))
    assert estimate_day(zones, catalog, EVAL, DAY) == before


def test_ties_are_decided_by_what_was_known_of_reviewers_that_day_and_never_by_what_came_later(
    zones, catalog, live_day
):
    # The second of three reviewers errs every other time, the others never.
    def told_apart(day):
        calls = _calls(day, 6)
        truths = [number % 3 == 0 for number in range(6)]
        said = [[truth, truth ^ bool(number % 2), truth] for number, truth in enumerate(truths)]
        words = [[["grounded", "hallucinated"][positive] for positive in votes] for votes in said]
        live_day(day, calls, {call["inference_id"]: votes for call, votes in zip(calls, words, strict=True)})

    tied = _calls(DAY, 6)
    live_day(DAY, tied, {call["inference_id"]: ["grounded", "hallucinated"] for call in tied})
    alone = estimate_day(zones, catalog, EVAL, DAY)
    assert _row(zones, catalog)["labels"] == 0
    # Days after it, and days longer ago than the scheme's history.
    for number in range(1, 11):
        told_apart(DAY + dt.timedelta(days=number))
        told_apart(DAY - dt.timedelta(days=28 + number))
    assert estimate_day(zones, catalog, EVAL, DAY) == alone
    for number in range(10):
        told_apart(DAY - dt.timedelta(days=10 + number))
    row = _row(zones, catalog)
    assert (row["drawn"], row["labels"], row["positives"]) == (6, 6, 0)


def test_imported_labels_without_a_draw_are_refused_an_interval(zones, catalog):
    row = dict.fromkeys(lake.SCHEMAS["annotations"].names)
    row |= {"annotation_id": "ragtruth-1", "scheme": "groundedness", "result": '{"groundedness": "hallucinated"}'}
    lake.write(zones.lake, "annotations", DAY, pa.Table.from_pylist([row], lake.SCHEMAS["annotations"]), {})
    estimate = _row(zones, catalog)
    assert estimate["refused"] == "no inclusion probability: these 1 labels were not drawn"
    assert estimate.get("value") is None
    estimate_all(zones, catalog, DAY)
    assert lake.read(zones.lake, "estimates", [DAY])["interval_low"].null_count == 3


def test_nothing_drawn_is_said(zones, catalog):
    assert _row(zones, catalog)["refused"] == "nothing was drawn in the window"
    estimate_all(zones, catalog, DAY)
    assert {each.state for each in look(zones, catalog, "hallucination-by-model", MIDNIGHT)} == {"unknown"}


def test_too_few_labels_are_refused_and_counted(zones, catalog, live_day):
    calls = _calls(DAY, 30)
    live_day(DAY, calls, _all(calls, "hallucinated"))
    row = _row(zones, catalog)
    assert row["refused"] == "6 labels, fewer than 10"
    assert (row["labels"], row["positives"]) == (6, 6)
    estimate_all(zones, catalog, DAY)
    (found,) = look(zones, catalog, "hallucination-by-model", MIDNIGHT)
    assert (found.state, found.said) == ("unknown", "m1: not enough labels: 6 labels, fewer than 10")


def test_items_without_a_label_and_ties_count_as_missing_within_their_stratum(zones, catalog, live_day):
    for day in WEEK:
        calls = _calls(day, 6)  # all are drawn
        names = [call["inference_id"] for call in calls]
        truth = {name: ["grounded"] for name in names[:4]} | {names[4]: ["grounded", "hallucinated"]}
        live_day(day, calls, truth)
    row = _row(zones, catalog)
    assert (row["drawn"], row["labels"], row["value"]) == (42, 28, 0.0)
    assert "14 drawn items without a label (7 tied) taken as missing at random" in row["method"]
    assert row["interval_high"] > 0


@pytest.mark.parametrize(("unlabeled_days", "refused"), [(2, False), (5, True)])
def test_strata_without_a_label_widen_the_interval_until_they_are_too_many(
    zones, catalog, live_day, unlabeled_days, refused
):
    for number, day in enumerate(WEEK):
        calls = _calls(day, 30)
        live_day(day, calls, {} if number < unlabeled_days else _all(calls, "grounded"))
    row = _row(zones, catalog)
    if refused:
        assert row["refused"] == "only 29% of the calls lie in strata with a label"
    else:
        assert row["interval_high"] > 2 / 7
        assert row["population"] == 210
        assert "28.6% of the calls lie in strata without a label" in row["method"]


def test_a_slice_that_cuts_through_strata_is_estimated_as_a_domain(zones, catalog, live_day):
    spec = catalog.evals[EVAL].model_copy(update={"slices": (("feature",),), "minimum_labels": 2})
    catalog.evals[EVAL] = spec
    for day in WEEK:
        calls = [call | {"feature": "chat" if number % 2 else None} for number, call in enumerate(_calls(day, 6))]
        truth = {call["inference_id"]: ["hallucinated" if call["feature"] else "grounded"] for call in calls}
        live_day(day, calls, truth)
    chat, other = (_row(zones, catalog, "feature", feature=feature) for feature in ("chat", None))
    assert (chat["value"], chat["population"], chat["labels"]) == (1.0, 21, 21)
    assert "about 21 answered calls" in chat["estimand"]
    assert (other["value"], other["refused"]) == (0.0, None)
    assert "no feature" in other["estimand"]


def test_only_the_newest_version_of_a_scheme_in_the_window_counts(zones, catalog, live_day):
    for day in WEEK[:3]:
        live_day(day, _calls(day, 30), _all(_calls(day, 30), "hallucinated"))
    catalog.schemes["groundedness"] = catalog.schemes["groundedness"].model_copy(update={"version": 2})
    zones.exchange.delete("label-studio/groundedness/in/2026-11-09.json")
    zones.exchange.delete("label-studio/groundedness/in/2026-11-10.json")
    zones.exchange.delete("label-studio/groundedness/in/2026-11-11.json")
    for day in (WEEK[3], WEEK[6]):
        live_day(day, _calls(day, 30), _all(_calls(day, 30), "grounded"))
    row = _row(zones, catalog)
    assert (row["scheme_version"], row["value"], row["population"]) == ("2", 0.0, 60)
    assert "of the 2 drawn days from 2026-11-12 to 2026-11-15" in row["estimand"]


def test_a_monitor_without_an_estimate_finds_nothing(zones, catalog):
    assert look(zones, catalog, "hallucination-by-model", MIDNIGHT) == []


def _designed(catalog, **sampling):
    spec = Sampling.model_validate({"design": "poisson", "strata": ["product", "response_model"], **sampling})
    scheme = catalog.schemes["groundedness"]
    catalog.schemes["groundedness"] = scheme.model_copy(update={"sampling": spec})


def test_days_of_different_designs_combine_into_one_estimate(zones, catalog, live_day):
    worse = {"m1": 0.1, "m2": 0.5}
    chance, hallucinated = random.Random(7), []
    for number, day in enumerate(WEEK):
        if number == 3:
            _designed(catalog, per_day=30)
        calls = _calls(day, 60, model="m1") + _calls(day, 40, model="m2")
        answers = {call["inference_id"]: chance.random() < worse[call["response_model"]] for call in calls}
        hallucinated += answers.values()
        live_day(day, calls, {name: ["hallucinated" if bad else "grounded"] for name, bad in answers.items()})
    row = _row(zones, catalog)
    assert row["population"] == 700
    assert row["interval_low"] <= sum(hallucinated) / 700 <= row["interval_high"]
    assert row["interval_high"] - row["interval_low"] < 0.2
    assert row["method"].startswith("poisson and stratified draws, 14 strata")
    assert [each["population"] for each in estimate_day(zones, catalog, EVAL, DAY)] == [700, 420, 280, 420, 280]


def test_poisson_items_of_a_stratum_that_answers_less_weigh_more(zones, catalog, live_day):
    _designed(catalog, per_day=100, allocation="proportional")
    for day in WEEK:
        calls = _calls(day, 100, model="m1") + _calls(day, 100, model="m2")
        truth = {call["inference_id"]: ["hallucinated"] for call in calls if call["response_model"] == "m1"}
        truth |= {call["inference_id"]: ["grounded"] for call in calls[100::4]}
        live_day(day, calls, truth)
    row = _row(zones, catalog)
    assert row["value"] == pytest.approx(0.5)  # of those labeled, four in five are of m1
    assert row["positives"] / row["labels"] > 0.7


def test_what_is_drawn_for_training_only_is_refused_with_the_reason(zones, catalog, live_day):
    _designed(catalog, design="negative_feedback_first", strata=[], per_day=12)
    live_day(DAY, _calls(DAY, 30), _all(_calls(DAY, 30), "grounded"))
    row = _row(zones, catalog)
    assert row["refused"] == (
        "for training only: these 12 items were chosen by a design that cannot say how likely each was"
    )
    assert row.get("value") is None


def test_calls_that_read_the_same_are_asked_about_once_and_count_each(zones, catalog, live_day):
    _designed(catalog, design="stratified", per_day=6, same_text_once=True)
    for day in WEEK:
        calls = _calls(day, 30)
        live_day(day, calls, _all(calls, "grounded"))
    first = read_draw(zones.journal, "groundedness", 1, WEEK[0])
    assert [item.same_as is None for item in first.items].count(True) == 1
    tasks = [json.loads(zones.exchange.read(f"label-studio/groundedness/out/{day}.json")) for day in WEEK]
    assert [len(each) for each in tasks] == [1, 0, 0, 0, 0, 0, 0]
    row = _row(zones, catalog)
    assert (row["drawn"], row["labels"], row["population"], row["refused"]) == (42, 42, 210, None)
