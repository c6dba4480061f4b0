"""Drift on real answers: false alarms where nothing changes, changes of the model that are found, and answers' judge.

RAGTruth's answers by six models to the same sources. A window of 30 sources is compared with a reference of 60 others:
of the same model (no change), or of another. Ours divides the ridged covariance out of the embeddings; beside it the
plain distance of their means, tested alike. The ratio is the share of changes found at 5 %, ours over plain.

`judge` is the rule that says whether two answers to a question disagree: how often it says so of two answers without a
marked error to one source (in vain), and of the right and the wrong answer to a question of HaluEval (found).
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench._report import arguments, report
from canonry import catalog
from canonry.encode import GRAPH, files_of, load_runtime
from canonry.evaluate.same_answer import disagreement
from canonry.stats.twosample import embedding_features, squared_distance, two_sample_test

ENCODER = "all-MiniLM-L6-v2"
BEFORE = "gpt-4-0613"
AFTER = ("gpt-3.5-turbo-0613", "llama-2-7b-chat", "mistral-7B-instruct")
TASKS = ("QA", "Data2txt", "Summary")
WINDOW, REFERENCE = 30, 60


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, rows=200, quick_rows=40)
    model = catalog.load(Path(__file__).parents[1] / "assets").models[ENCODER]
    encoder = load_runtime(replace(files_of(ENCODER, model), runtime=GRAPH))
    answers = [row for row in read(options.data / "ragtruth" / "responses.jsonl.gz") if row["task_type"] in TASKS]
    vectors = encoder.encode([row["response"] for row in answers], f"embedding {len(answers):,} answers")
    rows: list[list[object]] = []
    found: dict[str, list[float]] = {"ours": [], "plain": []}
    for task in TASKS:
        for after in (BEFORE, *AFTER):
            shares = powers(answers, vectors, task, after, options.rows)
            same = after == BEFORE
            rows.append([f"{task}: {BEFORE} to {'itself' if same else after}", options.rows, *shares])
            if not same:
                found["ours"].append(shares[0])
                found["plain"].append(shares[1])
    rows += judged(answers, vectors, options.data, encoder)
    header = ["", "trials", "ours, at 5 %", "plain, at 5 %"]
    report("drift", float(np.mean(found["ours"]) / np.mean(found["plain"])), "higher", header, rows)


def powers(
    answers: list[dict[str, Any]], vectors: np.ndarray, task: str, after: str, trials: int
) -> tuple[float, float]:
    """Share of trials in which a window of another model's answers is told from the reference: ours, and plain."""
    place = {(row["source_id"], row["model"]): each for each, row in enumerate(answers) if row["task_type"] == task}
    sources = sorted({source for source, _ in place})
    ours: list[bool] = []
    plain: list[bool] = []
    for trial in range(trials):
        drawn = np.random.default_rng(trial).permutation(sources)[: WINDOW + REFERENCE]
        pairs = [(source, after) for source in drawn[:WINDOW]] + [(source, BEFORE) for source in drawn[WINDOW:]]
        kept = [pair for pair in pairs if pair in place]
        current = np.array([pair[0] in set(drawn[:WINDOW]) for pair in kept])
        some = vectors[[place[pair] for pair in kept]]
        for features, results in ((embedding_features(some), ours), (some - some.mean(axis=0), plain)):
            p_value = two_sample_test(features, current, squared_distance, permutations=1_000, seed=trial).p_value
            results.append(p_value <= 0.05)
    return float(np.mean(ours)), float(np.mean(plain))


def judged(answers: list[dict[str, Any]], vectors: np.ndarray, data: Path, encoder: Any) -> list[list[object]]:
    """How often the judge of answers says that two disagree: of right ones, and of a right and a wrong one."""
    clean: dict[str, list[int]] = {}
    for place, row in enumerate(answers):
        if row["task_type"] == "QA" and not row["labels"]:
            clean.setdefault(row["source_id"], []).append(place)
    vain = [
        disagreement("", answers[one]["response"], answers[other]["response"], float(vectors[one] @ vectors[other]))
        for places in clean.values()
        for one, other in combinations(places, 2)
    ]
    asked = read(data / "halueval_qa_sample" / "qa_one-turn_data.jsonl.gz")
    right, wrong = (encoder.encode([row[name] for row in asked]) for name in ("right_answer", "hallucinated_answer"))
    caught = [
        disagreement(row["question"], row["right_answer"], row["hallucinated_answer"], float(cosine))
        for row, cosine in zip(asked, np.sum(right * wrong, axis=1), strict=True)
    ]
    return [
        ["judge, in vain: two answers without an error", len(vain), np.mean([each is not None for each in vain]), ""],
        ["judge, found: a right and a wrong answer", len(caught), np.mean([each is not None for each in caught]), ""],
    ]


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of a file of JSON lines."""
    with gzip.open(path) as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
