"""`canonry scores`: score days by another version of a scorer, and what that would take."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from canonry.cli._shared import console, said, table_of
from canonry.release import PRODUCTION

if TYPE_CHECKING:
    from canonry.evaluate.backfills import Plan

app = typer.Typer(no_args_is_help=True, help="Score days again by any version of a scorer, beside what there is.")

Name = Annotated[str, typer.Argument(help="Scorer: a name in assets/scorers/.")]
First = Annotated[dt.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")]
Last = Annotated[dt.datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, UTC.")]
Version = Annotated[str, typer.Option(help="Version or channel; `canonry releases list` has them.")]
Assets = Annotated[Path, typer.Option(help="Folder of governed YAML.", envvar="CANONRY_ASSETS")]


@app.command()
def plan(
    name: Name,
    first: First,
    last: Last,
    version: Version = PRODUCTION,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: every day and the totals.")] = False,
    assets: Assets = Path("assets"),
) -> None:
    """Say what scoring these days would take: calls, tokens, dollars, time. Nothing is asked and nothing written.

    Example: canonry scores plan answer-rules --from 2026-11-02 --to 2026-11-08
    """
    found = _plan(name, first, last, version, assets)
    if as_json:
        totals = {"dollars": found.dollars, "to_score": found.total("to_score"), "to_ask": found.total("to_ask")}
        typer.echo(json.dumps({**asdict(found), "total": totals}, default=str, indent=1))
        return
    _show(found)


@app.command()
def backfill(
    name: Name,
    first: First,
    last: Last,
    version: Version = PRODUCTION,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it begins.")] = False,
    assets: Assets = Path("assets"),
) -> None:
    """Score these days, as one run of Dagster. Rows of other scorers and versions stay as they are.

    What was scored before is not scored again, so a backfill that was broken off goes on where it was. A judge keeps
    to its budget of the day; what is over it is left for another.

    Example: canonry scores backfill answer-rules --from 2026-11-02 --to 2026-11-08 --version 0123456789abcdef
    """
    from canonry.cli.platform import prepare_dagster_home
    from canonry.demo.dagster_program import DagsterFailed, materialize
    from canonry.storage import open_zones

    found = _plan(name, first, last, version, assets)
    _show(found)
    if not found.total("to_score"):
        console.print("Nothing is left to score.")
        return
    if not yes:
        typer.confirm("Score them?", abort=True)
    prepare_dagster_home()
    log = open_zones().warehouse.parent / "logs" / f"scores-{name}.log"
    config = {"ops": {"lake__scores": {"config": {"scorer": name, "version": found.version}}}}
    with said(DagsterFailed):
        materialize('key:"lake/scores"', (first.date(), last.date()), log, config)
    left = _plan(name, first, last, found.version, assets).total("to_score")
    console.print(
        f"{found.total('to_score') - left:,} calls were scored"
        + (f", {left:,} are left without a score" if left else "")
    )


def _plan(name: str, first: dt.datetime, last: dt.datetime, version: str, assets: Path) -> Plan:
    from canonry.catalog import CatalogError, load
    from canonry.evaluate.backfills import plan_backfill
    from canonry.evaluate.definitions import DefinitionError
    from canonry.evaluate.judging import NoPrice
    from canonry.landing import utc_now
    from canonry.release import ReleaseError
    from canonry.score import ScorerError
    from canonry.storage import open_zones

    with said(CatalogError, ReleaseError, ScorerError, DefinitionError, NoPrice, LookupError):
        catalog = load(assets)
        if name not in catalog.scorers:
            raise LookupError(
                f"{catalog.path('scorers', name)}: does not exist; there are {', '.join(catalog.scorers)}"
            )
        if last < first:
            raise LookupError(f"--to {last.date()} lies before --from {first.date()}")
        days = [first.date() + dt.timedelta(days=each) for each in range((last - first).days + 1)]
        return plan_backfill(open_zones(), catalog, name, days, utc_now(), version)


def _show(found: Plan) -> None:
    judged = found.total("to_ask") or found.total("kept")
    columns = ["day", "calls", "scored", "to score"]
    table = table_of(*columns, *(["kept", "to ask", "input tokens", "output tokens", "USD"] if judged else []))
    for each in found.days:
        cells = [f"{number:,}" for number in (each.calls, each.known, each.to_score)]
        if judged:
            cells += [f"{number:,}" for number in (each.kept, each.to_ask, each.input_tokens, each.output_tokens)]
            cells.append("unpriced" if each.dollars is None else f"{each.dollars:.4f}")
        table.add_row(str(each.day), *cells)
    console.print(f"{escape(found.scorer)} {found.version}")
    console.print(table)
    dollars = (
        "unpriced: write the model's price in assets/models/" if found.dollars is None else f"{found.dollars:.2f} USD"
    )
    money = f", {found.total('to_ask'):,} requests to the model, about {dollars}" if judged else ""
    lasts = "an unknown time: it was never asked before" if found.seconds is None else _lasting(found.seconds)
    console.print(f"{found.total('to_score'):,} calls to score{money}, about {lasts}")
    if found.budget_days and found.budget_days > 1:
        console.print(f"Its budget lasts for that in {found.budget_days} days: run the backfill again on each.")


def _lasting(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7_200
        else f"{seconds / 3_600:.1f} h"
    )
