"""Training a scorer from a gold set, the gate in front of its release, and its model card."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from canonry.catalog.specs import GroundednessSpec
from canonry.evaluate.definitions import question_digest
from canonry.lake import parquet_bytes
from canonry.release import Release
from canonry.score import (
    Answer,
    Encode,
    Labeled,
    Score,
    Scorer,
    Span,
    cross_fitted,
    from_files,
    judge,
    rarity,
    signals,
    to_files,
    weigh,
)
from canonry.score.measure import Figure, auroc, calibration, calibration_error, f1, figure
from canonry.stats.verdicts import Verdict, first, judge_pairs, undecided

KIND = "scorers"
ITEMS_FILE, CROSS_FITTED, CARD, CARD_TEXT = "items.parquet", "cross_fitted.parquet", "card.json", "card.md"

SPAN = pa.struct({"start": pa.int64(), "end": pa.int64(), "probability": pa.float64()})


@dataclass(frozen=True)
class GoldItem:
    """An item of a gold set as a scorer learns from it."""

    inference_id: str
    split: str
    simulated: bool
    labeled: Labeled


@dataclass(frozen=True)
class Candidate:
    """The payload of a release of kind `scorers`, what its manifest says, and what its gate says."""

    files: dict[str, bytes]
    metadata: dict[str, Any]
    lineage: dict[str, Any]
    verdict: Verdict


def read_gold(gold: Release, spec: GroundednessSpec) -> list[GoldItem]:
    """Items of a gold release with an answer to the scorer's field, by item."""
    table = pq.read_table(io.BytesIO(gold.read(ITEMS_FILE)))
    return [
        GoldItem(
            row["inference_id"],
            row["split"],
            row["simulated"],
            Labeled(
                Answer(row["question"] or "", tuple(text or "" for text in row["passages"]), row["answer"] or ""),
                row["value"] == spec.positive,
                tuple((span["start"], span["end"]) for span in row["spans"] or ()),
                row["group"],
                {name: row[name] for name in spec.facts},
            ),
        )
        for row in sorted(table.to_pylist(), key=lambda row: row["item_id"])
        if row["field"] == spec.field
    ]


def train_candidate(
    spec: GroundednessSpec,
    gold: Release,
    encode: Encode | None,
    released: Release | None,
    released_encode: Encode | None,
) -> Candidate:
    """A scorer from the splits `train` and `calibration`, judged on `test` beside what is released.

    What it was trained on has its score by scorers that had seen no label of its group, kept beside it. Raises
    TooFewLabels.
    """
    items = read_gold(gold, spec)
    learned = [each for each in items if each.split != "test"]
    labeled = [each.labeled for each in learned]
    answers = [each.answer for each in labeled]
    rare = rarity(answers)
    found = signals(answers, rare, encode)
    scorer = weigh(judge(labeled, found, rare), labeled, spec.facts).scorer
    crossed = cross_fitted(labeled, found, rare, facts=spec.facts)
    tests = [each.labeled for each in items if each.split == "test"]
    candidate = _scores(scorer, tests, encode)
    rival = None
    if released is not None:
        other = read_scorer(released)
        rival = (other, _scores(other, tests, released_encode))
    verdict = gate(spec, tests, (scorer, candidate), rival, labeled, crossed)
    card = {
        "format_version": 1,
        "gold": {"name": spec.scheme, "version": gold.version},
        "metric": spec.metric,
        "facts": list(spec.facts),
        "encoder": spec.encoder,
        "threshold": scorer.threshold,
        "simulated": sum(each.simulated for each in items),
        "cross_fitted": figures(labeled, crossed, scorer.threshold),
        "test": figures(tests, candidate, scorer.threshold),
        "verdict": {"word": verdict.word, "message": verdict.message},
    }
    card["known_limits"] = _limits(card)
    files = {
        **to_files(scorer),
        CROSS_FITTED: _crossed(learned, crossed),
        CARD: json.dumps(card, indent=1, sort_keys=True).encode() + b"\n",
        CARD_TEXT: _text(card).encode(),
    }
    metadata = {
        "metric": spec.metric,
        "encoder": spec.encoder,
        "threshold": scorer.threshold,
        "verdict": verdict.word,
        "simulated": card["simulated"],
    }
    return Candidate(files, metadata, {"gold": {spec.scheme: gold.version}}, verdict)


def read_scorer(release: Release) -> Scorer:
    """The scorer of a release, verified. Raises ScorerError."""
    return from_files(release.read)


def read_cross_fitted(release: Release) -> dict[str, Score]:
    """Scores of what a released scorer was trained on, by inference_id, by scorers that had not seen its label."""
    rows = pq.read_table(io.BytesIO(release.read(CROSS_FITTED))).to_pylist()
    return {row["inference_id"]: Score(row["value"], tuple(Span(**span) for span in row["spans"])) for row in rows}


def read_questions(release: Release) -> set[str]:
    """Digests of the questions of what a released scorer was trained on."""
    return set(pq.read_table(io.BytesIO(release.read(CROSS_FITTED)))["question"].to_pylist())


