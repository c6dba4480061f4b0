"""Cost: what teams' calls used, and what that came to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from canonry.publish.scorecard import charts, formats
from canonry.publish.scorecard.parts import Block, Cell, Headline, Model, Panel, Panels, Prose, Row, Section, Table
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.rows import by_name, caption, every_day, grouped, largest, missing
from canonry.publish.scorecard.versions import Versions

MOST_LINES = 6
_WEEK = dt.timedelta(days=7)
_COUNTS = ("calls", "free_calls", "errors", "input_tokens", "output_tokens")
_HEADERS = ("US dollars", "for 1,000 priced calls", "calls", "from cache", "failed", "tokens in", "tokens out")


def section(inputs: Inputs, versions: Versions) -> Section:
    """Cost by team, product, model version and day."""
    lead = "What each team's calls used and what that came to in US dollars, at the prices that held on the day."
    if not inputs.costs or inputs.days is None:
        return Section("cost", "Cost", lead, [missing("cost_daily")])
    costs = inputs.costs
    blocks: list[Block] = [
        *_days_by_team(costs, inputs.days),
        _table("By team and product", ("team", "product"), costs, lambda row: _names(row, "team", "product")),
        _table("By model version", ("model version",), costs, lambda row: (versions[row["response_model"]],)),
        _days_by_model(costs, versions, inputs.days),
        _table(
            "By team, product, feature and model version",
            ("team", "product", "feature", "model version"),
            costs,
            lambda row: (*_names(row, "team", "product", "feature"), versions[row["response_model"]]),
            folded=True,
        ),
        Prose(_unpriced(costs)),
    ]
    return Section("cost", "Cost", lead, blocks, _headline(costs, inputs.days[1]), tuple(_findings(costs, versions)))


def calls_headline(costs: Sequence[Row], last: dt.date) -> Headline:
    """How many calls there were, and whether they become more."""
    now, before = (sum(row["calls"] for row in rows) for rows in _weeks(costs, last))
    notes = (f"{formats.count(now)} in the last 7 days, {formats.count(before)} in the 7 before",)
    return Headline("Calls", formats.count(sum(row["calls"] for row in costs)), notes)


def _headline(costs: Sequence[Row], last: dt.date) -> Headline:
    now, before = (_spent(rows) for rows in _weeks(costs, last))
    places = formats.decimals([now, before])
    notes = [f"{formats.dollars(now, places)} in the last 7 days, {formats.dollars(before, places)} in the 7 before"]
    if _without_price(costs):
        notes.append("a lower bound: some calls have no price")
    total = _spent(costs)
    return Headline("Cost", formats.dollars(total, formats.decimals([total])), tuple(notes))


def _findings(costs: Sequence[Row], versions: Versions) -> Iterable[str]:
    total, teams = _spent(costs), by_name(costs, "team")
    if total and len(teams) > 1:
        team, rows = max(teams.items(), key=lambda each: _spent(each[1]))
        yield f"{team} pays most: {_spent(rows) / total:.0%} of the cost."
    by_model = grouped(costs, lambda row: row["response_model"])
    for old, new in versions.pairs():
        before, after = _per_thousand(by_model[old]), _per_thousand(by_model[new])
        if before and after is not None:
            less = 1 - after / before
            yield f"A priced call of {new} costs {abs(less):.0%} {'less' if less >= 0 else 'more'} than one of {old}."


def _days_by_team(costs: Sequence[Row], days: tuple[dt.date, dt.date]) -> list[Block]:
    teams = by_name(costs, "team")
    daily = {team: _daily(rows, days) for team, rows in largest(teams, _spent).items()}
    top = charts.round_top([float(value) for values in daily.values() for _, value in values])
    panels = [
        Panel(
            team,
            charts.bars(_floats(values), days, top=top, unit=_unit(top), says=_said(f"Cost of team {team}", values)),
        )
        for team, values in daily.items()
    ]
    text = caption("US dollars, by UTC day; the same scale in each panel.", len(teams), len(panels))
    every = {team: dict(_daily(rows, days)) for team, rows in teams.items()}
    places = formats.decimals(amount for amounts in every.values() for amount in amounts.values())
    rows = [
        (formats.day(day), *(formats.dollars(amounts[day], places) for amounts in every.values()))
        for day in reversed(every_day(days))
    ]
    return [
        Panels("Cost a day by team", text, panels),
        Table("Cost a day by team, US dollars", ("day", *every), rows, folded=True),
    ]


def _days_by_model(costs: Sequence[Row], versions: Versions, days: tuple[dt.date, dt.date]) -> Panels:
    products = by_name(costs, "product")
    daily: dict[str, list[tuple[Model, list[tuple[dt.date, float]]]]] = {}
    for product, rows in largest(products, _spent).items():
        of_model = grouped(rows, lambda row: versions[row["response_model"]])
        in_order = sorted(of_model.items(), key=lambda each: each[0].place)[:MOST_LINES]
        daily[product] = [(model, _floats(_called(each))) for model, each in in_order]
    top = charts.round_top([value for each in daily.values() for _, values in each for _, value in values])
    panels = [
        Panel(product, charts.model_lines(series, days, top=top, unit=_unit(top), says=_summed(product, series)))
        for product, series in daily.items()
    ]
    text = caption("US dollars, by UTC day; the same scale in each panel.", len(products), len(panels))
    key = {model.place: model for each in daily.values() for model, _ in each}
    return Panels("Cost a day by product and model version", text, panels, [key[place] for place in sorted(key)])


def _table(
    caption: str,
    names: tuple[str, ...],
    costs: Sequence[Row],
    key: Callable[[Row], tuple[Cell, ...]],
    *,
    folded: bool = False,
) -> Table:
    groups = sorted(grouped(costs, key).items(), key=lambda each: -_spent(each[1]))
    spent = formats.decimals(_spent(rows) for _, rows in groups)
    each = formats.decimals(_per_thousand(rows) or Decimal(0) for _, rows in groups)
    rows = [(*group, *_figures(rows, spent, each)) for group, rows in groups]
    if len(groups) > 1:
        rows.append(("all", *[""] * (len(names) - 1), *_figures(costs, spent, each)))
    return Table(caption, (*names, *_HEADERS), rows, numbers_from=len(names), folded=folded)


def _figures(rows: Sequence[Row], spent: int, each: int) -> tuple[str, ...]:
    per_thousand = _per_thousand(rows)
    bound = "at least " if _without_price(rows) else ""
    return (
        bound + formats.dollars(_spent(rows), spent),
        "none" if per_thousand is None else formats.dollars(per_thousand, each),
        *(formats.count(sum(row[name] for row in rows)) for name in _COUNTS),
    )


def _unpriced(costs: Sequence[Row]) -> str:
    without = _without_price(costs)
    if not without:
        return "Every call has a price, or was answered from a cache and is free."
    return (
        f"{formats.count(without)} calls have no price or no token counts, so their cost is not known and the sums "
        "they are in are lower bounds. A price is added in assets/models/."
    )


def _without_price(rows: Sequence[Row]) -> int:
    return sum(row["unpriced_calls"] + row["unmeasured_calls"] + row["uncharged_calls"] for row in rows)


def _spent(rows: Sequence[Row]) -> Decimal:
    return sum((row["cost"] or Decimal(0) for row in rows), Decimal(0))


def _per_thousand(rows: Sequence[Row]) -> Decimal | None:
    priced = sum(row["priced_calls"] for row in rows)
    return _spent(rows) / priced * 1_000 if priced else None


def _weeks(costs: Sequence[Row], last: dt.date) -> tuple[list[Row], list[Row]]:
    now = [row for row in costs if row["day"] > last - _WEEK]
    return now, [row for row in costs if last - 2 * _WEEK < row["day"] <= last - _WEEK]


def _daily(rows: Sequence[Row], days: tuple[dt.date, dt.date]) -> list[tuple[dt.date, Decimal]]:
    of_day = grouped(rows, lambda row: row["day"])
    return [(day, _spent(of_day.get(day, []))) for day in every_day(days)]


def _called(rows: Sequence[Row]) -> list[tuple[dt.date, Decimal]]:
    return [(day, _spent(each)) for day, each in sorted(grouped(rows, lambda row: row["day"]).items())]


def _floats(values: Sequence[tuple[dt.date, Decimal]]) -> list[tuple[dt.date, float]]:
    return [(day, float(value)) for day, value in values]


def _said(what: str, values: Sequence[tuple[dt.date, Decimal]]) -> str:
    places = formats.decimals(value for _, value in values)
    highest = max(values, key=lambda each: each[1])
    return (
        f"{what}, US dollars: {formats.dollars(values[0][1], places)} on {formats.day(values[0][0])}, "
        f"{formats.dollars(values[-1][1], places)} on {formats.day(values[-1][0])}, most on "
        f"{formats.day(highest[0])} with {formats.dollars(highest[1], places)}"
    )


def _summed(product: str, series: Sequence[tuple[Model, Sequence[tuple[dt.date, float]]]]) -> str:
    totals = {model.name: Decimal(str(sum(value for _, value in values))) for model, values in series}
    places = formats.decimals(totals.values())
    said = (f"{name} {formats.dollars(total, places)} in all" for name, total in totals.items())
    return f"Cost a day of product {product} by model version, US dollars: {'; '.join(said)}"


def _unit(top: float) -> str:
    if top >= 100_000:
        return "$~s"
    return f"$,.{formats.decimals([Decimal(str(top / 2))])}~f"


def _names(row: Row, *fields: str) -> tuple[str, ...]:
    return tuple(formats.named(row[field]) for field in fields)
