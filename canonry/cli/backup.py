"""`canonry backup` and `canonry restore`: what cannot be computed again, and the way back."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from canonry import backup as backups
from canonry.backup import BackupError
from canonry.cli._shared import console, said
from canonry.storage import StorageError, Zones, open_storage, open_zones

At = Annotated[str | None, typer.Option(help="Which backup, by its name; else the newest.")]


def backup(
    dest: Annotated[str, typer.Argument(help="Folder or s3:// URL, not inside CANONRY_HOME.")],
    verify: Annotated[bool, typer.Option("--verify", help="Take none; read every byte of one back instead.")] = False,
    at: At = None,
    keep: Annotated[int | None, typer.Option(help="Then remove all but so many of the newest.", min=1)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be copied, write nothing.")] = False,
) -> None:
    """Back up what cannot be computed again, while the platform runs; again and again to the same place.

    That is landing, journal, published and exchange, and of the lake its vectors and index candidates; the rest of the
    lake and the warehouse are computed from these. Only what is new or has changed is copied. After an erasure, take
    one and remove the older ones with --keep 1: they still hold the text.

    Example: canonry backup s3://backups/canonry --keep 30
    """
    with said(BackupError, StorageError):
        zones, place = open_zones(), open_storage(dest)
        if verify:
            _verify(place.url, at)
            return
        taken = backups.take(zones, place, now=dt.datetime.now(dt.UTC), dry_run=dry_run)
        said_size = f"{taken.objects:,} objects, {_size(taken.size)}"
        if dry_run:
            console.print(f"{zones.home}: {said_size}; would read {taken.read:,} of them, {_size(taken.read_bytes)}")
            return
        console.print(
            f"{taken.name}: {said_size}; read {taken.read:,} of them, copied {_size(taken.copied_bytes)}. Check it now "
            f"and then: canonry backup {shlex.quote(dest)} --verify"
        )
        if keep:
            console.print(f"Removed {backups.keep_newest(place, keep)} older backups")


def restore(
    src: Annotated[str, typer.Argument(help="Folder or s3:// URL that `canonry backup` wrote to.")],
    at: At = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, write nothing.")] = False,
    assets: Annotated[Path, typer.Option(help="Folder of governed YAML.", envvar="CANONRY_ASSETS")] = Path("assets"),
) -> None:
    """Restore a backup into an empty CANONRY_HOME, every digest checked; run again, it completes what broke off.

    Nothing else may run on the home meanwhile. Says what to run next: the lake and the warehouse are computed again.

    Example: CANONRY_HOME=/srv/canonry/home canonry restore s3://backups/canonry
    """
    with said(BackupError, StorageError):
        zones, place = open_zones(), open_storage(src)
        found = backups.read_backup(place, at)
        done = backups.restore(zones, place, found, dry_run=dry_run)
    word = "would write" if dry_run else "wrote"
    present = f", {done.present:,} were there" if done.present else ""
    size = _size(done.written_bytes)
    console.print(f"{zones.home}: {word} {done.written:,} objects, {size}, of {found.name}{present}")
    if not dry_run:
        _say_what_is_next(zones, assets)


def _verify(url: str, at: str | None) -> None:
    place = open_storage(url)
    found = backups.read_backup(place, at)
    problems = backups.verify(place, found)
    for problem in problems:
        console.print(problem, style="red", markup=False, highlight=False)
    if problems:
        raise typer.Exit(1)
    others = len(backups.list_backups(place)) - 1
    console.print(
        f"{found.name}: {len(found.objects):,} objects, {_size(found.size)}, are as they were "
        f"({others} more backups there)"
    )


def _say_what_is_next(zones: Zones, assets: Path) -> None:
    days = days_to_compute(zones, assets)
    if days is None:
        console.print("Nothing had been collected yet: start the platform.")
        return
    ends = zip(("start", "end"), days, strict=True)
    tags = json.dumps({f"dagster/asset_partition_range_{end}": day.isoformat() for end, day in ends})
    console.print("Products read what is published at once. Compute the lake and the warehouse again, in two runs:\n")
    # Not the job `loop`: it would draw from days that nobody meant to label, and talk to Label Studio.
    for job in ("collect", "recompute"):
        command = ["dagster", "job", "execute", "-m", "dagster_project.definitions", "-j", job, "--tags", tags]
        line = f"  CANONRY_HOME={shlex.quote(zones.home)} {shlex.join(command)}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(
        "\nThen start the daemon: its sensors see what arrives from now on. Where Label Studio was lost too, restore "
        "its database first, or annotations that it lacks are taken for deleted ones."
    )


def days_to_compute(zones: Zones, assets: Path) -> tuple[dt.date, dt.date] | None:
    """First and last day that is computed from what lies in landing and journal; None where nothing does."""
    from canonry import catalog
    from canonry.events import EVENT_TYPES
    from canonry.labels import list_draws, schemes_drawn
    from canonry.landing import list_segments

    days = {segment.day or segment.received for kind in EVENT_TYPES for segment in list_segments(zones.landing, kind)}
    if not days:
        return None
    windows = [spec.window_days for spec in catalog.load(assets).evals.values()]
    reach = dt.timedelta(days=max(windows, default=1) - 1)
    drawn = [day for scheme in schemes_drawn(zones.journal) for _, day in list_draws(zones.journal, scheme)]
    last = max(*days, *(day + reach for day in drawn))
    return min(days), min(last, dt.datetime.now(dt.UTC).date())


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
