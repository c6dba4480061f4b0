"""The scorecard's comparisons: verdicts with their numbers, flips by their ids, words only where they may be shown."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from canonry import comparisons
from canonry.comparisons import Comparison, Flip
from canonry.publish.scorecard import PATH, publish_scorecard
from canonry.stats.verdicts import judge_pairs
from canonry.storage import Zones
from tests.scorecard_home import Page

NOW = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)
FLIPS = "answerer: 30 items that flipped, 30 lost"


def made(name: str, lost: int, at: dt.datetime = NOW, gold: str = "g 1") -> Comparison:
    before, after = np.ones(200, dtype=bool), np.ones(200, dtype=bool)
    after[:lost] = False
    flips = tuple(Flip(f"item-{number:03d}", 1.0, 0.0, "people") for number in range(lost))
    verdict = judge_pairs(before, after, 0.05)
    return Comparison(
        name, "models", name, "v-2", "v-1", "grounded_rate", verdict, {"gold": gold}, at, 1.0, 1 - lost / 200, 200,
        200 - lost, {"people": lost}, flips=flips,
    )  # fmt: skip


def page(zones: Zones, texts: dict[str, dict[str, tuple[str | None, ...]]] | None = None) -> Page:
    publish_scorecard(zones, labels=[], candidates=[], texts=texts, now=NOW)
    return Page(zones.published.read(PATH).decode())


def test_without_one_the_section_says_how_to_get_one(zones: Zones) -> None:
    assert "No candidate was compared with what is released yet." in page(zones).text


def test_verdicts_are_shown_with_their_numbers_and_what_is_held_back_is_said_first(zones: Zones) -> None:
    earlier, regression, equal = made("answerer", 2), made("answerer", 30, NOW.replace(hour=9), "g 2"), made("text", 0)
    for each in (earlier, regression, equal):
        comparisons.keep(zones.journal, each)
    shown = page(zones)
    _, worse, passes = shown.tables["Last comparisons, differences in percentage points"]
    assert worse[:3] == ["answerer", "worse: held back", "−15.0"] and worse[4:8] == ["−5.0", "200 of 200", "30", "0"]
    assert passes[:3] == ["text", "not worse: passes", "+0.0"]
    assert len(shown.tables["Every comparison, the newest first"]) == 1 + 3
    assert "models/answerer v-2 is held back: worse than v-1, −15.0 points of grounded rate." in shown.text
    [chart] = [dict(attributes) for tag, attributes in shown.elements if tag == "svg"]
    assert "worse: it dropped by more than 0.05" in (chart["aria-label"] or "")
    assert not [tag for tag, _ in shown.elements if tag == "script"]


def test_flips_are_named_by_their_ids_and_nobody_s_words_are_shown(zones: Zones) -> None:
    comparisons.keep(zones.journal, made("answerer", 30))
    [caption] = [caption for caption in page(zones).tables if caption.startswith(FLIPS)]
    assert caption.endswith("canonry eval show answerer --texts")
    heading, first, *_ = page(zones).tables[caption]
    assert heading == ["item", "before", "after", "judged by"]
    assert first == ["item-000", "good", "not good", "people"]


def test_words_that_may_be_shown_stay_words(zones: Zones) -> None:
    kept = comparisons.keep(zones.journal, made("answerer", 30))
    said = ("Why <script>alert(1)</script>?", "A\nb.", None)
    shown = page(zones, {kept.digest: {"item-000": said}})
    heading, first, second, *_ = shown.tables[FLIPS]
    assert heading[4:] == ["question", "answer before", "answer after"]
    assert first[4:] == ["Why <script>alert(1)</script>?", "A b.", "not kept"]
    assert second[4:] == ["not kept"] * 3
    assert not [tag for tag, _ in shown.elements if tag == "script"]


@pytest.mark.parametrize("lost", [0, 1, 3, 200])
def test_any_difference_can_be_drawn(zones: Zones, lost: int) -> None:
    comparisons.keep(zones.journal, made("answerer", lost))
    assert [tag for tag, _ in page(zones).elements if tag == "svg"] == ["svg"]
