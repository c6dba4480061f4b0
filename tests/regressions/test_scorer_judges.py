"""Scorers that nobody trained as judges of a comparison: rules, a language model with its price, known answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from canonry import comparisons, release
from canonry.catalog import Catalog
from canonry.evaluate import ready
from canonry.evaluate.definitions import definition_files
from canonry.publish import publish_models, publish_prompts
from canonry.regressions import NotAnswered, NothingToCompare, OverLimit, compare, price_plan
from canonry.storage import Zones
from tests.catalog.test_comparisons import GRADE, RULES
from tests.completions.stand_in import Reply, StandIn, serving
from tests.evaluate.judge_stand_in import fenced
from tests.regressions.governed import COMMON, COMPARISON, MODEL, NOW, PROMPT, governed, publish_gold
from tests.regressions.test_compare import worse

ITEMS = 60
PRICED = {**MODEL, "versions": ["g-1"], "stages": [{**MODEL["stages"][0], "version": "g-1"}]}
PROMPT_OF_JUDGE = {**PROMPT, "variables": ["answer"], "versions": [{**PROMPT["versions"][0], "template": "{answer}"}]}
BY_JUDGE = {"scorer": "other", "good_where": {"metric": "poor", "at_most": 0.5}}


def behave(document: dict[str, Any], number: int) -> Reply:
    """Two models that answer, the second one worse, and one that grades what they said."""
    if document["model"] != "g-1":
        return worse(document, number)
    verdict = "bad" if fenced(document, "answer").startswith("Not") else "good"
    return Reply(json.dumps({"verdict": verdict}))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with serving(behave) as found:
        monkeypatch.setenv("CANONRY_LLM_URL", found.url)
        yield found


def prepared(root: Path, zones: Zones, scorer: dict[str, Any], outcome: dict[str, Any], **more: Any) -> Catalog:
    """A second version waits, judged by a scorer that is released; nothing is labeled."""
    files = {"scorers/other": scorer, "prompts/grade": PROMPT_OF_JUDGE, "models/g": PRICED}
    catalog = governed(root / "assets", {**COMPARISON, "outcome": outcome, **more}, **files)
    publish_prompts(zones, catalog, day=NOW.date(), now=NOW)
    publish_models(zones, catalog, day=NOW.date(), now=NOW)
    publish_gold(zones, ITEMS)
    payload = definition_files("other", catalog.scorers["other"], catalog, zones.home)
    found = release.publish(zones.published, "scorers", "other", payload, metadata={}, lineage={}, now=NOW)
    release.promote(zones.published, "scorers", "other", found.version, reason="test", now=NOW)
    return catalog


def test_a_rule_judges_every_answer_that_changed(tmp_path: Path, zones: Zones, stand_in: StandIn) -> None:
    rules = {**RULES, "rules": [{"check": "matches", "metric": "denies", "pattern": "^Not"}]}
    outcome = {"scorer": "other", "good_where": {"metric": "denies", "at_most": 0}}
    catalog = prepared(tmp_path, zones, rules, outcome)
    assert [plan.model for plan in price_plan(zones, catalog, "c", now=NOW)] == ["m-1", "m-2"]
    found = compare(zones, catalog, "c", now=NOW)
    assert (found.verdict.word, found.verdict.lost, found.verdict.gained) == ("worse", ITEMS // 2, 0)
    assert dict(found.judged_by) == {found.made_from["scorer"]: ITEMS // 2}
    assert (found.unjudged, found.simulated, found.asked) == (0, 0, 2 * ITEMS)


def test_a_language_model_judges_what_changed_and_its_price_is_told_before(
    tmp_path: Path, zones: Zones, stand_in: StandIn
) -> None:
    catalog = prepared(tmp_path, zones, GRADE, BY_JUDGE)
    plan = price_plan(zones, catalog, "c", now=NOW)[-1]
    assert (plan.model, plan.calls, plan.kept, plan.at_most) == ("g-1, which judges as other", 2 * ITEMS, 0, True)
    assert plan.dollars == Decimal(plan.input_tokens + 2 * plan.output_tokens) / 1_000_000
    assert not stand_in.requests
    found = compare(zones, catalog, "c", now=NOW)
    assert (found.verdict.word, found.verdict.lost) == ("worse", ITEMS // 2)
    # Half of the answers changed: both sides of these are judged, and nothing else.
    assert [each["model"] for each in stand_in.requests].count("g-1") == ITEMS
    assert found.asked == len(stand_in.requests) == 3 * ITEMS
    after = price_plan(zones, catalog, "c", now=NOW)[-1]
    assert (after.calls, after.kept, after.at_most, after.dollars) == (0, ITEMS, False, 0)
    assert compare(zones, catalog, "c", now=NOW) == found and len(stand_in.requests) == 3 * ITEMS


def test_what_a_judge_costs_counts_for_the_limit(tmp_path: Path, zones: Zones, stand_in: StandIn) -> None:
    catalog = prepared(tmp_path, zones, GRADE, BY_JUDGE, limits={"calls": 3 * ITEMS})
    with pytest.raises(OverLimit, match=r"240 calls are needed, and limits\.calls is 180"):
        compare(zones, catalog, "c", now=NOW)
    assert not stand_in.requests


def test_a_judge_whose_budget_ends_gives_no_verdict_and_keeps_what_it_said(
    tmp_path: Path, zones: Zones, stand_in: StandIn
) -> None:
    catalog = prepared(tmp_path, zones, {**GRADE, "budget": {"calls_a_day": 40}}, BY_JUDGE)
    with pytest.raises(NotAnswered, match="other: gave no verdict on 20 answers: its budget of the day is spent"):
        compare(zones, catalog, "c", now=NOW)
    assert comparisons.read_all(zones.journal) == []
    found = compare(zones, catalog, "c", now=NOW.replace(day=NOW.day + 1))
    assert (found.verdict.word, found.asked) == ("worse", 20)


def test_likeness_needs_right_answers_and_says_so_before_anything_is_asked(
    tmp_path: Path, zones: Zones, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(texts: Sequence[str]) -> np.ndarray:
        return np.array([[text.startswith("It"), text.startswith("Not")] for text in texts], dtype=float)

    monkeypatch.setattr(ready, "encoder_of", lambda *_: encode)
    known = tmp_path / "known.jsonl"
    like = {**COMMON, "kind": "similarity", "metric": "near", "encoder": "m", "reference": "answers"}
    outcome = {"scorer": "other", "good_where": {"metric": "near", "at_least": 0.5}}
    known.write_text(json.dumps({"question": "Who is nobody?", "answer": "It is you."}))
    catalog = prepared(tmp_path, zones, {**like, "answers": str(known)}, outcome)
    with pytest.raises(NothingToCompare, match="knows the right answer to none of the 60 questions"):
        compare(zones, catalog, "c", now=NOW)
    assert not stand_in.requests
    known.write_text("\n".join(json.dumps({"question": f"What is {n}?", "answer": f"It is {n}."}) for n in range(40)))
    found = compare(zones, prepared(tmp_path, zones, {**like, "answers": str(known)}, outcome), "c", now=NOW)
    assert (found.verdict.word, found.unjudged) == ("worse", 10)
    assert dict(found.judged_by) == {found.made_from["scorer"]: 20}
