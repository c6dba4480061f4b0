"""Agreement and its intervals on real judgements, against other programs that compute them answer by answer.

Ours: Krippendorff's alpha with 1,000 resamples of 50,000 annotations. Theirs: the same alpha by the `krippendorff`
package. Also how often the interval holds the true alpha in simulation. The ratio is our figure over theirs.
"""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import krippendorff
import numpy as np
import numpy.typing as npt

from bench._report import arguments, report
from canonry.stats.agreement import RESAMPLES, alpha

Answers = npt.NDArray[np.float64]


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, rows=50_000, quick_rows=10_000)
    real = judgements(options.data / "xsum_hallucination" / "factuality_annotations_xsum_summaries.jsonl.gz")
    # As many annotations as asked for: the real summaries again and again.
    copies = -(-options.rows // int((~np.isnan(real)).sum()))
    answers = np.tile(real, (1, copies))
    annotations = int((~np.isnan(answers)).sum())

    began = time.perf_counter()
    ours = alpha(counts(answers))
    our_seconds = time.perf_counter() - began
    began = time.perf_counter()
    theirs = krippendorff.alpha(answers, level_of_measurement="nominal")
    their_seconds = time.perf_counter() - began
    assert ours.value is not None and ours.low is not None and ours.high is not None

    rows: list[list[object]] = [
        ["canonry", annotations, ours.value, f"[{ours.low:.4f}, {ours.high:.4f}]", RESAMPLES, our_seconds],
        ["krippendorff", annotations, theirs, "", 1, their_seconds],
    ]
    for items, prevalence, accuracy in ((30, 0.5, 0.9), (60, 0.3, 0.97), (150, 0.2, 0.9), (500, 0.1, 0.9)):
        held, trials = coverage(items, prevalence, accuracy, 200 if options.quick else 1000)
        name = f"simulated: {items} items by 3, {prevalence:.0%} positive, {accuracy:.0%} right"
        rows.append([name, 3 * items, "", f"held in {held / trials:.1%} of {trials:,}", RESAMPLES, ""])
    header = ["", "annotations", "alpha", "95 % interval", "resamples", "seconds"]
    report("agreement", ours.value / theirs, "lower", header, rows)


def judgements(file: Path) -> Answers:
    """(annotators, items) 0 or 1, NaN where nobody answered."""
    with gzip.open(file, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if row["is_factual"] in ("yes", "no")]
    items = {name: place for place, name in enumerate(dict.fromkeys((row["bbcid"], row["system"]) for row in rows))}
    workers = sorted({row["worker_id"] for row in rows})
    answers = np.full((len(workers), len(items)), np.nan)
    for row in rows:
        answers[workers.index(row["worker_id"]), items[row["bbcid"], row["system"]]] = row["is_factual"] == "yes"
    return answers


def counts(answers: Answers) -> Answers:
    """(items, 2) how many gave each answer."""
    return np.stack([(answers == value).sum(axis=0) for value in (0, 1)], axis=1).astype(float)


def coverage(items: int, prevalence: float, accuracy: float, trials: int) -> tuple[int, int]:
    """How often the interval holds the true alpha of three simulated annotators; no interval counts as none held."""
    # Two answers agree with chance `same`; of all answers the share `positive` is so.
    same = accuracy**2 + (1 - accuracy) ** 2
    positive = prevalence * accuracy + (1 - prevalence) * (1 - accuracy)
    true = 1 - (1 - same) / (2 * positive * (1 - positive))
    held = 0
    for seed in range(trials):
        draw = np.random.default_rng(seed)
        truth = draw.random(items) < prevalence
        found = alpha(counts(np.where(draw.random((3, items)) < accuracy, truth, ~truth).astype(float)), seed=seed)
        held += found.low is not None and found.high is not None and found.low <= true <= found.high
    return held, trials


if __name__ == "__main__":
    main()
