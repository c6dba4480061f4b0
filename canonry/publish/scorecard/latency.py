"""Latency and failures: how long calls took by product and day, and how many failed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from canonry.publish.scorecard import charts, formats
from canonry.publish.scorecard.parts import Block, Headline, Panel, Panels, Row, Section, Table
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.rows import by_name, caption, every_day, grouped, largest, missing

_WEEK = dt.timedelta(days=7)
_LEAD = (
    "How long calls took, failed and cached ones included, and how many failed. p50 and p95 are exact for each hour; "
    "of a day the middle hour is shown, hours weighted by calls: half of the calls lie in hours at most this slow."
)


def section(inputs: Inputs) -> Section:
    """Latency and failed calls by product, over days."""
    if not inputs.latency or inputs.days is None:
        return Section("latency", "Latency and failures", _LEAD, [missing("latency_hourly")])
    products = by_name(inputs.latency, "product")
    shown = largest(products, _calls)
    blocks: list[Block] = [
        Panels(
            "Latency of a day's middle hour",
            caption("Milliseconds, by UTC day; each panel has a scale of its own.", len(products), len(shown)),
            [_latency(product, rows, inputs.days) for product, rows in shown.items()],
        ),
        _by_product(products),
        Panels(
            "Failed calls",
            caption(
                "Share of the day's calls, counted and not estimated; one scale in each panel.",
                len(products),
                len(shown),
            ),
            _failures(shown, inputs.days),
        ),
        _by_day(shown),
    ]
    return Section("latency", "Latency and failures", _LEAD, blocks, _headline(products, inputs.days[1]))


def failed_headline(costs: Sequence[Row]) -> Headline:
    """The share of calls that failed."""
    calls, errors = sum(row["calls"] for row in costs), sum(row["errors"] for row in costs)
    return Headline("Failed", formats.share(errors / calls if calls else None), (f"{errors:,} of {calls:,} calls",))


def middle_hour(rows: Sequence[Row], column: str) -> float | None:
    """Weighted median of an hourly quantile, ms: the least value with half of the measured calls at or below it."""
    measured = sorted((row[column], row["measured_calls"]) for row in rows if row[column] is not None)
    half, below = sum(calls for _, calls in measured) / 2, 0
    for value, calls in measured:
        below += calls
        if below >= half:
            return float(value)
    return None


def _latency(product: str, rows: Sequence[Row], days: charts.Days) -> Panel:
    of_day = grouped(rows, lambda row: row["day"])
    p50, p95 = (
        [(day, middle_hour(of_day.get(day, []), f"latency_{name}_ms")) for day in every_day(days)]
        for name in ("p50", "p95")
    )
    top = charts.round_top([value for _, value in p95 if value is not None])
    last50, last95 = (next((value for _, value in reversed(each) if value is not None), None) for each in (p50, p95))
    says = (
        f"Latency of product {product} by day: on the last day half of the calls of the middle hour took at most "
        f"{formats.milliseconds(last50)}, nineteen in twenty at most {formats.milliseconds(last95)}"
    )
    lines = [charts.Line("p95", p95), charts.Line("p50", p50, below=True)]
    return Panel(product, charts.lines(lines, days, top=top, unit="~f", says=says))


def _failures(products: dict[str, list[Row]], days: charts.Days) -> list[Panel]:
    shares = {}
    for product, rows in products.items():
        of_day = grouped(rows, lambda row: row["day"])
        shares[product] = [(day, _failed(of_day.get(day, [])) or 0.0) for day in every_day(days)]
    top = charts.round_top([value for values in shares.values() for _, value in values])
    return [
        Panel(
            product,
            charts.bars(
                values,
                days,
                top=top,
                unit="~%",
                height=60,
                says=f"Failed calls of product {product} by day: {formats.share(_failed(products[product]))} in all, "
                f"at most {formats.share(max(value for _, value in values))} on a day",
            ),
        )
        for product, values in shares.items()
    ]


def _by_product(products: dict[str, list[Row]]) -> Table:
    rows = [
        (
            product,
            formats.count(_calls(rows)),
            formats.count(sum(row["cache_hits"] for row in rows)),
            formats.count(_errors(rows)),
            formats.share(_failed(rows)),
            *_middle(rows),
        )
        for product, rows in products.items()
    ]
    columns = ("product", "calls", "from cache", "failed", "share failed", "p50", "p95", "p99")
    return Table("By product, over all days: the middle hour, and failures", columns, rows)


def _by_day(products: dict[str, list[Row]]) -> Table:
    rows = [
        (formats.day(day), product, formats.count(_calls(each)), formats.count(_errors(each)), *_middle(each))
        for product, of_product in products.items()
        for day, each in sorted(grouped(of_product, lambda row: row["day"]).items(), reverse=True)
    ]
    columns = ("day", "product", "calls", "failed", "p50", "p95", "p99")
    return Table("By product and day", columns, rows, numbers_from=2, folded=True)


def _headline(products: dict[str, list[Row]], last: dt.date) -> Headline:
    week = {name: [row for row in rows if row["day"] > last - _WEEK] for name, rows in products.items()}
    p95 = {name: value for name, rows in week.items() if (value := middle_hour(rows, "latency_p95_ms")) is not None}
    if not p95:
        return Headline("Latency, p95", "none", ("no latency was measured in the last 7 days",))
    slowest = max(p95, key=lambda name: p95[name])
    p50 = formats.milliseconds(middle_hour(week[slowest], "latency_p50_ms"))
    return Headline(
        "Latency, p95",
        formats.milliseconds(p95[slowest]),
        (f"{slowest}, the slowest product, middle hour of the last 7 days", f"p50 {p50}"),
    )


def _middle(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(formats.milliseconds(middle_hour(rows, f"latency_{name}_ms")) for name in ("p50", "p95", "p99"))


def _failed(rows: Sequence[Row]) -> float | None:
    return _errors(rows) / _calls(rows) if _calls(rows) else None


def _calls(rows: Sequence[Row]) -> int:
    return sum(row["calls"] for row in rows)


def _errors(rows: Sequence[Row]) -> int:
    return sum(row["errors"] for row in rows)
