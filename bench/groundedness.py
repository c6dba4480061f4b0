"""The groundedness scorer on RAGTruth, cross-validated by source, beside a first sketch of it on the same folds.

Every figure is of answers whose source no model and no threshold had seen: all are made anew inside each outer
fold, the sketch's too. The ratio is our F1 from the text alone, without encoder as assets/scorers has it, over the
sketch's, which has the encoder: the mean over some ways to deal the sources to folds, as one way moves it by one or two
in a hundred. The table is of the first way.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench._report import arguments, report
from canonry import catalog
from canonry.encode import exported, files_of, load_onnx
from canonry.score.features import Encode, Rarity, Signals, rarity, signals
from canonry.score.groundedness import Scorer, judge, weigh
from canonry.score.labeled import Labeled
from canonry.score.measure import auroc, calibration_error, f1
from canonry.score.signals import Answer

ENCODER = "all-MiniLM-L6-v2"
SOURCES, QUICK_SOURCES, FOLDS, QUICK_FOLDS, DEALS = 277, 60, 5, 3, 3
TEXT, ENCODED, WITH_FACTS = "text only", "with encoder", "with encoder, model, task"
FACTS = ("response_model", "feature")
TASKS = ("QA", "Summary", "Data2txt")
Predicted = tuple[np.ndarray, np.ndarray]
"""Probability, and whether an answer is called hallucinated."""


@dataclass(frozen=True)
class Validated:
    """What cross-validated scorers make of answers: one prediction a choice of governance features."""

    predicted: list[Predicted]
    sentences: np.ndarray
    """How likely each is unsupported."""
    training: list[float]
    """Seconds of each fold, from signals to scorers."""
    scorer: Scorer
    """The last of them."""


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=SOURCES, quick_rows=QUICK_SOURCES)
    responses, sources = read(options.data, options.rows)
    labeled = [as_labeled(each, sources[each["source_id"]]) for each in responses]
    truth = np.array([each.hallucinated for each in labeled])
    names = [each.source for each in labeled]
    folds = by_source(names, QUICK_FOLDS if options.quick else FOLDS)
    encode = remembering(encoder())
    started = time.perf_counter()
    rare = rarity([each.answer for each in labeled])
    found = signals([each.answer for each in labeled], rare, encode)
    first = time.perf_counter() - started
    started = time.perf_counter()
    signals([each.answer for each in labeled], rare, encode)
    again = time.perf_counter() - started
    started = time.perf_counter()
    bare = signals([each.answer for each in labeled], rare, None)
    without = time.perf_counter() - started

    text = cross_validated(labeled, bare, rare, folds)
    encoded = cross_validated(labeled, found, rare, folds, ((), FACTS))
    predicted = dict(zip((TEXT, ENCODED, WITH_FACTS), (*text.predicted, *encoded.predicted), strict=True))
    scoring = speed(encoded.scorer, found, labeled)
    predicted["always hallucinated"] = truth.mean() * np.ones(len(truth)), np.ones(len(truth), dtype=bool)
    sketch = options.data.parent / "baselines" / "groundedness.py"
    other = "the sketch" if sketch.is_file() else "always hallucinated"
    if sketch.is_file():
        predicted[other] = sketched(load(sketch), responses, sources, encode, folds)
    else:
        print(f"{sketch} is absent: the ratio is to always answering hallucinated")
    ratios = [f1(truth, predicted[TEXT][1]) / f1(truth, predicted[other][1])]
    for seed in range(1, 1 if options.quick else DEALS):
        dealt = by_source(names, FOLDS, seed)
        theirs = sketched(load(sketch), responses, sources, encode, dealt) if sketch.is_file() else predicted[other]
        (ours,) = cross_validated(labeled, bare, rare, dealt).predicted
        ratios.append(f1(truth, ours[1]) / f1(truth, theirs[1]))
    print(f"{len(truth):,} answers from {options.rows} sources, {len(folds)} folds; {truth.mean():.0%} hallucinated")
    print(f"F1 of the text alone over that of {other}: {', '.join(f'{each:.3f}' for each in ratios)}")
    print(f"sentences: AUROC {auroc(unsupported(labeled, found), encoded.sentences):.3f}")
    training = np.median(text.training + encoded.training)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"training {training:.0f} s from signals; signals {len(truth) / first:.0f} answers a second, "
        f"{len(truth) / again:.0f} where texts are encoded already, {len(truth) / without:.0f} without encoder; "
        f"scoring from signals {scoring:,.0f} a second; {most:,.0f} MB at most\n"
    )
    rows = []
    for name, (probability, called) in predicted.items():
        for task in (*TASKS, "all"):
            of = np.array([task in ("all", each["task_type"]) for each in responses])
            if of.any() and truth[of].any():
                error = calibration_error(probability[of], truth[of])
                rows.append(
                    (name, task, int(of.sum()), f1(truth[of], called[of]), auroc(truth[of], probability[of]), error)
                )
    report(
        "groundedness",
        float(np.mean(ratios)),
        "higher",
        ("", "task", "answers", "F1", "AUROC", "calibration error"),
        rows,
    )


def read(data: Path, sources: int) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """RAGTruth's answers from so many of its sources, spread over all, and the sources."""
    rows = {}
    for name in ("responses", "sources"):
        with gzip.open(data / "ragtruth" / f"{name}.jsonl.gz", "rt") as lines:
            rows[name] = [json.loads(line) for line in lines]
    names = [each["source_id"] for each in rows["sources"]]
    kept = {names[place] for place in np.linspace(0, len(names) - 1, min(sources, len(names))).round().astype(int)}
    by_id = {each["source_id"]: each for each in rows["sources"]}
    return [each for each in rows["responses"] if each["source_id"] in kept], by_id


