"""`canonry monitors`: what each promises, and what it finds now."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from canonry.cli._shared import console, said, table_of
from canonry.storage import open_zones

_HELP = """Look into monitors: how soon each finds what it looks for, and what it finds now.

A monitor is a file in assets/monitors/; docs/monitors.md says what can be measured and promised.
"""

app = typer.Typer(no_args_is_help=True, help=_HELP)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
At = Annotated[dt.datetime | None, typer.Option(help="Look at what lay before this moment, UTC; now where not given.")]


@app.callback()
def _group() -> None:
    pass


_group.__doc__ = _HELP


@app.command()
def plan(at: At = None, as_json: AsJson = False) -> None:
    """Say within how many days each monitor of change finds what it looks for, by the calls there are.

    Example: canonry monitors plan
    """
    from canonry.catalog import CatalogError, load
    from canonry.evaluate.promises import promises

    with said(CatalogError):
        found = promises(open_zones(), load(), at or _now())
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], default=str, indent=1))
        return
    table = table_of("monitor", text="promise")
    for each in found:
        table.add_row(escape(each.monitor), escape(each.said))
    console.print(
        table if table.row_count else "No monitor in assets/monitors/ looks for a change, or nothing came in."
    )


@app.command()
def look(
    name: Annotated[str, typer.Argument(help="A monitor: a name in assets/monitors/.")],
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Look with one monitor, and open, update and resolve nothing.

    Example: canonry monitors look output-length --at 2026-11-07
    """
    from canonry import lake
    from canonry.catalog import CatalogError, load
    from canonry.evaluate.monitors import look as look_with
    from canonry.evaluate.streams import write_streams

    zones, moment = open_zones(), at or _now()
    with said(CatalogError, LookupError):
        catalog = load()
        if name not in catalog.monitors:
            raise LookupError(f"{name}: there is no assets/monitors/{name}.yaml")
        write_streams(zones, catalog, lake.days(zones.lake, "inferences"), moment)
        found = look_with(zones, catalog, name, moment)
    if as_json:
        typer.echo(json.dumps([each.document() for each in found], indent=1))
        return
    table = table_of("state", text="found")
    for each in found:
        cause = f"\ncause: {each.cause.said}" if each.cause else ""
        table.add_row(each.state, escape(each.said + cause))
    console.print(table if table.row_count else f"{name}: nothing of it came in before {moment:%Y-%m-%d %H:%M}.")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
