"""Which registered prompt a call was made with, and what a product changed about it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from canonry import lake
from canonry.catalog import Catalog, PromptSpec
from canonry.evaluate.prompt_drift import prompt_drift, status_of, write_prompt_drift
from canonry.evaluate.prompts import RegisteredPrompt, is_made_from, registered_prompts
from canonry.publish import publish_prompts
from canonry.storage import Zones
from tests.evaluate.asked import MONDAY, call, write_calls

OLD = "Answer from the passages below, word for word.\n\nPassages:\n{passages}\n\nQuestion: {question}\n"
NEW = OLD.replace("word for word", "in your own words")
PROMPTS = [
    RegisteredPrompt("answer", "1111111111111111", OLD, ("passages", "question")),
    RegisteredPrompt("answer", "2222222222222222", NEW, ("passages", "question")),
]


def filled(template: str, number: int) -> str:
    passages = f"passage {number} of many\nwith a second line {number}"
    return template.replace("{passages}", passages).replace("{question}", f"What is {number}?")


def made(number: int, system: str | None, **other: Any) -> dict[str, Any]:
    claimed = {"prompt_name": "answer", "prompt_version": "1111111111111111", "prompt_digest": None}
    return call(MONDAY, number, f"What is {number}?", system=system, **{**claimed, **other})


@pytest.mark.parametrize(
    ("system", "claims", "status"),
    [
        (filled(OLD, 1), {}, "registered"),
        (filled(OLD, 1).replace("\n\n", "\n"), {}, "registered"),
        (filled(OLD, 1), {"prompt_name": None, "prompt_version": None}, "registered"),
        (filled(NEW, 1), {}, "other_version"),
        ("Be brief. " + filled(OLD, 1), {}, "changed"),
        ("You are a helpful assistant.", {"prompt_name": None, "prompt_version": None}, "changed"),
        (None, {}, "registered"),
        (None, {"prompt_version": "3333333333333333"}, "unknown_version"),
        (None, {"prompt_name": "another"}, "unknown_version"),
        (None, {"prompt_version": None, "prompt_digest": PROMPTS[1].digest}, "registered"),
        (None, {"prompt_version": None, "prompt_digest": f"sha256:{PROMPTS[1].digest[:16]}"}, "registered"),
        (None, {"prompt_version": None, "prompt_digest": "abcdef0123456789"}, "unknown_version"),
        (None, {"prompt_name": None, "prompt_version": None}, "not_said"),
    ],
)
def test_status_of_a_call(system: str | None, claims: dict[str, Any], status: str) -> None:
    assert status_of(made(1, system, **claims), PROMPTS)[0] == status


def test_a_prompt_sent_as_what_the_user_says_is_known() -> None:
    sent = call(MONDAY, 1, filled(NEW, 4), prompt_name=None, prompt_version=None, prompt_digest=None)
    assert status_of(sent, PROMPTS) == ("registered", "2222222222222222")


def test_a_template_of_variables_alone_is_nobodys_prompt() -> None:
    assert not is_made_from("Anything at all that somebody may have written", RegisteredPrompt("p", "v", "{q}", ("q",)))


def test_what_was_changed_is_shown_and_what_users_wrote_is_not() -> None:
    changed = OLD.replace("Passages:", "Greet the customer first.\nPassages:")
    calls = [made(number, filled(changed, number)) for number in range(30)]
    calls += [made(number, filled(OLD, number)) for number in range(30, 40)]
    drifted, registered = prompt_drift(calls, PROMPTS)
    assert (registered["status"], registered["calls"], registered["of_calls"]) == ("registered", 10, 40)
    assert (drifted["status"], drifted["calls"]) == ("changed", 30)
    assert (drifted["nearest_name"], drifted["nearest_version"]) == ("answer", "1111111111111111")
    assert "+Greet the customer first." in drifted["changes"].splitlines()
    assert not any(line.startswith("-") for line in drifted["changes"].splitlines())
    assert "passage 3" not in drifted["changes"] and "What is" not in drifted["changes"]
    assert drifted["similarity"] == 1


def test_two_changes_are_told_apart_and_every_call_is_counted() -> None:
    texts = [OLD.replace("word for word", "briefly"), OLD + "\nAnswer in French.\n"]
    calls = [made(number, filled(texts[number % 3 == 0], number)) for number in range(90)]
    found = prompt_drift(calls, PROMPTS)
    assert [row["status"] for row in found] == ["changed", "changed"]
    assert sum(row["calls"] for row in found) == 90
    assert "+Answer from the passages below, briefly." in found[0]["changes"]
    assert "+Answer in French." in found[1]["changes"]


def test_what_passages_share_is_no_change_of_the_prompt() -> None:
    """Passages of one documentation have the same headings, in some calls and not in others."""
    changed = "Greet the customer first.\n" + OLD
    headed = changed.replace("{passages}", "Returns\n-------\n{passages}")
    calls = [made(number, filled(headed if number % 2 else changed, number)) for number in range(20)]
    (row,) = prompt_drift(calls, PROMPTS)
    assert row["calls"] == 20
    assert [line for line in row["changes"].splitlines() if line[0] in "+-"] == ["+Greet the customer first."]


def test_a_change_that_one_call_has_shows_nothing_of_it() -> None:
    (row,) = prompt_drift([made(1, "My name is Alice, and this is my own prompt.")], PROMPTS)
    assert (row["status"], row["changes"]) == ("changed", None)


def test_releases_and_texts_of_the_catalog_are_registered(zones: Zones) -> None:
    said = {"description": "Made for this test only.", "owner": "a-team", "variables": ["passages", "question"]}
    versions = [
        {"since": "2026-11-01", "template": OLD, "change": "First version."},
        {"since": "2026-12-24", "template": NEW, "change": "In own words."},
    ]
    spec = PromptSpec.model_validate({**said, "versions": versions})
    catalog = Catalog(Path("assets"), prompts={"answer": spec})
    now = dt.datetime(2026, 11, 3, tzinfo=dt.UTC)
    released = publish_prompts(zones, catalog, day=MONDAY, now=now)
    found = registered_prompts(zones.published, catalog)
    assert {(each.version, each.template) for each in found} == {
        (released["answer"].release.version, OLD),
        ("2026-12-24", NEW),
    }
    write_calls(zones.lake, MONDAY, [made(number, filled(NEW, number), prompt_version=None) for number in range(3)])
    rows, changed = write_prompt_drift(zones.lake, found, MONDAY)
    assert changed and [(row["status"], row["prompt_version"]) for row in rows] == [("registered", "2026-12-24")]
    assert not write_prompt_drift(zones.lake, found, MONDAY)[1]
    assert lake.read(zones.lake, "prompt_drift", [MONDAY])["calls"].to_pylist() == [3]
