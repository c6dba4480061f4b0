"""Quality: what labels let us estimate, each figure with its interval and counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from canonry.publish.scorecard import charts, estimates, formats
from canonry.publish.scorecard.parts import Block, Cell, Headline, Panel, Panels, Prose, Row, Section, Table
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.rows import MOST_PANELS, by_name, caption, grouped, largest, missing
from canonry.publish.scorecard.versions import Versions
from canonry.stats.multiple import difference_p_value, discoveries
from canonry.stats.survey import Proportion

RECENT = dt.timedelta(days=28)
"""A figure is that of a window which ends so shortly before the page's last day."""

_LEAD = (
    "Estimates from labels: people looked at a random draw of answers, and each figure says what share of all answers "
    "they would give that label, with the interval that the draw supports. The wider the interval, the less is known."
)
_MODEL, _BOTH = estimates.MODEL, "product,response_model"
_SHOWN = ("all", _MODEL, "product", _BOTH)
_VALUES = ("team", "product", "feature", "response_model", "prompt_name", "prompt_version")


def section(inputs: Inputs, versions: Versions) -> Section:
    """Estimates by model version and product."""
    if not inputs.quality or inputs.days is None:
        return Section("quality", "Quality", _LEAD, [missing("quality_daily")])
    first, last = inputs.days
    in_range = [row for row in inputs.quality if row["window_start"] <= last and first <= row["day"] <= last]
    every = [row for row in in_range if row["eval"] is not None]
    preferred = [row for row in every if row.get("preferred") is not False]
    others = {_figure(row): row for row in every if row.get("preferred") is False}
    blocks: list[Block] = []
    compared: list[tuple[Row, Row]] = []
    found: list[str] = []
    for rows in by_name(preferred, "eval").values():
        blocks += _of_eval(rows, others, versions, inputs.days)
        compared += _pairs(best(rows, _MODEL, last), versions)
        found += _apart(rows, last)
    if not preferred:
        blocks.append(Prose("No estimate has been made yet: nothing was drawn for labeling, or no eval is governed."))
    return Section(
        "quality", "Quality", _LEAD, blocks, _headline(preferred, versions, last), (*_findings(compared), *found)
    )


def best(rows: Sequence[Row], slice_name: str, last: dt.date) -> list[Row]:
    """One recent estimate of each slice, known ones before refused ones.

    Of a model version that of the window with most labels, which knows it best; of what mixes versions the latest,
    since it changes with them.
    """
    recent = [row for row in rows if row["slice"] == slice_name and row["day"] > last - RECENT]
    slices = grouped(recent, lambda row: tuple(row.get(name) for name in _VALUES))
    by_labels = _MODEL in slice_name.split(",")
    return [
        max(each, key=lambda row: (row["value"] is not None, row["labels"] if by_labels else 0, row["day"]))
        for each in slices.values()
    ]


def _figure(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("day", "eval", "slice", *_VALUES))


def _beside(rows: Sequence[Row], others: Mapping[tuple[Any, ...], Row]) -> list[Row]:
    """Each estimate, and after it the other one of the same figure, where there is one."""
    return [row for one in rows for row in (one, others.get(_figure(one))) if row is not None]


def _of_eval(
    rows: Sequence[Row], others: Mapping[tuple[Any, ...], Row], versions: Versions, days: charts.Days
) -> list[Block]:
    metric = rows[0]["metric"].replace("_", " ").capitalize()
    more = sorted({row["slice"] for row in rows} - set(_SHOWN))
    every = {name: _in_order(best(rows, name, days[1]), versions) for name in (*_SHOWN, *more)}
    figures = _beside([row for each in every.values() for row in each], others)
    by_model = _beside([*every["all"], *every[_MODEL][: MOST_PANELS * 2]], others)
    by_product = {
        product: _beside(each, others)
        for product, each in largest(by_name(every[_BOTH] or every["product"], "product"), _labels).items()
    }
    forests: list[tuple[str, Mapping[Any, Sequence[Row]]]] = [
        ("By model version", {None: by_model} if by_model else {}),
        ("By product and model version", by_product),
        *((_by(name), {None: _beside(every[name][: MOST_PANELS * 2], others)}) for name in more if every[name]),
    ]
    panels = [_forest(metric, title, groups, figures, versions) for title, groups in forests if groups]
    confidence = formats.words(sorted({f"{row['confidence']:.0%}" for row in rows}))
    text = (
        f"Point and {confidence} interval; n is the number of labels. Of a model version, the window with most labels "
        f"among those that end in the last four weeks; of all versions together, the last one. {_simulated(rows)}"
    )
    if any(row.get("estimator") == "prediction_powered" for row in figures):
        text += (
            " Each figure is shown from labels and an automatic score of every answer, and from labels alone; what "
            "stands after a + are the labels that scores saved."
        )
    return [
        *([Panels(metric, text.strip(), panels)] if panels else []),
        estimates.table(f"{metric}, in figures", figures, versions),
        *_over_days(metric, rows, versions, days),
        _how(f"{metric}: what each figure is about, and how its interval was made", figures),
    ]


def _by(slice_name: str) -> str:
    return f"By {formats.words(name.replace('_', ' ') for name in slice_name.split(','))}"


def _forest(
    metric: str, title: str, groups: Mapping[Any, Sequence[Row]], figures: Sequence[Row], versions: Versions
) -> Panel:
    top = charts.round_top([row["interval_high"] for row in figures if row["value"] is not None])
    drawn = [(product, [estimates.interval(row, versions) for row in rows]) for product, rows in groups.items()]
    said = estimates.said([row for rows in groups.values() for row in rows])
    return Panel(title, charts.forest(drawn, top=top, says=f"{metric} {title.lower()}: {said}"))


