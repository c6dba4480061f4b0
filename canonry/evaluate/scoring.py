"""A day's answers scored by one version of a scorer, beside whatever other scorers and versions have said of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from canonry import lake
from canonry.catalog.specs import Rule
from canonry.evaluate.answered import read_calls
from canonry.evaluate.crossed import read_crossed
from canonry.evaluate.definitions import Definition, question_digest, read_definition
from canonry.landing import naive_utc
from canonry.release import Release, journalled_moves
from canonry.score import AnsweredCall, Encode, Measured, Score, ScoreCalls
from canonry.score.retrieved import score_retrieval
from canonry.score.rules import score_by_rules
from canonry.score.similarity import score_by_similarity
from canonry.storage import Storage

RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])

AT_ONCE = 2_000
"""Answers that a scorer is given at one time."""


@dataclass(frozen=True)
class Ready:
    """A version of a scorer with all it needs to score."""

    name: str
    version: str
    released_at: dt.datetime
    """UTC, without a zone."""
    score: ScoreCalls
    products: tuple[str, ...] = ()
    """Products whose answers it scores; none named means all."""
    seen: Callable[[Sequence[AnsweredCall]], Collection[str]] = lambda calls: ()
    """Which of a day's calls it may have seen in training, or others of their group, without a score that knows not."""
    wants: Callable[[AnsweredCall], bool] = lambda call: True
    """Whether it can say anything of a call at all."""
    of_day: Callable[[Sequence[AnsweredCall]], ScoreCalls] | None = None
    """`score` for one that must know a day's other calls; None for one that need not."""
    order: Callable[[AnsweredCall], float] | None = None
    """In which order a day's calls are scored, where it matters who comes first; None where it does not."""


@dataclass(frozen=True)
class Scored:
    """What scoring a day did, in calls. `known`: by this version before; `without_text`: the answer is not kept;
    `skipped`: the scorer has nothing to say of them, or not yet."""

    scored: int
    known: int
    without_text: int
    skipped: int


def score_day(lake_zone: Storage, scorer: Ready, day: dt.date) -> Scored:
    """Add rows in lake/scores for each answered call of a day that this version of the scorer has not scored.

    Rows of other scorers and versions stay as they are. `scored_at` is when the version was released: the order that
    readers take versions in, the same whenever a day is scored again, so that a backfill with an old version does not
    make it the newest. Raises ReleaseError, and what the scorer raises.
    """
    before = lake.read(lake_zone, "scores", [day])
    known = known_calls(before, scorer)
    calls, without = read_calls(lake_zone, day)
    calls = [each for each in calls if not scorer.products or each.facts["product"] in scorer.products]
    new = [each for each in calls if each.inference_id not in known]
    asked = [each for each in new if scorer.wants(each)]
    if scorer.order is not None:
        asked.sort(key=scorer.order)
    rows = []
    if asked:
        seen = frozenset(scorer.seen(calls))
        score = scorer.of_day(calls) if scorer.of_day else scorer.score
        for start in range(0, len(asked), AT_ONCE):
            part = asked[start : start + AT_ONCE]
            rows += [
                _row(scorer, call, figure, call.inference_id in seen)
                for call, figures in zip(part, score(part), strict=True)
                for figure in figures
            ]
    scored = len({row["inference_id"] for row in rows})
    if rows:
        table = pa.concat_tables([before, pa.Table.from_pylist(rows, lake.SCHEMAS["scores"])])
        order = [(column, "ascending") for column in ("inference_id", "metric", "scorer", "scorer_version")]
        versions = sorted(set(zip(table["scorer"].to_pylist(), table["scorer_version"].to_pylist(), strict=True)))
        made_from = {
            "scorers": [list(each) for each in versions],
            "contents": _digest(lake_zone, "contents", day),
            "inferences": _digest(lake_zone, "inferences", day),
        }
        lake.write(lake_zone, "scores", day, table.sort_by(order), made_from)
    return Scored(scored, len(known), without, len(new) - scored)


def known_calls(scores: pa.Table, scorer: Ready) -> set[str]:
    """Calls that have a score by this version of a scorer."""
    same = pc.and_(pc.equal(scores["scorer"], scorer.name), pc.equal(scores["scorer_version"], scorer.version))
    return set(scores.filter(same)["inference_id"].to_pylist())


