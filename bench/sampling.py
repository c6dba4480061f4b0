"""What each sampling design gives for as many labels, on real answers: width, coverage, bias; a million calls' draw.

The ratio is the mean variance that the estimates state over the variance that they have over all simulated draws.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench._report import arguments, report
from canonry import catalog
from canonry.catalog import SchemeSpec
from canonry.catalog.specs import Sampling
from canonry.label.draws import make_draw
from canonry.labels import SLICE_FIELDS
from canonry.stats.survey import Proportion, estimate_proportion

DAY, NOW = dt.date(2026, 11, 9), dt.datetime(2026, 11, 10)
LABELS = 120
BY_SCORE = {"by": "uncertainty", "scorer": "length", "metric": "length", "random_share": 0.5}
DESIGNS: dict[str, dict[str, Any]] = {
    "simple": {"design": "simple"},
    "stratified, equal": {"strata": ["response_model"]},
    "stratified, proportional": {"strata": ["response_model"], "allocation": "proportional"},
    "poisson, at random": {"design": "poisson"},
    "poisson, by length": {"design": "poisson", "score": BY_SCORE},
}


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=1000, quick_rows=200)
    scheme = catalog.load(Path(__file__).parents[1] / "assets").schemes["groundedness"]
    frame, truth, scores = real_answers(options.data)
    rate = float(np.mean(list(truth.values())))
    rows, ratios = [], []
    for name, said in DESIGNS.items():
        found, labels = [], []
        for seed in range(options.rows):
            sampling = Sampling.model_validate({**said, "per_day": LABELS, "seed": seed})
            estimate, drawn = draw_and_estimate(scheme, sampling, frame, truth, scores)
            found.append(estimate)
            labels.append(drawn)
        values = np.array([each.value for each in found])
        ratios.append(float(np.mean([each.variance for each in found]) / values.var(ddof=1)))
        width = float(np.mean([each.high - each.low for each in found]))
        covered = float(np.mean([each.low <= rate <= each.high for each in found]))
        rows.append((name, float(np.mean(labels)), width, covered, float(values.mean() - rate), ratios[-1]))
    seconds = draw_a_million(scheme, 50_000 if options.quick else 1_000_000)
    print(f"{options.rows:,} simulated draws a design from {len(truth):,} real answers; {seconds}; ideal ratio 1\n")
    header = ("", "labels", "mean width", "coverage of 95 %", "bias", "stated / real variance")
    report("sampling", float(np.mean(ratios)), "lower", header, rows)


def real_answers(data: Path) -> tuple[pa.Table, Mapping[str, bool], np.ndarray]:
    """RAGTruth's answers as a frame, whether each is hallucinated, and its length as a score."""
    with gzip.open(data / "ragtruth" / "responses.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    names = [f"{row['source_id']}-{row['model']}" for row in rows]
    facts: dict[str, list[str]] = {name: ["ragtruth"] * len(rows) for name in SLICE_FIELDS}
    frame = pa.table({"inference_id": names, **facts, "response_model": [row["model"] for row in rows]})
    truth = dict(zip(names, (bool(row["labels"]) for row in rows), strict=True))
    return frame, truth, np.array([len(row["response"]) for row in rows], dtype=float)


def draw_and_estimate(
    scheme: SchemeSpec, sampling: Sampling, frame: pa.Table, truth: Mapping[str, bool], scores: np.ndarray
) -> tuple[Proportion, int]:
    """One simulated draw, every item of it labeled as the truth has it: the estimate, and how many labels."""
    given = scores if sampling.score else None
    draw = make_draw("bench", scheme.model_copy(update={"sampling": sampling}), DAY, frame, NOW, scores=given)
    poisson = draw.design == "poisson"
    estimate = estimate_proportion(
        [truth[item.inference_id] for item in draw.items],
        [item.stratum for item in draw.items],
        [stratum.population for stratum in draw.strata],
        probability=np.array([item.inclusion_probability if poisson else np.nan for item in draw.items], dtype=float),
    )
    return estimate, len(draw.items)


def draw_a_million(scheme: SchemeSpec, calls: int) -> str:
    """How long the draw from a big day takes, in words."""
    generator = np.random.default_rng(0)
    frame = pa.table(
        {
            "inference_id": [f"call-{number:032d}" for number in range(calls)],
            **{name: pa.array(generator.choice(["a", "b", "c"], calls)) for name in SLICE_FIELDS},
        }
    )
    said = []
    for design in ({"strata": ["product"]}, {"design": "poisson", "strata": ["product"], "score": BY_SCORE}):
        sampling = Sampling.model_validate({**design, "per_day": 300})
        started = time.perf_counter()
        scores = generator.random(calls)
        make_draw("bench", scheme.model_copy(update={"sampling": sampling}), DAY, frame, NOW, scores=scores)
        said.append(f"{sampling.design} {time.perf_counter() - started:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"a draw from {calls:,} calls: {', '.join(said)}, {peak:,.0f} MB at most"


if __name__ == "__main__":
    main()
