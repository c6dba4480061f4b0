"""Another model's order of what was found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonry.client import Hit, SearchError, open_index, rerank
from canonry.storage import Zones


def hits(number: int) -> list[Hit]:
    return [Hit(f"c{row}", "d", None, f"text {row}", 1.0 - row / 100, {"row": row}, "v") for row in range(number)]


@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(1, 40))
def test_the_best_come_first_and_equals_stay_as_they_were(scores: list[int], k: int) -> None:
    found = rerank("?", hits(len(scores)), lambda text, hits: scores, k)
    assert len(found) == min(k, len(scores))
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:k]
    assert [hit.metadata["row"] for hit in found] == expected
    assert [hit.score for hit in found] == [scores[row] for row in expected]


def test_it_is_given_the_text_and_whole_hits(home: Zones) -> None:
    index = open_index("docs", home=home.home)
    asked = []

    def prefer_odd(text: str, some: Sequence[Hit]) -> list[float]:
        asked.append(text)
        return [int(hit.chunk_id.removeprefix("c")) % 2 for hit in some]

    found = index.search([1.0, 0, 0, 0, 0, 0, 0, 0], k=20)
    best = rerank("red", found, prefer_odd, k=3)
    assert asked == ["red"]
    assert [hit.chunk_id for hit in best] == [hit.chunk_id for hit in found if int(hit.chunk_id[1:]) % 2][:3]
    assert {hit.version for hit in best} == {index.version}


def test_of_nothing_the_best_is_nothing_and_nobody_is_asked() -> None:
    def never(text: str, some: Sequence[Hit]) -> list[float]:
        raise AssertionError(text)

    assert rerank("?", [], never) == []


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0], "gave 1 scores for 2 hits"),
        ([1.0, 2.0, 3.0], "gave 3 scores for 2 hits"),
        ([0.5, math.nan], "gave nan for chunk c1"),
        ([math.inf, 0.5], "gave inf for chunk c0"),
    ],
)
def test_scores_that_are_none_are_refused(scores: list[float], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        rerank("?", hits(2), lambda text, hits: scores)
