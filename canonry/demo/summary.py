"""What came of the demo, for people. Read from published tables and releases, as a product team would read them.

One thing is not published, because it holds what people wrote: the quarantine is read from the lake.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from canonry import client, comparisons, lake, release
from canonry.demo.answerer import MODEL
from canonry.demo.knowledge import INDEX
from canonry.demo.products import NEW, OLD, PRODUCTS
from canonry.demo.traffic import SOURCE
from canonry.storage import Zones

Row = dict[str, Any]

_PRODUCTS = frozenset(product.name for product in PRODUCTS)
_METRIC, SCORER = "hallucination_rate", "groundedness"


def show(zones: Zones, console: Console) -> None:
    """Print the summary. Raises NotReleased where the loop has not published yet."""
    costs, quality, feedback, latency = (
        client.read_table(name, home=zones.home).to_pylist()
        for name in ("cost_daily", "quality_daily", "feedback_daily", "latency_hourly")
    )
    costs = [row for row in costs if row["product"] in _PRODUCTS]
    _came_in(console, costs, feedback, latency)
    _rejected(console, zones)
    _cost(console, costs)
    _quality(console, costs, quality, feedback)
    _index(console, zones)
    _scorer(console, zones)
    _comparisons(console, zones)
    _where_next(console, zones)


def _came_in(console: Console, costs: list[Row], feedback: list[Row], latency: list[Row]) -> None:
    days = sorted({row["day"] for row in costs})
    thumbs = sum(row["known"] for row in _thumbs(feedback, "team,product", days=1))
    hours = [row for row in latency if row["product"] in _PRODUCTS]
    table = Table("team", "product", "calls", "from cache", "failed")
    for (team, product), rows in _grouped(costs, "team", "product"):
        counts = (sum(row[name] for row in rows) for name in ("calls", "free_calls", "errors"))
        table.add_row(team, product, *(f"{count:,}" for count in counts))
    _section(console, "What came in", table)
    middle, slowest = median(row["latency_p50_ms"] for row in hours), max(row["latency_p95_ms"] for row in hours)
    console.print(
        f"  {sum(row['calls'] for row in costs):,} calls from {days[0]} to {days[-1]}; thumbs on {thumbs:,} answers.\n"
        f"  Latency: median of the middle hour {middle:.1f} ms, 95th percentile of the slowest {slowest:.0f} ms.",
        highlight=False,
    )


def _rejected(console: Console, zones: Zones) -> None:
    days = lake.days(zones.lake, "rejected")
    rows = lake.read(zones.lake, "rejected", days, ["kind", "source", "reason"]).to_pylist()
    reasons = Counter((row["kind"], _without_values(row["reason"])) for row in rows if row["source"] == SOURCE)
    table = Table("events", "of kind", "why")
    for (kind, reason), count in reasons.most_common():
        table.add_row(str(count), kind, escape(reason))
    _section(console, f"What was rejected: {reasons.total()} events, kept with their bytes in lake/rejected", table)


def _cost(console: Console, costs: list[Row]) -> None:
    table = Table("team", "product", "model", "calls", "tokens in", "out", "USD", "USD per 1,000 paid")
    for (team, product, model), rows in _grouped(costs, "team", "product", "response_model"):
        calls, inputs, outputs = (sum(row[name] for row in rows) for name in ("calls", "input_tokens", "output_tokens"))
        spent = _spent(rows)
        each = f"{_per_call(rows) * 1_000:.4f}"
        table.add_row(team, product, model, f"{calls:,}", f"{inputs:,}", f"{outputs:,}", f"{spent:.6f}", each)
    _section(console, "What it cost", table)
    teams = ", ".join(f"{team} {_spent(rows):.6f}" for (team,), rows in _grouped(costs, "team"))
    unpriced = sum(row["unpriced_calls"] + row["unmeasured_calls"] for row in costs)
    console.print(f"  By team, USD: {teams}. Calls without a price: {unpriced}.", highlight=False)


def _quality(console: Console, costs: list[Row], quality: list[Row], feedback: list[Row]) -> None:
    table = Table("model", "hallucinated", "95 % interval", "labels alone", "labels", "answers of", "thumbs up")
    found: dict[str, Row] = {}
    for version in (OLD, NEW):
        model = f"{MODEL}-{version}"
        given = _thumbs(feedback, "team,product,response_model", days=1)
        rated = [row for row in given if row["response_model"] == model and row["known"]]
        count = sum(row["known"] for row in rated)
        thumbs = f"{sum(row['raw_value'] * row['known'] for row in rated) / count:.0%} of {count}" if count else "none"
        if row := _best_estimate(quality, model):
            found[version] = row
            interval = f"{row['interval_low']:.1%} to {row['interval_high']:.1%}"
            played = ", simulated" if row["simulated"] else ""
            window = f"{row['window_start']:%d %b} to {row['window_end']:%d %b}"
            alone = _labels_alone(quality, row)
            table.add_row(model, f"{row['value']:.1%}", interval, alone, f"{row['labels']}{played}", window, thumbs)
        else:
            table.add_row(model, "no estimate", "", "", "", "", thumbs)
    _section(console, "How often answers were not supported (of each version, the week with most labels)", table)
    if len(found) == 2:
        paid = {version: [row for row in costs if row["response_model"] == f"{MODEL}-{version}"] for version in found}
        console.print(f"  {escape(_verdict(found[OLD], found[NEW], paid[OLD], paid[NEW]))}", highlight=False)


def _labels_alone(quality: list[Row], best: Row) -> str:
    """The interval of the same window and slice without scores."""
    same = ("day", "eval", "slice", "response_model")
    (row,) = (
        row for row in quality if row["estimator"] == "human_only" and all(row[each] == best[each] for each in same)
    )
    return f"{row['interval_low']:.1%} to {row['interval_high']:.1%}"


def _verdict(old: Row, new: Row, old_costs: list[Row], new_costs: list[Row]) -> str:
    cheaper = 1 - _per_call(new_costs) / _per_call(old_costs)
    saved = (
        f"A paid call of {NEW} costs {cheaper:.0%} less, " if cheaper > 0 else f"A paid call of {NEW} saves nothing, "
    )
    if new["interval_low"] > old["interval_high"]:
        return (
            f"{saved}and it is surely worse: its interval begins at {new['interval_low']:.1%}, above where that of "
            f"{OLD} ends ({old['interval_high']:.1%})."
        )
    return f"{saved}and the two intervals overlap: these labels do not settle whether it is worse; label more."


def _index(console: Console, zones: Zones) -> None:
    found = release.resolve(zones.published, "indexes", INDEX, release.PRODUCTION)
    gate = found.manifest.metadata["gate"]
    console.print(
        f"\n[bold]Which index answers[/bold]\n  {INDEX} {found.version}, {found.manifest.metadata['vectors']:,} chunks"
    )
    console.print(
        f"  gate {'passed' if gate['passed'] else 'failed'}: {escape('; '.join(gate['reasons']))}", highlight=False
    )


def _scorer(console: Console, zones: Zones) -> None:
    console.print("\n[bold]Which scorer reads every answer[/bold]")
    for channel in (release.PRODUCTION, "candidate"):
        try:
            found = release.resolve(zones.published, "scorers", SCORER, channel)
        except release.NotReleased:
            continue
        card = json.loads(found.read("card.json"))
        learned, verdict = card["cross_fitted"], card["verdict"]
        console.print(
            f"  {SCORER} {found.version} ({channel}), trained from {learned['items']} labels of gold set "
            f"{card['gold']['version']}\n  gate: {escape(verdict['word'])}, {escape(verdict['message'])}",
            highlight=False,
        )
        return
    console.print("  none: too few of the labels agree, or too few are of either class, to train one")


def _comparisons(console: Console, zones: Zones) -> None:
    """The last verdict of every comparison; the regression is the demo's own, made by whoever wanted to save tokens."""
    last = {each.name: each for each in comparisons.read_all(zones.journal)}
    table = Table("comparison", "candidate", "difference", "95 % interval", "margin", "items", "verdict")
    for name, each in sorted(last.items()):
        verdict = each.verdict
        if verdict.value is None or verdict.low is None or verdict.high is None:
            continue
        value, low, high, margin = (
            f"{end * 100:+.1f}" for end in (verdict.value, verdict.low, verdict.high, -(verdict.margin or 0))
        )
        word = f"{verdict.word}: {'passes' if verdict.passed else 'held back'}"
        table.add_row(name, each.candidate, value, f"{low} to {high}", margin, f"{verdict.pairs:,}", word)
    if not table.row_count:
        return
    _section(console, "What waited for its promotion, in points of supported answers to the same questions", table)
    played = sum(each.simulated for each in last.values())
    console.print(
        f"  The answers are real, {played} labels that judged them are simulated. What flipped, in words: "
        f"{escape(_program())} eval show NAME --texts",
        highlight=False,
    )


