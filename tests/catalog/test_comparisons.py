"""Comparisons in `assets/evals/`: what a file must say, and what it must name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from canonry.catalog import CatalogError
from tests.regressions.governed import COMMON, COMPARISON, MODEL, PROMPT, STAGE, governed


def wrong(root: Path, comparison: dict[str, Any], **changed: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(CatalogError) as raised:
        governed(root, comparison, **changed)
    [problem] = raised.value.problems
    assert problem.path.endswith("evals/c.yaml")
    return problem.field, problem.message


def test_a_comparison_lies_among_the_evals_and_is_none_of_the_rates(tmp_path: Path) -> None:
    catalog = governed(tmp_path, COMPARISON)
    assert list(catalog.comparisons) == ["c"] and not catalog.evals
    assert ("evals", "c", catalog.comparisons["c"]) in list(catalog.items())
    assert catalog.comparisons["c"].gold and catalog.comparisons["c"].gold.splits == ("test",)


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"candidate": {"kind": "models", "name": "x"}}, "candidate.name", "'x' is not governed"),
        ({"answered_with": "x"}, "answered_with", "'x' is not governed"),
        ({"gold": {"scheme": "grounded", "version": "latest"}}, "gold.version", "should match"),
        ({"outcome": {**COMPARISON["outcome"], "field": "x"}}, "outcome.field", "has no choice 'x'"),
        ({"outcome": {**COMPARISON["outcome"], "good": "x"}}, "outcome.good", "'x' is not an answer of 'grounded'"),
        ({"margin": 0}, "margin", "greater than 0"),
    ],
)
def test_what_does_not_hold_is_said_by_its_field(
    tmp_path: Path, changed: dict[str, Any], field: str, message: str
) -> None:
    comparison = {**COMPARISON, **changed}
    with pytest.raises(CatalogError) as raised:
        governed(tmp_path, comparison)
    assert any(each.field == field and message in each.message for each in raised.value.problems)


def test_each_kind_needs_its_own_fields(tmp_path: Path) -> None:
    without = {name: value for name, value in COMPARISON.items() if name != "outcome"}
    assert wrong(tmp_path, without)[1] == "a comparison of models needs `outcome`"
    scorer = {**without, "candidate": {"kind": "scorers", "name": "judge"}}
    assert wrong(tmp_path, scorer)[1] == "a comparison of scorers takes no `answered_with`"
    del scorer["answered_with"]
    assert wrong(tmp_path, scorer)[1] == "scorers are compared by accuracy, not grounded_rate"
    assert governed(tmp_path, {**scorer, "metric": "accuracy"}).comparisons["c"].candidate.kind == "scorers"


def test_a_model_without_versions_in_its_stages_has_nothing_to_compare(tmp_path: Path) -> None:
    field, message = wrong(tmp_path, COMPARISON, **{"models/m": {**MODEL, "stages": [STAGE]}})
    assert field == "candidate.name" and "no stage names a version" in message


def test_a_prompt_that_asks_for_more_than_an_item_gives_is_refused(tmp_path: Path) -> None:
    more = {
        **PROMPT,
        "variables": ["question", "tone"],
        "versions": [{**PROMPT["versions"][0], "template": "{question} {tone}"}],  # type: ignore[index]
    }
    field, message = wrong(tmp_path, COMPARISON, **{"prompts/p": more})
    assert field == "answered_with" and "has the variables tone" in message


def test_the_version_of_a_stage_is_one_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"stages\.0\.version: 'm-9' is not one of `versions`"):
        governed(tmp_path, COMPARISON, **{"models/m": {**MODEL, "stages": [{**STAGE, "version": "m-9"}]}})


RULES = {**COMMON, "kind": "rules", "rules": [{"check": "refusal", "metric": "refusal"}]}
GRADE: dict[str, Any] = {
    **COMMON,
    "kind": "judge",
    "metric": "poor",
    "prompt": "grade",
    "prompt_version": 1,
    "model": "g-1",
    "provider": "us",
    "verdicts": {"good": 0, "bad": 1},
    "budget": {"calls_a_day": 100},
}
SIMILAR = {**COMMON, "kind": "similarity", "metric": "near", "encoder": "m", "reference": "correction"}
RETRIEVAL = {**COMMON, "kind": "retrieval", "index": "i"}
REFUSES = {"scorer": "other", "good_where": {"metric": "refusal", "at_most": 0}}


@pytest.mark.parametrize(
    ("scorer", "outcome", "field", "message"),
    [
        (RETRIEVAL, {"scorer": "other"}, "outcome.scorer", "the same on both sides"),
        (SIMILAR, {"scorer": "other"}, "outcome.scorer", "nobody has corrected the answers of a comparison"),
        ({**GRADE, "reference": "correction"}, {"scorer": "other"}, "outcome.scorer", "nobody has corrected"),
        (RULES, {"scorer": "other"}, "outcome.good_where", "say which values of refusal are good"),
        (
            RULES,
            {"scorer": "other", "good_where": {"metric": "length", "at_most": 9}},
            "outcome.good_where.metric",
            "gives no 'length' (it gives refusal)",
        ),
        (
            GRADE,
            {"scorer": "other", "good_where": {"metric": "poor", "at_most": 1}},
            "outcome.good_where",
            "calls every verdict",
        ),
        (
            RULES,
            {"scorer": "judge", "field": "grounded", "good": "yes", "good_where": REFUSES["good_where"]},
            "outcome.good_where",
            "is trained, and says itself",
        ),
        (RULES, {"scorer": "judge"}, "outcome.scorer", "is not trained for None"),
        (RULES, {"field": "grounded"}, "outcome", "`field` and `good` belong together"),
        (RULES, {"good_where": REFUSES["good_where"]}, "outcome", "else nobody judges"),
        (RULES, {**REFUSES, "good_where": {"metric": "refusal"}}, "outcome.good_where", "one of them"),
    ],
)
def test_a_scorer_that_cannot_judge_answers_is_refused_with_the_reason(
    tmp_path: Path, scorer: dict[str, Any], outcome: dict[str, Any], field: str, message: str
) -> None:
    prompt = {**PROMPT, "variables": ["answer"], "versions": [{**PROMPT["versions"][0], "template": "{answer}"}]}  # type: ignore[index]
    with pytest.raises(CatalogError) as raised:
        governed(tmp_path, {**COMPARISON, "outcome": outcome}, **{"scorers/other": scorer, "prompts/grade": prompt})
    found = [(each.field, each.message) for each in raised.value.problems if each.path.endswith("evals/c.yaml")]
    assert any(where == field and message in said for where, said in found), found


def test_any_scorer_that_reads_an_answer_may_judge(tmp_path: Path) -> None:
    catalog = governed(tmp_path, {**COMPARISON, "outcome": REFUSES}, **{"scorers/other": RULES})
    outcome = catalog.comparisons["c"].outcome
    assert outcome and outcome.good_where
    assert [outcome.good_where.holds(value) for value in (0, 1)] == [True, False]
