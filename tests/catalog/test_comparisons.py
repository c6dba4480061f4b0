"""Comparisons in `assets/evals/`: what a file must say, and what it must name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from canonry.catalog import Catalog, CatalogError, load

COMMON = {"description": "Made for this test only.", "owner": "a-team"}
SCHEME = {
    **COMMON,
    "version": 1,
    "instructions": "Read it all.",
    "choices": [{"name": "grounded", "question": "Is it?", "choices": ["yes", "no"]}],
    "sampling": {"strata": ["product"], "per_stratum": 5},
}
SCORER = {**COMMON, "metric": "risk", "scheme": "grounded", "field": "grounded", "positive": "no"}
STAGE = {"stage": "production", "since": "2026-01-01", "reason": "first"}
MODEL = {
    **COMMON,
    "role": "chat",
    "provider": "us",
    "versions": ["m-1", "m-2"],
    "stages": [{**STAGE, "version": "m-1"}, {**STAGE, "since": "2026-02-01", "version": "m-2"}],
}
PROMPT = {
    **COMMON,
    "variables": ["question", "passages"],
    "versions": [{"since": "2026-01-01", "template": "{question} {passages}", "change": "First."}],
}
COMPARISON: dict[str, Any] = {
    **COMMON,
    "kind": "comparison",
    "candidate": {"kind": "models", "name": "m"},
    "metric": "grounded_rate",
    "margin": 0.05,
    "gold": {"scheme": "grounded"},
    "outcome": {"field": "grounded", "good": "yes", "scorer": "judge"},
    "answered_with": "p",
}


def read(root: Path, comparison: dict[str, Any], **changed: dict[str, Any]) -> Catalog:
    files = {"schemes/grounded": SCHEME, "scorers/judge": SCORER, "models/m": MODEL, "prompts/p": PROMPT}
    for path, document in {**files, "evals/c": comparison, **changed}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{path}.yaml").write_text(yaml.safe_dump(document))
    return load(root)


def wrong(root: Path, comparison: dict[str, Any], **changed: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(CatalogError) as raised:
        read(root, comparison, **changed)
    [problem] = raised.value.problems
    assert problem.path.endswith("evals/c.yaml")
    return problem.field, problem.message


def test_a_comparison_lies_among_the_evals_and_is_none_of_the_rates(tmp_path: Path) -> None:
    catalog = read(tmp_path, COMPARISON)
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
        read(tmp_path, comparison)
    assert any(each.field == field and message in each.message for each in raised.value.problems)


def test_each_kind_needs_its_own_fields(tmp_path: Path) -> None:
    without = {name: value for name, value in COMPARISON.items() if name != "outcome"}
    assert wrong(tmp_path, without)[1] == "a comparison of models needs `outcome`"
    scorer = {**without, "candidate": {"kind": "scorers", "name": "judge"}}
    assert wrong(tmp_path, scorer)[1] == "a comparison of scorers takes no `answered_with`"
    del scorer["answered_with"]
    assert wrong(tmp_path, scorer)[1] == "scorers are compared by accuracy, not grounded_rate"
    assert read(tmp_path, {**scorer, "metric": "accuracy"}).comparisons["c"].candidate.kind == "scorers"


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
        read(tmp_path, COMPARISON, **{"models/m": {**MODEL, "stages": [{**STAGE, "version": "m-9"}]}})
