"""What judging costs: within the day's budget, drawn by lot, in the ledger, and never paid for twice."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from canonry import lake
from canonry.catalog.specs import JudgeBudget
from canonry.collect.partition import collect_day
from canonry.cost import charge_day, price_snapshot
from canonry.evaluate import scoring
from canonry.evaluate.judging import DayBudget, NoPrice, Spent, price_of
from canonry.evaluate.judging.ask import place
from canonry.evaluate.scoring import score_day
from canonry.storage import Zones
from tests.completions.stand_in import StandIn, error
from tests.evaluate.judge_stand_in import fenced, judging_with, sensible
from tests.evaluate.judges import DAY, MODEL, NOW, catalog_of, judge, prepared, values, write_calls


def test_what_is_over_the_budget_is_counted_and_asked_another_day(zones: Zones, server: StandIn) -> None:
    write_calls(zones, [f"Answer {each}." for each in range(10)])
    spec = judge(budget={"calls_a_day": 4})
    for now, scored, left in ((NOW, 4, 6), (NOW, 4, 6), (NOW + dt.timedelta(days=1), 8, 2)):
        found = prepared(zones, spec, server.url, now)
        score_day(zones.lake, found.ready, DAY)
        assert found.judging and found.judging.counts["over_budget"] == left
        assert len(values(zones)) == scored == len(server.requests)


def test_who_comes_first_is_drawn_from_the_whole_day(
    zones: Zones, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 3)
    write_calls(zones, [f"Answer {each}." for each in range(20)])
    score_day(zones.lake, prepared(zones, judge(budget={"calls_a_day": 5}), server.url).ready, DAY)
    assert sorted(values(zones), key=place) == sorted((f"c{each}" for each in range(20)), key=place)[:5]


def test_a_budget_in_dollars_holds_and_its_order_is_a_lot(zones: Zones, server: StandIn) -> None:
    write_calls(zones, [f"Answer {each}." for each in range(20)])
    found = prepared(zones, judge(budget={"dollars_a_day": "0.05"}), server.url)
    score_day(zones.lake, found.ready, DAY)
    assert found.judging
    spent = found.judging.budget.spent()
    assert spent.dollars is not None and 0 < spent.dollars <= Decimal("0.05")
    assert 0 < len(values(zones)) < 20 and spent.calls == len(server.requests)
    assert sorted(values(zones)) != [f"c{each}" for each in range(len(values(zones)))]
    with pytest.raises(NoPrice, match=r"nobody/judge-9; write its price in assets/models/"):
        prepared(zones, judge(model="judge-9", provider="nobody", budget={"dollars_a_day": 1}), server.url)


def test_two_runs_at_once_share_a_budget_and_a_dead_one_has_spent_what_it_set_aside(zones: Zones) -> None:
    budgets = [DayBudget(zones.journal, "support", DAY, JudgeBudget(calls_a_day=10)) for _ in range(2)]
    assert budgets[0].set_aside([Decimal(1)] * 6) == (6, "000001")
    fitting, number = budgets[1].set_aside([None] * 6)
    assert (fitting, number) == (4, "000002")
    budgets[1].settle(number, Spent(1, Decimal("0.5")))
    assert budgets[0].spent() == Spent(7, Decimal("6.5"))
    assert DayBudget(zones.journal, "support", DAY + dt.timedelta(days=1), budgets[0].limit).spent().calls == 0


def test_every_call_is_charged_to_the_owner_without_a_word_of_it(zones: Zones, server: StandIn) -> None:
    server.behave = lambda document, number: (
        error(400, "too long") if "llama" in fenced(document, "answer") else judging_with(sensible)(document, number)
    )
    write_calls(zones, ["It opens at nine.", "Its llamas sing."])
    score_day(zones.lake, prepared(zones, judge(), server.url).ready, DAY)
    today = dt.datetime.now(dt.UTC).date()
    collect_day(zones, "inferences", today, today=today)
    rows = {row["error_type"]: row for row in lake.read(zones.lake, "inferences", [today]).to_pylist()}
    assert rows.keys() == {None, "400"}
    logged = rows[None]
    expected = {"product": "canonry-judge", "team": "ai-quality", "feature": "support", "operation": "judge"}
    expected |= {"provider": "house", "request_model": "judge-1", "prompt_name": "judge", "prompt_version": "1"}
    assert {name: logged[name] for name in expected} == expected
    assert json.loads(logged["attributes"])["judged"] == "c0"
    contents = lake.read(zones.lake, "contents", [today]).to_pylist()
    assert not any(row["input_messages"] or row["output_messages"] for row in contents)
    charge_day(zones, catalog_of(judge()), today, price_snapshot(zones, NOW))
    charges = lake.read(zones.lake, "charges", [today]).to_pylist()
    amount = sum(row["amount"] for row in charges if row["inference_id"] == logged["inference_id"])
    assert amount == Decimal(logged["input_tokens"] * 10 + logged["output_tokens"] * 20) / 1_000_000
    # And what it says of itself is no answer of a product: it is not scored the next time.
    found = prepared(zones, judge(), server.url)
    assert score_day(zones.lake, found.ready, today).scored == 0


def test_a_price_is_the_catalog_s_own_else_the_list_s_else_none() -> None:
    own = price_of({"judge-1": MODEL}, "house", "judge-1", DAY)
    assert own is not None and own.of(1_000_000, 1_000_000) == 30
    listed = price_of({}, "openai", "gpt-4o-mini", DAY)
    assert listed is not None and listed.of(1_000_000, 0) == Decimal("0.15")
    assert price_of({}, "openai", "no-such-model-7", DAY) is None
