"""Scorers of every kind as YAML: the examples of the documentation hold, and mistakes are named by file and field."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from canonry import catalog
from canonry.catalog.specs import JudgeSpec, RulesSpec

ROOT = Path(__file__).parent.parent.parent
ABOUT = "description: Made for this test only.\nowner: ai-quality\n"
PROMPT = """\
description: Made for this test only.
owner: ai-quality
variables: [answer]
versions:
  - {since: 2026-01-01, change: First., template: "Is {answer} supported?"}
"""


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    (tmp_path / "assets" / "prompts" / "judge-support.yaml").write_text(PROMPT)
    return tmp_path / "assets"


def problems(assets: Path, text: str) -> list[str]:
    (assets / "scorers" / "mine.yaml").write_text(ABOUT + text)
    with pytest.raises(catalog.CatalogError) as caught:
        catalog.load(assets)
    return [f"{problem.field}: {problem.message}" for problem in caught.value.problems]


def test_the_examples_of_the_documentation_hold(assets: Path) -> None:
    examples = re.findall(
        r"```yaml\n# assets/scorers/([\w-]+)\.yaml\n(.*?)```", (ROOT / "docs/scorers.md").read_text(), re.S
    )
    assert {name for name, _ in examples} == {"answer-rules", "support", "groundedness"}
    for name, text in examples:
        about = "" if "description:" in text else ABOUT
        (assets / "scorers" / f"{name}.yaml").write_text(about + text)
    found = catalog.load(assets).scorers
    rules, judge = found["answer-rules"], found["support"]
    assert isinstance(rules, RulesSpec) and {rule.check for rule in rules.rules} == {
        "refusal",
        "length",
        "matches",
        "json",
        "language",
        "words",
    }
    assert isinstance(judge, JudgeSpec) and judge.anchors and judge.anchors.most == 60


JUDGE = """\
kind: judge
metric: m
prompt: judge-support
prompt_version: 1
model: x
provider: y
verdicts: {good: 0, bad: 1}
budget: {calls_a_day: 5}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: oracle\n", "kind: Input should be 'groundedness', 'rules', 'similarity', 'retrieval' or 'judge'"),
        ("kind: rules\nrules: [{check: matches, metric: m, pattern: '('}]\n", "rules.0: pattern: is no RE2 expression"),
        ("kind: rules\nrules: [{check: json, metric: m, schema: {type: 7}}]\n", "rules.0: schema: is no JSON Schema"),
        (
            "kind: rules\nrules: [{check: refusal}, {check: length, metric: refusal}]\n",
            "rules.1.metric: 'refusal' is another rule's figure already",
        ),
        (
            "kind: similarity\nmetric: m\nencoder: nowhere\nreference: correction\n",
            "encoder: 'nowhere' is not governed",
        ),
        ("kind: retrieval\nindex: nowhere\n", "index: 'nowhere' is not governed"),
        (JUDGE.replace("prompt_version: 1", "prompt_version: 2"), "prompt_version: "),
        (JUDGE.replace("bad: 1", "bad: 2"), "verdicts.bad: 2 is not between 0 and 1"),
        (JUDGE.replace("{calls_a_day: 5}", "{}"), "budget: give calls_a_day, dollars_a_day, or both"),
        (JUDGE + "api_key: k-secret\n", "api_key: Extra inputs are not permitted"),
        (
            JUDGE + "anchors: {scheme: groundedness, field: groundedness, positive: fine}\n",
            "anchors.positive: 'fine' is not an answer of 'groundedness'",
        ),
    ],
)
def test_a_mistake_is_named_by_its_field(assets: Path, text: str, said: str) -> None:
    assert any(each.startswith(said) for each in problems(assets, text)), problems(assets, text)


def test_a_judge_s_prompt_asks_for_nothing_that_a_call_has_not(assets: Path) -> None:
    (assets / "prompts" / "judge-support.yaml").write_text(PROMPT.replace("answer", "weather"))
    (found,) = problems(assets, JUDGE)
    assert "has the variables weather; a judge fills in question, passages, answer, reference" in found
