"""`canonry releases`: what is published, whether it is sound, and how to go back."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer
from rich.markup import escape

from canonry import release
from canonry.cli._shared import console, said, table_of
from canonry.storage import open_zones

app = typer.Typer(
    no_args_is_help=True, help="List, inspect, verify, promote, try on a few, roll back, yank and prune releases."
)

Kind = Annotated[str, typer.Argument(help=f"One of {', '.join(release.KINDS)}.")]
Name = Annotated[str, typer.Argument(help="Name of the index, table, prompt, …")]
Version = Annotated[str, typer.Argument(help="Version or channel.")]


@app.command("list")
def list_all(
    kind: Annotated[str | None, typer.Argument(help=f"Only this kind: {', '.join(release.KINDS)}.")] = None,
    name: Annotated[str | None, typer.Argument(help="Only this name.")] = None,
) -> None:
    """List releases, the one each channel points to marked.

    Example: canonry releases list indexes
    """
    published = open_zones().published
    table = table_of("kind", "name", "version", "created (UTC)", text="channel")
    with said(release.ReleaseError):
        for each in release.list_releases(published, kind, name):
            manifest = each.manifest
            moves = release.channels(published, manifest.kind, manifest.name)
            pointing = ", ".join(_pointing(moves.values(), manifest.version))
            if release.yank_of(published, manifest.kind, manifest.name, manifest.version):
                pointing = f"{pointing} [red]yanked[/red]".strip()
            created = str(manifest.created_at)[:16]
            table.add_row(manifest.kind, manifest.name, manifest.version, created, pointing)
    console.print(table if table.row_count else "Nothing is released yet: make demo, or materialise an index.")


@app.command()
def show(kind: Kind, name: Name, version: Version = "production") -> None:
    """Show a release's manifest: files and digests, lineage, metadata.

    Example: canonry releases show indexes python-packages
    """
    with said(release.ReleaseError):
        published = open_zones().published
        found = release.resolve(published, kind, name, version)
        moves = release.channels(published, kind, name).values()
    console.print_json(found.manifest.to_json().decode())
    for move in moves:
        if move.canary and found.version in (move.version, move.canary.version):
            console.print(f"{move.channel}: {_canary_said(move)}, {escape(move.reason)}")


@app.command()
def verify(kind: Kind, name: Name, version: Version = "production") -> None:
    """Read every byte of a release and compare it with the manifest. Exit status 1 where something is wrong.

    Example: canonry releases verify indexes python-packages
    """
    published = open_zones().published
    with said(release.ReleaseError):
        found = release.resolve(published, kind, name, version)
        problems = release.verify(published, kind, name, found.version)
    for problem in problems:
        console.print(escape(problem), style="red")
    if problems:
        raise typer.Exit(1)
    console.print(f"{kind}/{name} {found.version}: {len(found.manifest.files)} files are as their manifest says")


@app.command()
def rollback(
    kind: Kind,
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, for those who read the journal.")],
    to: Annotated[str | None, typer.Option(help="Version to go back to; else the one before.")] = None,
    channel: Annotated[str, typer.Option(help="Channel to move.")] = "production",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, move nothing.")] = False,
) -> None:
    """Point a channel back to an earlier release, and keep schedules from publishing the withdrawn one again.

    Example: canonry releases rollback indexes python-packages --reason "answers got worse"
    """
    from canonry.publish import rollback_and_journal

    zones = open_zones()
    with said(release.ReleaseError):
        now = release.resolve(zones.published, kind, name, channel)
        if dry_run:
            moves = release.last_move(zones.published, kind, name, channel)
            target = to or (moves.earlier[-1] if moves and moves.earlier else None)
            console.print(f"{kind}/{name} {channel} would go from {now.version} to {json.dumps(target)}")
            return
        move = rollback_and_journal(
            zones, kind, name, reason=reason, now=dt.datetime.now(dt.UTC), channel=channel, to=to
        )
        if kind == "scorecard":
            from canonry.publish.scorecard import current_page

            current_page(zones)
    console.print(f"{kind}/{name} {channel}: {now.version} → {move.version}")


@app.command()
def promote(
    kind: Kind,
    name: Name,
    version: Annotated[str, typer.Argument(help="Version, or the channel that points to it, such as candidate.")],
    reason: Annotated[str, typer.Option(help="Why, for those who read the journal.")],
    channel: Annotated[str, typer.Option(help="Channel to move.")] = "production",
    force: Annotated[bool, typer.Option("--force", help="Also what somebody rolled back from.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, move nothing.")] = False,
) -> None:
    """Point a channel to a release that is there. Its bytes are verified first.

    Example: canonry releases promote indexes python-packages candidate --reason "looked at the diff"
    """
    from canonry.publish import promote_and_journal

    zones = open_zones()
    with said(release.ReleaseError):
        found = release.resolve(zones.published, kind, name, version)
        before = release.last_move(zones.published, kind, name, channel)
        was = before.version if before else "nothing"
        if dry_run:
            console.print(f"{kind}/{name} {channel} would go from {was} to {found.version}")
            return
        now = dt.datetime.now(dt.UTC)
        move = promote_and_journal(
            zones, kind, name, found.version, reason=reason, now=now, channel=channel, force=force
        )
    console.print(f"{kind}/{name} {channel}: {was} → {move.version}")


@app.command()
def canary(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(release.CANARIES)}.")],
    name: Name,
    version: Annotated[
        str | None, typer.Argument(help="Version, or the channel that points to it, such as candidate.")
    ] = None,
    share: Annotated[str | None, typer.Option(help="Of the callers: 10%, or 0.1.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Give everyone what the channel points to again.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for those who read the journal.")] = "compared on real callers",
    channel: Annotated[str, typer.Option(help="Channel whose callers get it.")] = "production",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, move nothing.")] = False,
) -> None:
    """Give a share of a channel's callers another version, each caller always the same one.

    Say it again with a larger share: who had the version keeps it. What was yanked, rolled back from, or did not pass
    its gate is refused. Promoting a version or rolling back ends it.

    Example: canonry releases canary indexes python-packages candidate --share 10%

    Example: canonry releases canary indexes python-packages --stop
    """
    from canonry.publish import start_canary_and_journal, stop_canary_and_journal

    zones, now = open_zones(), dt.datetime.now(dt.UTC)
    if stop == (version is not None) or stop == (share is not None):
        raise typer.BadParameter("say a version with --share, or --stop alone")
    with said(release.ReleaseError):
        last = release.last_move(zones.published, kind, name, channel)
        if version is None or share is None:
            if dry_run:
                running = _canary_said(last) if last and last.canary else "no canary"
                console.print(f"{kind}/{name} {channel}: {running} would be stopped")
                return
            move = stop_canary_and_journal(zones, kind, name, reason=reason, now=now, channel=channel)
            console.print(f"{kind}/{name} {channel}: everyone gets {move.version}")
            return
        part = _share(share)
        found = release.resolve(zones.published, kind, name, version)
        if dry_run:
            console.print(f"{kind}/{name} {channel}: {100 * part:g}% of callers would get {found.version}")
            return
        move = start_canary_and_journal(zones, kind, name, found.version, part, reason=reason, now=now, channel=channel)
    console.print(f"{kind}/{name} {channel}: {_canary_said(move)}")


@app.command()
def yank(
    kind: Kind,
    name: Name,
    version: Annotated[str, typer.Argument(help="Version, 16 hex digits.")],
    reason: Annotated[str, typer.Option(help="Why: whoever asks for the version is told.")],
    force: Annotated[bool, typer.Option("--force", help="Though a channel points to it.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Let it be opened again.")] = False,
) -> None:
    """Let nobody open a version any more, by its channel or by name. Its files stay for whoever looks into it.

    Example: canonry releases yank indexes python-packages 0123456789abcdef --reason "holds a customer's text"
    """
    from canonry.publish import unyank_and_journal, yank_and_journal

    now = dt.datetime.now(dt.UTC)
    with said(release.ReleaseError):
        if undo:
            unyank_and_journal(open_zones(), kind, name, version, reason=reason, now=now)
            console.print(f"{kind}/{name} {version}: can be opened again")
            return
        made = yank_and_journal(open_zones(), kind, name, version, reason=reason, now=now, force=force)
    console.print(f"{kind}/{name} {version}: yanked, {escape(made.reason)}")


@app.command()
def prune(
    kind: Kind,
    name: Name,
    keep: Annotated[int, typer.Option(help="How many of the newest stay, beside what channels point to.", min=1)] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, delete nothing.")] = False,
) -> None:
    """Delete old versions of a release. What a channel points to always stays.

    Example: canonry releases prune indexes python-packages --keep 5 --dry-run
    """
    from canonry.publish import prune_and_journal

    zones = open_zones()
    with said(release.ReleaseError):
        if dry_run:
            versions = [each.version for each in release.prunable(zones.published, kind, name, keep)]
        else:
            versions = prune_and_journal(zones, kind, name, keep=keep, now=dt.datetime.now(dt.UTC))
    said_of = "would go" if dry_run else "gone"
    console.print(f"{kind}/{name}: {said_of}: {', '.join(versions) or 'none'}")


def _pointing(moves: Iterable[release.Move], version: str) -> Iterator[str]:
    """Channels that point to a version, and those whose canary it is with their share."""
    for move in moves:
        if move.version == version:
            yield move.channel
        elif move.canary and move.canary.version == version:
            yield f"{move.channel} {_percent(move)} canary"


def _canary_said(move: release.Move) -> str:
    if move.canary is None:
        return f"everyone gets {move.version}"
    return f"{_percent(move)} of callers get {move.canary.version}, the others {move.version}"


def _percent(move: release.Move) -> str:
    return f"{100 * move.canary.share:g}%" if move.canary else "0%"


def _share(text: str) -> float:
    """0.1 of `10%` or `0.1`."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: expected a share such as 10% or 0.1", param_hint="--share") from None
