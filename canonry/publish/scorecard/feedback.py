"""Feedback: what users said and did, by signal, raw and reweighted by the chance of saying it, with both intervals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from canonry.feedback import SIGNALS
from canonry.publish.scorecard import charts, formats
from canonry.publish.scorecard.charts import Interval
from canonry.publish.scorecard.parts import Block, Model, Panel, Panels, Row, Section, Table
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.rows import MOST_PANELS, by_name, caption, grouped, largest, missing
from canonry.publish.scorecard.versions import Versions

MONTH = 28
RECENT = dt.timedelta(days=28)
"""A figure is that of the last window, which ends so shortly before the page's last day."""
_PRODUCT, _MODEL = "team,product", "team,product,response_model"

_LEAD = (
    "What users said and did in the four weeks up to the last day. Who says something has chosen to: the raw figure is "
    "of those alone. The reweighted one is of all answers, if those who say nothing think as those who do, among calls "
    "alike in product, model, feature, latency, length and hour. It cannot correct for users who speak up only when "
    "they are content, or only when they are not."
)


def section(inputs: Inputs, versions: Versions) -> Section:
    """Signals that users give, raw and reweighted, then what they did."""
    if not inputs.feedback or inputs.days is None:
        return Section("feedback", "Feedback", _LEAD, [missing("feedback_daily")])
    rows = _latest(inputs.feedback, inputs.days[1])
    blocks: list[Block] = []
    for name, signal in SIGNALS.items():
        of_signal = [row for row in rows if row["signal"] == name]
        if of_signal and signal.silence == "unknown":
            blocks.append(_said_and_reweighted(name, of_signal, versions))
    done = [row for row in rows if SIGNALS[row["signal"]].silence == "no" and row["slice"] in ("all", _PRODUCT)]
    if done:
        blocks.append(_done(done))
    blocks += [_table(rows, versions), _how(rows)]
    return Section("feedback", "Feedback", _LEAD, blocks)


def _latest(rows: Sequence[Row], last: dt.date) -> list[Row]:
    """Of each signal and slice the last row, signals and products in order."""
    recent = [
        row
        for row in rows
        if row["window_days"] == MONTH and last - RECENT < row["day"] <= last and row["signal"] in SIGNALS
    ]
    by = ("signal", "slice", "team", "product", "response_model")
    groups = grouped(recent, lambda row: tuple(row[name] for name in by))
    order = list(SIGNALS)
    return sorted(
        (max(each, key=lambda row: row["day"]) for each in groups.values()),
        key=lambda row: (order.index(row["signal"]), *(row[name] or "" for name in by[1:])),
    )


def _said_and_reweighted(name: str, rows: Sequence[Row], versions: Versions) -> Panels:
    whole = [row for row in rows if row["slice"] == "all"]
    products = by_name([row for row in rows if row["slice"] == _PRODUCT], "product")
    models = by_name([row for row in rows if row["slice"] == _MODEL], "product")
    top = charts.round_top([row[end] for row in rows for end in ("raw_high", "interval_high") if row[end] is not None])
    shown = largest(products, _known)
    title = _title(name)
    first: list[tuple[str | None, Sequence[Interval]]] = [("all products", _pair(whole, None))] if whole else []
    first += [(product, _pair(each, None)) for product, each in shown.items()]
    second = [(product, _pair(models[product], versions)) for product in shown if product in models]
    panels = [
        Panel(panel, charts.forest(groups, top=top, says=f"{title}, {panel.lower()}: {_said(each)}"))
        for panel, groups, each in (
            ("By product", first, [*whole, *(row for each in shown.values() for row in each)]),
            ("By product and model version", second, [row for product in shown for row in models.get(product, [])]),
        )
        if groups
    ]
    text = (
        f"The {SIGNALS[name].figure}. Hollow: raw, with its interval; filled: reweighted. n is the number of answers "
        f"with the signal, ~n what they are worth once reweighted. {_simulated(rows)}"
    )
    return Panels(title, caption(text.strip(), len(products), len(shown)), panels)


