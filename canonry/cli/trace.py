"""`canonry trace`: where a number comes from."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from canonry.cli._shared import console, said, table_of

if TYPE_CHECKING:
    from canonry.publish.trace import Input, Trace


def trace(
    table: Annotated[str, typer.Argument(help="A published table: quality_daily, cost_daily, …")],
    day: Annotated[dt.datetime, typer.Option(help="Day of the row.", formats=["%Y-%m-%d"])],
    where: Annotated[
        list[str] | None, typer.Option(help="COLUMN=VALUE of the row; COLUMN= where it has none. May be repeated.")
    ] = None,
    items: Annotated[bool, typer.Option("--items", help="quality_daily: list the drawn items and answers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every input.")] = False,
) -> None:
    """Say where one row of a published table comes from: release, lake partitions, code, draws, labels and segments.

    Each input is held against the digest that whoever read it recorded: `changed since` means that the row is of an
    earlier state, and that its day will be computed again or has been.

    Example: canonry trace quality_daily --day 2026-11-15 --where slice=product --where product=docs-site --items
    """
    from canonry.catalog import CatalogError, load
    from canonry.publish.trace import drawn_items, flat
    from canonry.publish.trace import trace as trace_row
    from canonry.release import ReleaseError
    from canonry.storage import open_zones

    zones = open_zones()
    with said(LookupError, ReleaseError, CatalogError):
        found = trace_row(zones, table, day.date(), _values(where or []))
        drawn = None
        if items:
            if table != "quality_daily":
                raise LookupError(f"{table}: --items belongs to quality_daily")
            spec = load().evals.get(found.row["eval"])
            if spec is None:
                raise LookupError(f"{found.row['eval']}: there is no assets/evals/{found.row['eval']}.yaml")
            drawn = drawn_items(zones, spec.scheme, found.row)
    if as_json:
        document = asdict(found) | {"inputs": [asdict(each) | {"inputs": [one.path for one in each.inputs]}
                                               for each in flat(found.inputs)]}  # fmt: skip
        console.print_json(json.dumps(document | ({} if drawn is None else {"items": drawn}), default=str))
        return
    _print_row(found)
    _print_inputs(list(flat(found.inputs)))
    if drawn is not None:
        shown = table_of("item", "call", "draw", "probability", text="answers")
        for each in drawn:
            likely = each["inclusion_probability"]
            cells = (each["item_id"], each["inference_id"], each["draw_id"], "" if likely is None else f"{likely:.4f}")
            shown.add_row(*(escape(cell) for cell in cells), escape("  ".join(each["answers"]) or "none"))
        console.print(shown)
        answered = sum(bool(each["answers"]) for each in drawn)
        console.print(f"{len(drawn):,} items drawn, the row says {found.row['drawn']:,}; {answered:,} have an answer")


def _values(where: list[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for each in where:
        name, equals, value = each.partition("=")
        if not equals:
            raise LookupError(f"--where {each}: expected COLUMN=VALUE")
        found[name] = value or None
    return found


def _print_row(found: Trace) -> None:
    shown = table_of("column", text="value")
    for name, value in found.row.items():
        if value is not None:
            shown.add_row(name, escape(str(value)))
    console.print(shown)
    console.print(f"{found.table} {found.version}, in production since {found.moved_at:%Y-%m-%d %H:%M} UTC")
    console.print(escape(", ".join(f"{name} {value}" for name, value in found.lineage.items())), highlight=False)
    if found.in_lake is not None:
        console.print(
            "lake has this row as it is published" if found.in_lake else "lake has another row by now: publish anew"
        )


def _print_inputs(inputs: list[Input]) -> None:
    """Partitions one by one; of journal and landing, how many of each folder."""
    shown = table_of("input", "is", "code", "rows", text="made from")
    for each in inputs:
        if each.path.startswith("lake/"):
            facts = [f"{name} {value}" for name, value in each.facts.items()]
            counted = Counter("/".join(one.path.split("/")[:2]) for one in each.inputs)
            facts += [f"{count} of {name}" for name, count in sorted(counted.items())]
            rows = "" if each.rows is None else f"{each.rows:,}"
            shown.add_row(each.path, each.state, each.code or "", rows, escape(", ".join(facts)))
    for (folder, state), count in sorted(Counter(_folder(each) for each in inputs).items()):
        shown.add_row(f"{folder} ({count})", state, "", "", "")
    console.print(shown)


def _folder(each: Input) -> tuple[str, str]:
    if each.path.startswith("lake/"):
        return "lake", each.state
    return "/".join(each.path.split("/")[:3]), each.state
