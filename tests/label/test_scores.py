"""What makes a call likelier to be drawn: each score says what it claims, and draws by it keep their probabilities."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from scipy.stats import binom

from canonry import lake
from canonry.catalog.specs import SampleScore, Sampling
from canonry.label.draws import answered_calls, draw_day, make_draw
from canonry.label.scores import novelty, read_scores
from tests.label.conftest import DAY

NAME, NOW = "groundedness", dt.datetime(2026, 11, 20)
SCORER = {"scorer": "judge", "metric": "hallucination"}
SCORES = {
    "uncertainty": {"by": "uncertainty", **SCORER},
    "disagreement": {"by": "disagreement", **SCORER, "high_means": "bad"},
    "novelty": {"by": "novelty"},
    "negative_feedback": {"by": "negative_feedback"},
}
OLD, NEW = "How do I reset my password?", "Which invoices were refunded in Brazil?"


@pytest.fixture
def by(scheme):
    """The scheme, drawing by this score."""

    def make(name, **more):
        score = SampleScore(**{**SCORES[name], "random_share": 0.4, **more})
        sampling = Sampling(design="poisson", per_day=8, score=score)
        return scheme.model_copy(update={"sampling": sampling})

    return make


@pytest.fixture
def known(zones, scheme, write_calls):
    """Forty calls: two were liked or disliked, three were scored, each fifth asks what nobody asked the day before."""
    before = DAY - dt.timedelta(days=1)
    write_calls([{"inference_id": f"old{n}", "question": OLD, "answer": "Open settings."} for n in range(5)], before)
    draw_day(zones, NAME, scheme, before, NOW)
    write_calls([{"inference_id": f"c{n}", "question": OLD if n % 5 else NEW, "answer": "Open settings."}
                 for n in range(40)])  # fmt: skip
    scored = [
        ("c1", 0.9, "judge"),
        ("c2", 0.5, "judge"),
        ("c3", 0.2, "judge"),
        ("c4", 0.5, "other"),
        ("c5", 7.0, "judge"),
    ]
    rows = [dict.fromkeys(lake.SCHEMAS["scores"].names) | {"inference_id": name, "metric": "hallucination",
            "value": value, "scorer": scorer} for name, value, scorer in scored]  # fmt: skip
    lake.write(zones.lake, "scores", DAY, pa.Table.from_pylist(rows, lake.SCHEMAS["scores"]), {})
    said = [("c1", 1.0), ("c3", -1.0), ("c3", 0.0), ("c6", -1.0), ("c7", None)]
    rows = [dict.fromkeys(lake.SCHEMAS["feedback"].names) | {"inference_id": name, "value": value}
            for name, value in said]  # fmt: skip
    lake.write(zones.lake, "feedback", DAY, pa.Table.from_pylist(rows, lake.SCHEMAS["feedback"]), {})
    return zones, answered_calls(zones.lake, DAY)


def _above_zero(zones, scheme, frame):
    scores, said = read_scores(zones, NAME, scheme, DAY, frame)
    names = frame["inference_id"].to_pylist()
    return {name: round(float(score), 6) for name, score in zip(names, scores, strict=True) if score > 1e-9}, said


def test_a_scorer_is_unsure_near_one_half_and_disagrees_where_users_say_otherwise(known, by):
    found, said = _above_zero(*_with(known, by("uncertainty")))
    assert found == {"c1": 0.2, "c2": 1.0, "c3": 0.4}
    assert (said["score"], said["scored"]) == ("uncertainty", 3)
    # c1: bad with 0.9, liked. c3: bad with 0.2; of two users one disliked it and one did not mind: bad with 0.75.
    found, said = _above_zero(*_with(known, by("disagreement")))
    assert found == {"c1": 0.9, "c3": 0.55} and said["scored"] == 2
    found, _ = _above_zero(*_with(known, by("disagreement", high_means="good")))
    assert found == {"c1": 0.1, "c3": 0.05}
    found, _ = _above_zero(*_with(known, by("negative_feedback")))
    assert found == {"c3": 1.0, "c6": 1.0}


def test_novel_is_what_reads_like_nothing_drawn_before(known, by):
    found, said = _above_zero(*_with(known, by("novelty")))
    assert found.keys() == {f"c{n}" for n in range(0, 40, 5)}
    assert min(found.values()) > 0.5
    assert said["compared_with"] == 3


def test_novelty_grows_with_the_words_that_are_new():
    earlier = ["the cat sat on the mat", "dogs bark at night"]
    same, near, far, empty = novelty(
        ["The cat sat on the mat.", "the cat sat on a chair", "quarterly revenue", ""], earlier
    )
    assert same == pytest.approx(0, abs=1e-9) and 0.1 < near < 0.9 and far == 1 and empty == 1
    assert novelty(["x"], []).tolist() == [1.0] and novelty([], ["x"]).tolist() == []
    many = ["the cat sat on the mat"] * 2_500 + ["quarterly revenue"]
    assert np.flatnonzero(novelty(many, earlier) > 0.5).tolist() == [2_500]


@pytest.mark.parametrize("name", SCORES)
def test_a_thousand_draws_by_each_score_choose_as_often_as_they_say(known, by, name):
    (zones, scheme, frame), draws = _with(known, by(name)), 1000
    scores, _ = read_scores(zones, NAME, scheme, DAY, frame)
    chosen: Counter[str] = Counter()
    probability: dict[str, float] = {}
    for seed in range(draws):
        seeded = scheme.model_copy(update={"sampling": scheme.sampling.model_copy(update={"seed": seed})})
        for item in make_draw(NAME, seeded, DAY, frame, NOW, scores=scores).items:
            chosen[item.inference_id] += 1
            probability[item.inference_id] = item.inclusion_probability
    assert len(probability) == 40 and len({round(each, 9) for each in probability.values()}) > 1
    assert sum(probability.values()) == pytest.approx(8)
    assert min(probability.values()) >= 0.4 * 8 / 40 * 0.999
    for each, likely in probability.items():
        assert binom.ppf(1e-8, draws, likely) <= chosen[each] <= binom.isf(1e-8, draws, likely), each


@pytest.mark.parametrize("name", ["uncertainty", "disagreement", "novelty"])
def test_without_anything_to_go_by_all_are_alike_and_the_draw_says_why(zones, write_calls, by, name):
    write_calls([{"inference_id": f"c{n}"} for n in range(20)])
    draw = draw_day(zones, NAME, by(name), DAY, NOW)
    assert "drawn at random alone" in draw.parameters["without_score"]
    assert {round(item.inclusion_probability, 9) for item in draw.items} <= {8 / 20}


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "disagreement", **SCORER},
        {"by": "disagreement", "high_means": "bad"},
        {"by": "uncertainty", "scorer": "judge"},
        {"by": "novelty", **SCORER},
        {"by": "uncertainty", **SCORER, "high_means": "bad"},
    ],
)
def test_a_score_that_is_not_said_whole_is_refused(wrong):
    with pytest.raises(ValidationError, match="belong"):
        SampleScore(**wrong)


def _with(known, scheme):
    zones, frame = known
    return zones, scheme, frame
