"""How far reviewers agree: by field and over all, by pair of them, and each of them with the consensus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from canonry.catalog import Choice, SchemeSpec
from canonry.consensus import annotator_recall, standing_rows
from canonry.label.config import SPANS
from canonry.label.marks import Marks, read_marks
from canonry.stats import agreement

CONFIDENCE = 0.95

Codes = npt.NDArray[np.int64]
Row = dict[str, Any]


@dataclass(frozen=True)
class Judgements:
    """Who answered what: codes (items, annotators) are positions in `choices`, -1 where somebody did not answer."""

    annotators: tuple[str, ...]
    items: tuple[str, ...]
    codes: Codes
    simulated: bool

    def counts(self, choices: int) -> npt.NDArray[np.float64]:
        """(items, choices) how many gave each answer."""
        return np.stack([(self.codes == code).sum(axis=1) for code in range(choices)], axis=1).astype(float)


def agreement_rows(labels: pa.Table, texts: Mapping[str, str], scheme: SchemeSpec, *, by_annotator: bool) -> list[Row]:
    """Rows of `lake/agreement`, their scheme and window apart, from annotations of one version of a scheme.

    `labels` has the columns of `lake/labels`; `texts` is the answer's text by inference_id, in which spans were marked.
    Reviewers who settle doubt play no part, as they know that there is some; nor do annotations that name nobody.
    `by_annotator` adds each pair of annotators, and how often each gives each answer where it is the consensus.
    """
    rows: list[Row] = []
    for choice in scheme.choices:
        judged = judgements(labels, choice, scheme)
        rows.append(_alpha_row(judged, choice, scheme))
        if by_annotator:
            rows += _pair_rows(judged, choice, scheme)
            rows += _recall_rows(labels, choice, scheme)
    for label in scheme.spans:
        rows += _mark_rows(read_marks(labels, texts, label, scheme), label, scheme, by_annotator=by_annotator)
    return rows


def known_answer_rows(answered: pa.Table, scheme: SchemeSpec) -> list[Row]:
    """How often each annotator is right on items whose answer is known: rows of `lake/agreement`, as above.

    `answered` has the columns of `lake/known_answers`. Of an annotator the latest answer to an item counts.
    """
    latest: dict[tuple[str, str, str], Row] = {}
    for row in sorted(answered.to_pylist(), key=lambda row: (row["updated_at"], row["annotation_id"])):
        latest[row["field"], row["annotator_hash"], row["item_id"]] = row
    rows = []
    for (field, annotator), group in groupby(sorted(latest), lambda key: key[:2]):
        said = [latest[key] for key in group]
        right = sum(row["answer"] == row["known_answer"] for row in said)
        found = agreement.share(right, len(said), confidence=CONFIDENCE)
        rows.append(
            _row(
                field,
                "known_answers",
                found,
                refusal(found, scheme, "items whose answer is known"),
                method="share of items whose answer is known that the annotator answers so; Clopper-Pearson",
                annotators=1,
                answers=len(said),
                simulated=any(row["simulated"] for row in said),
                annotator=annotator,
            )
        )
    return rows


def judgements(labels: pa.Table, choice: Choice, scheme: SchemeSpec) -> Judgements:
    """The answers to a field that stand, of annotators who can be told apart."""
    standing = [
        row
        for row in standing_rows(labels, choice.name, scheme.consensus)
        if row["annotator_hash"] and not row["adjudicates"] and row["answer"] in choice.choices
    ]
    annotators = {name: place for place, name in enumerate(sorted({row["annotator_hash"] for row in standing}))}
    items = {name: place for place, name in enumerate(dict.fromkeys(row["item_id"] for row in standing))}
    codes = np.full((len(items), len(annotators)), -1)
    for row in standing:
        codes[items[row["item_id"]], annotators[row["annotator_hash"]]] = choice.choices.index(row["answer"])
    simulated = any(row["simulated"] for row in standing)
    return Judgements(tuple(annotators), tuple(items), codes, simulated)


def refusal(found: agreement.Agreement, scheme: SchemeSpec, what: str = "items with two answers") -> str | None:
    """Why a figure is not given, or None."""
    if found.items < scheme.agreement.minimum_items:
        return f"{found.items} {what}, fewer than {scheme.agreement.minimum_items}"
    return "everybody gave one answer: there is nothing to agree on beyond chance" if found.value is None else None


def choice_alpha(judged: Judgements, choice: Choice) -> agreement.Agreement:
    """Krippendorff's alpha of a field, at the level that the scheme says."""
    values = [float(each) for each in choice.choices] if choice.level == "interval" else None
    return agreement.alpha(judged.counts(len(choice.choices)), choice.level, values=values, confidence=CONFIDENCE)


