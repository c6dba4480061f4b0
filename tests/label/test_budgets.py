"""Products with budgets of their own: each gets what is its, and every probability stays known."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from pydantic import ValidationError

from canonry.catalog import SchemeSpec
from canonry.label.draws import answered_calls, make_draw

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)


def _spec(scheme: SchemeSpec, **sampling) -> SchemeSpec:
    return SchemeSpec.model_validate({**scheme.model_dump(), "sampling": sampling})


@pytest.fixture
def frame(zones, write_calls):
    """60 calls of a large product in two models, 20 of another, 10 of a third."""
    write_calls(
        [
            {"inference_id": f"{product}{number}", "product": product, "response_model": f"m{number % 2}"}
            for product, count in (("large", 60), ("support", 20), ("tiny", 10))
            for number in range(count)
        ]
    )
    return answered_calls(zones.lake, DAY)


@pytest.mark.parametrize("allocation", ["equal", "proportional"])
def test_each_product_gets_its_budget_and_the_rest_share_theirs(scheme, frame, allocation):
    sampling = {"strata": ["product"], "per_day": 7, "per_product": {"support": 5}, "allocation": allocation}
    draw = make_draw("groundedness", _spec(scheme, **sampling), DAY, frame, NOW)
    drawn = Counter(item.fields["product"] for item in draw.items)
    assert drawn["support"] == 5
    assert drawn["large"] + drawn["tiny"] == 7
    assert draw.population == 90
    for item in draw.items:
        stratum = draw.strata[item.stratum]
        assert item.inclusion_probability == stratum.drawn / stratum.population
    assert draw.parameters["per_product"] == {"support": 5}


def test_per_stratum_is_for_the_others(scheme, frame):
    sampling = {"strata": ["product", "response_model"], "per_stratum": 2, "per_product": {"support": 5, "absent": 9}}
    draw = make_draw("groundedness", _spec(scheme, **sampling), DAY, frame, NOW)
    assert Counter(item.fields["product"] for item in draw.items) == {"large": 4, "support": 5, "tiny": 4}


def test_a_budget_below_its_strata_is_drawn_from_all_of_its_product(scheme, frame):
    sampling = {"strata": ["product", "response_model"], "per_day": 20, "per_product": {"support": 1}}
    draw = make_draw("groundedness", _spec(scheme, **sampling), DAY, frame, NOW)
    (item,) = [item for item in draw.items if item.fields["product"] == "support"]
    assert dict(draw.strata[item.stratum].values) == {"product": "support"}
    assert item.inclusion_probability == 1 / 20


@pytest.mark.parametrize("design", ["stratified", "poisson"])
def test_every_call_is_as_likely_as_its_probability_says(scheme, frame, design):
    sampling = {"design": design, "strata": ["product"], "per_day": 12, "allocation": "proportional"}
    seen: Counter[str] = Counter()
    likely: dict[str, float] = {}
    for seed in range(300):
        spec = _spec(scheme, **sampling, per_product={"support": 5}, seed=seed)
        draw = make_draw("groundedness", spec, DAY, frame, NOW)
        seen.update(item.inference_id for item in draw.items)
        likely |= {item.fields["product"]: item.inclusion_probability for item in draw.items}
    assert likely["support"] == pytest.approx(5 / 20)
    assert likely["large"] != likely["support"]
    for product, probability in likely.items():
        counts = [count for call, count in seen.items() if call.startswith(product)]
        calls = {"large": 60, "support": 20, "tiny": 10}[product]
        # Of 300 draws a product's calls: a deviation beyond five standard ones is no chance.
        expected = 300 * calls * probability
        assert sum(counts) == pytest.approx(expected, abs=5 * (expected * (1 - probability)) ** 0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strata": ["team"], "per_product": {"a": 1}}, "per_product: needs `product` among the strata"),
        ({"strata": ["product"], "products": ["b"], "per_product": {"a": 1}}, "per_product.a: is not among `products`"),
        ({"strata": ["product"], "per_product": {"a": 0}}, "greater than 0"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(scheme, changes, message):
    with pytest.raises(ValidationError, match=message):
        _spec(scheme, per_day=5, **changes)
