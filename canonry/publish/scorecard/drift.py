"""Drift: what calls are about against a reference, by test; what is new; shown from drift_daily."""

from __future__ import annotations

from collections.abc import Sequence

from canonry.publish.scorecard import charts, formats
from canonry.publish.scorecard.charts import Line
from canonry.publish.scorecard.parts import Block, Details, Headline, Panel, Panels, Prose, Row, Section, Table
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.rows import MOST_PANELS, grouped

_LEAD = (
    "Whether what products are asked, find and answer is still what it was in the reference that assets/drifts states. "
    "Each figure is tested by sharing the askers of both windows out anew; an alarm is a p-value so small that in a "
    "year in which nothing changes a product raises one with the stated chance at most, though it is looked at "
    "every day."
)
_NONE = (
    "Nothing is compared yet: assets/drifts says which days are the reference, and the first day after it is compared."
)


def section(inputs: Inputs) -> Section:
    """Tests over days, the last day in figures, and topics that grew with examples."""
    rows = inputs.drift.tests
    if not rows:
        return Section("drift", "Drift", _LEAD, [Prose(_NONE)])
    last = max(row["day"] for row in rows)
    latest = [row for row in rows if row["day"] == last]
    alarms = [row for row in latest if row["alarm"]]
    blocks: list[Block] = [_over_days(rows, latest), _figures(latest), *_topics(inputs)]
    refused = sum(row["refused"] is not None for row in latest)
    notes = [f"of {len(latest)} tests, {formats.day(last)}", *([f"{refused} refused"] if refused else [])]
    findings = tuple(
        f"{formats.named(product)} differs from {formats.days(some[0]['reference_start'], some[0]['reference_end'])} "
        f"in {formats.words(_title(row) for row in some)} (p at most {_p(max(row['p_value'] for row in some))})."
        for product, some in grouped(alarms, lambda row: row["product"]).items()
    )
    return Section(
        "drift", "Drift", _LEAD, blocks, Headline("Drift alarms", formats.count(len(alarms)), tuple(notes)), findings
    )


def _over_days(rows: Sequence[Row], latest: Sequence[Row]) -> Panels:
    """How far each watched thing lies from its reference, over what chance reaches one time in twenty."""
    shown = sorted(
        (row for row in latest if row["p_value"] is not None),
        key=lambda row: (not row["alarm"], row["p_value"], row["product"], row["part"]),
    )[:MOST_PANELS]
    days = min(row["day"] for row in rows), max(row["day"] for row in rows)
    panels = []
    for of in shown:
        same = [row for row in rows if all(row[name] == of[name] for name in ("drift", "product", "part"))]
        values = [(row["day"], row["value"] / row["noise"] if row["value"] is not None else None) for row in same]
        chance = [(row["day"], 1.0 if row["value"] is not None else None) for row in same]
        top = charts.round_top([2.0, *(value for _, value in values if value is not None)])
        title = f"{formats.named(of['product'])}: {_title(of)}"
        says = f"{title}. Last {of['value'] / of['noise']:.2f} times what chance reaches, p {_p(of['p_value'])}"
        drawn = [Line("seen", values), Line("chance, 1 in 20" if top <= 4 else "", chance, below=True)]
        panels.append(Panel(title, charts.lines(drawn, days, top=top, unit=".1f", says=says)))
    return Panels(
        "How far from the reference, over what chance reaches one time in twenty",
        "Dashed, 1: what chance reaches. Smallest p-values of the last day first. Early windows hold few days.",
        panels,
    )


def _figures(latest: Sequence[Row]) -> Table:
    shown = [
        (
            formats.named(row["product"]),
            _title(row),
            formats.count(row["window_calls"]),
            formats.count(row["window_askers"]),
            formats.count(row["reference_askers"]),
            "" if row["value"] is None else f"{row['value']:.3f}",
            "" if row["noise"] is None else f"{row['noise']:.3f}",
            "" if row["p_value"] is None else _p(row["p_value"]),
            _p(row["level"]),
            row["refused"] or ("alarm" if row["alarm"] else "no alarm"),
        )
        for row in sorted(latest, key=lambda row: (row["product"], row["part"]))
    ]
    columns = (
        *("product", "what", "calls", "askers", "in reference", "distance", "chance, 1 in 20", "p-value"),
        *("alarm at", "verdict"),
    )
    return Table("Drift of the last day in figures", columns, shown, numbers_from=2, folded=True)


def _topics(inputs: Inputs) -> list[Block]:
    if not inputs.drift.topics:
        return [Prose("No topic of what is asked or answered grew surely in the last window.")]
    shown = [
        (
            formats.named(row["words"] or "words of few askers only"),
            formats.named(row["product"]),
            row["part"],
            formats.share(row["reference_share"]),
            formats.share(row["window_share"]),
            f"{formats.points(row['interval_low'])} to {formats.points(row['interval_high'])}",
            _p(row["p_value"]),
        )
        for row in inputs.drift.topics
    ]
    columns = ("topic", "product", "of", "reference", "now", "growth, points", "p-value")
    blocks: list[Block] = [Table("Topics that grew, one in twenty of them in vain", columns, shown, numbers_from=3)]
    for row in inputs.drift.topics:
        texts = inputs.drift.answers if row["part"] == "answers" else inputs.drift.questions
        parts = tuple(("example", texts[each]) for each in row["examples"] if each in texts)
        if parts:
            blocks.append(Details(f"{formats.named(row['product'])}, {row['part']}: {row['words']}", parts))
    return blocks


def _title(row: Row) -> str:
    return str(row["part"]).replace("_", " ")


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"