def as_labeled(response: dict[str, Any], source: dict[str, Any]) -> Labeled:
    """As the source `ragtruth` in assets/sources logs it."""
    info = source["source_info"]
    text = info if isinstance(info, str) else info.get("passages") or json.dumps(info)
    question = text if isinstance(info, str) else info.get("question") or text
    return Labeled(
        Answer(question, (text,), response["response"]),
        bool(response["labels"]),
        tuple((each["start"], each["end"]) for each in response["labels"]),
        response["source_id"],
        {"response_model": response["model"], "feature": response["task_type"]},
    )


def by_source(sources: Sequence[str], folds: int, seed: int | None = None) -> list[np.ndarray]:
    """Places of the answers that each fold holds out; with a seed, sources are dealt at random."""
    from sklearn.model_selection import GroupKFold

    rows = np.arange(len(sources))
    dealt = GroupKFold(folds, shuffle=seed is not None, random_state=seed)
    return [held for _, held in dealt.split(rows, rows, np.asarray(sources))]


def cross_validated(
    labeled: list[Labeled],
    found: Signals,
    rare: Rarity,
    folds: list[np.ndarray],
    facts: Sequence[Sequence[str]] = ((),),
) -> Validated:
    """Scorers with each of these choices of governance features, and what they make of folds that they never saw."""
    predicted = [(np.empty(len(labeled)), np.zeros(len(labeled), dtype=bool)) for _ in facts]
    sentences = np.empty(len(found.values))
    training = []
    for held in folds:
        use = np.setdiff1d(np.arange(len(labeled)), held)
        rest = [labeled[each] for each in use]
        begun = time.perf_counter()
        judged = judge(rest, found.take(use), rare)
        scorers = [weigh(judged, rest, names).scorer for names in facts]
        training.append(time.perf_counter() - begun)
        for scorer, (probability, called) in zip(scorers, predicted, strict=True):
            scores = scorer.score_signals(found.take(held), [labeled[each].facts for each in held])
            probability[held] = [each.value for each in scores]
            called[held] = probability[held] >= scorer.threshold
        for each, score in zip(held, scores, strict=True):
            sentences[found.starts[each] : found.starts[each + 1]] = [span.probability for span in score.spans]
    return Validated(predicted, sentences, training, scorer)


def encoder() -> Encode:
    """The canonical encoder, as releases carry it."""
    files = files_of(ENCODER, catalog.load(Path(__file__).parents[1] / "assets").models[ENCODER])
    return load_onnx(files, exported(files), files.tokenizer_file).encode


def remembering(encode: Encode) -> Encode:
    """The same, with every text encoded once."""
    known: dict[str, np.ndarray] = {}

    def remembered(texts: Sequence[str]) -> np.ndarray:
        new = [each for each in dict.fromkeys(texts) if each not in known]
        known.update(zip(new, encode(new), strict=True))
        return np.stack([known[each] for each in texts])

    return remembered


def load(path: Path) -> ModuleType:
    """The sketch, from a file that this repository does not hold."""
    spec = importlib.util.spec_from_file_location("sketch", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Sketched:
    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    def encode(self, texts: list[str], **_: object) -> np.ndarray:
        return self._encode(texts)


def sketched(
    sketch: ModuleType,
    responses: list[dict[str, Any]],
    sources: dict[str, Any],
    encode: Encode,
    folds: list[np.ndarray],
) -> Predicted:
    """What the sketch predicts, its threshold chosen in four folds inside, as its own `main` does."""
    kept = {each["source_id"]: sources[each["source_id"]] for each in responses}
    rows = sketch.features(responses, kept, _Sketched(encode))
    truth = np.array([bool(each["labels"]) for each in responses])
    names = np.array([each["source_id"] for each in responses])
    probability, called = np.empty(len(truth)), np.zeros(len(truth), dtype=bool)
    for held in folds:
        use = np.setdiff1d(np.arange(len(truth)), held)
        inner = np.empty(len(use))
        for out in by_source(names[use], 4):
            rest = np.setdiff1d(np.arange(len(use)), out)
            inner[out] = sketch.fit_predict(rows[use[rest]], truth[use[rest]], rows[use[out]])
        threshold = max(np.linspace(0.1, 0.9, 81), key=lambda cut: f1(truth[use], inner > cut))
        probability[held] = sketch.fit_predict(rows[use], truth[use], rows[held])
        called[held] = probability[held] > threshold
    return probability, called


def speed(scorer: Scorer, found: Any, labeled: list[Labeled]) -> float:
    """Answers a second from signals to scores."""
    started = time.perf_counter()
    scorer.score_signals(found, [each.facts for each in labeled])
    return len(labeled) / (time.perf_counter() - started)


def unsupported(labeled: list[Labeled], found: Any) -> np.ndarray:
    """Of each sentence, whether a span that people marked touches it."""
    return np.array(
        [
            any(start < sentence.end and sentence.start < end for start, end in each.spans)
            for each, part in zip(labeled, found.sentences, strict=True)
            for sentence in part
        ]
    )


if __name__ == "__main__":
    main()
