"""The ridge regression, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from canonry.score.ridge import fit_ridge


def test_it_is_what_scikit_learn_gives_without_each_fold() -> None:
    from sklearn.linear_model import Ridge

    draw = np.random.default_rng(0)
    rows, fold = draw.normal(size=(120, 6)), np.arange(120) % 3
    positive = rows[:, 0] + draw.normal(size=120) > 0
    whole, without = fit_ridge(rows, positive, fold, 3, 5.0)
    for found, use in ((whole, fold >= 0), *((each, fold != held) for held, each in enumerate(without))):
        expected = Ridge(alpha=5.0).fit(rows[use], positive[use]).predict(rows)
        assert found.value(rows) == pytest.approx(expected, abs=1e-6)


def test_without_columns_it_says_nothing() -> None:
    whole, without = fit_ridge(np.zeros((4, 0)), np.array([True, False] * 2), np.arange(4) % 2, 2, 1.0)
    assert [each.value(np.zeros((3, 0))).tolist() for each in (whole, *without)] == [[0.0, 0.0, 0.0]] * 3
