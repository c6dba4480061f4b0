"""The `canonry` command. Heavy imports wait for the command that needs them; Dagster is started as a program."""

from __future__ import annotations

import typer

from canonry.cli import (
    backup,
    evals,
    gold,
    incidents,
    index,
    keys,
    label,
    monitors,
    platform,
    releases,
    scorecard,
    scores,
    serve,
    trace,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Canonry: the data and feedback platform of a central AI team. Zones lie under CANONRY_HOME (./.canonry).",
)
app.command()(backup.backup)
app.command()(platform.check)
app.command()(platform.demo)
app.command()(backup.restore)
app.command()(scorecard.scorecard)
app.command()(serve.serve)
app.command()(platform.status)
app.command()(trace.trace)
app.command()(platform.ui)
app.add_typer(evals.app, name="eval")
app.add_typer(gold.app, name="gold")
app.add_typer(incidents.app, name="incidents")
app.add_typer(index.app, name="index")
app.add_typer(keys.app, name="keys")
app.add_typer(label.app, name="label")
app.add_typer(monitors.app, name="monitors")
app.add_typer(releases.app, name="releases")
app.add_typer(scores.app, name="scores")

__all__ = ["app"]