def trained_scorer(
    name: str,
    release: Release,
    released: dt.datetime,
    metric: str,
    mark: str,
    encode: Encode | None,
    products: tuple[str, ...] = (),
) -> Ready:
    """A trained scorer of groundedness, ready. Raises ScorerError, ReleaseError.

    A call that the scorer was trained on, and any other with its question or of its session that day, is scored by the
    scorer that was trained without their fold; where two folds hold them, it is marked as seen in training.
    """
    scorer = read_crossed(release)

    def of_day(day: Sequence[AnsweredCall]) -> ScoreCalls:
        folds = scorer.folds(day)

        def score(calls: Sequence[AnsweredCall]) -> list[list[Measured]]:
            said = scorer.score(calls, folds, encode)
            return [[Measured(metric, each.value, tuple(marks(each, scorer.scorer.threshold, mark)))] for each in said]

        return score

    return Ready(
        name,
        release.version,
        released,
        lambda calls: of_day(calls)(calls),
        products,
        scorer.seen,
        lambda call: bool(call.answer.passages),
        of_day,
    )


def defined_scorer(
    name: str,
    release: Release,
    released: dt.datetime,
    encoder: Callable[[str], Encode],
    judge: Callable[[Definition], ScoreCalls],
    products: tuple[str, ...] = (),
) -> Ready:
    """A defined scorer, ready. `encoder` gives one of the catalog by name, `judge` asks a model.

    Raises DefinitionError, ReleaseError.
    """
    found = read_definition(release)
    settings, known = found.settings, found.known
    version = release.version

    def of_question(call: AnsweredCall) -> object:
        return known.get(question_digest(call.answer.question))

    if found.kind == "rules":
        return Ready(name, version, released, score_by_rules(RULES.validate_python(settings["rules"])), products)
    if found.kind == "retrieval":
        score = score_retrieval(settings["metrics"], settings["depth"], of_question)  # type: ignore[arg-type]
        return Ready(name, version, released, score, products, wants=lambda call: of_question(call) is not None)
    if found.kind == "similarity":
        reference = of_question if settings["reference"] == "answers" else lambda call: call.reference
        score = score_by_similarity(settings["metric"], encoder(settings["encoder"]), reference)  # type: ignore[arg-type]
        return Ready(name, version, released, score, products, wants=lambda call: reference(call) is not None)
    corrected = settings["reference"] == "correction"

    def wants(call: AnsweredCall) -> bool:
        return not corrected or call.reference is not None

    return Ready(name, version, released, judge(found), products, wants=wants)


def released_at(journal: Storage, release: Release) -> dt.datetime:
    """When a channel first pointed to a version, UTC, without a zone; of one that none ever did, when it was made.

    By the journal, so that a lake that is computed again elsewhere has the same. Raises ReleaseError.
    """
    moves = journalled_moves(journal, release.manifest.kind, release.manifest.name)
    moments = [move.moved_at for move in moves if move.version == release.version]
    return naive_utc(min(moments, default=release.manifest.created_at))


def marks(score: Score, threshold: float, label: str) -> list[dict[str, int | str]]:
    """Sentences of an answer at or above the threshold that are at least half as likely as the likeliest; else none."""
    if score.value < threshold:
        return []
    least = max(span.probability for span in score.spans) / 2
    return [{"start": span.start, "end": span.end, "label": label} for span in score.spans if span.probability >= least]


def _row(scorer: Ready, call: AnsweredCall, figure: Measured, seen: bool) -> dict[str, object]:
    return {
        "inference_id": call.inference_id,
        "scorer": scorer.name,
        "scorer_version": scorer.version,
        "metric": figure.metric,
        "value": figure.value,
        "scored_at": scorer.released_at,
        "spans": None if figure.spans is None else list(figure.spans),
        "seen_in_training": seen,
    }


def _digest(lake_zone: Storage, kind: str, day: dt.date) -> str | None:
    path = f"{lake.folder(kind, day)}/{lake.MANIFEST}"
    return hashlib.sha256(lake_zone.read(path)).hexdigest() if lake_zone.head(path) else None
