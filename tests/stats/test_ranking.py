"""Measures of a ranking, by numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from canonry.stats.ranking import ndcg, ranked_documents, recall, reciprocal_rank


def test_a_document_stands_where_its_best_chunk_does() -> None:
    assert ranked_documents([3, 0, 2, 1], ["a", "b", "a", "b"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("ranked", "right", "expected"),
    [
        (["a", "b"], {"a", "b"}, 1.0),
        (["x", "a"], {"a"}, 1 / math.log2(3)),
        (["x", "a"], {"a", "b"}, (1 / math.log2(3)) / (1 + 1 / math.log2(3))),
        (["x"], {"a"}, 0.0),
        ([*"bcdefghijk", "a"], {"a"}, 0.0),
        ([*"abcdefghij"], set("abcdefghijklmnop"), 1.0),
    ],
)
def test_gain_is_discounted_by_place_and_normalised(ranked: list[str], right: set[str], expected: float) -> None:
    assert ndcg(ranked, right) == pytest.approx(expected)


def test_recall_and_reciprocal_rank() -> None:
    assert recall(["a", "x"], {"a", "b"}) == 0.5
    assert reciprocal_rank(["x", "y", "a", "b"], {"a", "b"}) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x"], {"a"}) == 0
