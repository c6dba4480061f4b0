"""Prompts and model versions compared on a gold set, over a stand-in endpoint, and what their promotion makes of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from canonry import client, comparisons
from canonry.catalog import Catalog
from canonry.completions import EndpointError
from canonry.publish import publish_models, publish_prompts, unpublished
from canonry.regressions import NotAnswered, NothingToCompare, OverLimit, compare, compare_all, price_plan
from canonry.release import NotReleased
from canonry.stats.verdicts import Verdict
from canonry.storage import Zones
from tests.completions.stand_in import Reply, StandIn, error, serving
from tests.regressions.governed import COMPARISON, MODEL, NOW, PROMPT, governed, publish_gold

DAY = NOW.date()
QUESTIONS = 70

SECOND = {"since": "2026-02-01", "template": "{passages}\nShortly: {question}", "change": "Shorter."}
OF_PROMPT = {**COMPARISON, "candidate": {"kind": "prompts", "name": "p"}, "answered_with": "m"}
TWO_TEXTS = {**PROMPT, "versions": [*PROMPT["versions"], SECOND]}


def good(document: dict[str, Any], _: int) -> Reply:
    """Every version answers well."""
    return Reply(f"It is {_number(document)}.")


def worse(document: dict[str, Any], _: int) -> Reply:
    """The second version answers every second question badly: the seeded regression."""
    number = _number(document)
    return Reply(f"Not {number}." if document["model"] == "m-2" and number % 2 == 0 else f"It is {number}.")


def worse_when_short(document: dict[str, Any], _: int) -> Reply:
    """The second text of the prompt is answered worse."""
    number = _number(document)
    short = "Shortly" in document["messages"][0]["content"]
    return Reply(f"Not {number}." if short and number % 2 == 0 else f"It is {number}.")


def _number(document: dict[str, Any]) -> int:
    found = re.search(r"What is (\d+)\?", document["messages"][0]["content"])
    assert found
    return int(found[1])


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with serving(good) as found:
        monkeypatch.setenv("CANONRY_LLM_URL", found.url)
        yield found


@pytest.fixture
def catalog(tmp_path: Path, zones: Zones, stand_in: StandIn) -> Catalog:
    """A second version of a model waits, and the first version and the prompt are released."""
    found = governed(tmp_path / "assets", COMPARISON)
    publish_all(zones, found)
    return found


def publish_all(zones: Zones, catalog: Catalog) -> None:
    publish_prompts(zones, catalog, day=DAY, now=NOW)
    publish_models(zones, catalog, day=DAY, now=NOW)


def in_production(zones: Zones) -> str | None:
    return client.get_model("m", home=zones.home).version


def test_an_equal_candidate_is_not_worse_and_is_promoted(zones: Zones, catalog: Catalog) -> None:
    assert in_production(zones) == "m-1"
    publish_gold(zones, QUESTIONS)
    found = compare(zones, catalog, "c", now=NOW)
    assert (found.verdict.word, found.verdict.pairs, found.flips) == ("not worse", QUESTIONS, ())
    assert found.verdict.power is not None and found.verdict.power >= 0.8
    assert (found.released, found.candidate, found.before, found.after) == ("m-1", "m-2", 1.0, 1.0)
    publish_all(zones, catalog)
    assert in_production(zones) == "m-2"


def test_a_seeded_regression_is_worse_and_is_held_back(zones: Zones, catalog: Catalog, stand_in: StandIn) -> None:
    stand_in.behave = worse
    version = publish_gold(zones, QUESTIONS)
    found = compare(zones, catalog, "c", now=NOW)
    assert found.verdict.word == "worse" and found.made_from["gold"] == f"grounded {version}"
    assert [flip.item for flip in found.flips] == [f"item-{number:04d}-yes" for number in range(0, QUESTIONS, 2)]
    assert {(flip.before, flip.after, flip.judged_by) for flip in found.flips} == {(1.0, 0.0, "people")}
    assert found.after == pytest.approx(1 - len(found.flips) / QUESTIONS)
    publish_all(zones, catalog)
    assert in_production(zones) == "m-1"
    assert client.get_model("m", home=zones.home).since.isoformat() == "2026-01-01"
    assert "models" not in unpublished(zones, catalog, DAY)


def test_too_few_items_are_undecided_held_back_and_say_how_many_are_needed(zones: Zones, catalog: Catalog) -> None:
    publish_gold(zones, 20)
    found = compare(zones, catalog, "c", now=NOW)
    assert found.verdict.word == "undecided" and found.verdict.needed is not None
    assert f"{found.verdict.needed - 20} more" in found.verdict.message
    publish_all(zones, catalog)
    assert in_production(zones) == "m-1"
    # With so many items, of which again none changes, it passes.
    publish_gold(zones, found.verdict.needed)
    assert compare(zones, catalog, "c", now=NOW).verdict.word == "not worse"


def test_what_was_not_compared_is_not_promoted(zones: Zones, catalog: Catalog) -> None:
    publish_all(zones, catalog)
    assert in_production(zones) == "m-1"
    with pytest.raises(NothingToCompare, match="gold"):
        compare(zones, catalog, "c", now=NOW)


def test_a_verdict_by_another_text_of_the_yaml_lets_nothing_pass(
    tmp_path: Path, zones: Zones, catalog: Catalog
) -> None:
    publish_gold(zones, QUESTIONS)
    assert compare(zones, catalog, "c", now=NOW).verdict.passed
    stricter = governed(tmp_path / "assets", {**COMPARISON, "margin": 0.01})
    publish_all(zones, stricter)
    assert in_production(zones) == "m-1"
    renamed = governed(tmp_path / "assets", {**COMPARISON, "description": "Said in other words."})
    publish_all(zones, renamed)
    assert in_production(zones) == "m-2"


def test_a_rerun_asks_nothing_and_journals_nothing(zones: Zones, catalog: Catalog, stand_in: StandIn) -> None:
    publish_gold(zones, 90)
    first = compare(zones, catalog, "c", now=NOW)
    assert (first.asked, first.kept, len(stand_in.requests)) == (180, 0, 180)
    assert compare(zones, catalog, "c", now=NOW) == first
    assert len(stand_in.requests) == 180
    # Ten more items cost ten more calls of each side.
    publish_gold(zones, 100)
    second = compare(zones, catalog, "c", now=NOW.replace(hour=9))
    assert (second.asked, second.kept, len(stand_in.requests)) == (20, 180, 200)
    assert comparisons.read_all(zones.journal) == [first, second]


def test_a_dry_run_says_calls_tokens_and_dollars_and_asks_nothing(
    zones: Zones, catalog: Catalog, stand_in: StandIn
) -> None:
    publish_gold(zones, 40)
    before, after = price_plan(zones, catalog, "c", now=NOW)
    assert (before.model, after.model, before.calls, before.kept, before.items) == ("m-1", "m-2", 40, 0, 40)
    assert before.input_tokens > 100 and before.dollars is not None
    assert before.dollars == Decimal(before.input_tokens + 2 * before.output_tokens) / 1_000_000
    assert not stand_in.requests
    compare(zones, catalog, "c", now=NOW)
    assert [(plan.calls, plan.kept, plan.dollars) for plan in price_plan(zones, catalog, "c", now=NOW)] == [
        (0, 40, 0)
    ] * 2


@pytest.mark.parametrize(
    ("limits", "message"),
    [({"calls": 50}, "80 calls are needed, and limits.calls is 50"), ({"dollars": "0.000001"}, "limits.dollars")],
)
def test_what_costs_more_than_allowed_is_not_begun(
    tmp_path: Path, zones: Zones, catalog: Catalog, stand_in: StandIn, limits: dict[str, Any], message: str
) -> None:
    publish_gold(zones, 40)
    limited = governed(tmp_path / "assets", {**COMPARISON, "limits": limits})
    with pytest.raises(OverLimit, match=message):
        compare(zones, limited, "c", now=NOW)
    assert not stand_in.requests


def test_a_side_that_does_not_answer_leaves_no_verdict_and_keeps_what_it_said(
    zones: Zones, catalog: Catalog, stand_in: StandIn
) -> None:
    publish_gold(zones, 40)
    stand_in.behave = lambda document, number: error(400, "no") if _number(document) == 7 else good(document, number)
    with pytest.raises(NotAnswered, match="m-1: 1 of 40 items got no answer"):
        compare(zones, catalog, "c", now=NOW)
    assert comparisons.read_all(zones.journal) == []
    stand_in.behave = good
    assert compare(zones, catalog, "c", now=NOW).kept == 39


def test_a_key_that_is_refused_says_so(zones: Zones, catalog: Catalog, stand_in: StandIn) -> None:
    publish_gold(zones, 10)
    stand_in.behave = lambda *_: error(401, "wrong key")
    with pytest.raises(EndpointError, match="401"):
        compare(zones, catalog, "c", now=NOW)


def test_changed_answers_without_labels_take_unchanged_ones_with_them(
    zones: Zones, catalog: Catalog, stand_in: StandIn
) -> None:
    """Else what did not change, which needs no label, would outweigh what did."""
    stand_in.behave = worse
    publish_gold(zones, 80, labeled=range(0, 40, 2))
    found = compare(zones, catalog, "c", now=NOW)
    assert (found.items, found.unchanged, found.unjudged, dict(found.judged_by)) == (80, 40, 20, {"people": 20})
    assert found.verdict.pairs == 20 + 20
    assert found.verdict.value == pytest.approx(-0.5)


def test_a_prompt_is_compared_by_its_texts_and_waits_on_its_channel(
    tmp_path: Path, zones: Zones, stand_in: StandIn
) -> None:
    catalog = governed(tmp_path / "assets", OF_PROMPT, **{"prompts/p": TWO_TEXTS})
    assert unpublished(zones, catalog, DAY) == ["p", "models"]
    publish_all(zones, catalog)
    first = client.get_prompt("p", home=zones.home)
    assert (first.change, client.get_prompt("p", channel="candidate", home=zones.home).change) == ("First.", "Shorter.")
    assert unpublished(zones, catalog, DAY) == []
    publish_gold(zones, QUESTIONS)
    stand_in.behave = worse_when_short
    found = compare_all(zones, catalog, "prompts", "p", now=NOW)["c"]
    assert (found.verdict.word, found.released, found.made_from["model"]) == ("worse", first.version, "m m-2")
    outcome = publish_prompts(zones, catalog, day=DAY, now=NOW)["p"]
    assert outcome.state == "held back" and outcome.verdict and "worse" in outcome.verdict.message
    assert client.get_prompt("p", home=zones.home, fresh_for=0).change == "First."


def test_an_equal_prompt_is_promoted(tmp_path: Path, zones: Zones, stand_in: StandIn) -> None:
    catalog = governed(tmp_path / "assets", OF_PROMPT, **{"prompts/p": TWO_TEXTS})
    publish_all(zones, catalog)
    publish_gold(zones, QUESTIONS)
    assert compare(zones, catalog, "c", now=NOW).verdict.word == "not worse"
    assert publish_prompts(zones, catalog, day=DAY, now=NOW)["p"].state == "moved"
    assert client.get_prompt("p", home=zones.home, fresh_for=0).change == "Shorter."
    with pytest.raises(NothingToCompare, match="is the one that is released"):
        compare(zones, catalog, "c", now=NOW)
    assert compare_all(zones, catalog, "prompts", "p", now=NOW) == {}


def test_what_no_comparison_governs_is_published_as_before(tmp_path: Path, zones: Zones, stand_in: StandIn) -> None:
    catalog = governed(tmp_path / "assets", OF_PROMPT)
    publish_all(zones, catalog)
    assert in_production(zones) == "m-2"
    with pytest.raises(NotReleased):
        client.get_prompt("p", channel="candidate", home=zones.home)


def test_the_last_of_several_comparisons_holds_and_the_gravest_of_several_evals(
    tmp_path: Path, zones: Zones, catalog: Catalog
) -> None:
    publish_gold(zones, QUESTIONS)
    found = compare(zones, catalog, "c", now=NOW)
    later = dataclasses.replace(
        found,
        made_from={**found.made_from, "gold": "another"},
        verdict=Verdict("undecided", "later"),
        compared_at=NOW.replace(hour=9),
    )
    comparisons.keep(zones.journal, later)

    def held(governs: Catalog) -> Verdict | None:
        return comparisons.standing(zones.journal, governs.comparisons, "models", "m", "m-2", "m-1")

    verdict = held(catalog)
    assert verdict and verdict.message == "c: later"
    two = governed(tmp_path / "assets", COMPARISON, **{"evals/d": {**COMPARISON, "metric": "other"}})
    verdict = held(two)
    assert verdict and not verdict.passed
    assert held(governed(tmp_path / "assets", OF_PROMPT, **{"evals/d": OF_PROMPT, "models/m": MODEL})) is None
