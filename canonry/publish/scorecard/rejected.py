"""Rejected: events that could not be taken, and why. Their bytes are kept; nothing of them is shown here."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from canonry.publish.scorecard import charts, formats
from canonry.publish.scorecard.parts import Block, Headline, Panel, Panels, Prose, Section, Table
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.rows import every_day, grouped

_LEAD = (
    "Events that could not be taken. Each is kept with its bytes in lake/rejected and can be sent again once its "
    "client is mended. Reasons are shown without the values that were found."
)


def section(inputs: Inputs) -> Section:
    """Rejected events by day, source and reason."""
    if not inputs.rejected:
        blocks: list[Block] = [Prose("Nothing was rejected.")]
        none = Headline("Rejected", "0", ("events",)) if inputs.days else None
        return Section("rejected", "Rejected", _LEAD, blocks, none)
    total = sum(row["events"] for row in inputs.rejected)
    calls = sum(row["calls"] for row in inputs.costs)
    of_day: Counter[dt.date] = Counter()
    for row in inputs.rejected:
        of_day[row["day"]] += row["events"]
    blocks = [_reasons(inputs)]
    if inputs.days:
        first, last = inputs.days
        days = min(first, *of_day), max(last, *of_day)
        values = [(day, float(of_day[day])) for day in every_day(days)]
        worst = max(values, key=lambda each: each[1])
        says = f"Rejected events by day: {total:,} in all, most on {formats.day(worst[0])} with {worst[1]:,.0f}"
        top = charts.round_top([value for _, value in values])
        chart = Panel("Events rejected a day", charts.bars(values, days, top=max(top, 2), unit=",~f", says=says))
        blocks.append(
            Panels("When", "By the day of the event, or that of its receipt where the event's cannot be read.", [chart])
        )
    taken = f"{total / (total + calls):.1%} of the calls and events rejected together" if calls else "no call was taken"
    return Section(
        "rejected", "Rejected", _LEAD, blocks, Headline("Rejected", formats.count(total), (f"events, {taken}",))
    )


def _reasons(inputs: Inputs) -> Table:
    by = grouped(inputs.rejected, lambda row: (row["reason"], row["kind"], row["source"] or "not known"))
    found = sorted(by.items(), key=lambda each: (-sum(row["events"] for row in each[1]), each[0]))
    rows = [
        (
            reason,
            kind,
            source,
            formats.days(min(row["day"] for row in each), max(row["day"] for row in each)),
            formats.count(sum(row["events"] for row in each)),
        )
        for (reason, kind, source), each in found
    ]
    return Table("What was rejected, and why", ("why", "kind", "source", "when", "events"), rows, numbers_from=4)
