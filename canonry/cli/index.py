"""`canonry index`: look into a released index, and at what another version would change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from canonry.cli._shared import console, said, table_of
from canonry.release import ReleaseError

if TYPE_CHECKING:
    from canonry.catalog import IndexSpec

app = typer.Typer(no_args_is_help=True, help="Search the canonical indexes.")


@app.callback()
def _group() -> None:
    """Search the canonical indexes."""


@app.command()
def search(
    name: Annotated[str, typer.Argument(help="Index: a name in assets/indexes/.")],
    text: Annotated[str, typer.Argument(help="What to look for, in words.")],
    k: Annotated[int, typer.Option("-k", help="How many hits.", min=1)] = 5,
    channel: Annotated[str, typer.Option(help="Channel to read.")] = "production",
    mode: Annotated[
        Literal["hybrid", "dense", "lexical"] | None,
        typer.Option(help="By meaning (dense), by words (lexical), or both; else hybrid where the index can."),
    ] = None,
) -> None:
    """Search a released index by text, with the encoder the release carries.

    Example: canonry index search python-packages "how do I merge two data frames?" -k 3
    """
    from canonry.client import open_index
    from canonry.encode import EncoderError
    from canonry.search import SearchError

    with said(ReleaseError, EncoderError, SearchError, ImportError):
        index = open_index(name, channel)
        hits = index.search_text(text, k, mode=mode)
    console.print(f"[dim]{name} {index.version} ({channel})[/dim]")
    for hit in hits:
        console.print(f"[bold]{hit.score:.3f}[/bold]  {escape(hit.chunk_id)}  [dim]{escape(hit.title or '')}[/dim]")
        console.print(f"       {escape(' '.join(hit.text.split())[:200])}")


@app.command()
def embed(
    name: Annotated[str, typer.Argument(help="Index: a name in assets/indexes/.")],
    shard: Annotated[str, typer.Option(help="NUMBER/OF: 2/8 takes the second eighth.")] = "1/1",
    assets: Annotated[Path, typer.Option(envvar="CANONRY_ASSETS", help="The folder of specs.")] = Path("assets"),
) -> None:
    """Embed an index's chunks ahead of its build, on any number of machines that share the lake.

    What is embedded is saved on the way and never embedded again: stop it, start it again, or start a shard twice. The
    build afterwards finds every vector there. The step `chunks` must have run.

    Example: canonry index embed python-packages --shard 2/8
    """
    from canonry import catalog
    from canonry.encode import EncoderError, files_of
    from canonry.index.build import embed_chunks
    from canonry.index.errors import IndexBuildError
    from canonry.storage import open_zones

    number, _, of = shard.partition("/")
    if not (number.isdecimal() and of.isdecimal()):
        raise typer.BadParameter(f"{shard!r}: expected NUMBER/OF, such as 2/8", param_hint="--shard")
    with said(catalog.CatalogError, EncoderError, IndexBuildError):
        found = catalog.load(assets)
        spec = _spec(found.indexes, name)
        files = files_of(spec.encoder, found.models[spec.encoder])
        made = embed_chunks(open_zones(), name, files, (int(number), int(of)))
    console.print(f"{made.embedded:,} texts embedded, {made.reused:,} were there")


@app.command()
def diff(
    name: Annotated[str, typer.Argument(help="Index: a name in assets/indexes/.")],
    before: Annotated[str, typer.Argument(help="Version or channel; a candidate's version will do.")],
    after: Annotated[str, typer.Argument(help="The same, of what may take its place.")],
    assets: Annotated[Path, typer.Option(envvar="CANONRY_ASSETS", help="The folder of specs.")] = Path("assets"),
) -> None:
    """Ask two versions of an index its golden queries, as its gate does, and name those that got worse.

    Example: canonry index diff python-packages production 0123456789abcdef
    """
    from canonry import catalog
    from canonry.encode import EncoderError
    from canonry.index.errors import IndexBuildError
    from canonry.index.judge import compare_versions
    from canonry.search import SearchError
    from canonry.storage import open_zones

    with said(catalog.CatalogError, ReleaseError, EncoderError, SearchError, IndexBuildError):
        spec = _spec(catalog.load(assets).indexes, name)
        found = compare_versions(open_zones(), name, spec, before, after)
    for reason in (*found.reasons, f"verdict: {found.verdict.word}"):
        console.print(escape(reason))
    compared = found.compared
    console.print(f"{compared.got_worse} queries got worse, {compared.got_better} better")
    table = table_of("nDCG@10 before", "after", "first right before", "after", text="query")
    for each in compared.worse:
        places = ("none" if at is None else str(at) for at in (each.first_right_before, each.first_right_after))
        table.add_row(f"{each.ndcg_before:.3f}", f"{each.ndcg_after:.3f}", *places, escape(each.query))
    if compared.worse:
        console.print(table)


@app.command()
def gaps(
    name: Annotated[str, typer.Argument(help="Index: a name in assets/indexes/, with `gaps` set.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines, a row a gap.")] = False,
    assets: Annotated[Path, typer.Option(envvar="CANONRY_ASSETS", help="The folder of specs.")] = Path("assets"),
) -> None:
    """Show what users ask again and again that nothing in the released index is near to.

    It shows users' questions, masked: for who writes the documents, not for everyone.

    Example: canonry index gaps python-packages
    """
    import json

    from canonry import catalog
    from canonry.encode import EncoderError
    from canonry.index.errors import IndexBuildError
    from canonry.index.gaps import coverage_gaps
    from canonry.storage import open_zones

    with said(catalog.CatalogError, ReleaseError, EncoderError, IndexBuildError):
        found = coverage_gaps(open_zones(), name, _spec(catalog.load(assets).indexes, name))
    if as_json:
        for row in found.table.to_pylist():
            typer.echo(json.dumps(row, default=str, ensure_ascii=False))
        return
    share = f"{found.far / found.questions:.1%}" if found.questions else "none"
    console.print(f"{found.far:,} of {found.questions:,} questions ({share}) have no match of {found.threshold:g}")
    table = table_of("gap", "questions", "best match", "liked", "disliked", "cost USD", text="for example")
    for row in found.table.to_pylist():
        figures = (f"{row['questions']:,}", f"{row['similarity']:.2f}", str(row["liked"]), str(row["disliked"]))
        label = str(row["gap"]) if row["gap"] else "others"
        table.add_row(label, *figures, f"{row['cost_usd']:.4f}", escape("\n".join(row["examples"])))
    if found.table.num_rows:
        console.print(table)


@app.command()
def erase(
    reason: Annotated[str, typer.Option(help="Why, for those who read the journal.")],
    call: Annotated[list[str] | None, typer.Option(help="A call whose text must go; as often as there are.")] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="A `user_hash`: everything of this person; as often as there are.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")] = False,
) -> None:
    """Take the words of a call, or of all calls of a person, out of every index.

    Releases whose documents were made of them, by a query over the lake or from a gold set, are yanked and their files
    deleted; a channel goes back to the nearest version that stays. Where nobody can tell what a release was made of, it
    goes too. Builds from now on leave the calls out: build the index again. Landing, lake and gold sets stay.

    Example: canonry index erase --user 0123456789abcdef0123456789abcdef --reason "asked to be forgotten" --dry-run

    Example: canonry index erase --call 01HZX3 --call 01HZX4 --reason "a customer's contract"
    """
    import datetime as dt

    from canonry.index.erased import keep, whose
    from canonry.index.erasure import forget_text, touched_by
    from canonry.publish import erase_and_journal
    from canonry.storage import open_zones

    if not call and not user:
        raise typer.BadParameter("say which: --call or --user")
    zones, now = open_zones(), dt.datetime.now(dt.UTC)
    with said(ReleaseError):
        erasure = whose(zones.lake, call or (), user or ())
        if not dry_run:
            # First: what is built from now on is built without them.
            keep(zones.journal, erasure, reason, now)
        touched = touched_by(zones, erasure)
        console.print(f"{len(erasure.calls):,} calls; {'would go' if dry_run else 'gone'} of indexes:")
        table = table_of("index", "version", "is", "documents", text="channels")
        for each in touched:
            documents = "cannot be told" if each.documents is None else f"{each.documents:,}"
            kind = "release" if each.released else "candidate"
            table.add_row(each.name, each.version, kind, documents, ", ".join(each.channels))
        if touched and not dry_run:
            for name in dict.fromkeys(each.name for each in touched if each.released):
                versions = [each.version for each in touched if each.released and each.name == name]
                moved = erase_and_journal(zones, "indexes", name, versions, reason=reason, now=now)
                for channel, target in moved.items():
                    where = f"goes back to {target}" if target else "gives nothing until the index is built again"
                    console.print(f"indexes/{name} {channel}: {where}")
        if not dry_run:
            forget_text(zones, erasure, touched)
    console.print(table if table.row_count else "none")


def _spec(specs: Mapping[str, IndexSpec], name: str) -> IndexSpec:
    from canonry.index.errors import IndexBuildError

    if name not in specs:
        raise IndexBuildError(f"assets/indexes/{name}.yaml: does not exist; there are {', '.join(specs) or 'none'}")
    return specs[name]