def gate(
    spec: GroundednessSpec,
    tests: Sequence[Labeled],
    candidate: tuple[Scorer, Sequence[Score]],
    released: tuple[Scorer, Sequence[Score]] | None,
    labeled: Sequence[Labeled],
    crossed: Sequence[Score],
) -> Verdict:
    """A first version must surely tell better than chance; a later one surely lose no more than the margin."""
    if released is None:
        found = figure(auroc, _truth(labeled), _values(crossed), [each.source for each in labeled])
        if found.low is not None and found.low > 0.5:
            return first(f"nothing is released yet; cross-fitted AUROC {found.value:.3f}, at least {found.low:.3f}")
        return undecided("nothing is released yet, and its cross-fitted AUROC may be as low as chance", spec.margin)
    truth = _truth(tests)
    before, after = ((_values(scores) >= scorer.threshold) == truth for scorer, scores in (released, candidate))
    groups = [each.source for each in tests]
    return judge_pairs(before, after, spec.margin, groups=groups, what="accuracy on the test split")


def figures(labeled: Sequence[Labeled], scores: Sequence[Score], threshold: float) -> dict[str, Any] | None:
    """What a card says of scores against labels, with intervals over groups; None where there are no labels."""
    if not labeled:
        return None
    truth, values = _truth(labeled), _values(scores)
    sources = [each.source for each in labeled]
    called = (values >= threshold).astype(float)
    return {
        "items": len(truth),
        "groups": len(set(sources)),
        "positives": int(truth.sum()),
        "f1": asdict(figure(f1, truth, called, sources)),
        "auroc": asdict(figure(auroc, truth, values, sources)),
        "calibration_error": calibration_error(values, truth),
        "calibration": [asdict(each) for each in calibration(values, truth)],
    }


def _scores(scorer: Scorer, labeled: Sequence[Labeled], encode: Encode | None) -> list[Score]:
    if not labeled:
        return []
    return scorer.score([each.answer for each in labeled], [each.facts for each in labeled], encode)


def _truth(labeled: Sequence[Labeled]) -> np.ndarray:
    return np.array([each.hallucinated for each in labeled], dtype=bool)


def _values(scores: Sequence[Score]) -> np.ndarray:
    return np.array([each.value for each in scores], dtype=np.float64)


def _crossed(items: Sequence[GoldItem], scores: Sequence[Score]) -> bytes:
    spans = [[asdict(span) for span in each.spans] for each in scores]
    return parquet_bytes(
        pa.table(
            {
                "inference_id": pa.array([each.inference_id for each in items], pa.string()),
                "question": pa.array([question_digest(each.labeled.answer.question) for each in items], pa.string()),
                "value": pa.array([each.value for each in scores], pa.float64()),
                "spans": pa.array(spans, pa.list_(SPAN)),
            }
        )
    )


def _limits(card: Mapping[str, Any]) -> list[str]:
    crossed, test = card["cross_fitted"], card["test"]
    said = [
        (card["simulated"], f"{card['simulated']} labels were made by a program that plays a reviewer."),
        (not test or test["items"] < 30, f"Its test split has {test['items'] if test else 0} items, which say little."),
        (crossed["items"] < 200, f"It learned from {crossed['items']} labels; more would make it better."),
        (card["facts"], f"It knows {', '.join(card['facts'])}: it holds an answer's origin for or against it."),
        (True, "It compares words and values, and reasons about none: a subtle contradiction escapes it."),
        (True, "It also knows phrases of the answers it learned from; a new product or model needs new labels."),
    ]
    return [text for holds, text in said if holds]


def _text(card: Mapping[str, Any]) -> str:
    def row(name: str, found: Mapping[str, Any] | None) -> str:
        if not found:
            return f"| {name} | 0 | | | |"
        shown = [Figure(**found[each]).text() for each in ("f1", "auroc")]
        return f"| {name} | {found['items']} | {shown[0]} | {shown[1]} | {found['calibration_error']:.3f} |"

    bins = [
        f"| {each['answers']} | {each['predicted']:.3f} | {each['observed']:.3f} |"
        for each in card["cross_fitted"]["calibration"]
    ]
    return "\n".join(
        [
            f"# {card['metric']}",
            "",
            f"Trained on gold set {card['gold']['name']} {card['gold']['version']}; "
            f"threshold {card['threshold']:.3f}; gate: {card['verdict']['word']}, {card['verdict']['message']}.",
            "",
            "| scores of | items | F1 | AUROC | calibration error |",
            "|---|---|---|---|---|",
            row("what it was trained on, cross-fitted", card["cross_fitted"]),
            row("the test split", card["test"]),
            "",
            "Calibration, cross-fitted: a tenth of the items a row.",
            "",
            "| items | mean chance | share that is |",
            "|---|---|---|",
            *bins,
            "",
            "Known limits:",
            "",
            *(f"- {each}" for each in card["known_limits"]),
            "",
        ]
    )
