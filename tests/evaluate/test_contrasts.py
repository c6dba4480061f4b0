"""Slices are held against the rest: of those said to differ few do not, and those that do are found."""

from __future__ import annotations

import numpy as np

from canonry.evaluate.contrasts import compare_with_rest
from canonry.stats.survey import estimate_proportion

SLICES, LABELS, ROUNDS = 8, 40, 100


def _row(positives: int, labels: int) -> dict:
    found = estimate_proportion(np.arange(labels) < positives, [0] * labels, [10**9])
    known = {"value": found.value, "interval_low": found.low, "interval_high": found.high}
    return {**known, "confidence": 0.95, "refused": None}


def _compared(positives: np.ndarray) -> list[dict]:
    total = positives.sum()
    rows = [(_row(each, LABELS), _row(total - each, LABELS * (SLICES - 1))) for each in positives]
    compare_with_rest(rows)
    return [row for row, _ in rows]


def test_where_no_slice_differs_hardly_any_is_said_to():
    generator = np.random.default_rng(20261109)
    found, alone = 0, 0
    for _ in range(ROUNDS):
        rows = _compared(generator.binomial(LABELS, 0.3, SLICES))
        found += any(row["differs"] != "open" for row in rows)
        alone += any(row["p_value"] <= 0.05 for row in rows)
    assert found / ROUNDS <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / ROUNDS)
    assert alone / ROUNDS > 0.1


def test_the_slice_that_differs_is_found_on_its_side():
    generator = np.random.default_rng(7)
    right, others = 0, []
    for _ in range(40):
        rows = _compared(np.r_[generator.binomial(LABELS, 0.75), generator.binomial(LABELS, 0.3, SLICES - 1)])
        right += rows[0]["differs"] == "higher"
        others += [row["differs"] for row in rows[1:]]
    assert right >= 36
    # The others' rest has the slice that is worse in it, so they are truly somewhat better than their rest.
    assert set(others) <= {"open", "lower"}
    assert others.count("lower") < 0.1 * len(others)


def test_what_is_refused_is_not_compared():
    known, refused = _row(4, 40), {"refused": "3 labels, fewer than 10"}
    compare_with_rest([(known, refused), (refused, known)])
    assert "differs" not in known and "differs" not in refused
