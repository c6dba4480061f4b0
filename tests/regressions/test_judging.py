"""Who judges: people where both sides have a label, else a scorer that never saw the question; both sides alike."""

from __future__ import annotations

from collections.abc import Sequence

from canonry.regressions.items import Gold, Item, answer_key
from canonry.regressions.judging import Judge, judge

ITEMS = [Item(f"i{number}", f"Q{number}?", ("text",), f"g{number}", {}) for number in range(8)]
GOLD = Gold(
    "v",
    ITEMS,
    {answer_key(f"Q{number}?", text): text == "right" for number in (0, 1) for text in ("right", "wrong")},
    frozenset({answer_key("Q1?", "wrong")}),
)
BEFORE = ["right"] * 8
AFTER = ["wrong"] * 4 + ["Right"] * 4


class Lenient:
    """A scorer that calls everything good, and learned from the questions of some items."""

    def __init__(self, *trained: str) -> None:
        self.trained, self.asked = trained, [""]

    def judge(self) -> Judge:
        return Judge("lenient 1", self.good, lambda item: item.item_id not in self.trained)

    def good(self, answers: Sequence[tuple[Item, str]]) -> list[bool]:
        self.asked += [item.item_id for item, _ in answers]
        return [True] * len(answers)


def test_people_come_first_and_the_scorer_is_asked_about_the_rest_of_what_changed() -> None:
    scorer = Lenient()
    found = judge(GOLD, BEFORE, AFTER, scorer.judge())
    assert sorted(set(scorer.asked[1:])) == ["i2", "i3"]
    assert dict(found.counts) == {"people": 1, "simulated people": 1, "lenient 1": 2}
    assert (found.unchanged, found.unjudged, found.simulated, len(found.items)) == (4, 0, 1, 8)
    lost = [
        item.item_id for item, was, now in zip(found.items, found.before, found.after, strict=True) if was and not now
    ]
    assert lost == ["i0", "i1"]


def test_a_scorer_never_judges_what_it_learned_from() -> None:
    scorer = Lenient("i2", "i3", "i4")
    found = judge(GOLD, BEFORE, AFTER, scorer.judge())
    assert scorer.asked == [""] and found.unjudged == 2
    # Half of what changed is judged, so half of what did not is counted.
    assert len(found.items) == 2 + 2


def test_an_item_of_which_only_one_side_could_be_judged_is_left_out() -> None:
    def good(answers: Sequence[tuple[Item, str]]) -> list[bool | None]:
        return [None if (item.item_id, text) == ("i2", "wrong") else True for item, text in answers]

    found = judge(GOLD, BEFORE, AFTER, Judge("silent 1", good, lambda item: True))
    assert dict(found.counts) == {"people": 1, "simulated people": 1, "silent 1": 1}
    assert (found.unjudged, len(found.items)) == (1, 3 + 3)


def test_without_labels_or_a_scorer_nothing_that_changed_is_known() -> None:
    found = judge(Gold("v", ITEMS, {}, frozenset()), BEFORE, AFTER, None)
    assert (len(found.items), found.unjudged, found.rates) == (0, 4, None)


def test_the_same_answers_need_no_judge() -> None:
    found = judge(Gold("v", ITEMS, {}, frozenset()), BEFORE, BEFORE, None)
    assert (len(found.items), found.unchanged, list(found.before)) == (8, 8, [True] * 8)


def test_the_rates_differ_by_the_difference() -> None:
    known = Gold(
        "v", ITEMS, {answer_key(item.question, "right"): True for item in ITEMS} | dict(GOLD.good), frozenset()
    )
    found = judge(known, BEFORE, AFTER, None)
    assert found.rates is not None
    assert abs(found.rates[1] - found.rates[0] - (found.after.mean() - found.before.mean())) < 1e-12