def _over_days(metric: str, rows: Sequence[Row], versions: Versions, days: charts.Days) -> list[Block]:
    known = [row for row in rows if row["slice"] == _MODEL and row["value"] is not None]
    of_model = largest(grouped(known, lambda row: row["response_model"]), _labels)
    if not of_model:
        return []
    top = charts.round_top([row["interval_high"] for each in of_model.values() for row in each])
    panels: list[Panel] = []
    table: list[tuple[Cell, ...]] = []
    for name in sorted(of_model, key=lambda name: versions[name].place):
        each = sorted(of_model[name], key=lambda row: row["day"])
        says = f"{metric} of {formats.named(name)} by day, the last: {estimates.said(each[-1:])}"
        values = [(row["day"], row["value"], row["interval_low"], row["interval_high"]) for row in each]
        panels.append(
            Panel(versions[name], charts.intervals_over_days(versions[name], values, days, top=top, says=says))
        )
        table += [(formats.day(row["day"]), versions[name], *estimates.figures(row)) for row in reversed(each)]
    text = (
        f"Each point is the {(rows[0]['window_end'] - rows[0]['window_start']).days + 1} days that end there, so "
        "neighbours share labels; one scale in each panel."
    )
    columns = ("window ends", "model version", "rate", "interval", "labels of drawn", "answers")
    return [
        Panels(f"{metric} over time", caption(text, len({row[_MODEL] for row in known}), len(panels)), panels),
        Table(f"{metric} by model version and day", columns, table, numbers_from=2, folded=True),
    ]


def _how(caption: str, rows: Sequence[Row]) -> Table:
    shown = [(formats.named(row["estimand"]), row["method"] or f"refused: {row['refused']}") for row in rows]
    return Table(caption, ("what it estimates", "how"), shown, numbers_from=2, folded=True)


def _headline(rows: Sequence[Row], versions: Versions, last: dt.date) -> Headline | None:
    known = [row for row in best(rows, _MODEL, last) if row["value"] is not None]
    if not known:
        return None
    newest = max(known, key=lambda row: (row["day"], versions[row["response_model"]].place))
    ends = formats.interval(newest["interval_low"], newest["interval_high"])
    notes = [
        f"{ends} with {newest['confidence']:.0%} confidence",
        f"{formats.named(newest['response_model'])}, {newest['labels']:,} labels"
        + (", made by a program" if newest["simulated"] else ""),
        *([f"scores saved {estimates.saved(newest):,.0f} labels"] if estimates.saved(newest) >= 1 else []),
    ]
    name = newest["metric"].replace("_", " ").capitalize()
    return Headline(name, formats.share(newest["value"]), tuple(notes))


def _pairs(by_model: Sequence[Row], versions: Versions) -> list[tuple[Row, Row]]:
    known = {row["response_model"]: row for row in by_model if row["value"] is not None}
    return [(known[old], known[new]) for old, new in versions.pairs() if old in known and new in known]


def _findings(compared: Sequence[tuple[Row, Row]]) -> tuple[str, ...]:
    """Of each pair whether the later differs; among all that are said to differ here, few do not."""
    p_values = [
        difference_p_value(_proportion(before), _proportion(after), before["confidence"]) for before, after in compared
    ]
    many = f", one of {len(compared)} comparisons with a false discovery rate of 5 %" if len(compared) > 1 else ""
    said = []
    for (before, after), p_value, found in zip(compared, p_values, discoveries(p_values), strict=True):
        old, new, metric = before["response_model"], after["response_model"], after["metric"].replace("_", " ")
        ends = " against ".join(formats.interval(row["interval_low"], row["interval_high"]) for row in (after, before))
        sure = "below 0.001" if p_value < 0.001 else f"{p_value:.3f}"
        how = f"{ends} (p {sure}{many})"
        if found:
            more = "higher" if after["value"] > before["value"] else "lower"
            text = f"The {metric} of {new} is surely {more} than that of {old}: {how}."
        else:
            text = f"Whether the {metric} of {new} differs from that of {old} is open: {how}."
        simulated = after["simulated"] or before["simulated"]
        said.append(f"{text} The labels were made by a program." if simulated else text)
    return tuple(said)


def _apart(rows: Sequence[Row], last: dt.date) -> list[str]:
    """Slices that surely differ from the rest, but for model versions, which are held against the one before."""
    found = []
    for name in sorted({row["slice"] for row in rows} - {"all", _MODEL, _BOTH}):
        each = best(rows, name, last)
        compared = sum(row.get("differs") is not None for row in each)
        for row in each:
            if row.get("differs") not in ("higher", "lower"):
                continue
            model = f", {formats.named(row[_MODEL])}" if _MODEL in estimates.fields(row) else ""
            ends = formats.interval(row["interval_low"], row["interval_high"])
            found.append(
                f"The {row['metric'].replace('_', ' ')} of {estimates.part(row)}{model}, {ends}, is "
                f"{estimates.beside_the_rest(row)} of the rest, with a false discovery rate of 5 % among {compared} "
                f"such comparisons.{' The labels were made by a program.' if row['simulated'] else ''}"
            )
    return found


def _proportion(row: Row) -> Proportion:
    return Proportion(row["value"], row["interval_low"], row["interval_high"], 0.0, 0.0)


def _labels(rows: Sequence[Row]) -> int:
    return sum(row["labels"] for row in rows)


def _in_order(rows: Sequence[Row], versions: Versions) -> list[Row]:
    return sorted(rows, key=lambda row: (row["product"] or "", versions[row["response_model"]].place))


def _simulated(rows: Sequence[Row]) -> str:
    return (
        "The labels were made by a program that plays the reviewers." if any(row["simulated"] for row in rows) else ""
    )