def _alpha_row(judged: Judgements, choice: Choice, scheme: SchemeSpec) -> Row:
    found = choice_alpha(judged, choice)
    method = f"Krippendorff's alpha, {choice.level}; items drawn again {agreement.RESAMPLES:,} times"
    several = judged.codes[(judged.codes >= 0).sum(axis=1) > 1]
    return _row(
        choice.name,
        "alpha",
        found,
        refusal(found, scheme),
        method=method,
        annotators=int((several >= 0).any(axis=0).sum()),
        answers=int((several >= 0).sum()),
        simulated=judged.simulated,
    )


def _pair_rows(judged: Judgements, choice: Choice, scheme: SchemeSpec) -> Iterator[Row]:
    size = len(choice.choices)
    for one, other in combinations(range(len(judged.annotators)), 2):
        first, second = judged.codes[:, one], judged.codes[:, other]
        both = (first >= 0) & (second >= 0)
        if not both.any():
            continue
        table = np.bincount(first[both] * size + second[both], minlength=size * size).reshape(size, size)
        same, items = int(np.trace(table)), int(both.sum())
        figures = {
            "agreement": (agreement.share(same, items, confidence=CONFIDENCE), "Clopper-Pearson"),
            "kappa": (agreement.kappa(table, confidence=CONFIDENCE), "Cohen's kappa; items drawn again"),
        }
        for metric, (found, method) in figures.items():
            yield _row(
                choice.name,
                metric,
                found,
                refusal(found, scheme, "items that both answered"),
                method=method,
                annotators=2,
                answers=2 * items,
                simulated=judged.simulated,
                annotator=judged.annotators[one],
                other_annotator=judged.annotators[other],
            )


def _recall_rows(labels: pa.Table, choice: Choice, scheme: SchemeSpec) -> Iterator[Row]:
    simulated = any(labels["simulated"].to_pylist())
    named = [
        each
        for each in annotator_recall(labels, choice.name, scheme.consensus, choice.choices)
        if each.annotator and each.answer in choice.choices
    ]
    for each in named:
        found = agreement.Agreement(each.value, each.low, each.high, round(each.items))
        yield _row(
            choice.name,
            "recall",
            found,
            refusal(found, scheme, "items with this consensus"),
            method="share of items with this consensus (Dawid-Skene) that the annotator calls so; Clopper-Pearson",
            annotators=1,
            answers=found.items,
            simulated=simulated,
            annotator=each.annotator,
            answer=each.answer,
        )


def _mark_rows(marks: Marks, label: str, scheme: SchemeSpec, *, by_annotator: bool) -> Iterator[Row]:
    common: dict[str, Any] = {"simulated": marks.simulated}
    found = agreement.alpha(marks.counts, cluster=marks.cluster, confidence=CONFIDENCE)
    method = f"Krippendorff's alpha of tokens, nominal; texts drawn again {agreement.RESAMPLES:,} times"
    if marks.without_text:
        method += f"; {marks.without_text:,} marked texts are no longer kept"
    field = f"{SPANS}.{label}"
    common |= {"annotators": marks.annotators, "answers": marks.answers}
    yield _row(field, "alpha", found, refusal(found, scheme, "texts read by two"), method=method, **common)
    figures: dict[str, Callable[[Any], Sequence[npt.ArrayLike]]] = {
        "token_f1": lambda pair: pair.tokens,
        "span_f1": lambda pair: pair.spans,
    }
    for pair in marks.pairs if by_annotator else ():
        for metric, of in figures.items():
            found = agreement.f1(*of(pair), confidence=CONFIDENCE)
            refused = refusal(found, scheme, "texts that both read")
            if refused and found.items >= scheme.agreement.minimum_items:
                refused = "neither marked anything"
            yield _row(
                field,
                metric,
                found,
                refused,
                method="F1 between the two; texts drawn again",
                annotators=2,
                answers=2 * found.items,
                simulated=marks.simulated,
                annotator=pair.annotator,
                other_annotator=pair.other_annotator,
            )


def _row(field: str, metric: str, found: agreement.Agreement, refused: str | None, **more: Any) -> Row:
    known = refused is None
    return {
        "field": field,
        "metric": metric,
        "value": found.value if known else None,
        "interval_low": found.low if known else None,
        "interval_high": found.high if known else None,
        "confidence": CONFIDENCE,
        "items": found.items,
        "refused": refused,
        **more,
    }
