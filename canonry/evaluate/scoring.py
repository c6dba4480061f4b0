"""A day's answers scored by a released scorer, beside whatever other scorers and versions have said of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog.specs import ScorerSpec
from canonry.evaluate.scorers import question_digest, read_cross_fitted, read_questions, read_scorer
from canonry.messages import answer_text, question_text
from canonry.release import Release
from canonry.retrieval import ANSWERS, retrieved_in_traces
from canonry.score import Answer, Encode, Score
from canonry.storage import Storage

FACTS = ("product", "team", "feature", "response_model")
AT_ONCE = 2_000
"""Answers whose signals are in memory at one time."""


@dataclass(frozen=True)
class Call:
    """An answered call with the passages it had."""

    inference_id: str
    answer: Answer
    facts: dict[str, str | None]
    session: tuple[str | None, str] | None
    """Its product and session, where it has one."""


@dataclass(frozen=True)
class Scored:
    """What scoring a day did. `known`: by this version before; `without_passages`: there is nothing to hold them to."""

    scored: int
    known: int
    without_passages: int


def score_day(
    lake_zone: Storage,
    name: str,
    spec: ScorerSpec,
    release: Release,
    encode: Encode | None,
    day: dt.date,
    now: dt.datetime,
) -> Scored:
    """Add a row in lake/scores for each answered call of a day that this version of the scorer has not scored.

    Rows of other scorers and versions stay. A call that the scorer was trained on has the score of scorers that had not
    seen its label; another of its session that day, or with its question, is marked as seen in training. Raises
    ScorerError, ReleaseError.
    """
    before = lake.read(lake_zone, "scores", [day])
    same = pc.and_(pc.equal(before["scorer"], name), pc.equal(before["scorer_version"], release.version))
    known = set(before.filter(same)["inference_id"].to_pylist())
    calls, without = read_calls(lake_zone, day)
    new = [each for each in calls if each.inference_id not in known]
    if not new:
        return Scored(0, len(known), without)
    scorer, crossed = read_scorer(release), read_cross_fitted(release)
    sessions = {each.session for each in calls if each.session and each.inference_id in crossed}
    questions = read_questions(release)
    rows = []
    for start in range(0, len(new), AT_ONCE):
        part = new[start : start + AT_ONCE]
        scores = scorer.score([each.answer for each in part], [each.facts for each in part], encode)
        for call, score in zip(part, scores, strict=True):
            said = crossed.get(call.inference_id, score)
            rows.append(
                {
                    "inference_id": call.inference_id,
                    "scorer": name,
                    "scorer_version": release.version,
                    "metric": spec.metric,
                    "value": said.value,
                    "scored_at": now,
                    "spans": marks(said, scorer.threshold, spec.mark),
                    "seen_in_training": call.inference_id not in crossed
                    and (call.session in sessions or question_digest(call.answer.question) in questions),
                }
            )
    table = pa.concat_tables([before, pa.Table.from_pylist(rows, lake.SCHEMAS["scores"])])
    order = [(column, "ascending") for column in ("inference_id", "metric", "scorer", "scorer_version")]
    versions = sorted(set(zip(table["scorer"].to_pylist(), table["scorer_version"].to_pylist(), strict=True)))
    made_from = {
        "scorers": [list(each) for each in versions],
        "contents": _digest(lake_zone, "contents", day),
        "inferences": _digest(lake_zone, "inferences", day),
    }
    lake.write(lake_zone, "scores", day, table.sort_by(order), made_from)
    return Scored(len(rows), len(known), without)


def read_calls(lake_zone: Storage, day: dt.date) -> tuple[list[Call], int]:
    """Answered calls of a day with their passages, by id; and how many have no passages or no text kept."""
    columns = ["inference_id", "operation", "error_type", "session_id", *FACTS]
    calls = {
        row["inference_id"]: row
        for row in lake.read(lake_zone, "inferences", [day], columns).to_pylist()
        if row["error_type"] is None and row["operation"] in (None, *ANSWERS)
    }
    contents = {row["inference_id"]: row for row in lake.read(lake_zone, "contents", [day]).to_pylist()}
    unsaid = [each for each in calls if each in contents and not contents[each]["retrieved"]]
    of_traces = retrieved_in_traces(lake_zone, day, unsaid) if unsaid else {}
    found = []
    for inference_id in sorted(calls.keys() & contents.keys()):
        row = contents[inference_id]
        retrieved = row["retrieved"] or of_traces.get(inference_id, ())
        passages = tuple(passage["text"] for passage in retrieved if passage["text"])
        said = answer_text(row["output_messages"])
        if passages and said:
            answer = Answer(question_text(row["input_messages"]), passages, said)
            facts = {fact: calls[inference_id][fact] for fact in FACTS}
            session = calls[inference_id]["session_id"]
            found.append(Call(inference_id, answer, facts, (facts["product"], session) if session else None))
    return found, len(calls) - len(found)


def marks(score: Score, threshold: float, label: str) -> list[dict[str, int | str]]:
    """Sentences of an answer at or above the threshold that are at least half as likely as the likeliest; else none."""
    if score.value < threshold:
        return []
    least = max(span.probability for span in score.spans) / 2
    return [{"start": span.start, "end": span.end, "label": label} for span in score.spans if span.probability >= least]


def _digest(lake_zone: Storage, kind: str, day: dt.date) -> str | None:
    path = f"{lake.folder(kind, day)}/{lake.MANIFEST}"
    return hashlib.sha256(lake_zone.read(path)).hexdigest() if lake_zone.head(path) else None
