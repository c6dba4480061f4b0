"""What simulated annotators' answers come to: our consensus, the majority, and the best annotator, on known truth.

Five annotators of sensitivity and specificity (0.95, 0.95), (0.90, 0.85), (0.85, 0.90), (0.60, 0.60), (0.00, 1.00),
the last of whom always says no; three items in ten are positive. Differences are paired, item by item, over 100 seeds,
with the interval of their mean (Student's t). The best annotator is compared on the items that she saw. It fails where,
from three annotators an item on, the largest month's interval does not lie above 0 in both comparisons.
The ratio is our errors over the majority's, three annotators an item.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import t

from bench._report import arguments, report
from canonry import lake
from canonry.catalog import Consensus
from canonry.consensus import ItemLabel, consensus

SENSITIVITY, SPECIFICITY = np.array([0.95, 0.90, 0.85, 0.60, 0.0]), np.array([0.95, 0.85, 0.90, 0.60, 1.0])
CHOICES = ("no", "yes")
PREVALENCE = 0.3

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """Shares of one simulated month, 0 to 1: an item that is left open counts half."""

    ours: float
    majority: float
    ours_seen: float
    """Ours on the items that the best annotator saw."""
    best: float
    open: float
    queued: float
    adjudicated: float
    """Ours once the items in the queue were answered rightly."""


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, rows=400, quick_rows=100)
    seeds = 20 if options.quick else 100
    rows, ratio = [], 1.0
    for overlap in (2, 3, 5):
        for items in (30, 100, options.rows):
            found = [simulate(seed, items, overlap) for seed in range(seeds)]
            means = {name: float(np.mean([getattr(each, name) for each in found])) for name in Outcome.__annotations__}
            over = paired([each.ours - each.majority for each in found])
            over_best = paired([each.ours_seen - each.best for each in found])
            if overlap > 2 and items == options.rows and not options.quick and min(over[1], over_best[1]) <= 0:
                sys.exit(
                    f"{items} items by {overlap} of 5: not surely better than both: {said(over)}, {said(over_best)}"
                )
            shown = (f"{means[name]:.3f}" for name in ("ours", "majority", "best", "adjudicated"))
            ours, majority, best, settled = shown
            unsure = (f"{means['open']:.1%}", f"{means['queued']:.1%}")
            name = f"{items} items by {overlap} of 5"
            rows.append([name, ours, majority, said(over), best, said(over_best), *unsure, settled])
            if (overlap, items) == (3, options.rows):
                ratio = (1 - means["ours"]) / (1 - means["majority"])
    header = [
        "simulated",
        "right",
        "majority",
        "difference",
        "best annotator",
        "difference",
        "open",
        "queue",
        "settled",
    ]
    report("consensus", ratio, "lower", header, rows)


def simulate(seed: int, items: int, overlap: int) -> Outcome:
    """One month: what each item's answers come to."""
    truth, who, said = answers(seed, items, overlap)
    table = labels(who, said)
    ours, majority = (by_item(table, items, method) for method in ("dawid_skene", "majority"))
    seen = who == 0
    here = np.flatnonzero(seen.any(axis=1))
    right = score(ours, truth)
    queued = np.array([label.needs_adjudication for label in ours])
    return Outcome(
        ours=float(right.mean()),
        majority=float(score(majority, truth).mean()),
        ours_seen=float(right[here].mean()),
        best=float((said[seen] == truth[here]).mean()),
        open=float(np.mean([label.value is None for label in ours])),
        queued=float(queued.mean()),
        adjudicated=float(np.where(queued, 1.0, right).mean()),
    )


def answers(seed: int, items: int, overlap: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Truth (items,), annotators (items, overlap), and what they said."""
    draw = np.random.default_rng(seed)
    truth = (draw.random(items) < PREVALENCE).astype(np.int64)
    who = np.argsort(draw.random((items, len(SENSITIVITY))), axis=1)[:, :overlap]
    positive = np.where(truth[:, None] == 1, SENSITIVITY[who], 1 - SPECIFICITY[who])
    return truth, who, (draw.random((items, overlap)) < positive).astype(np.int64)


def labels(who: npt.NDArray[np.int64], said: npt.NDArray[np.int64]) -> pa.Table:
    """Rows of lake/labels."""
    empty = dict.fromkeys(lake.SCHEMAS["labels"].names)
    common = empty | {"created_at": dt.datetime(2026, 11, 1), "draw_id": "d", "cancelled": False, "simulated": True}
    rows = [
        common
        | {"annotation_id": f"{item}.{annotator}", "item_id": f"{item:06}", "inference_id": f"{item}"}
        | {"annotator_hash": str(annotator), "result": json.dumps({"field": CHOICES[answer]})}
        for item in range(len(who))
        for annotator, answer in zip(who[item], said[item], strict=True)
    ]
    return pa.Table.from_pylist(rows, lake.SCHEMAS["labels"])


def by_item(table: pa.Table, items: int, method: str) -> list[ItemLabel]:
    """The consensus of every item, in order."""
    found = consensus(table, "field", Consensus.model_validate({"method": method}), CHOICES)
    assert len(found) == items
    return found


def score(found: list[ItemLabel], truth: npt.NDArray[np.int64]) -> Floats:
    """1 where the consensus is right, 0 where it is wrong, half where it is open."""
    return np.array(
        [
            0.5 if label.value is None else float(label.value == CHOICES[true])
            for label, true in zip(found, truth, strict=True)
        ]
    )


def paired(differences: list[float]) -> tuple[float, float, float]:
    """Mean of paired differences, and the ends of its 95 % interval."""
    mean, size = float(np.mean(differences)), len(differences)
    half = float(t.ppf(0.975, size - 1)) * float(np.std(differences, ddof=1)) / size**0.5
    return mean, mean - half, mean + half


def said(difference: tuple[float, float, float]) -> str:
    """A difference with its interval."""
    return "{:+.4f} [{:+.4f}, {:+.4f}]".format(*difference)


if __name__ == "__main__":
    main()
