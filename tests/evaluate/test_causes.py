"""Changes that were put in, and the cause that is named; on generated calls and on real summaries of two models."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from canonry.evaluate.causes import explain_change


def calls(number: int, seed: int, **fixed: str) -> pd.DataFrame:
    """Generated calls of two products that share one model."""
    chance = np.random.default_rng(seed)
    tokens = chance.gamma(2, 500, number)
    rows = pd.DataFrame(
        {
            "product": chance.choice(["search", "support"], number, p=[0.6, 0.4]),
            "request_model": "gpt-4o",
            "response_model": "gpt-4o-2024-08-06",
            "prompt_version": chance.choice(["3", None], number, p=[0.8, 0.2]),
            "tokens": tokens,
            "cost": tokens * 1e-6,
            "score": chance.binomial(1, 0.85, number).astype(float),
        }
    )
    return rows.assign(**fixed)


def worse(rows: pd.DataFrame, by: float, where: pd.Series | None = None) -> pd.DataFrame:
    """The same calls, so much worse where said."""
    return rows.assign(score=rows["score"] - by * (1.0 if where is None else where.astype(float)))


def test_another_prompt_is_named_with_its_versions():
    since = worse(calls(1000, 2, prompt_version="4"), 0.1)
    cause = explain_change(calls(3000, 1), since, "score")
    assert (cause.kind, cause.field) == ("swap", "prompt_version")
    assert "from 3 (8" in cause.said
    assert "to 4 (0% before, 100% since)" in cause.said


def test_a_model_that_answers_otherwise_under_the_same_name_is_a_silent_provider_update():
    since = worse(calls(1000, 2, response_model="gpt-4o-2024-11-20"), 0.1)
    cause = explain_change(calls(3000, 1), since, "score")
    assert (cause.kind, cause.field) == ("provider", "response_model")
    assert cause.said.startswith("silent provider update: response_model from gpt-4o-2024-08-06")
    assert cause.explained == pytest.approx(1, abs=0.1)


def test_a_model_that_we_swapped_is_a_swap_though_the_answering_one_changed_too():
    since = worse(calls(1000, 2, request_model="gpt-4o-mini", response_model="gpt-4o-mini-2024-07-18"), 0.1)
    assert explain_change(calls(3000, 1), since, "score").field == "request_model"


def test_all_who_ask_a_model_being_worse_with_nothing_recorded_is_the_provider():
    cause = explain_change(calls(3000, 1), worse(calls(3000, 2), 0.1), "score")
    assert (cause.kind, cause.field) == ("provider", "request_model")


def test_calls_that_came_before_the_change_was_put_do_not_hide_the_swap():
    new = worse(calls(1000, 2, prompt_version="4"), 0.1)
    better = new[new["score"] > 0.5].head(20)
    before = pd.concat([calls(3000, 1, prompt_version="3"), better])
    cause = explain_change(before, new.drop(better.index), "score")
    assert (cause.kind, cause.field) == ("swap", "prompt_version")


def test_a_mix_that_changed_beside_a_model_that_got_worse_is_not_the_cause():
    before, since = calls(6000, 1), worse(calls(6000, 2), 0.1)
    since["prompt_version"] = np.random.default_rng(3).choice(["3", None], len(since), p=[0.3, 0.7])
    cause = explain_change(before, since, "score")
    assert (cause.kind, cause.field) == ("provider", "request_model")


def test_all_who_ask_one_model_of_two_are_told_from_a_product():
    both = [calls(4000, seed).assign(request_model=np.tile(["gpt-4o", "claude-sonnet-4"], 2000)) for seed in (1, 2)]
    cause = explain_change(both[0], worse(both[1], 0.2, both[1]["request_model"] == "gpt-4o"), "score")
    assert (cause.kind, cause.field) == ("provider", "request_model")
    assert "whoever asks gpt-4o is served otherwise" in cause.said


def test_all_models_and_products_alike_is_said_to_be_unknown():
    both = [calls(4000, seed).assign(request_model=np.tile(["gpt-4o", "claude-sonnet-4"], 2000)) for seed in (1, 2)]
    cause = explain_change(both[0], worse(both[1], 0.2), "score")
    assert (cause.kind, cause.said[:35]) == ("unknown", "all products and models are otherwi")


def test_the_likeliest_of_few_calls_is_said_to_be_no_more():
    since = calls(40, 3)
    cause = explain_change(calls(3000, 1), worse(since, 0.08, since["product"] == "search"), "score")
    assert cause.said.endswith("(likeliest; more calls will tell)")


def test_one_product_being_worse_is_that_product():
    since = calls(3000, 2)
    cause = explain_change(calls(3000, 1), worse(since, 0.2, since["product"] == "search"), "score")
    assert (cause.kind, cause.field) == ("product", "product")
    assert "product search alone" in cause.said


def test_where_one_product_asks_the_model_it_cannot_be_told_from_it():
    cause = explain_change(calls(3000, 1, product="search"), worse(calls(3000, 2, product="search"), 0.1), "score")
    assert cause.kind == "provider"
    assert "another product that asks it would tell them apart" in cause.said


def test_more_traffic_of_a_worse_product_is_its_mix_and_nobody_s_fault():
    before = calls(4000, 1)
    before = worse(before, 0.3, before["product"] == "support")
    since = before[(before["product"] == "support") | (np.arange(len(before)) % 4 == 0)]
    cause = explain_change(before, since, "score")
    assert (cause.kind, cause.field) == ("swap", "product")


def test_a_price_is_told_from_longer_calls():
    before, since = calls(3000, 1), calls(1000, 2)
    dearer = explain_change(before, since.assign(cost=since["cost"] * 2), "cost")
    longer = explain_change(before, since.assign(cost=since["cost"] * 2, tokens=since["tokens"] * 2), "cost")
    assert (dearer.kind, longer.kind) == ("price", "usage")
    assert "a token costs 2 times" in dearer.said


def test_what_nothing_explains_is_said_to_be_unknown():
    columns = ["score", "prompt_version"]
    cause = explain_change(calls(3000, 1)[columns], worse(calls(3000, 2), 0.1)[columns], "score")
    assert cause.kind == "unknown"


def test_a_side_without_calls_is_refused():
    with pytest.raises(ValueError, match="score: no call with a value since the change"):
        explain_change(calls(10, 1), calls(0, 2), "score")


def test_a_real_swap_of_one_model_for_another_is_named(shared_data: Path):
    with gzip.open(shared_data / "vectara_v1_summaries" / "summaries_judged.jsonl.gz", "rt") as lines:
        rows = pd.DataFrame(map(json.loads, lines))
    models = rows.groupby("model_name")["hhem_score"].mean().sort_values()
    worst, best = models.index[0], models.index[-1]
    logged = rows.assign(product="news", request_model="summariser", response_model=rows["model_name"])
    before, since = logged[logged["model_name"] == best], logged[logged["model_name"] == worst]
    cause = explain_change(before, since, "hhem_score")
    assert (cause.kind, cause.field, cause.explained) == ("provider", "response_model", pytest.approx(1))
    assert f"from {best}" in cause.said
    assert f"to {worst}" in cause.said
