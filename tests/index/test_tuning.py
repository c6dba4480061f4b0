"""The weight of words: chosen where it is surely better, from queries that its figures are not made of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from canonry.index import candidate
from canonry.index import vectors as engine
from canonry.index.golden import Golden
from canonry.index.tuning import WEIGHTS, chosen_weight, cross_validated, is_held_back, ndcg_by_weight, tune
from canonry.search import TextIndex

QUERIES = [f"question about subject{number}" for number in range(120)]
GOLDEN = [Golden(query, frozenset({f"d{number:03d}"})) for number, query in enumerate(QUERIES)]


def unit(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def index_of(texts: list[str]) -> TextIndex:
    names = [f"d{number:03d}" for number in range(len(texts))]
    chunks = pa.table(
        {
            "chunk_id": [f"{name}#0" for name in names],
            "document_id": names,
            "title": pa.nulls(len(names), pa.string()),
            "ordinal": pa.array([0] * len(names), pa.int32()),
            "text": texts,
        }
    )
    return candidate.opened(candidate.payload(chunks, engine.build(unit(len(texts), 0), "Flat"), "english"))


NEAR = unit(120, 0) + 0.02 * unit(120, 1)
FAR = unit(120, 2)
WORDED = [f"All of subject{number} in words." for number in range(120)]
MISWORDED = [f"All of subject{(number + 1) % 120} in words." for number in range(120)]


@pytest.mark.parametrize(
    ("texts", "vectors", "lowest", "highest"),
    [(WORDED, FAR, 0.6, 1.0), (MISWORDED, NEAR, 0.0, 0.4), (WORDED, NEAR, 0.5, 0.5)],
    ids=["words alone know", "vectors alone know", "both know"],
)
def test_the_side_that_knows_counts_more(texts: list[str], vectors: np.ndarray, lowest: float, highest: float) -> None:
    found = tune(index_of(texts), GOLDEN, vectors)
    assert lowest <= found.lexical_weight <= highest
    assert found.held_back and found.cross_validated
    assert found.held_back.hybrid >= max(found.held_back.dense, found.held_back.lexical) - 0.05
    assert found.tuned_on + found.held_back.queries == 120
    assert found.cross_validated.queries == found.tuned_on


def test_what_is_held_back_changes_nothing_that_is_chosen() -> None:
    index, held = index_of(WORDED), [is_held_back(query) for query in QUERIES]
    assert 75 < sum(held) < 105
    vectors = np.where(np.array(held)[:, np.newaxis], NEAR, FAR)
    wrong = [
        Golden(each.query, frozenset({"d000"})) if is_held else each for each, is_held in zip(GOLDEN, held, strict=True)
    ]
    first, second = tune(index, GOLDEN, vectors), tune(index, wrong, vectors)
    assert (first.lexical_weight, first.cross_validated) == (second.lexical_weight, second.cross_validated)
    assert first.held_back != second.held_back


def test_a_query_is_measured_with_a_weight_that_it_did_not_choose() -> None:
    """Every query is right at one weight alone, each at its own: what others choose is wrong for it."""
    figures = np.zeros((len(WEIGHTS), 10))
    figures[np.arange(10), np.arange(10)] = 1
    assert cross_validated(figures, [f"q{number}" for number in range(10)]).mean() < 0.3


def test_few_queries_choose_nothing() -> None:
    found = tune(index_of(MISWORDED), GOLDEN[:15], NEAR[:15])
    assert (found.lexical_weight, found.tuned_on, found.cross_validated) == (0.5, 0, None)
    assert found.held_back and found.held_back.queries == 15
    assert tune(index_of(WORDED), [], NEAR[:0]).held_back is None


def test_a_weight_that_is_better_by_luck_is_not_chosen() -> None:
    figures = np.full((len(WEIGHTS), 100), 0.5)
    figures[2, 0], figures[2, 1] = 1, 0.2
    assert chosen_weight(figures) == 0.5
    figures[2, :50] = 1
    assert chosen_weight(figures) == 0.2


def test_the_ends_are_the_sides_alone() -> None:
    figures = ndcg_by_weight(index_of(WORDED), GOLDEN, FAR)
    assert figures.shape == (len(WEIGHTS), 120)
    assert figures[-1].mean() == 1
    assert figures[0].mean() < 0.5
