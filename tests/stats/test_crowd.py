"""Dawid and Skene's model: their own data and figures, another implementation, and truth that is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene
from scipy.stats import t

from canonry.stats.crowd import Votes, dawid_skene, recall_interval

ANAESTHETISTS = """
111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3|222 2 2 2 3
232 2 2 2 3|444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1|111 1 1 1 1
222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|111 1 1 1 1|111 1 1 1 1|232 2 2 2 2
111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3
221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1|111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2
"""
"""Table 1 of Dawid and Skene (1979): fitness for anaesthesia of 45 patients, by five anaesthetists."""


def anaesthetists() -> Votes:
    patients = [patient.split() for line in ANAESTHETISTS.split("\n") if line for patient in line.split("|")]
    votes = [
        (item, observer, int(answer) - 1)
        for item, said in enumerate(patients)
        for observer, answers in enumerate(said)
        for answer in answers
    ]
    item, observer, answer = np.array(votes).T
    return Votes(item, observer, answer, 45, 5, 4)


def simulated(seed: int, items: int, overlap: int) -> tuple[np.ndarray, Votes]:
    """Truth, three in ten positive, and votes of five annotators of known quality, the last always negative."""
    draw = np.random.default_rng(seed)
    truth = (draw.random(items) < 0.3).astype(np.intp)
    who = np.argsort(draw.random((items, 5)), axis=1)[:, :overlap]
    positive = np.where(truth[:, None] == 1, SENSITIVITY[who], 1 - SPECIFICITY[who])
    said = (draw.random((items, overlap)) < positive).astype(np.intp)
    return truth, Votes(np.repeat(np.arange(items), overlap), who.ravel(), said.ravel(), items, 5, 2)


SENSITIVITY, SPECIFICITY = np.array([0.95, 0.90, 0.85, 0.60, 0.0]), np.array([0.95, 0.85, 0.90, 0.60, 1.0])


def right(positive: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether each item's answer is right; half where it is tied."""
    return np.where(np.isclose(positive, 0.5), 0.5, (positive > 0.5) == truth)


def test_dawid_and_skenes_own_data_give_their_own_figures():
    crowd = dawid_skene(anaesthetists(), prior_answers=0, prior_items=0)
    assert crowd.prevalence == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    first = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert crowd.confusion[0] == pytest.approx(np.array(first), abs=0.005)


def test_without_priors_it_is_what_crowd_kit_computes():
    votes = simulated(1, 120, 5)[1]
    data = pd.DataFrame({"task": votes.item, "worker": votes.annotator, "label": votes.answer})
    other = DawidSkene(n_iter=300, tol=-1).fit(data)  # by its own tolerance it stops early
    crowd = dawid_skene(votes, prior_answers=0, prior_items=0)
    assert crowd.prevalence == pytest.approx(other.priors_.sort_index().to_numpy(), abs=1e-4)
    assert crowd.posterior == pytest.approx(other.probas_.sort_index().sort_index(axis=1).to_numpy(), abs=1e-3)


@pytest.mark.parametrize(
    ("overlap", "over_majority", "over_best"), [(2, 0.08, -0.02), (3, 0.02, 0.0), (5, 0.015, 0.02)]
)
def test_over_a_hundred_seeds_it_beats_the_majority_and_from_three_answers_on_the_best_annotator(
    overlap, over_majority, over_best
):
    """Paired differences; the bounds lie just below what `bench/consensus.py` prints of the same answers."""
    majority, best, known = [], [], []
    for seed in range(100):
        truth, votes = simulated(seed, 400, overlap)
        ours = right(dawid_skene(votes).posterior[:, 1], truth)
        majority.append(float(np.mean(ours - right(votes.counts()[:, 1] / overlap, truth))))
        # The best annotator is compared on the items that she saw.
        by_best = votes.annotator == 0
        items = votes.item[by_best]
        best.append(float(np.mean(ours[items] - (votes.answer[by_best] == truth[items]))))
        known.append(float(np.mean(right(knowing_the_annotators(votes), truth) - ours)))
    for name, differences, least in (("majority", majority, over_majority), ("best annotator", best, over_best)):
        low, high = paired_mean_interval(differences)
        print(f"{overlap} of 5 over the {name}: {np.mean(differences):+.4f} [{low:+.4f}, {high:+.4f}], 100 seeds")
        assert low > least
    # Who knew each annotator's sensitivity and specificity beforehand would hardly do better.
    assert np.mean(known) < 0.01


def knowing_the_annotators(votes: Votes) -> np.ndarray:
    """Probability of positive by Bayes' rule, from the annotators' true sensitivities and specificities."""
    positive, negative = np.full(votes.items, 0.3), np.full(votes.items, 0.7)
    said = votes.answer == 1
    sensitivity, specificity = SENSITIVITY[votes.annotator], SPECIFICITY[votes.annotator]
    np.multiply.at(positive, votes.item, np.where(said, sensitivity, 1 - sensitivity))
    np.multiply.at(negative, votes.item, np.where(said, 1 - specificity, specificity))
    return positive / (positive + negative)


def paired_mean_interval(differences: list[float]) -> tuple[float, float]:
    """95 % interval of the mean of paired differences (Student's t)."""
    half = t.ppf(0.975, len(differences) - 1) * np.std(differences, ddof=1) / len(differences) ** 0.5
    return float(np.mean(differences) - half), float(np.mean(differences) + half)


def test_whoever_always_says_the_same_is_found_out_and_the_answers_keep_their_names():
    for seed in range(10):
        _, votes = simulated(seed, 400, 3)
        crowd = dawid_skene(votes)
        assert crowd.confusion[4, 1, 1] < 0.1 and crowd.confusion[4, 0, 0] > 0.9
        assert crowd.confusion[0, 1, 1] > 0.8 and crowd.confusion[0, 0, 0] > 0.85


def test_intervals_of_sensitivity_and_specificity_hold_about_as_often_as_they_say():
    inside = []
    for seed in range(40):
        _, votes = simulated(seed, 600, 3)
        counted = dawid_skene(votes).counted
        for annotator in range(5):
            for answer, of in ((0, SPECIFICITY[annotator]), (1, SENSITIVITY[annotator])):
                row = counted[annotator, answer]
                low, high = recall_interval(row[answer], row.sum())
                inside.append(low <= of <= high)
    assert np.mean(inside) > 0.7


def test_among_a_few_items_it_is_no_worse_than_the_majority():
    lost = []
    for seed in range(60):
        truth, votes = simulated(seed, 30, 3)
        ours = right(dawid_skene(votes).posterior[:, 1], truth)
        lost.append(np.mean(ours) - np.mean(right(votes.counts()[:, 1] / 3, truth)))
    assert np.mean(lost) > -0.01


def test_known_answers_stay_and_teach():
    gained = []
    for seed in range(20):
        truth, votes = simulated(seed, 120, 2)
        known = np.where(np.arange(120) < 60, truth, -1)
        taught = dawid_skene(votes, known).posterior[:, 1]
        assert np.array_equal(taught[:60], truth[:60])
        free = dawid_skene(votes).posterior[:, 1]
        gained.append(np.mean(right(taught, truth)[60:]) - np.mean(right(free, truth)[60:]))
    assert np.mean(gained) > 0