def _done(rows: Sequence[Row]) -> Panels:
    panels = []
    for name, of_signal in list(grouped(rows, lambda row: row["signal"]).items())[:MOST_PANELS]:
        shown = [*of_signal[:1], *[row for row in of_signal if row["slice"] == _PRODUCT][:MOST_PANELS]]
        top = charts.round_top([row["interval_high"] for row in shown if row["value"] is not None])
        drawn = [_interval(row, row["product"] or "all products", None) for row in shown]
        panels.append(
            Panel(_title(name), charts.forest([(None, drawn)], top=top, says=f"{_title(name)}: {_said(shown)}"))
        )
    text = (
        "Shares of the answers of which it is known; where silence is a no, of all. An answer was asked again where "
        "the session's next question came within ten minutes and read nearly the same. " + _simulated(rows)
    )
    return Panels("What users did", text.strip(), panels)


def _pair(rows: Iterable[Row], versions: Versions | None) -> list[Interval]:
    """Of each row the raw figure and, under it, the reweighted one."""
    drawn = []
    for row in rows:
        model = versions[row["response_model"]] if versions else None
        label = formats.shortened(model.name, 22) if model else "raw"
        said = f"{'raw ' if model else ''}{formats.share(row['raw_value'])}"
        if row["raw_low"] is None:
            said += f"  n {row['known']}"
        else:
            said += f" ({row['raw_low'] * 100:.1f}–{row['raw_high'] * 100:.1f})  n {row['known']}"
        value = None if row["raw_low"] is None else row["raw_value"]
        drawn.append(Interval(model, label, value, row["raw_low"] or 0.0, row["raw_high"] or 0.0, said, hollow=True))
        drawn.append(_interval(row, "reweighted", model))
    return drawn


def _interval(row: Row, label: str, model: Model | None) -> Interval:
    label = formats.shortened(formats.named(label), 22)
    if row["value"] is None:
        return Interval(model, label, None, 0.0, 0.0, f"refused: {row['refused']}")
    worth = f"~n {row['effective_known']:.0f}" if row["response_rate"] < 1 else f"n {row['known']}"
    said = f"{formats.share(row['value'])} ({row['interval_low'] * 100:.1f}–{row['interval_high'] * 100:.1f})  {worth}"
    return Interval(model, label, row["value"], row["interval_low"], row["interval_high"], said)


def _table(rows: Sequence[Row], versions: Versions) -> Table:
    columns = (
        *("signal", "product", "model version", "answers", "known", "raw", "interval", "reweighted", "interval"),
        *("worth", "given by"),
    )
    shown = [
        (
            _title(row["signal"]),
            formats.named(row["product"]) if row["product"] else "all",
            versions[row["response_model"]] if row["slice"] == _MODEL else "all",
            formats.count(row["answers"]),
            f"{formats.count(row['known'])} ({formats.share(row['response_rate'])})",
            formats.share(row["raw_value"]),
            row["raw_refused"] if row["raw_low"] is None else formats.interval(row["raw_low"], row["raw_high"]),
            "refused" if row["value"] is None else formats.share(row["value"]),
            row["refused"] if row["value"] is None else formats.interval(row["interval_low"], row["interval_high"]),
            "" if row["value"] is None else formats.count(row["effective_known"]),
            "a program" if row["simulated"] else "people",
        )
        for row in rows
    ]
    return Table("Feedback in figures", columns, shown, numbers_from=3)


def _how(rows: Sequence[Row]) -> Table:
    shown = list(
        dict.fromkeys(
            (_title(row["signal"]), row["estimand"], row["method"] or f"refused: {row['refused']}") for row in rows
        )
    )
    title = "Feedback: what each figure is, and how its interval was made"
    return Table(title, ("signal", "what it is", "how"), shown, numbers_from=3, folded=True)


def _title(signal: str) -> str:
    return signal.replace("_", " ").capitalize()


def _known(rows: Sequence[Row]) -> int:
    return sum(row["known"] for row in rows)


def _said(rows: Sequence[Row]) -> str:
    return "; ".join(
        f"{formats.named(row['product']) if row['product'] else 'all'}"
        + (f" {formats.named(row['response_model'])}" if row["slice"] == _MODEL else "")
        + f" raw {formats.share(row['raw_value'])}, "
        + (
            f"refused, {row['refused']}"
            if row["value"] is None
            else f"reweighted {formats.share(row['value'])}, "
            f"{formats.interval(row['interval_low'], row['interval_high'])}"
        )
        + f", of {row['known']} answers"
        for row in rows
    )


def _simulated(rows: Sequence[Row]) -> str:
    return "A program played the users." if any(row["simulated"] for row in rows) else ""
