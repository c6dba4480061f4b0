"""Training a scorer from a gold set, the gate in front of its release, and its model card."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from canonry.catalog.specs import GroundednessSpec, ScorerSpec
from canonry.evaluate.crossed import cross_files
from canonry.release import NotReleased, Release, resolve
from canonry.score import (
    Answer,
    Encode,
    Labeled,
    Score,
    Scorer,
    ScorerError,
    cross_fitted,
    from_files,
    judge,
    rarity,
    signals,
    to_files,
    weigh,
)
from canonry.score.files import FORMAT_VERSION
from canonry.score.measure import Figure, auroc, calibration, calibration_error, f1, figure
from canonry.stats.verdicts import Verdict, first, judge_pairs, undecided
from canonry.storage import Storage

KIND = "scorers"
CANDIDATE = "candidate"
"""Channel of what was trained last; what passes its gate is in production, too."""

ITEMS_FILE, CARD, CARD_TEXT = "items.parquet", "card.json", "card.md"


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
    """Items of a gold release that have passages and an answer to the scorer's field, by item."""
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
        if row["field"] == spec.field and any(row["passages"] or ())
    ]


def train_candidate(
    spec: GroundednessSpec,
    gold: Release,
    encode: Encode | None,
    released: Release | None,
    released_encode: Encode | None,
) -> Candidate:
    """A scorer from the splits `train` and `calibration`, judged on `test` beside what is released.

    Beside it are the scorers that were trained without each fold, and what they say of the items of that fold. Raises
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
    rival, why_first = None, "nothing is released yet"
    if released is not None:
        try:
            other = from_files(released.read)
            rival = (other, _scores(other, tests, released_encode))
        except ScorerError as error:
            why_first = f"what is released cannot be read any more ({error})"
    verdict = gate(spec, tests, (scorer, candidate), rival, labeled, crossed.scores, why_first)
    card = {
        "format_version": 1,
        "gold": {"name": spec.scheme, "version": gold.version},
        "metric": spec.metric,
        "facts": list(spec.facts),
        "encoder": spec.encoder,
        "threshold": scorer.threshold,
        "simulated": sum(each.simulated for each in items),
        "cross_fitted": figures(labeled, crossed.scores, scorer.threshold),
        "test": figures(tests, candidate, scorer.threshold),
        "verdict": {"word": verdict.word, "message": verdict.message},
    }
    card["known_limits"] = _limits(card)
    files = {
        **to_files(scorer),
        **cross_files([each.inference_id for each in learned], [each.question for each in answers], crossed),
        CARD: json.dumps(card, indent=1, sort_keys=True).encode() + b"\n",
        CARD_TEXT: _text(card).encode(),
    }
    metadata = {
        "format_version": FORMAT_VERSION,
        "metric": spec.metric,
        "facts": list(spec.facts),
        "encoder": spec.encoder,
        "threshold": scorer.threshold,
        "verdict": verdict.word,
        "simulated": card["simulated"],
    }
    return Candidate(files, metadata, {"gold": {spec.scheme: gold.version}}, verdict)


def reasons_to_train(published: Storage, scorers: Mapping[str, ScorerSpec]) -> str:
    """What is new for scorers that are trained, in words; empty where nothing is."""
    trained = ((name, spec) for name, spec in scorers.items() if isinstance(spec, GroundednessSpec))
    return "; ".join(why for name, spec in trained if (why := why_train(published, name, spec)))


def why_train(published: Storage, name: str, spec: GroundednessSpec) -> str | None:
    """What is new since the candidate of a scorer was trained, or None: its gold set, what it may know, its format."""
    try:
        gold = resolve(published, "gold", spec.scheme).version
    except NotReleased:
        return None
    try:
        made = resolve(published, KIND, name, CANDIDATE).manifest
    except NotReleased:
        return f"{name} was never trained"
    about = {
        "format_version": FORMAT_VERSION,
        "metric": spec.metric,
        "facts": list(spec.facts),
        "encoder": spec.encoder,
    }
    if made.lineage.get("gold") != {spec.scheme: gold}:
        return f"{name} does not know the gold set {gold}"
    changed = sorted(key for key, value in about.items() if made.metadata.get(key) != value)
    return f"{name} has another {' and '.join(changed)}" if changed else None


def gate(
    spec: GroundednessSpec,
    tests: Sequence[Labeled],
    candidate: tuple[Scorer, Sequence[Score]],
    released: tuple[Scorer, Sequence[Score]] | None,
    labeled: Sequence[Labeled],
    crossed: Sequence[Score],
    why_first: str = "nothing is released yet",
) -> Verdict:
    """A first version must surely tell better than chance; a later one surely lose no more than the margin."""
    if released is None:
        found = figure(auroc, _truth(labeled), _values(crossed), [each.source for each in labeled])
        if found.low is not None and found.low > 0.5:
            return first(f"{why_first}; cross-fitted AUROC {found.value:.3f}, at least {found.low:.3f}")
        return undecided(f"{why_first}, and its cross-fitted AUROC may be as low as chance", spec.margin)
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