def _where_next(console: Console, zones: Zones) -> None:
    program = escape(_program())
    console.print(
        "\n[bold]What is simulated[/bold]\n"
        "  Products, users, their questions (made from the documents), dates, thumbs and reviewers; the data says so.\n"
        "  Real: the documents, the index, retrieval, answers, latency, tokens, and what the platform did with them.\n"
        "\n[bold]Where to look next[/bold]\n"
        f"  {escape(zones.published.url)}/scorecard/index.html: all of this as one page, for a browser\n"
        "  make ui: the graph, its checks, each asset's evidence; as nobody asks the assistant any more, the monitor\n"
        "    assistant-freshness then opens an incident, and rightly\n"
        f"  {program} status: zones, days, releases, labels\n"
        f"  {program} releases list: what is published, and its versions\n"
        f'  {program} index search {INDEX} "merge two tables"\n'
        f"  {escape(zones.exchange.url)}/label-studio: tasks, and what reviewers answered",
        highlight=False,
    )


def _program() -> str:
    """How the command is called from this shell: by its name, or by its path where the environment is not activated."""
    if shutil.which("canonry"):
        return "canonry"
    path = Path(sys.executable).parent / "canonry"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _section(console: Console, title: str, table: Table) -> None:
    console.print(f"\n[bold]{escape(title)}[/bold]")
    table.box = box.SIMPLE_HEAD
    for column in table.columns:
        column.justify = "right" if column.header not in _TEXT_COLUMNS else "left"
        column.overflow, column.no_wrap = (
            "fold",
            column.header in ("team", "product", "model", "comparison", "candidate"),
        )
    console.print(Padding(table, (0, 0, 0, 1)))


