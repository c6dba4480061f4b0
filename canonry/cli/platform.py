"""Commands about the platform itself: the catalog, the demo, the state of things, the UI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from canonry import release
from canonry.cli._shared import console, errors, said, table_of
from canonry.storage import open_zones

_INCIDENTS_SHOWN = 10

Assets = Annotated[Path, typer.Option(help="Folder of governed YAML.", envvar="CANONRY_ASSETS")]


def check(
    assets: Assets = Path("assets"),
    write_schemas: Annotated[bool, typer.Option("--write-schemas", help="Write assets/.schema anew.")] = False,
) -> None:
    """Check every governed YAML file, and report every problem at once as `path: field: message`.

    Example: canonry check --assets assets
    """
    from canonry import catalog
    from canonry.catalog import schemas

    if write_schemas:
        for path in schemas.write(assets):
            console.print(f"wrote {path}")
    try:
        found = catalog.load(assets)
    except catalog.CatalogError as error:
        for problem in error.problems:
            errors.print(str(problem), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None
    stale = [name for name, text in schemas.schema_texts().items() if _text(assets / ".schema" / name) != text]
    if stale:
        errors.print(f"{assets}/.schema: {', '.join(stale)}: stale; run: canonry check --write-schemas", style="red")
        raise typer.Exit(1)
    counts = Counter(kind for kind, _, _ in found.items())
    console.print(", ".join(f"{counts[kind]} {kind}" for kind in catalog.KINDS) + ": all hold", soft_wrap=True)


def demo(
    label_studio: Annotated[
        bool, typer.Option("--label-studio", help="Label on a Label Studio server, started for it on this machine.")
    ] = False,
) -> None:
    """Run the whole loop on a small real product: index, traffic, collect, label, evaluate, cost, publish.

    Example: CANONRY_HOME=$PWD/.canonry canonry demo --label-studio
    """
    from canonry.demo.dagster_program import DagsterFailed
    from canonry.demo.programs import ServerFailed
    from canonry.demo.run import run
    from canonry.label.studio import LabelStudioError

    prepare_dagster_home()
    with said(DagsterFailed, LabelStudioError, ServerFailed):
        run(live=label_studio)


def status() -> None:
    """Show the zones, the days collected, what is released and how labeling goes, at a glance.

    Example: canonry status
    """
    from canonry import lake
    from canonry.alerts import every
    from canonry.label.progress import label_progress
    from canonry.label.register import count_sent
    from canonry.label.studio import configured_server
    from canonry.labels import schemes_drawn

    zones = open_zones()
    console.print(f"[bold]Zones[/bold] under {zones.home}")
    table = table_of("zone", "objects", "MB")
    for name in ("landing", "journal", "lake", "published", "exchange"):
        entries = list(getattr(zones, name).list())
        table.add_row(name, f"{len(entries):,}", f"{sum(entry.size for entry in entries) / 1e6:,.1f}")
    console.print(table)
    table = table_of("lake", "days", "first", "last", "rows")
    for kind in lake.SCHEMAS:
        days = lake.days(zones.lake, kind)
        rows = [(lake.manifest(zones.lake, kind, day) or {}).get("rows") for day in days]
        total = "" if None in rows else f"{sum(each or 0 for each in rows):,}"
        if days:
            table.add_row(kind, str(len(days)), str(days[0]), str(days[-1]), total)
    console.print(table if table.row_count else "Nothing is collected yet.")
    table = table_of("production", "name", "version", "moved (UTC)", text="why")
    for each in release.list_releases(zones.published):
        move = release.last_move(zones.published, each.manifest.kind, each.manifest.name)
        if move and move.version == each.version:
            table.add_row(each.manifest.kind, each.manifest.name, each.version, str(move.moved_at)[:16], move.reason)
    console.print(table if table.row_count else "Nothing is released yet.")
    table = table_of("scheme", "product", "drawn", "labeled", "skipped", "recalled")
    for scheme in schemes_drawn(zones.journal):
        for row in label_progress(zones, scheme):
            numbers = (row.drawn, row.labeled, row.skipped, row.recalled)
            table.add_row(scheme, row.product, *map(str, numbers))
    console.print(table if table.row_count else "Nothing is drawn for labeling yet.")
    sent = sum(count_sent(zones.journal, scheme) for scheme in schemes_drawn(zones.journal))
    console.print(f"Label Studio: {configured_server()}; {sent:,} tasks sent", markup=False, soft_wrap=True)
    table = table_of("failed run", "day", "job", text="steps")
    failed = [entry for entry in zones.journal.list("incidents") if entry.path.split("/")[1][:1].isdigit()]
    for entry in failed[-_INCIDENTS_SHOWN:]:
        incident = json.loads(zones.journal.read(entry.path))
        day = entry.path.split("/")[1]
        table.add_row(incident["run_id"], day, incident["job"], ", ".join(incident["steps"]) or "its process died")
    console.print(table if table.row_count else "No run has failed.")
    broken = sum(each.state == "open" for each in every(zones.journal))
    console.print(f"Incidents open: {broken:,}; canonry incidents list", highlight=False)


def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Serve the Dagster UI and its daemon on this machine alone.

    Example: canonry ui --port 3001
    """
    home = prepare_dagster_home()
    if not (home / "history").exists():
        # Or the webserver and the daemon would both make the tables of an empty home, and trip over each other.
        subprocess.run([sys.executable, "-m", "dagster", "instance", "migrate"], check=True, capture_output=True)
    program = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    os.execv(sys.executable, program)


def prepare_dagster_home() -> Path:
    """Give Dagster a home beside the zones (DAGSTER_HOME), with the instance's settings; returns it."""
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(_local_home() / "dagster"))).absolute()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["CANONRY_HOME"] = open_zones().home
    settings = Path("dagster_project", "dagster.yaml")
    if settings.exists() and not (home / "dagster.yaml").exists():
        shutil.copyfile(settings, home / "dagster.yaml")
    return home


def _local_home() -> Path:
    return open_zones().warehouse.parent


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
