"""Prompts: which calls were made with a registered version, and what products changed about it."""

from __future__ import annotations

from collections.abc import Sequence

from canonry.publish.scorecard import formats
from canonry.publish.scorecard.parts import Block, Details, Headline, Prose, Row, Section, Table
from canonry.publish.scorecard.read import Inputs
from canonry.publish.scorecard.rows import grouped

_LEAD = (
    "Which prompts the calls of the last seven days were made with: the text that was sent, where it is logged, "
    "against every version in assets/prompts and every release. A changed prompt has been tested by nobody."
)
_SAID = {
    "registered": "registered",
    "other_version": "registered, but not the version named",
    "changed": "changed",
    "unknown_version": "names an unknown version",
    "not_said": "neither text nor name logged",
}
_DRIFTED = ("changed", "unknown_version")


def section(inputs: Inputs) -> Section:
    """Share of calls by product and status, and each change as a diff."""
    rows = inputs.drift.prompts
    if not rows:
        return Section("prompts", "Prompts", _LEAD, [Prose("No call's prompt was looked at yet; the loop does daily.")])
    totals = {product: sum(row["calls"] for row in some) for product, some in _by_product(rows).items()}
    known = sum(row["calls"] for row in rows if row["status"] != "not_said")
    drifted = [row for row in rows if row["status"] in _DRIFTED]
    count = sum(row["calls"] for row in drifted)
    key = ("product", "status", "prompt_name", "prompt_version", "nearest_name", "nearest_version")
    shown = [
        (
            formats.named(some[0]["product"]),
            _SAID[some[0]["status"]],
            _prompt(some[0]["prompt_name"], some[0]["prompt_version"]),
            _prompt(some[0]["nearest_name"], some[0]["nearest_version"]) if some[0]["nearest_name"] else "",
            formats.days(some[0]["day"], some[-1]["day"]),
            formats.count(sum(row["calls"] for row in some)),
            formats.share(sum(row["calls"] for row in some) / totals[some[0]["product"]]),
        )
        for some in grouped(rows, lambda row: tuple(row[name] for name in key)).values()
    ]
    columns = ("product", "prompt of the calls", "named", "nearest registered", "when", "calls", "of its calls")
    blocks: list[Block] = [Table("Prompts of the last seven days", columns, sorted(shown), numbers_from=5)]
    blocks += _changes(drifted)
    share = formats.share(count / known) if known else "none"
    headline = Headline("Prompts not registered", share, (f"{count:,} of {known:,} calls",))
    findings = tuple(
        f"{formats.named(product)} uses a prompt that is registered nowhere, in "
        f"{formats.share(sum(row['calls'] for row in some) / totals[product])} of its calls."
        for product, some in _by_product(drifted).items()
    )
    return Section("prompts", "Prompts", _LEAD, blocks, headline, findings)


def _changes(drifted: Sequence[Row]) -> list[Block]:
    """Each changed text once, the most used first."""
    changed = [row for row in drifted if row["changes"]]
    by = grouped(changed, lambda row: (row["product"], row["nearest_name"], row["nearest_version"], row["changes"]))
    blocks: list[Block] = []
    for (product, name, version, text), some in sorted(by.items(), key=lambda each: -sum(r["calls"] for r in each[1])):
        summary = f"{formats.named(product)}: what differs from {_prompt(name, version)}"
        blocks.append(Details(summary, ((f"{sum(row['calls'] for row in some):,} calls", text),)))
    return blocks


def _by_product(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return dict(sorted(grouped(rows, lambda row: row["product"]).items()))


def _prompt(name: str | None, version: str | None) -> str:
    return " ".join(formats.named(each) for each in (name, version) if each) or "none"