_TEXT_COLUMNS = ("comparison", "candidate", "verdict", "team", "product", "model", "of kind", "why", "answers of")


def _thumbs(feedback: list[Row], slice_name: str, *, days: int) -> list[Row]:
    found = [
        row for row in feedback if (row["signal"], row["slice"], row["window_days"]) == ("thumb", slice_name, days)
    ]
    return [row for row in found if row["product"] in _PRODUCTS]


def _best_estimate(quality: list[Row], model: str) -> Row | None:
    estimates = [
        row
        for row in quality
        if (row["metric"], row["slice"], row["response_model"]) == (_METRIC, "response_model", model)
        and row["value"] is not None
        and row["preferred"]
    ]
    return max(estimates, key=lambda row: (row["labels"], row["day"]), default=None)


def _spent(rows: list[Row]) -> Decimal:
    return sum((row["cost"] or Decimal(0) for row in rows), Decimal(0))


def _per_call(rows: list[Row]) -> Decimal:
    """US dollars a call that was answered by the model: neither failed nor from the cache."""
    paid = sum(row["priced_calls"] - row["errors"] for row in rows)
    return _spent(rows) / paid if paid else Decimal(0)


def _grouped(rows: list[Row], *fields: str) -> list[tuple[tuple[str, ...], list[Row]]]:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[field] or "" for field in fields)].append(row)
    return sorted(groups.items())


def _without_values(reason: str) -> str:
    """A reason as a class of reasons: without the value that was found."""
    return re.sub(r"'[^']*'|\d{4}-\d\d-\d\d[\d:.T]*|(?<=JSON): .*", "…", reason)
