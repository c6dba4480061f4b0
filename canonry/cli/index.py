"""`canonry index`: look into a released index."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from rich.markup import escape

from canonry.cli._shared import console, said
from canonry.release import ReleaseError

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
