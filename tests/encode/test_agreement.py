"""How near two runtimes are is told by vectors and by what they find, on texts of every length."""

from __future__ import annotations

import numpy as np
import pytest

from canonry.encode import agreement, spread_sample


def test_agreement_counts_the_worst_text() -> None:
    reference = np.eye(3, dtype=np.float32)
    found = agreement(reference, np.array([[2, 0, 0], [0, 1, 0], [0, 1, 0]], np.float32))
    assert (found.texts, found.mean, found.least, found.overlap) == (3, pytest.approx(2 / 3), 0, 1)


def test_overlap_is_the_share_of_the_ten_nearest_that_both_find() -> None:
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((60, 16)).astype(np.float32)
    other = generator.standard_normal((60, 16)).astype(np.float32)
    assert agreement(reference, 3 * reference).overlap == 1
    assert agreement(reference, other).overlap < 0.35
    near = agreement(reference, reference + 0.2 * other)
    assert near.mean > 0.95 and 0.5 < near.overlap < 0.95


def test_a_sample_has_texts_of_every_length() -> None:
    texts = [f"{number} " * (1 + number % 40) for number in range(400)] + ["", "x" * 9_000]
    rows = spread_sample(texts, 32)
    assert len(rows) == 32 and sorted(rows) == rows.tolist()
    assert {len(text).bit_length() for text in texts} == {len(texts[row]).bit_length() for row in rows}
    assert spread_sample(texts[:5], 32).tolist() == [0, 1, 2, 3, 4]
    assert spread_sample([], 32).tolist() == []


def test_texts_that_come_and_go_change_a_sample_by_a_few() -> None:
    texts = [f"a passage about number {number} " * (1 + number % 20) for number in range(2_000)]
    before = {texts[row] for row in spread_sample(texts, 32)}
    changed = [text if number % 97 else f"changed: {text}" for number, text in enumerate(texts)]
    after = {changed[row] for row in spread_sample(changed, 32)}
    assert len(before - after) <= 3
