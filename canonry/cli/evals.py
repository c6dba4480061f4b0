"""`canonry eval`: compare what waits for its promotion with what is released, before it is promoted."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from canonry.cli._shared import console, said, table_of

if TYPE_CHECKING:
    from canonry.catalog import Catalog
    from canonry.comparisons import Comparison
    from canonry.regressions import PricePlan

app = typer.Typer(
    no_args_is_help=True, help="Compare candidates with what is released, and plan how many items it takes."
)

Name = Annotated[str, typer.Argument(help="Comparison: a file of `kind: comparison` in assets/evals/.")]
Assets = Annotated[Path, typer.Option(envvar="CANONRY_ASSETS", help="The folder of specs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_all(assets: Assets = Path("assets")) -> None:
    """List every comparison with its last verdict.

    Example: canonry eval list
    """
    from canonry.comparisons import read_all
    from canonry.storage import open_zones

    catalog = _catalog(assets)
    journal = open_zones().journal
    table = table_of("name", "compares", "metric", "margin", "verdict", "difference", text="versions")
    for name, spec in catalog.comparisons.items():
        made = read_all(journal, name)
        verdict = made[-1].verdict if made else None
        word, difference, sides = "none yet", "", f"canonry eval run {name}"
        if verdict and verdict.low is not None:
            word, sides = verdict.word, f"{made[-1].candidate} to {made[-1].released}"
            difference = f"{verdict.value:+.3f} [{verdict.low:+.3f}, {verdict.high:+.3f}]"
        of = f"{spec.candidate.kind}/{spec.candidate.name}"
        table.add_row(name, of, spec.metric, f"{spec.margin:g}", word, escape(difference), escape(sides))
    console.print(table if table.row_count else "No comparison is governed: see docs/evals.md.")


@app.command()
def run(
    name: Name,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, ask nothing.")] = False,
    as_json: AsJson = False,
    assets: Assets = Path("assets"),
) -> None:
    """Run a comparison and keep its verdict in the journal; exit status 2 where it does not pass.

    What was answered before costs nothing. A model is reached at CANONRY_LLM_URL, an OpenAI-compatible endpoint.

    Example: canonry eval run docs-answer-text --dry-run
    """
    from canonry.completions import EndpointError, NotConfigured
    from canonry.evaluate.definitions import DefinitionError
    from canonry.evaluate.judging import NoPrice
    from canonry.index.errors import IndexBuildError
    from canonry.regressions import NotAnswered, NothingToCompare, OverLimit, compare, price_plan
    from canonry.release import ReleaseError
    from canonry.storage import open_zones

    catalog, zones, now = _catalog(assets, name), open_zones(), dt.datetime.now(dt.UTC)
    expected = (NothingToCompare, NotAnswered, OverLimit, EndpointError, IndexBuildError, ReleaseError)
    with said(*expected, DefinitionError, NoPrice, NotConfigured):
        plans = price_plan(zones, catalog, name, now=now)
        waiting = sum(plan.calls for plan in plans)
        if dry_run:
            if as_json:
                typer.echo(json.dumps([asdict(plan) for plan in plans], default=str, indent=1))
                return
            _print_prices(name, plans)
            return
        with console.status(f"{waiting:,} calls to make") as status:

            def tell(calls: int) -> None:
                status.update(f"{calls:,} of {waiting:,} calls")

            found = compare(zones, catalog, name, now=now, tell=tell)
    if as_json:
        typer.echo(json.dumps(asdict(found), default=str, indent=1))
    else:
        _print(found)
    if not found.verdict.passed:
        raise typer.Exit(2)


@app.command()
def show(
    name: Name,
    texts: Annotated[
        bool, typer.Option("--texts", help="With questions and answers: people may have written them.")
    ] = False,
    as_json: AsJson = False,
    assets: Assets = Path("assets"),
) -> None:
    """Show the last run of a comparison and every item that flipped, the lost ones first.

    Example: canonry eval show docs-extractive-version --texts
    """
    from canonry.comparisons import read_all
    from canonry.regressions import texts_of
    from canonry.storage import open_zones

    catalog, zones = _catalog(assets, name), open_zones()
    with said(LookupError):
        made = read_all(zones.journal, name)
        if not made:
            raise LookupError(f"{name}: was not run yet; canonry eval run {name}")
    found = made[-1]
    if as_json:
        typer.echo(json.dumps(asdict(found), default=str, indent=1))
        return
    _print(found)
    known = texts_of(zones, catalog, found, dt.datetime.now(dt.UTC).date()) if texts else {}
    table = table_of(
        "item", "before", "after", "judged by", text="question, answer before, answer after" if texts else None
    )
    for flip in found.flips:
        cells = [flip.item, f"{flip.before:g}", f"{flip.after:g}", flip.judged_by]
        if texts:
            text = known.get(flip.item)
            words = (text.question, text.before, text.after) if text else ("not kept",)
            cells.append("\n".join(each if each is not None else "not kept" for each in words))
        table.add_row(*(escape(cell) for cell in cells))
    if table.row_count:
        console.print(table)


@app.command()
def plan(
    name: Name,
    changed: Annotated[
        float | None, typer.Option(help="Share of items whose outcome changes though nothing got worse.", min=0, max=1)
    ] = None,
    as_json: AsJson = False,
    assets: Assets = Path("assets"),
) -> None:
    """Say how many items let an equal candidate pass with the wanted power, what power those there give, and the price.

    Example: canonry eval plan docs-answer-text --changed 0.05
    """
    from canonry.evaluate.definitions import DefinitionError
    from canonry.regressions import NothingToCompare, plan_items, price_plan
    from canonry.storage import open_zones

    zones, catalog = open_zones(), _catalog(assets, name)
    found = plan_items(zones, catalog, name, changed)
    prices, unpriced = [], None
    try:
        prices = price_plan(zones, catalog, name, now=dt.datetime.now(dt.UTC))
    except (NothingToCompare, DefinitionError) as error:
        unpriced = str(error)
    if as_json:
        priced = {"prices": [asdict(each) for each in prices], "unpriced": unpriced}
        typer.echo(json.dumps({**asdict(found), **priced}, default=str, indent=1))
        return
    why = f"seen on {found.seen:,} items" if found.seen else "given" if changed is not None else "assumed"
    console.print(
        f"{name}: {found.needed:,} items let an equal candidate pass in {found.power:.0%} of cases, against a margin "
        f"of {found.margin:g}, where {found.changed:.1%} of them change ({why}).",
        highlight=False,
    )
    if found.items is not None and found.power_now is not None:
        missing = max(found.needed - found.items, 0)
        more = f"; label {missing:,} more" if missing else ""
        console.print(f"There are {found.items:,}: power {found.power_now:.0%}{more}.", highlight=False)
    else:
        console.print("No gold set is released yet: canonry gold status", highlight=False)
    if unpriced is None:
        _print_prices(name, prices)
    else:
        console.print(f"Nothing to price: {escape(unpriced)}", highlight=False)


def _print_prices(name: str, plans: list[PricePlan]) -> None:
    for plan in plans:
        price = "no known price" if plan.dollars is None else f"about ${plan.dollars:.4f}"
        most = "at most " if plan.at_most else ""
        console.print(
            f"{escape(plan.model)}: {most}{plan.items:,} items, {plan.calls:,} calls ({plan.kept:,} answers kept), "
            f"about {plan.input_tokens:,} tokens in and {plan.output_tokens:,} out, {price}",
            highlight=False,
        )
    if not plans:
        console.print(f"{name}: no model is called; it costs nothing", highlight=False)


def _print(found: Comparison) -> None:
    of = escape(f"{found.kind}/{found.of}: {found.candidate} to {found.released}")
    console.print(f"[bold]{found.verdict.word}[/bold]  {of}", highlight=False)
    console.print(escape(found.verdict.message), highlight=False)
    rates = "" if found.before is None else f"; {found.metric} {found.before:.3f} before, {found.after:.3f} after"
    judged = ", ".join(f"{count:,} by {who}" for who, count in found.judged_by.items())
    left_out = f", {found.unjudged:,} by nobody and left out" if found.unjudged else ""
    simulated = f"; {found.simulated:,} labels are simulated" if found.simulated else ""
    changed = f", changed ones judged {judged}{left_out}" if judged or left_out else ""
    console.print(
        escape(f"{found.items:,} items, {found.unchanged:,} unchanged{changed}{rates}{simulated}"), highlight=False
    )


def _catalog(assets: Path, name: str | None = None) -> Catalog:
    from canonry import catalog as catalogs

    with said(catalogs.CatalogError, LookupError):
        found = catalogs.load(assets)
        if name is not None and name not in found.comparisons:
            known = ", ".join(found.comparisons) or "none"
            raise LookupError(f"{assets}/evals/{name}.yaml: is no comparison (known: {known})")
    return found
