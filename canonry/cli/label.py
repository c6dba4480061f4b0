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
