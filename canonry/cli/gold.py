"""`canonry gold`: what gold sets hold, why one is not promoted, what changed, and their export."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from canonry.cli._shared import console, said, table_of
from canonry.release import PRODUCTION, ReleaseError, last_move, names, resolve
from canonry.storage import open_zones

app = typer.Typer(no_args_is_help=True, help="Look into gold sets, compare their versions, export them.")

Name = Annotated[str, typer.Argument(help="Gold set: the name of its scheme.")]
Assets = Annotated[Path, typer.Option(help="Folder of governed YAML.", envvar="CANONRY_ASSETS")]


@app.command()
def status(assets: Assets = Path("assets")) -> None:
    """Say of each gold set what is in production, what is its latest candidate, and why that is not promoted.

    Example: canonry gold status
    """
    from canonry import catalog
    from canonry.label.gold import CANDIDATE, judge
    from canonry.label.gold.read import read_datasheet

    published = open_zones().published
    table = table_of("name", "in production", "candidate", "items", text="agreement")
    with said(ReleaseError, catalog.CatalogError):
        schemes = catalog.load(assets).schemes
        for name in names(published, "gold"):
            moves = [last_move(published, "gold", name, channel) for channel in (PRODUCTION, CANDIDATE)]
            sheet = read_datasheet(published, name, CANDIDATE) if moves[1] else None
            items, message = "", ""
            if sheet and name in schemes:
                verdict = judge(sheet, schemes[name].agreement)
                message = verdict.message if verdict.passed else f"not promoted: {verdict.message}"
                items = str(sum(found["items"] for found in sheet["splits"].values()))
            table.add_row(name, *(move.version if move else "none" for move in moves), items, escape(message))
    console.print(table if table.row_count else "No gold set is released yet: label some items, then run the loop.")


@app.command()
def show(name: Name, version: Annotated[str, typer.Argument(help="Version or channel.")] = PRODUCTION) -> None:
    """Print the datasheet of a gold set, as Markdown.

    Example: canonry gold show groundedness candidate
    """
    with said(ReleaseError):
        typer.echo(resolve(open_zones().published, "gold", name, version).read("datasheet.md").decode(), nl=False)


@app.command()
def diff(
    name: Name,
    before: Annotated[str, typer.Argument(help="Version or channel.")],
    after: Annotated[str, typer.Argument(help="Version or channel.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs: every item by its id.")] = False,
) -> None:
    """Say what came, went and changed between two versions of a gold set.

    Example: canonry gold diff groundedness production candidate
    """
    from canonry.label.gold.diff import difference
    from canonry.label.gold.read import read_items

    published = open_zones().published
    with said(ReleaseError):
        releases = [resolve(published, "gold", name, each) for each in (before, after)]
        found = difference(*(read_items(release) for release in releases))
    if as_json:
        typer.echo(json.dumps({"versions": [each.version for each in releases], **asdict(found)}, indent=1))
        return
    counts = {"added": found.added, "removed": found.removed, "answers changed": found.changed, "moved": found.moved}
    table = table_of("", releases[0].version, releases[1].version)
    for label, (old, new) in {**{f"split {k}": v for k, v in found.splits.items()}, **found.classes}.items():
        table.add_row(escape(label), str(old), str(new))
    console.print(", ".join(f"{len(of)} {word}" for word, of in counts.items()))
    console.print(table)
    for change in found.changed:
        console.print(escape(f"{change.item_id} {change.field}: {change.before} → {change.after}"))


@app.command()
def export(
    name: Name,
    form: Annotated[str, typer.Option("--format", help="chat, parquet or huggingface.")],
    to: Annotated[Path, typer.Option(help="Folder to make; it must not be there yet.")],
    split: Annotated[list[str] | None, typer.Option(help="train, calibration, test; repeated. Else all.")] = None,
    version: Annotated[str, typer.Option(help="Version or channel.")] = PRODUCTION,
) -> None:
    """Write a gold set as files to train on: JSON Lines chats for a judge, Parquet, or a Hugging Face repository.

    Example: canonry gold export groundedness --format huggingface --to groundedness-export
    """
    from canonry.label.gold import SPLITS
    from canonry.label.gold.export import export_files, write_folder
    from canonry.label.gold.read import read_datasheet, read_items

    published = open_zones().published
    with said(ReleaseError, ValueError, OSError):
        unknown = [each for each in split or () if each not in SPLITS]
        if unknown:
            raise ValueError(f"--split: {', '.join(unknown)} is not one of {', '.join(SPLITS)}")
        release = resolve(published, "gold", name, version)
        sheet = read_datasheet(published, name, release.version)
        if sheet is None:
            raise ReleaseError(f"gold/{name} {release.version} was released before gold sets had datasheets and splits")
        files = export_files(read_items(release), sheet, release.version, form, split or SPLITS)
        write_folder(to, files)
    console.print(escape(f"{name} {release.version}: {', '.join(files)} in {to}"))
