"""A released scorer that gives no call a score by a model which has seen its label, or a label of its group."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from canonry.evaluate.definitions import question_digest
from canonry.lake import parquet_bytes
from canonry.release import Release
from canonry.score import FOLDS, AnsweredCall, CrossFitted, Encode, Score, Scorer, Span, from_files, to_files

FILE = "cross_fitted.parquet"
SPAN = pa.struct({"start": pa.int64(), "end": pa.int64(), "probability": pa.float64()})


@dataclass(frozen=True)
class Learned:
    """A call that a scorer was trained on: its score by the scorer that was trained without its fold."""

    fold: int
    question: str
    score: Score


@dataclass(frozen=True)
class CrossScorer:
    """The scorer of all labels, those without each fold, and which calls lie in which fold."""

    scorer: Scorer
    without_fold: tuple[Scorer, ...]
    learned: Mapping[str, Learned]
    """By inference_id."""

    def folds(self, calls: Iterable[AnsweredCall]) -> dict[str, frozenset[int]]:
        """Folds that hold a label of a call's question, or of its session among `calls`, by inference_id."""
        calls = list(calls)
        of_question: dict[str, set[int]] = {}
        for each in self.learned.values():
            of_question.setdefault(each.question, set()).add(each.fold)
        of_session: dict[object, set[int]] = {}
        for call in calls:
            if call.session and call.inference_id in self.learned:
                of_session.setdefault(call.session, set()).add(self.learned[call.inference_id].fold)
        return {
            call.inference_id: frozenset(of_question.get(question_digest(call.answer.question), set()))
            | frozenset(of_session.get(call.session, set()))
            for call in calls
        }

    def score(
        self, calls: Sequence[AnsweredCall], folds: Mapping[str, frozenset[int]], encode: Encode | None
    ) -> list[Score]:
        """Scores of calls, in their order: of a call in one fold by the scorer without it, of others by that of all."""
        found: dict[str, Score] = {}
        by_scorer: dict[int | None, list[AnsweredCall]] = {}
        for call in calls:
            if call.inference_id in self.learned:
                found[call.inference_id] = self.learned[call.inference_id].score
            else:
                one = folds[call.inference_id]
                by_scorer.setdefault(next(iter(one)) if len(one) == 1 else None, []).append(call)
        for fold, part in by_scorer.items():
            scorer = self.scorer if fold is None else self.without_fold[fold]
            scores = scorer.score([each.answer for each in part], [each.facts for each in part], encode)
            found |= zip((call.inference_id for call in part), scores, strict=True)
        return [found[call.inference_id] for call in calls]

    def seen(self, calls: Sequence[AnsweredCall]) -> set[str]:
        """Calls whose question and session lie in different folds: no scorer was trained without both."""
        return {each for each, folds in self.folds(calls).items() if len(folds) > 1 and each not in self.learned}


def cross_files(inference_ids: Sequence[str], questions: Sequence[str], crossed: CrossFitted) -> dict[str, bytes]:
    """Files beside those of the scorer of all labels: what was learned, and the scorers without each fold."""
    table = pa.table(
        {
            "inference_id": pa.array(inference_ids, pa.string()),
            "question": pa.array([question_digest(each) for each in questions], pa.string()),
            "fold": pa.array(crossed.fold, pa.int8()),
            "value": pa.array([each.value for each in crossed.scores], pa.float64()),
            "spans": pa.array([[asdict(span) for span in each.spans] for each in crossed.scores], pa.list_(SPAN)),
        }
    )
    files = {FILE: parquet_bytes(table)}
    for fold, scorer in enumerate(crossed.scorers):
        files |= {f"without-fold-{fold}/{name}": data for name, data in to_files(scorer).items()}
    return files


def read_crossed(release: Release) -> CrossScorer:
    """The scorers of a release, verified. Raises ScorerError, ReleaseError."""
    rows = pq.read_table(io.BytesIO(release.read(FILE))).to_pylist()
    learned = {
        row["inference_id"]: Learned(
            row["fold"], row["question"], Score(row["value"], tuple(Span(**span) for span in row["spans"]))
        )
        for row in rows
    }

    def without(fold: int) -> Scorer:
        return from_files(lambda name: release.read(f"without-fold-{fold}/{name}"))

    return CrossScorer(read_scorer(release), tuple(without(fold) for fold in range(FOLDS)), learned)


def read_scorer(release: Release) -> Scorer:
    """The scorer of all labels, verified. Raises ScorerError, ReleaseError."""
    return from_files(release.read)


def read_questions(release: Release) -> set[str]:
    """Digests of the questions of what a released scorer was trained on."""
    return set(pq.read_table(io.BytesIO(release.read(FILE)))["question"].to_pylist())
