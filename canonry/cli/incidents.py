"""`canonry incidents`: what monitors found broken, and who has taken it."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
import re
from typing import Annotated

import typer
from rich.markup import escape

from canonry.cli._shared import console, said, table_of
from canonry.storage import open_zones

_HELP = """Look at what monitors found broken, take it, and silence it.

A monitor is a file in assets/monitors/. Broken, it opens one incident for each slice; looking again updates it, and
what holds again resolves it. Everything is kept in the journal.
"""

app = typer.Typer(no_args_is_help=True, help=_HELP)

Id = Annotated[str, typer.Argument(help="Name of an incident, as `canonry incidents list` shows it.")]


@app.callback()
def _group() -> None:
    pass


_group.__doc__ = _HELP


@app.command("list")
def list_(
    every_one: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    monitor: Annotated[str | None, typer.Option(help="Of one monitor: a name in assets/monitors/.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with evidence.")] = False,
) -> None:
    """List incidents, open ones first.

    Example: canonry incidents list --all --monitor hallucination-by-model
    """
    from canonry.alerts import every, incident_rows, pending, silenced, silences

    zones, now = open_zones(), _now()
    found = list(every(zones.journal, monitor))
    shown = [each for each in found if every_one or each.state == "open"]
    if as_json:
        typer.echo(json.dumps(incident_rows(shown).to_pylist(), default=str, indent=1))
        return
    quiet = silences(zones.journal)
    keys = {each.incident_id: each.key for each in shown}
    table = table_of("incident", "state", "severity", "owner", "opened (UTC)", text="what")
    for row in incident_rows(shown).to_pylist():
        state = row["state"]
        if state == "open" and row["acknowledged_by"]:
            state = f"taken by {row['acknowledged_by']}"
        if state != "resolved" and silenced(quiet, row["monitor"], keys[row["incident_id"]], now):
            state += ", silenced"
        what = row["said"] if row["cause_said"] is None else f"{row['said']}\ncause: {row['cause_said']}"
        cells = (row["incident_id"], state, row["severity"], row["owner"], f"{row['opened_at']:%Y-%m-%d %H:%M}", what)
        table.add_row(*map(escape, cells))
    console.print(table if table.row_count else "No incident is open." if not every_one else "There was no incident.")
    over = sum(each.state == "resolved" for each in found)
    if over and not every_one:
        console.print(f"{over:,} are over; --all lists them, too.")
    wait = [message for message, _ in pending(zones.journal, now, os.environ)]
    for channel in sorted({message.channel for message in wait}):
        number = sum(message.channel == channel for message in wait)
        why = "it did not take them yet" if os.environ.get(channel) else "not set here"
        console.print(f"{number:,} messages wait for {channel}: {why}", highlight=False)


@app.command()
def show(incident_id: Id) -> None:
    """Show one incident: what was found, its evidence, its likely cause, what to do, and all that happened.

    Example: canonry incidents show hallucination-by-model-1f2e3d4c-1
    """
    from canonry.alerts import NoSuchIncident, find, slice_said

    with said(NoSuchIncident):
        incident = find(open_zones().journal, incident_id)
    about, found = incident.about, incident.latest
    cause = found.get("cause")
    lines = {
        "state": incident.state,
        "monitor": f"assets/monitors/{incident.monitor}.yaml: {about['description']}",
        "of": slice_said(incident.slice),
        "found": found["said"],
        "began": str(found["since"] or "not known")[:16],
        "cause": f"{cause['said']} ({cause['explained']:.0%} of the change)" if cause else "not known",
        "owner": about["owner"],
        "runbook": about["runbook"],
    }
    console.print(f"[bold]{escape(incident.incident_id)}[/bold]")
    for name, text in lines.items():
        console.print(f"  {name:8} {escape(str(text))}", highlight=False, soft_wrap=True)
    for row in found["evidence"]:
        console.print(f"  evidence {escape(json.dumps(row, ensure_ascii=False))}", highlight=False, soft_wrap=True)
    table = table_of("when (UTC)", "noted", "what", text="said")
    for entry in incident.entries:
        who = f"{entry.what} by {entry.by}" if entry.by else entry.what
        table.add_row(f"{entry.at:%Y-%m-%d %H:%M}", f"{entry.noted_at:%Y-%m-%d %H:%M}", escape(who), escape(entry.said))
    console.print(table)


@app.command()
def acknowledge(
    incident_id: Id,
    note: Annotated[str, typer.Option("-m", "--note", help="What you know, or will do.")] = "",
    by: Annotated[str | None, typer.Option(help="Who takes it; by default who runs this.")] = None,
) -> None:
    """Say that somebody has taken an open incident.

    Example: canonry incidents acknowledge hallucination-by-model-1f2e3d4c-1 -m "rolling back to 1.0"
    """
    from canonry.alerts import NoSuchIncident, find
    from canonry.alerts import acknowledge as take

    journal = open_zones().journal
    with said(NoSuchIncident, ValueError):
        incident = take(journal, find(journal, incident_id), by=by or getpass.getuser(), note=note, now=_now())
    console.print(f"{incident.incident_id}: taken by {by or getpass.getuser()}", markup=False)


@app.command()
def silence(
    name: Annotated[str, typer.Argument(help="A monitor, or one incident of it: then its slice alone is silent.")],
    lasts: Annotated[str, typer.Option("--for", help="How long: 90m, 4h, 2d, 1w.")],
    reason: Annotated[str, typer.Option("-m", "--reason", help="Why; it is kept.")],
    by: Annotated[str | None, typer.Option(help="Who says so; by default who runs this.")] = None,
) -> None:
    """Tell nobody of a monitor's incidents for a while. They are still opened, and told when the silence ends.

    Example: canonry incidents silence latency-p95 --for 4h -m "load test"
    """
    from canonry.alerts import NoSuchIncident, Silence, find
    from canonry.alerts import silence as keep

    zones, now = open_zones(), _now()
    with said(NoSuchIncident, ValueError):
        key = None
        monitor = name
        if not _governed(name):
            incident = find(zones.journal, name)
            monitor, key = incident.monitor, incident.key
        ends = now + _duration(lasts)
        keep(zones.journal, Silence(monitor, key, now, ends, by or getpass.getuser(), reason))
    console.print(f"{monitor}: nobody is told until {ends:%Y-%m-%d %H:%M} UTC", markup=False)


def _governed(name: str) -> bool:
    from canonry.catalog import CatalogError, load

    with said(CatalogError):
        return name in load().monitors


def _duration(text: str) -> dt.timedelta:
    match = re.fullmatch(r"(\d+)([mhdw])", text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"--for: {text!r} is not a while; expected a number and m, h, d or w, as 4h")
    unit = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return dt.timedelta(**{unit: int(match[1])})


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
