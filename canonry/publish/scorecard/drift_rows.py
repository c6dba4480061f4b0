"""What the page shows of drift: tests, other rows of the lake, and texts of the few calls that are examples, masked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog.redaction import FINDINGS
from canonry.messages import answer_text, question_text
from canonry.publish.scorecard.parts import Row
from canonry.storage import Storage

WEEK = 7
MOST_TOPICS = 12
MOST_PAIRS = 12
_TEXT = 600
_CALLS_WITHIN = 28
"""Days before the last in which the calls of examples lie."""


@dataclass(frozen=True)
class DriftRows:
    """Rows as in the lake, with their day."""

    tests: Sequence[Row] = ()
    """`drift_daily` of the page's days."""
    topics: Sequence[Row] = ()
    """`lake/drift_topics` of the last day that has any: those that grew."""
    prompts: Sequence[Row] = ()
    """`lake/prompt_drift` of the last seven days."""
    consistency: Sequence[Row] = ()
    """`consistency_daily` of its last day."""
    inconsistencies: Sequence[Row] = ()
    """`lake/inconsistencies` of that day."""
    questions: Mapping[str, str] = field(default_factory=dict)
    """What was asked, of calls that may be shown."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """What was answered."""


def read_drift(
    lake_zone: Storage,
    tests: Sequence[Row],
    consistency: Sequence[Row],
    first: dt.date | None,
    shows_texts: Callable[[str], bool],
) -> DriftRows:
    """Read from the lake what was measured from `first` on, beside rows of drift_daily and consistency_daily.

    Texts are of products that `shows_texts` allows.
    """
    topics = [row for row in _rows(lake_zone, "drift_topics", first, last=1) if row["found"]]
    prompts = _rows(lake_zone, "prompt_drift", first, last=WEEK)
    compared = max((row["day"] for row in consistency), default=None)
    shares = [row for row in consistency if row["day"] == compared]
    pairs = _rows(lake_zone, "inconsistencies", first, last=1)
    if pairs and pairs[0]["day"] != compared:
        pairs = []
    grown = sorted(topics, key=lambda row: (row["p_value"], -row["difference"]))[:MOST_TOPICS]
    wanted = {each for row in grown if shows_texts(row["product"]) for each in row["examples"]}
    for row in pairs[:MOST_PAIRS]:
        wanted |= {row[side] for side in ("one", "other") if shows_texts(row[f"{side}_product"])}
    last = max((row["day"] for row in (*topics, *pairs)), default=None)
    questions, answers = _texts(lake_zone, last, wanted) if last and wanted else ({}, {})
    return DriftRows(tests, grown, prompts, shares, pairs[:MOST_PAIRS], questions, answers)


def _rows(lake_zone: Storage, kind: str, first: dt.date | None, last: int) -> list[Row]:
    """Rows from the day `first` on, of the last so many days that have any."""
    days = [day for day in lake.days(lake_zone, kind) if first is None or day >= first]
    found: list[Row] = []
    held = 0
    for day in reversed(days):
        if rows := lake.read(lake_zone, kind, [day], with_day=True).to_pylist():
            found, held = [*rows, *found], held + 1
        if held == last:
            break
    return found


def _texts(lake_zone: Storage, last: dt.date, wanted: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    from canonry.redact import Mask

    mask = Mask(FINDINGS, {}, ("US",))
    identifiers = pa.array(sorted(wanted), pa.string())
    questions, answers = {}, {}
    for back in range(_CALLS_WITHIN):
        day = last - dt.timedelta(days=back)
        rows = lake.read(lake_zone, "contents", [day], ["inference_id", "input_messages", "output_messages"])
        for row in rows.filter(pc.is_in(rows["inference_id"], identifiers)).to_pylist():
            questions[row["inference_id"]] = _short(mask.text(question_text(row["input_messages"])))
            answers[row["inference_id"]] = _short(mask.text(answer_text(row["output_messages"])))
    return questions, answers


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
