"""Prompts take text as text; tables come as asked."""

from __future__ import annotations

import pytest

from canonry import client
from canonry.client import Damaged, NotReleased, PromptError, ReleaseError
from canonry.storage import Zones


def test_a_prompt_is_rendered_and_inserted_text_stays_text(home: Zones) -> None:
    prompt = client.get_prompt("answer", home=home.home)
    rendered = prompt.render(question="{passages} {0} {question.__class__} \\1 %s $x", passages="{question}")
    assert rendered == "Q: {passages} {0} {question.__class__} \\1 %s $x\n{x} {question}"
    assert len(prompt.version) == 16


def test_variables_that_do_not_fit_are_all_named(home: Zones) -> None:
    prompt = client.get_prompt("answer", home=home.home)
    with pytest.raises(PromptError, match="missing: passages; unknown: passage"):
        prompt.render(question="q", passage="p")
    with pytest.raises(PromptError, match="not text: question"):
        prompt.render(question=None, passages="p")  # type: ignore[arg-type]


def test_a_prompt_is_found_by_version_and_refused_when_damaged(home: Zones) -> None:
    prompt = client.get_prompt("answer", home=home.home)
    assert client.get_prompt("answer", version=prompt.version, home=home.home) == prompt
    path = f"prompts/answer/releases/{prompt.version}/prompt.json"
    home.published.put(path, home.published.read(path).replace(b"Q:", b"A:"))
    with pytest.raises(Damaged, match=r"prompt\.json"):
        client.get_prompt("answer", home=home.home)


def test_a_table_comes_whole_or_by_columns_in_the_order_asked(home: Zones) -> None:
    assert client.read_table("cost_daily", home=home.home).to_pydict()["team"] == ["a", "b"]
    table = client.read_table("cost_daily", columns=["cost", "team"], home=home.home)
    assert table.column_names == ["cost", "team"]
    with pytest.raises(ReleaseError, match=r"no price, x \(it has day, team, cost\)"):
        client.read_table("cost_daily", columns=["team", "price", "x"], home=home.home)
    with pytest.raises(NotReleased):
        client.read_table("other", home=home.home)


def test_a_damaged_table_is_refused(home: Zones) -> None:
    [entry] = [each for each in home.published.list("tables") if each.path.endswith(".parquet")]
    home.published.put(entry.path, home.published.read(entry.path)[:-1] + b"?")
    with pytest.raises(Damaged, match=r"table\.parquet"):
        client.read_table("cost_daily", home=home.home)


def test_the_home_is_taken_from_the_environment(home: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANONRY_HOME", home.home)
    assert client.get_prompt("answer").name == "answer"
