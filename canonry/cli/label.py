"""`canonry label`: what people are asked, and what they answered."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from canonry.cli._shared import console, said, table_of

app = typer.Typer(no_args_is_help=True, help="Look into labeling: what is to be asked, and of whom.")


@app.callback()
def _group() -> None:
    """Look into labeling: what is to be asked, and of whom."""


@app.command()
def queue(
    scheme: Annotated[str, typer.Argument(help="Labeling scheme: a name in assets/schemes/.")],
    limit: Annotated[int, typer.Option("-n", "--limit", help="How many items at most.", min=1)] = 50,
) -> None:
    """List items on which annotators are tied or their consensus is less sure than the scheme asks, worst first.

    Example: canonry label queue groundedness -n 20
    """
    from canonry.catalog import CatalogError, load
    from canonry.label.adjudication import items_to_adjudicate
    from canonry.storage import open_zones

    with said(CatalogError, LookupError):
        spec = load().schemes.get(scheme)
        if spec is None:
            raise LookupError(f"{scheme}: there is no assets/schemes/{scheme}.yaml")
    found = items_to_adjudicate(open_zones(), scheme, spec)
    table = table_of("item", "field", "votes", "not by", "by", text="reason")
    for each in found[:limit]:
        votes = ", ".join(f"{answer} {count}" for answer, count in each.votes.items())
        not_by, by = (" ".join(name[:8] for name in names) for names in (each.not_by, each.by or ("anybody",)))
        cells = (each.item_id, each.field, votes, not_by, by, each.reason)
        table.add_row(*(escape(cell) for cell in cells))
    console.print(table)
    console.print(f"{len(found):,} items to settle" + (f", {limit:,} shown" if len(found) > limit else ""))


@app.command()
def plan(
    scheme: Annotated[str, typer.Argument(help="Labeling scheme: a name in assets/schemes/.")],
    width: Annotated[float, typer.Option(help="Width of the interval that is wanted.", min=0.001, max=1)] = 0.1,
    by: Annotated[
        list[str] | None, typer.Option(help="Give every value of this field its interval; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do not keep the plan in the journal.")] = False,
) -> None:
    """Say how many labels, in which strata, give the scheme's estimates an interval of this width.

    Known so far: the calls, labels and answers of the last window with a draw. The plan is kept in the journal.

    Example: canonry label plan groundedness --width 0.05 --by product
    """
    import json
    from dataclasses import asdict

    from canonry.catalog import CatalogError, load
    from canonry.evaluate.plans import keep_plan, make_plan
    from canonry.storage import open_zones

    zones = open_zones()
    with said(CatalogError, LookupError):
        catalog = load()
        spec = catalog.schemes.get(scheme)
        if spec is None:
            raise LookupError(f"{scheme}: there is no assets/schemes/{scheme}.yaml")
        evals = {name: each for name, each in sorted(catalog.evals.items()) if each.scheme == scheme}
        if not evals:
            raise LookupError(f"{scheme}: no eval in assets/evals/ reads its labels, so nothing has an interval")
        plans = [make_plan(zones, name, each, spec, width, tuple(by or ())) for name, each in evals.items()]
    if not dry_run:
        for each in plans:
            keep_plan(zones, each)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in plans], default=str, indent=1))
        return
    for each in plans:
        table = table_of("stratum", "calls", "labels so far", "positive", "labels needed", "to draw")
        for row in each.strata:
            name = ", ".join(f"{field}={value}" for field, value in row.values.items()) or "all"
            numbers = (row.population, row.seen, row.positives, row.labels, row.to_draw)
            table.add_row(escape(name), *(f"{number:,}" for number in numbers))
        console.print(table)
        daily = "no budget gives it" if each.per_day is None else f"{each.per_day:,} items a day"
        now = "" if each.realised_width is None else f"; the widest interval is {each.realised_width:.3f} now"
        wanted = each.eval if each.slice == "all" else f"{each.eval} by {each.slice}"
        console.print(f"{wanted}: width {width}: {daily}, {each.expected_width:.3f} expected{now}")
        for note in each.notes:
            console.print(f"  {escape(note)}")
