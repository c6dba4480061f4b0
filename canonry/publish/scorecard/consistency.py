"""Consistency: how often two answers to one question disagree, and questions worth an owner's look."""

from __future__ import annotations

from canonry.publish.scorecard import charts, formats
from canonry.publish.scorecard.charts import Interval
from canonry.publish.scorecard.parts import Block, Details, Headline, Panel, Panels, Prose, Row, Section, Table
from canonry.publish.scorecard.read import Inputs

_LEAD = (
    "Questions that were asked more than once in the week up to the last day, and how often two of their answers "
    "disagree: in meaning, in every number, or yes against no. About 6 in 100 pairs of right answers are called so, "
    "too, and one wrong detail in a long answer is not found: see docs/drift.md. Answers from a cache are left out."
)
_ACROSS = {
    "same": "one product, model and prompt",
    "prompts": "two prompts of one model",
    "models": "two models of one product",
    "products": "two products",
}
_REASONS = {"meaning": "they mean different things", "numbers": "no number in common", "yes_or_no": "yes against no"}


def section(inputs: Inputs) -> Section:
    """Intervals by what answers differ in, then by product, then examples."""
    rows = inputs.drift.consistency
    if not rows:
        return Section("consistency", "Consistency", _LEAD, [Prose("No question was asked more than once yet.")])
    overall = [row for row in rows if row["product"] is None]
    intervals = [_interval(row) for row in overall]
    top = charts.round_top([0.1, *(each.high for each in intervals)])
    says = "; ".join(f"{each.label} {each.said}" for each in intervals)
    chart = charts.forest([(None, intervals)], top=top, says=f"Pairs of answers that disagree. {says}")
    blocks: list[Block] = [
        Panels(
            "Pairs of answers that disagree, by what they differ in",
            "Each question counts once; the interval is over questions.",
            [Panel("All products", chart)],
        ),
        _figures(inputs),
        *_examples(inputs),
    ]
    known = [row for row in overall if row.get("value") is not None]
    worst = max(known, key=lambda row: row["interval_low"], default=None)
    headline = None
    if worst:
        notes = (f"between {_ACROSS[worst['across']]}", f"of {worst['questions']:,} questions asked again")
        headline = Headline("Answers that disagree", formats.share(worst["value"]), notes)
    return Section("consistency", "Consistency", _LEAD, blocks, headline)


def _interval(row: Row) -> Interval:
    label = _ACROSS[row["across"]]
    if row["value"] is None:
        return Interval(None, label, None, 0.0, 0.0, f"refused: {row['refused']}")
    said = f"{formats.share(row['value'])} ({row['interval_low'] * 100:.1f}–{row['interval_high'] * 100:.1f})"
    return Interval(None, label, row["value"], row["interval_low"], row["interval_high"], said)


def _figures(inputs: Inputs) -> Table:
    shown = [
        (
            _ACROSS[row["across"]],
            formats.named(row["product"]) if row["product"] else "all",
            formats.count(row["questions"]),
            formats.count(row["disagreeing_questions"]),
            formats.count(row["pairs"]),
            "refused" if row["value"] is None else formats.share(row["value"]),
            row["refused"] if row["value"] is None else formats.interval(row["interval_low"], row["interval_high"]),
        )
        for row in inputs.drift.consistency
    ]
    columns = ("answers of", "product", "questions", "with disagreement", "pairs", "disagree", "interval")
    return Table("Consistency in figures", columns, shown, numbers_from=2)


def _examples(inputs: Inputs) -> list[Block]:
    drift = inputs.drift
    blocks: list[Block] = []
    for row in drift.inconsistencies:
        question = drift.questions.get(row["one"]) or drift.questions.get(row["other"])
        parts = tuple(
            (
                f"{formats.named(row[f'{side}_product'])}, {formats.named(row[f'{side}_model'])}",
                drift.answers[row[side]],
            )
            for side in ("one", "other")
            if row[side] in drift.answers
        )
        if question and len(parts) == 2:
            asked = f"{formats.cut(' '.join(question.split()), 110)} ({row['calls']} calls)"
            blocks.append(Details(asked, (*parts, ("why", _REASONS[row["reason"]]))))
    if blocks:
        blocks.insert(0, Prose("The most asked questions whose answers disagree:"))
    return blocks
